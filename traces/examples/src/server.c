/*
 * A server that forks its workers in advance, to be recorded.
 *
 * The parent fills a table and forks workers, which share it copy-on-write.  A
 * worker answers requests that come over a socket: it reads some records of the
 * table, counts in one of them, and builds the answer in memory of its own.
 * After some requests the workers exit and the parent forks others; before each
 * fork it renews a part of the table.  It waits for all of them first: what a
 * write costs depends on who still shares the page, and a recording does not
 * say when the memory of a dying process goes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    WORKERS = 4,
    GENERATIONS = 5,  // of each worker
    REQUESTS = 60,    // of one worker's life
    READS = 12,       // records read for one request
    RECORDS = 4096,
    RECORD_BYTES = 1024,
    ANSWER_BYTES = 24 * 1024,
};

struct record {
    uint32_t count;
    char bytes[RECORD_BYTES - sizeof(uint32_t)];
};

struct request {
    uint64_t seed;
};

struct answer {
    uint32_t count;
    char bytes[ANSWER_BYTES];
};

struct worker {
    pid_t pid;
    int socket;
};

static uint64_t
draw(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t x = *state;
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static void
answer_request(struct record *table, struct request request,
               struct answer *answer)
{
    size_t used = 0;
    for (int i = 0; i < READS; i++) {
        struct record *record = &table[draw(&request.seed) % RECORDS];
        size_t length = draw(&request.seed) % sizeof(record->bytes);
        memcpy(answer->bytes + used, record->bytes, length);
        used += length;
        if (i == 0)
            answer->count = ++record->count;
    }
}

static void
serve(struct record *table, int socket)
{
    struct request request;
    for (int i = 0; i < REQUESTS; i++) {
        if (read(socket, &request, sizeof(request)) != sizeof(request))
            break;
        struct answer *answer = malloc(sizeof(*answer));
        if (!answer)
            break;
        answer_request(table, request, answer);
        if (write(socket, answer, sizeof(*answer)) != sizeof(*answer))
            break;
        free(answer);
    }
    _exit(0);
}

static struct worker
start_worker(struct record *table)
{
    int pair[2];
    struct worker worker = {-1, -1};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) != 0)
        return worker;
    worker.pid = fork();
    if (worker.pid == 0) {
        close(pair[0]);
        serve(table, pair[1]);
    }
    close(pair[1]);
    worker.socket = pair[0];
    return worker;
}

static void
ask(struct worker *worker, uint64_t *seed, struct answer *answer)
{
    struct request request = {draw(seed)};
    if (write(worker->socket, &request, sizeof(request)) < 0 ||
        read(worker->socket, answer, sizeof(*answer)) < 0)
        exit(1);
}

static void
renew(struct record *table, uint64_t *seed)
{
    size_t first = draw(seed) % (RECORDS - RECORDS / 16);
    for (size_t i = first; i < first + RECORDS / 16; i++)
        memset(table[i].bytes, (int)(draw(seed) % 256), sizeof(table[i].bytes));
}

int
main(void)
{
    struct record *table = malloc(RECORDS * sizeof(*table));
    struct answer *answer = malloc(sizeof(*answer));
    struct worker workers[WORKERS];
    uint64_t seed = 1;
    if (!table || !answer)
        return 1;
    for (int i = 0; i < RECORDS; i++) {
        table[i].count = 0;
        memset(table[i].bytes, i % 256, sizeof(table[i].bytes));
    }
    for (int i = 0; i < WORKERS; i++)
        workers[i] = start_worker(table);

    for (int generation = 0; generation < GENERATIONS; generation++) {
        for (int request = 0; request < REQUESTS; request++) {
            for (int i = 0; i < WORKERS; i++)
                ask(&workers[i], &seed, answer);
        }
        for (int i = 0; i < WORKERS; i++) {
            waitpid(workers[i].pid, NULL, 0);
            close(workers[i].socket);
        }
        for (int i = 0; i < WORKERS && generation + 1 < GENERATIONS; i++) {
            renew(table, &seed);
            workers[i] = start_worker(table);
        }
    }
    free(answer);
    free(table);
    return 0;
}
