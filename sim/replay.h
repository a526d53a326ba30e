/*
 * Replaying a trace on a simulated machine under the recorded schedule.
 *
 * The one place where events become calls of the simulated kernel.  Every
 * event is carried out where it stands in the file, all its steps back to
 * back; the loop neither hashes nor allocates.
 *
 * What a name of the trace means is kept in one flat array, because the reader
 * has resolved every use to the binding that it refers to.
 *
 * Not modelled here: waiting.  `wait`, `sleep` and `barrier` hold nobody up
 * under the recorded schedule.
 */
#pragma once

#include "mm/operation.h"
#include "sim/setup.h"
#include "sim/validity.h"
#include "traces/trace.h"

struct check;

/* What a region name stands for in this run. */
struct binding {
    uint64_t address, length;  // bytes
    bool is_bound;
};

/* Somebody who follows every call, such as another kernel that does it too. */
struct replay_observer {
    GArray *runs;  // struct touch_run: what the current touch did
    /* A call was carried out; `op` is as the simulated kernel left it. */
    void (*call)(void *data, const struct operation *op);
    void *data;
};

struct replay {
    const struct trace *trace;
    struct machine *machine;
    struct binding *bindings;  // by binding
    struct task **tasks;       // by trace task; NULL: never created
    struct file **files;       // by trace file
    uint64_t *mark_counts;     // by string
    struct trace_cursor *cursor;
    const struct trace *window;  // the event carried out last is in it
    uint64_t window_end;         // number of the first event behind it
    uint64_t next_event;         // number of the event to be carried out next
    GError *error;               // why no more events can be read, or NULL
    uint64_t user_ns, kwork_ns;  // of work and kwork
    struct check *check;         // NULL: results are not compared
    struct replay_observer *observer;  // NULL: nobody; set after opening
    struct validity validity;
};

/* Both arguments outlive the replay; the trace may be shared by threads. */
struct replay *replay_open(const struct trace *trace, const struct setup *setup,
                           struct check *check);
void replay_close(struct replay *replay);

/* Carry out events until number event_end is next, or the clock has reached
 * until_ns, or none is left, or replay->error is set. */
void replay_run(struct replay *replay, uint64_t event_end, uint64_t until_ns);

/* The id that the trace gives to a simulated task. */
uint64_t replay_task_id(const struct replay *replay, const struct task *task);
