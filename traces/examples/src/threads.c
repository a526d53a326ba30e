/*
 * Four threads that allocate, pass on and free memory, to be recorded.
 *
 * Each thread works in rounds: it fills blocks of many sizes from malloc, hands
 * some of them to its neighbour, who frees them, and uses a scratch area that
 * it gives back with MADV_DONTNEED when the round is over, as an allocator with
 * thread caches does.  Every allocation depends on the thread's own generator,
 * so two runs ask for the same memory, in the order that scheduling makes.
 */
#define _GNU_SOURCE
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    THREADS = 4,
    ROUNDS = 24,
    BLOCKS = 96,
    PASSED = 32,
    SCRATCH_BYTES = 1 << 20,
};

struct worker {
    pthread_t thread;
    pthread_mutex_t lock;
    void *passed[PASSED];  // blocks from the neighbour; NULL: free place
    uint64_t random;
    struct worker *next;
};

static uint64_t
draw(struct worker *worker)
{
    worker->random += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t x = worker->random;
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* Mostly small, sometimes large enough for a mapping of its own. */
static size_t
draw_size(struct worker *worker)
{
    uint64_t x = draw(worker);
    if (x % 64 == 0)
        return 128 * 1024 + x / 64 % (256 * 1024);
    return x % 8 == 0 ? 4096 + x / 8 % 32768 : 16 + x / 8 % 2048;
}

/* Give a block to the neighbour; what was in its place is freed by whoever
 * comes along. */
static void
pass_on(struct worker *worker, void *block)
{
    struct worker *next = worker->next;
    pthread_mutex_lock(&next->lock);
    void **place = &next->passed[draw(worker) % PASSED];
    void *old = *place;
    *place = block;
    pthread_mutex_unlock(&next->lock);
    free(old);
}

static void
take_back(struct worker *worker)
{
    for (int i = 0; i < PASSED; i++) {
        pthread_mutex_lock(&worker->lock);
        void *block = worker->passed[i];
        worker->passed[i] = NULL;
        pthread_mutex_unlock(&worker->lock);
        free(block);
    }
}

static void
run_round(struct worker *worker, char *scratch)
{
    void *blocks[BLOCKS];
    for (int i = 0; i < BLOCKS; i++) {
        size_t size = draw_size(worker);
        blocks[i] = malloc(size);
        if (blocks[i])
            memset(blocks[i], i, size);
    }
    size_t used = SCRATCH_BYTES / 8 + draw(worker) % (SCRATCH_BYTES / 8);
    memset(scratch, 1, used);
    for (int i = 0; i < BLOCKS; i++) {
        if (draw(worker) % 3 == 0)
            pass_on(worker, blocks[i]);
        else
            free(blocks[i]);
    }
    madvise(scratch, SCRATCH_BYTES, MADV_DONTNEED);
}

static void *
work(void *argument)
{
    struct worker *worker = argument;
    char *scratch = mmap(NULL, SCRATCH_BYTES, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (scratch == MAP_FAILED)
        return NULL;
    for (int round = 0; round < ROUNDS; round++) {
        run_round(worker, scratch);
        take_back(worker);
        if (round % 8 == 7)
            malloc_trim(0);
    }
    munmap(scratch, SCRATCH_BYTES);
    return NULL;
}

int
main(void)
{
    static struct worker workers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        workers[i].random = (uint64_t)i;
        workers[i].next = &workers[(i + 1) % THREADS];
        pthread_mutex_init(&workers[i].lock, NULL);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_create(&workers[i].thread, NULL, work, &workers[i]);
    for (int i = 0; i < THREADS; i++)
        pthread_join(workers[i].thread, NULL);
    for (int i = 0; i < THREADS; i++)
        take_back(&workers[i]);
    return 0;
}
