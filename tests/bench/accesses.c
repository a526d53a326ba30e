/*
 * See accesses.h.
 */
#include "accesses.h"

#include "measure.h"
#include "pages.h"

#include "sim/replay.h"
#include "traces/trace_writer.h"

bool
accesses_write(const char *path, uint64_t count, GError **error)
{
    struct trace_writer *writer = trace_writer_open(path, error);
    struct zipf *zipf = zipf_new(PAGES, 1);
    uint64_t seed = 2;

    if (!writer)
        return false;
    trace_writer_line(writer, "1 start");
    trace_writer_line(writer, "1 mmap A 4G rw- anon,private");
    trace_writer_line(writer, "1 w A+0 4G");
    for (uint64_t i = 0; i < count; i++)
        trace_writer_line(writer, "1 %c A+%uK 4K",
                          measure_random(&seed) % 3 ? 'r' : 'w',
                          zipf_next(zipf) * 4);
    zipf_free(zipf);
    return trace_writer_close(writer, error);
}

double
accesses_ns(const char *path, GError **error)
{
    struct setup setup = {.config = pages_config()};
    struct trace *trace = trace_open(path, error);

    if (!trace)
        return -1;
    struct replay *replay = replay_open(trace, &setup, NULL);
    replay_run(replay, ACCESSES_FIRST_EVENT, UINT64_MAX);
    double start = measure_now_ns();
    replay_run(replay, UINT64_MAX, UINT64_MAX);
    double elapsed = measure_now_ns() - start;
    uint64_t done = replay->next_event - ACCESSES_FIRST_EVENT;
    if (replay->error)
        g_propagate_error(error, g_steal_pointer(&replay->error));
    bool has_failed = *error;
    replay_close(replay);
    trace_free(trace);
    return has_failed ? -1 : elapsed / (double)done;
}
