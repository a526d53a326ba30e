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

/* The oldest living task of an address space. */
static const struct task *
first_task_of(const struct machine *machine, const struct mm *mm)
{
    for (const struct task *task = machine->tasks; task; task = task->next)
        if (task->mm == mm)
            return task;
    return NULL;
}

static void
dump_processes(GString *out, const struct replay *replay,
               const struct dump_request *request)
{
    const struct machine *machine = replay->machine;

    for (struct mm *mm = machine->mms; mm; mm = mm->next) {
        const struct task *task = first_task_of(machine, mm);
        if (!task)
            continue;
        uint64_t id = replay_task_id(replay, task);
        if (request->has_task && id != request->task)
            continue;
        g_string_append_printf(out, "# task %" PRIu64 "\n", id);
        process_dumps[request->kind](out, replay, mm);
    }
}

void
dump_append(GString *out, const struct replay *replay,
            const struct dump_request *request)
{
    size_t first_of_machine = G_N_ELEMENTS(process_dumps);

    if (dump_kinds[request->kind].is_per_process)
        dump_processes(out, replay, request);
    else
        machine_dumps[request->kind - first_of_machine](out, replay->machine);
}
