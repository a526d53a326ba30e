/*
 * The state of one import and how its lines are written.
 */
#pragma once

#include "traces/import.h"
#include "traces/import_perf_records.h"
#include "traces/import_space.h"
#include "traces/trace.h"

#define IMPORT_PAGE_BYTES UINT64_C(4096)

/* How time between events is spent; the trace's words for it. */
enum import_spending {
    IMPORT_WORK,
    IMPORT_KWORK,
    IMPORT_SLEEP,
    IMPORT_SPENDING_COUNT
};

/* The fault that a task's last record belongs to. */
enum import_fault {
    IMPORT_FAULT_NONE,
    IMPORT_FAULT_BARE,  // without a page so far
    IMPORT_FAULT_PAGE,
    IMPORT_FAULT_COUNT
};

struct import_time {
    uint64_t since_ns;  // of the task's last record; 0: none yet
    uint64_t spent[IMPORT_SPENDING_COUNT];  // not written yet
    uint64_t first_ns;                      // when the first of them began
    struct perf_record *last_fault;         // that it may still be in, or NULL
    uint64_t fault_left_ns;                 // on the CPU, until it is done
    uint8_t mode;                           // of import_perf_time.c
    uint8_t fault;                          // enum import_fault
    bool is_off;                            // the CPU
    bool is_waiting;                        // off of its own accord
    bool has_waker;  // known: the trace has an event for this waiting
};

struct import_task {
    uint32_t id;  // in the trace
    struct import_space *space;
    struct import_time time;
    uint64_t bad_fetch;  // page of a fetch that is about to be refused, or 0
};

struct import_totals {
    uint64_t faults[TRACE_OUTCOME_COUNT];
    uint64_t clears, shmem_clears, tables;  // pages
    uint64_t spaces;  // new address spaces; each has a page directory
};

/* Touches of neighbouring pages, still to be written. */
struct import_touch {
    uint32_t task;
    char op;  // r, w, x; 0: none
    bool is_kernel;
    uint16_t cpu;
    const struct import_region *region;
    uint64_t start, pages;
    uint64_t first_ns, last_ns;
    enum trace_outcome outcome;  // TRACE_OUTCOME_COUNT: not known
};

struct import {
    const struct perf_recording *recording;
    const struct import_options *options;
    struct trace_writer *out;  // NULL: only count
    uint64_t start_ns;         // the trace's times begin here
    bool is_untimed;           // the trace has no times
    GHashTable *tasks;         // tid -> struct import_task, the living
    GHashTable *ids;           // tid -> id, the dead too
    uint32_t last_id;
    struct import_touch pending;
    GString *pending_address;
    struct import_totals totals;
    bool has_spending;  // the recording tells how time was spent
    uint64_t fault_ns[IMPORT_FAULT_COUNT];  // what a fault takes, watched
};

/* The trace of a recording. */
void import_recording(const struct perf_recording *recording,
                      const struct import_options *options,
                      struct trace_writer *out);

void import_line(struct import *import, const char *format, ...)
    G_GNUC_PRINTF(2, 3);
/* A line of a task with the record's time; a call's with its duration. */
void import_event(struct import *import, struct import_task *task,
                  const struct perf_record *record, const char *format, ...)
    G_GNUC_PRINTF(4, 5);
/* Touches wait until something else is to be written. */
void import_touch(struct import *import, struct import_task *task,
                  const struct import_touch *touch);
void import_flush(struct import *import);

const char *import_name(const struct import *import,
                        const struct perf_record *record);

/* Spellings; the caller frees them.  import_space.h has import_size(). */
char *import_prot(uint64_t prot);     // rw-
char *import_stem(const char *path);  // what a mapping of a file is called

bool import_is_shmem(const char *path);
