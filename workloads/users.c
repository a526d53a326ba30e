/*
 * users: processes of several users take turns, so that frames wander from one
 * user to the next and back to the same one.
 *
 * In each turn a new process of the user
 *
 *   maps a region without clearing, writes and reads it, and unmaps it;
 *   maps another one, which gets the frames just freed by the same user, and
 *   writes it twice (the second time nothing is left to clear);
 *   exits with it mapped, so that the next user inherits the frames.
 *
 * A kernel that honours `nozero` must clear exactly the frames that came from
 * somebody else; one that never clears leaks them.
 */
#include "workloads/workload_private.h"

static const struct workload_option users_options[] = {
    {.name = "uids",
     .kind = WORKLOAD_COUNT,
     .fallback = "4",
     .help = "users, with the ids 1000, 1001 and so on",
     .min = 1,
     .max = 1000000},
    {.name = "size",
     .kind = WORKLOAD_SIZE,
     .fallback = "16M",
     .help = "length of each region",
     .min = WORKLOAD_PAGE_BYTES,
     .max = UINT64_C(1) << 40},
    {.name = "rounds",
     .kind = WORKLOAD_COUNT,
     .fallback = "4",
     .help = "turns of each user",
     .max = 1000000},
    {0},
};

enum { UID_FIRST = 1000 };

static void
users_turn(struct trace_writer *out, uint64_t task, uint64_t uid,
           const char *size)
{
    workload_line(out, task, "start uid=%" PRIu64 " comm=users", uid);
    workload_line(out, task, "mmap first %s rw- anon,private,nozero", size);
    workload_line(out, task, "w first %s", size);
    workload_line(out, task, "r first %s", size);
    workload_line(out, task, "munmap first %s", size);
    workload_line(out, task, "mmap second %s rw- anon,private,nozero", size);
    workload_line(out, task, "w second %s", size);
    workload_line(out, task, "w second %s", size);
    workload_line(out, task, "mark turn");
    workload_line(out, task, "exit");
}

static void
users_generate(const struct workload_values *values, struct trace_writer *out)
{
    uint64_t uids = workload_value(values, "uids");
    uint64_t turns = workload_value(values, "rounds") * uids;
    g_autofree char *size = workload_size_text(workload_value(values, "size"));

    for (uint64_t turn = 0; turn < turns; turn++)
        users_turn(out, turn + 1, UID_FIRST + turn % uids, size);
}

const struct workload workload_users = {
    .name = "users",
    .summary = "Processes of several users recycle each other's frames",
    .options = users_options,
    .generate = users_generate,
};
