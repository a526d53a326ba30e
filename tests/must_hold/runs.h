/*
 * Whole runs, as a user would make them, for the tests of what must hold: a
 * trace from a workload, from text or from a file, replayed under choices that
 * are written like a command line, and numbers looked up by their names in the
 * result.
 *
 * Everything here fails the test that asked for the impossible.
 */
#pragma once

#include "sim/replay.h"
#include "sim/setup.h"
#include "traces/trace.h"

#include <check.h>
#include <jansson.h>

/* As ck_assert_msg(), which writes to a pipe whenever it is passed: too slow
 * where millions of things are looked at. */
#define MUST(condition, ...)                                                   \
    do {                                                                       \
        if (!(condition))                                                      \
            ck_abort_msg(__VA_ARGS__);                                         \
    } while (0)

/* Times mean nothing in a build that is made to find mistakes. */
#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) &&                 \
    !defined(__SANITIZE_THREAD__)
#define RUNS_ARE_TIMED true
#else
#define RUNS_ARE_TIMED false
#endif

/* Somebody else computes at this moment, on the same caches: then a ratio over
 * its bound says nothing. */
bool runs_is_host_busy(void);

/* For tcase_add_checked_fixture(): presets, machines and a folder for files;
 * what was made since is freed at teardown. */
void runs_setup(void);
void runs_teardown(void);
struct catalog *runs_catalog(void);

/* A path in the test's own folder; lives until teardown. */
const char *path_of(const char *name);

/* Traces live until teardown. */
struct trace *trace_of_workload(const char *command);
struct trace *trace_of_lines(const char *lines);  // "#vmtrace 1" is put before
struct trace *trace_of_text(const char *text);    // a whole file
struct trace *trace_of_file(const char *path);

/* The text of a trace, decompressed; lives until teardown. */
const char *text_of_file(const char *path);

/* Paths of all committed traces, NULL-terminated: examples, then samples, or
 * the examples alone. */
const char *const *committed_traces(void);
const char *const *committed_recordings(void);

/*
 * Words "kernel=", "machine=", "ram=", "cpus=", "knob.NAME=", "sysctl.NAME=";
 * any other name is a policy axis.
 */
struct setup setup_of(const char *choices);

/* The result of the whole trace; it lives until teardown.  The machine is
 * validated at the end. */
json_t *result_of(const struct trace *trace, const char *choices);

/* The state after the first `events` events as a result; lives until
 * teardown. */
json_t *result_after(const struct trace *trace, const char *choices,
                     size_t events);

/* The number at a place such as "counters.fault_count". */
uint64_t value_of(const json_t *result, const char *place);
/* The same, below "counters". */
uint64_t counter_of(const json_t *result, const char *name);

/* Both objects (found at `place` in the results) hold the same, except for the
 * members named in `apart` (words), which are not compared. */
void assert_same(const json_t *left, const json_t *right, const char *place,
                 const char *apart);

/* Identities 1, 3 and 4; of 3 only what the contract demands of on-alloc. */
void assert_identities(const json_t *result);
