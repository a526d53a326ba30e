/*
 * The table behind import_calls.h; FIELDS of PERF_CALLS name the arguments.
 */
#include "traces/import_calls.h"

#include <string.h>

static const struct {
    uint16_t number;                // on x86-64
    int8_t places[PERF_ARG_COUNT];  // of the record's arguments, -1: no more
} calls[PERF_CALL_COUNT] = {
    [PERF_CALL_MMAP] = {9, {0, 1, 2, 3, 5}},
    [PERF_CALL_MUNMAP] = {11, {0, 1, -1}},
    [PERF_CALL_MREMAP] = {25, {0, 1, 2, 3, 4}},
    [PERF_CALL_MPROTECT] = {10, {0, 1, 2, -1}},
    [PERF_CALL_MADVISE] = {28, {0, 1, 2, -1}},
    [PERF_CALL_BRK] = {12, {0, -1}},
    [PERF_CALL_MLOCK] = {149, {0, 1, -1}},
    [PERF_CALL_MLOCK2] = {325, {0, 1, 2, -1}},
    [PERF_CALL_MUNLOCK] = {150, {0, 1, -1}},
    [PERF_CALL_MLOCKALL] = {151, {0, -1}},
    [PERF_CALL_REMAP_FILE_PAGES] = {216, {0, 1, 3, -1}},
    [PERF_CALL_SHMAT] = {30, {1, -1}},
    [PERF_CALL_SHMDT] = {67, {0, -1}},
    [PERF_CALL_PROCESS_MADVISE] = {440, {3, -1}},
    [PERF_CALL_EXECVE] = {59, {-1}},
    [PERF_CALL_EXECVEAT] = {322, {-1}},
    [PERF_CALL_WAIT4] = {61, {-1}},
    [PERF_CALL_WAITID] = {247, {0, 1, 3, -1}},
    [PERF_CALL_FUTEX] = {202, {0, 1, 2, -1}},
    [PERF_CALL_SETUID] = {105, {0, -1}},
    [PERF_CALL_SETREUID] = {113, {1, -1}},
    [PERF_CALL_SETRESUID] = {117, {1, -1}},
};

bool
import_call_by_number(uint64_t number, uint8_t *call)
{
    for (uint8_t i = 0; i < PERF_CALL_COUNT; i++) {
        *call = i;
        if (calls[i].number == number)
            return true;
    }
    return false;
}

bool
import_call_by_name(const char *name, size_t length, uint8_t *call)
{
    for (uint8_t i = 0; i < PERF_CALL_COUNT; i++) {
        const char *word = perf_call_word((enum perf_call)i);
        *call = i;
        if (strlen(word) == length && memcmp(word, name, length) == 0)
            return true;
    }
    return false;
}

bool
import_call_waits(uint8_t call)
{
    return call == PERF_CALL_WAIT4 || call == PERF_CALL_WAITID ||
           call == PERF_CALL_FUTEX;
}

void
import_call_set_arguments(struct perf_record *record,
                          const uint64_t arguments[IMPORT_CALL_ARGS])
{
    const int8_t *places = calls[record->call].places;
    for (unsigned i = 0; i < PERF_ARG_COUNT && places[i] >= 0; i++)
        record->arg[i] = arguments[places[i]];
}
