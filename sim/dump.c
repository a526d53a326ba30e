/*
 * Parsing --dump and writing what is asked for.
 *
 * Per-process dumps (maps, smaps, pagemap) are in dump_process.c, those of the
 * whole machine in dump_machine.c.
 */
#include "sim/dump.h"

#include "mm/machine.h"
#include "sim/dump_private.h"
#include "sim/error.h"
#include "sim/numbers.h"

#include <inttypes.h>
#include <string.h>

const struct dump_kind dump_kinds[] = {
    {"maps", "VMAs, as /proc/PID/maps", true},
    {"smaps", "VMAs with what they hold, as /proc/PID/smaps", true},
    {"pagemap", "runs of equal pages: start-end flags first-pfn", true},
    {"buddyinfo", "free blocks per order, as /proc/buddyinfo", false},
    {"zoneinfo", "zones and their marks, as /proc/zoneinfo", false},
    {"vmstat", "counters, as /proc/vmstat", false},
    {"slabinfo", "slab caches, as /proc/slabinfo", false},
    {NULL, NULL, false},
};

static void (*const process_dumps[])(GString *, const struct replay *,
                                     struct mm *) = {
    dump_maps,
    dump_smaps,
    dump_pagemap,
};

static void (*const machine_dumps[])(GString *, const struct machine *) = {
    dump_buddyinfo,
    dump_zoneinfo,
    dump_vmstat,
    dump_slabinfo,
};

static bool
find_kind(const char *name, size_t *kind, GError **error)
{
    const char *names[G_N_ELEMENTS(dump_kinds)];

    for (size_t i = 0; i < G_N_ELEMENTS(dump_kinds); i++) {
        names[i] = dump_kinds[i].name;
        if (names[i] && strcmp(names[i], name) == 0) {
            *kind = i;
            return true;
        }
    }
    return sim_fail_unknown(error, "dump", name, names);
}

bool
dump_parse(const char *text, struct dump_request *request, GError **error)
{
    const char *equals = strchr(text, '=');
    g_autofree char *head =
        equals ? g_strndup(text, (size_t)(equals - text)) : g_strdup(text);
    char *at = strchr(head, '@');
    char *colon;

    *request = (struct dump_request){.file = equals ? equals + 1 : NULL};
    if (at)
        *at++ = '\0';
    colon = strchr(head, ':');
    if (colon)
        *colon++ = '\0';
    if (!find_kind(head, &request->kind, error))
        return false;
    request->has_task = colon != NULL;
    if ((at && (!parse_number(at, &request->event) || request->event == 0)) ||
        (colon && !parse_number(colon, &request->task)) ||
        (equals && !equals[1]))
        return sim_fail(error, SIM_ERROR_USAGE,
                        "expected KIND[:TASK][@EVENT][=FILE] for --dump, "
                        "found \"%s\"",
                        text);
    return true;
}

/* A living task of an address space: the one that is asked for, or the
 * oldest. */
static const struct task *
task_of(const struct replay *replay, const struct mm *mm,
        const struct dump_request *request)
{
    const struct task *task = replay->machine->tasks;

    while (task &&
           (task->mm != mm || (request->has_task &&
                               replay_task_id(replay, task) != request->task)))
        task = task->next;
    return task;
}

static bool
dump_processes(GString *out, const struct replay *replay,
               const struct dump_request *request, GError **error)
{
    bool is_found = false;

    for (struct mm *mm = replay->machine->mms; mm; mm = mm->next) {
        const struct task *task = task_of(replay, mm, request);
        if (!task)
            continue;
        is_found = true;
        g_string_append_printf(out, "# task %" PRIu64 "\n",
                               replay_task_id(replay, task));
        process_dumps[request->kind](out, replay, mm);
    }
    return is_found || !request->has_task ||
           sim_fail(error, SIM_ERROR_FAILED,
                    "--dump %s:%" PRIu64 ": no such task lives after event "
                    "%" PRIu64,
                    dump_kinds[request->kind].name, request->task,
                    replay->next_event);
}

bool
dump_append(GString *out, const struct replay *replay,
            const struct dump_request *request, GError **error)
{
    size_t first_of_machine = G_N_ELEMENTS(process_dumps);

    if (dump_kinds[request->kind].is_per_process)
        return dump_processes(out, replay, request, error);
    machine_dumps[request->kind - first_of_machine](out, replay->machine);
    return true;
}
