/*
 * A ring of the latest accesses.  The exits of processes that nobody has waited
 * for yet stand in a list, too.  Its wait puts an exit into the ring once more,
 * so that whoever asked before finds how it ended.
 */
#include "sim/check_races.h"

#include <glib.h>

enum { RING_COUNT = 4 * RACES_HORIZON, OPEN_MAX = 1024 };

struct access {
    uint64_t number;  // 0: none
    uint64_t start, end;
    uint64_t from_ns, until_ns;
    uint32_t task, family;
    bool is_open;  // it ends later than until_ns
};

/* What is known of a task of the trace. */
struct racer {
    uint32_t family;  // address spaces that stem from one image by forks
    uint32_t space;   // the task that its address space began with
    uint32_t users;   // of the address space that began with this task
};

struct races {
    uint64_t count;
    uint32_t family_count;
    uint32_t ring_next;
    struct racer *racers;  // by trace task
    GArray *exits;         // struct access, open
    struct access ring[RING_COUNT];
};

struct races *
races_new(const struct trace *trace)
{
    struct races *races = g_new0(struct races, 1);

    races->racers = g_new0(struct racer, trace->tasks->len + 1);
    races->exits = g_array_new(FALSE, FALSE, sizeof(struct access));
    return races;
}

void
races_free(struct races *races)
{
    if (!races)
        return;
    g_array_unref(races->exits);
    g_free(races->racers);
    g_free(races);
}

uint64_t
races_count(const struct races *races)
{
    return races->count;
}

static void
put_in_ring(struct races *races, const struct access *access)
{
    races->ring[races->ring_next++ % RING_COUNT] = *access;
}

/* ---- births and deaths ---- */

static void
begin_image(struct races *races, uint32_t task)
{
    struct racer *racer = &races->racers[task];

    if (racer->family != 0)
        races->racers[racer->space].users--;
    racer->family = ++races->family_count;
    racer->space = task;
    racer->users = 1;
}

static void
begin_child(struct races *races, const struct trace_event *event)
{
    const struct racer *parent = &races->racers[event->task];
    struct racer *child = &races->racers[event->object];

    child->family = parent->family;
    child->space = event->op == TRACE_OP_FORK ? event->object : parent->space;
    races->racers[child->space].users++;
}

/* The last task of an address space goes. */
static bool
end_task(struct races *races, const struct trace_event *event)
{
    struct racer *space = &races->racers[races->racers[event->task].space];

    if (event->op == TRACE_OP_EXIT && space->users > 1) {
        space->users--;
        return false;
    }
    space->users = 0;
    return true;
}

static void
end_wait(struct races *races, const struct trace_event *event)
{
    for (guint i = 0; i < races->exits->len; i++) {
        struct access *exit = &g_array_index(races->exits, struct access, i);
        if (exit->task != event->object)
            continue;
        exit->until_ns =
            MAX(exit->until_ns, event->start_ns + event->duration_ns);
        exit->is_open = false;
        put_in_ring(races, exit);
        g_array_remove_index(races->exits, i);
        return;
    }
}

/* ---- accesses ---- */

/* [start, end) is not empty. */
static struct access
access_of(struct races *races, const struct trace_event *event, uint64_t start,
          uint64_t end)
{
    return (struct access){
        .number = ++races->count,
        .start = start,
        .end = end,
        .from_ns = event->start_ns,
        .until_ns = event->start_ns + event->duration_ns,
        .task = event->task,
        .family = races->racers[event->task].family,
    };
}

static void
note_exit(struct races *races, const struct trace_event *event)
{
    struct access access = access_of(races, event, 0, UINT64_MAX);

    access.is_open = true;
    if (races->exits->len == OPEN_MAX)
        g_array_remove_index(races->exits, 0);
    g_array_append_val(races->exits, access);
}

uint64_t
races_note(struct races *races, const struct trace_event *event, uint64_t start,
           uint64_t end)
{
    bool has_time = event->flags & TRACE_HAS_TIME;

    switch (event->op) {
    case TRACE_OP_START:
    case TRACE_OP_EXEC:
        begin_image(races, event->task);
        return 0;
    case TRACE_OP_FORK:
    case TRACE_OP_VFORK:
    case TRACE_OP_THREAD:
        begin_child(races, event);
        return 0;
    case TRACE_OP_EXIT:
    case TRACE_OP_EXIT_GROUP:
        if (end_task(races, event) && has_time)
            note_exit(races, event);
        return 0;
    case TRACE_OP_WAIT:
        if (event->flags & TRACE_HAS_TARGET && has_time)
            end_wait(races, event);
        return 0;
    default:
        break;
    }
    if (!has_time || start >= end)
        return 0;
    struct access access = access_of(races, event, start, end);
    put_in_ring(races, &access);
    return access.number;
}

/* ---- verdicts ---- */

static const struct access *
find_access(const struct races *races, uint64_t number)
{
    for (uint32_t i = 0; i < RING_COUNT; i++)
        if (races->ring[i].number == number)
            return &races->ring[i];
    return NULL;
}

static enum race_verdict
judge(const struct access *one, const struct access *other, uint64_t start,
      uint64_t end)
{
    bool can_meet = other->number > 0 && other->task != one->task &&
                    other->family == one->family && other->start < end &&
                    start < other->end;

    if (!can_meet)
        return RACE_NONE;
    if (other->from_ns == one->from_ns ||
        (other->from_ns < one->until_ns && one->from_ns < other->until_ns))
        return RACE_FOUND;
    return other->is_open && other->from_ns < one->from_ns ? RACE_OPEN
                                                           : RACE_NONE;
}

enum race_verdict
races_judge(const struct races *races, uint64_t number, uint64_t start,
            uint64_t end)
{
    const struct access *one = find_access(races, number);
    enum race_verdict verdict = RACE_NONE;

    for (uint32_t i = 0; one && i < RING_COUNT; i++)
        verdict = MAX(verdict, judge(one, &races->ring[i], start, end));
    for (guint i = 0; one && i < races->exits->len; i++)
        verdict = MAX(verdict,
                      judge(one, &g_array_index(races->exits, struct access, i),
                            start, end));
    return verdict;
}
