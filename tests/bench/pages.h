/*
 * Faults and touches of 4 GiB, by the simulator and by the limit loop.
 */
#pragma once

#include "limit.h"
#include "orders.h"

#include "../mm/eras.h"

struct host_memory;

#define PAGES      LIMIT_PAGES
#define PAGE_SPACE ((uint64_t)PAGES << PAGE_SHIFT)

enum what {
    FAULT_ANON,
    FAULT_COW,
    FAULT_ZERO_PAGE,
    FAULT_FILE_PAGE,
    FAULT_FILE_AROUND,  // 16 pages at a time
    FAULT_FILE_COW,
    FAULT_SHMEM,
    TOUCH_PRESENT,
};

/*
 * `aged`: the free list was shuffled before, by faulting in random order and
 * dropping all.  `first run`: host memory comes from the host, not from an
 * earlier machine.
 */
struct subject {
    const char *name;
    enum what what;
    enum order order;
    bool is_aged, is_first_run;
};

/* 2.6.22 with anon_vma, its LRU lists and every counter. */
struct machine_config pages_config(void);

/* A process of a new machine, and where it has mapped PAGES pages. */
struct bench {
    struct machine *machine;
    struct task *task;
    uint64_t base;
};

struct bench bench_new(const struct subject *subject,
                       struct host_memory *memory);
/* Write (or read) the pages as the replay loop does it: one by one, or all in
 * one range. */
void bench_touch(const struct bench *bench, const uint32_t *pages,
                 bool in_one_run, enum touch_access access);
void bench_finish(struct bench *bench);

/* ns per page. */
double pages_simulator_ns(const struct subject *subject, const uint32_t *pages,
                          struct host_memory *memory);
double pages_limit_ns(const struct subject *subject, const uint32_t *pages,
                      const uint32_t *frames);

/* Of its sequential fault and its random touch, medians: what other things than
 * pages are compared with. */
double pages_limit_fault_ns(void);
double pages_limit_touch_ns(void);

/* Both, a number of rounds in turns; the medians. */
void pages_compare(const struct subject *subject, struct host_memory *memory,
                   double *simulator_ns, double *limit_ns);
