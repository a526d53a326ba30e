/*
 * Running vmsim in a folder of its own, and reading what it says.
 */
#pragma once

#include <glib.h>
#include <jansson.h>
#include <stdint.h>

struct outcome {
    int status;  // exit status; negative: the signal that ended it
    char *out, *err;
};

/* What a child may not go beyond; 0: no limit. */
struct limits {
    const char *program;     // NULL: vmsim
    uint64_t file_bytes;     // of a file: it dies where it writes more
    uint64_t address_bytes;  // of address space
    uint64_t life_us;        // then it is killed
};

/* A fresh folder for the test that runs; removed by leave_folder(). */
void enter_folder(void);
void leave_folder(void);
/* Path of a file in it; freed with the folder. */
const char *in_folder(const char *name);

void write_file(const char *name, const char *text);
char *read_file(const char *name);

/* Run vmsim there; the last argument is NULL. */
struct outcome run_vmsim(const char *argument, ...) G_GNUC_NULL_TERMINATED;
/* The same; it may be killed. */
struct outcome run_vmsim_within(const struct limits *limits,
                                const char *argument,
                                ...) G_GNUC_NULL_TERMINATED;
void outcome_clear(struct outcome *outcome);
/* Its end is what Check has room for. */
const char *end_of(const char *text);

/* The JSON result of a replay with these arguments, which must succeed. */
json_t *replay_result(const char *argument, ...) G_GNUC_NULL_TERMINATED;

/* Integer at a dotted path, which must be there. */
json_int_t integer_at(const json_t *object, const char *path);
