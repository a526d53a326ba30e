/*
 * Touches memory in the ways that matter: fresh and zero pages, DONTNEED, a
 * heap, static data, a child that copies.  What the two recordings of it should
 * agree on is how many faults that makes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, ROUNDS = 6, PAGES = 1024, TABLE_PAGES = 256 };

static volatile char table[TABLE_PAGES * PAGE];

static void
write_table(char value)
{
    for (int i = 0; i < TABLE_PAGES; i++)
        table[i * PAGE] = value;
}

static void
use_mapping(void)
{
    volatile char *memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int sum = 0;
    for (int i = 0; i < PAGES; i++)
        memory[i * PAGE] = 1;
    madvise((void *)memory, PAGES * PAGE / 4, MADV_DONTNEED);
    for (int i = 0; i < PAGES; i += 2)
        sum += memory[i * PAGE];
    if (sum == 0)
        puts("nothing was kept");
    munmap((void *)memory, PAGES * PAGE);
}

int
main(void)
{
    for (int i = 0; i < ROUNDS; i++)
        use_mapping();
    write_table(1);
    char *heap = malloc(100000);
    memset(heap, 1, 100000);
    if (fork() == 0) {
        write_table(2);
        _exit(heap[500] != 1);
    }
    wait(NULL);
    write_table(3);
    free(heap);
    return 0;
}
