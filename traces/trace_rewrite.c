/*
 * One pass over the events that knows what is mapped where.
 *
 * Names are given addresses for that: those that were recorded, or some that
 * meet nothing else.  Two import_spaces for each address space hold what is
 * mapped, and which ranges were purged and not used since; a range that was
 * purged in one go is one region there, and is reused in one go.
 *
 * Guards need to know the call after a stack's mmap, so they are found in a
 * pass of their own:
 *
 *   glibc up to 2.25   mmap rw-   then mprotect of its low end, ---
 *   2.26 to 2.41       mmap ---   then mprotect of all but its low end, rw-
 *   since 2.42         mmap rw-   then madvise guard-install of its low end
 */
#include "traces/trace_rewrite.h"

#include <string.h>

#include "traces/import_space.h"
#include "traces/trace_syntax.h"

#define PAGE_BYTES         UINT64_C(4096)
#define HEAP_BASE          (UINT64_C(1) << 44)  // of what is not recorded
#define STACK_TOP          (UINT64_C(1) << 46)
#define FIRST_FREE_ADDRESS (UINT64_C(1) << 47)
#define FREE_BYTES         (UINT64_C(1) << 30)  // between two such mappings
#define STACK_BYTES        (UINT64_C(132) << 10)

const char *const trace_rule_words[] = {"purge", "guard", "nozero", NULL};

unsigned
trace_rules_parse(const char *words, const char **unknown)
{
    unsigned rules = 0;

    for (;; words++) {  // behind the comma
        size_t length = strcspn(words, ",");
        unsigned rule = 0;
        for (unsigned i = 0; trace_rule_words[i]; i++) {
            if (strlen(trace_rule_words[i]) == length &&
                memcmp(trace_rule_words[i], words, length) == 0)
                rule = 1u << i;
        }
        *unknown = words;
        if (!rule)
            return 0;
        rules |= rule;
        words += length;
        if (!*words)
            return rules;
    }
}

/* What becomes of an event, found before the pass. */
enum guard_part {
    GUARD_NO_PART,
    GUARD_OPEN,  // the mmap --- of a stack: it gets its rights at once
    GUARD_MAKE,  // the call that makes the guard
};

struct base {
    uint64_t address, length;
    bool is_stack;  // mapped with the flag `stack`
};

struct rewriter {
    struct trace *trace;
    unsigned rules;
    GArray *events;                // struct trace_event, rewritten
    struct base *bases;            // by binding
    struct import_space **mapped;  // by task; NULL: not alive
    struct import_space **purged;
    uint8_t *guard_parts;    // by event
    uint64_t *guard_values;  // by event: OPEN: prot, MAKE: bytes of the guard
    uint64_t next_address;
    bool rewrote_free;
};

static uint64_t
page_ceiling(uint64_t bytes)
{
    return (bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
}

static struct trace_event *
event_at(const struct rewriter *rewriter, uint64_t index)
{
    return &g_array_index(rewriter->trace->events, struct trace_event, index);
}

static const struct trace_result *
result_of(const struct rewriter *rewriter, const struct trace_event *event)
{
    return event->result == TRACE_NONE
               ? NULL
               : &g_array_index(rewriter->trace->results, struct trace_result,
                                event->result);
}

static bool
has_failed(const struct rewriter *rewriter, const struct trace_event *event)
{
    const struct trace_result *result = result_of(rewriter, event);
    return result && result->kind == TRACE_RESULT_ERRNO;
}

static bool
is_private_anon(const struct trace_event *event)
{
    return event->flags & TRACE_ANON && !(event->flags & TRACE_SHARED);
}

static uint64_t
resolve(const struct rewriter *rewriter, uint32_t task,
        const struct trace_address *address)
{
    const struct import_space *space = rewriter->mapped[task];
    struct base base = {0};
    if (address->binding == TRACE_BINDING_HEAP)
        base = (struct base){.address = space->heap->base,
                             .length = space->brk - space->heap->base};
    else if (address->binding == TRACE_BINDING_STACK)
        base = (struct base){.address = space->stack->base,
                             .length = space->stack->length};
    else if (address->binding != TRACE_BINDING_ABSOLUTE)
        base = rewriter->bases[address->binding];
    return base.address + (address->from_end ? base.length - address->offset
                                             : address->offset);
}

/* Where a mapping came to lie. */
static uint64_t
place(struct rewriter *rewriter, const struct trace_event *event,
      uint64_t length, bool is_placed)
{
    const struct trace_result *result = result_of(rewriter, event);
    if (result && result->kind == TRACE_RESULT_ADDRESS)
        return result->address;
    if (is_placed && event->flags & TRACE_AT)
        return resolve(rewriter, event->task,
                       &trace_detail(rewriter->trace, event)->at);
    uint64_t address = rewriter->next_address;
    rewriter->next_address += page_ceiling(length) + FREE_BYTES;
    return address;
}

static void
unmap(struct rewriter *rewriter, uint32_t task, uint64_t start, uint64_t end)
{
    import_space_unmap(rewriter->mapped[task], start, end);
    import_space_unmap(rewriter->purged[task], start, end);
}

/* ---- address spaces ---- */

static void
drop_space(struct rewriter *rewriter, uint32_t task)
{
    g_clear_pointer(&rewriter->mapped[task], import_space_unref);
    g_clear_pointer(&rewriter->purged[task], import_space_unref);
}

static void
new_space(struct rewriter *rewriter, const struct trace_event *event)
{
    const struct trace_detail *detail = trace_detail(rewriter->trace, event);
    const struct import_piece like = {.prot =
                                          TRACE_PROT_READ | TRACE_PROT_WRITE};
    uint64_t brk = detail->key[TRACE_KEY_BRK];
    uint64_t top = detail->key[TRACE_KEY_STACK];
    brk = brk ? brk : HEAP_BASE;
    top = top ? top : STACK_TOP;
    drop_space(rewriter, event->task);
    struct import_space *space = import_space_new(brk, top, FREE_BYTES);
    import_space_put(space, space->stack, top - STACK_BYTES, top, &like);
    rewriter->mapped[event->task] = space;
    rewriter->purged[event->task] = import_space_new(0, 0, 0);
}

static void
inherit_space(struct rewriter *rewriter, const struct trace_event *event)
{
    uint32_t child = event->object;
    drop_space(rewriter, child);
    if (event->op == TRACE_OP_FORK) {
        rewriter->mapped[child] =
            import_space_copy(rewriter->mapped[event->task]);
        rewriter->purged[child] =
            import_space_copy(rewriter->purged[event->task]);
    } else {
        rewriter->mapped[child] =
            import_space_ref(rewriter->mapped[event->task]);
        rewriter->purged[child] =
            import_space_ref(rewriter->purged[event->task]);
    }
}

/* ---- calls ---- */

static void
bind(struct rewriter *rewriter, const struct trace_event *event,
     struct base base, bool is_bound)
{
    const struct trace_detail *detail = trace_detail(rewriter->trace, event);
    if (detail->binds == TRACE_NONE)
        return;
    if (!is_bound && detail->rebinds != TRACE_NONE)
        base = rewriter->bases[detail->rebinds];
    rewriter->bases[detail->binds] = base;
}

static void
map(struct rewriter *rewriter, const struct trace_event *event)
{
    bool is_fixed = event->flags & (TRACE_FIXED | TRACE_FIXED_NOREPLACE) ||
                    event->op == TRACE_OP_MAP;
    bool failed = has_failed(rewriter, event);
    struct base base = {
        .address = failed ? 0 : place(rewriter, event, event->length, is_fixed),
        .length = event->length,
        .is_stack = event->flags & TRACE_STACK,
    };
    bind(rewriter, event, base, !failed);
    if (failed)
        return;
    struct import_piece like = {
        .prot = event->prot,
        .is_shared = event->flags & TRACE_SHARED,
        .is_file = event->object != TRACE_NONE,
    };
    uint64_t length = page_ceiling(event->length);
    unmap(rewriter, event->task, base.address, base.address + length);
    import_space_map(rewriter->mapped[event->task], "mapped", base.address,
                     length, &like);
}

static void
remap(struct rewriter *rewriter, const struct trace_event *event)
{
    struct import_space *space = rewriter->mapped[event->task];
    uint64_t start = resolve(rewriter, event->task, &event->address);
    uint64_t end = start + page_ceiling(event->length);
    const struct trace_detail *detail = trace_detail(rewriter->trace, event);
    uint64_t length = detail->new_length;
    const struct trace_result *result = result_of(rewriter, event);
    bool failed = has_failed(rewriter, event);
    bool stays = !(event->flags & TRACE_FIXED) && length <= event->length &&
                 !(result && result->kind == TRACE_RESULT_ADDRESS);
    uint64_t to =
        failed  ? 0
        : stays ? start
                : place(rewriter, event, length, event->flags & TRACE_FIXED);
    bool is_inside = !(event->flags & TRACE_AS) &&
                     detail->rebinds != TRACE_NONE &&
                     rewriter->bases[detail->rebinds].address != start;
    bind(rewriter, event, (struct base){.address = to, .length = length},
         !failed && !is_inside);
    const struct import_piece *piece = import_space_find(space, start);
    if (failed || !piece)
        return;
    struct import_piece like = *piece;
    if (!(event->flags & TRACE_DONTUNMAP))
        unmap(rewriter, event->task, start, end);
    unmap(rewriter, event->task, to, to + page_ceiling(length));
    import_space_map(space, "moved", to, page_ceiling(length), &like);
}

static void
unmap_call(struct rewriter *rewriter, const struct trace_event *event)
{
    uint64_t start = resolve(rewriter, event->task, &event->address);
    unmap(rewriter, event->task, start, start + page_ceiling(event->length));
}

static void
grow_heap(struct rewriter *rewriter, const struct trace_event *event)
{
    struct import_space *space = rewriter->mapped[event->task];
    const struct import_piece like = {.prot =
                                          TRACE_PROT_READ | TRACE_PROT_WRITE};
    if (has_failed(rewriter, event))
        return;
    uint64_t old_end = page_ceiling(space->brk);
    space->brk = space->heap->base + event->length;
    uint64_t new_end = page_ceiling(space->brk);
    import_space_put(space, space->heap, old_end, new_end, &like);
    unmap(rewriter, event->task, new_end, old_end);
}

/* ---- purge ---- */

/* All of it is mapped, private and of no file. */
static bool
is_all_anon(struct import_space *space, uint64_t start, uint64_t end)
{
    while (start < end) {
        const struct import_piece *piece = import_space_find(space, start);
        if (!piece || piece->is_shared || piece->is_file)
            return false;
        start = piece->end;
    }
    return true;
}

static void
purge(struct rewriter *rewriter, struct trace_event *event)
{
    uint32_t task = event->task;
    uint64_t start = resolve(rewriter, task, &event->address);
    uint64_t end = start + page_ceiling(event->length);
    bool is_free = event->advice == TRACE_ADVICE_FREE;
    if ((!is_free && event->advice != TRACE_ADVICE_DONTNEED) || end <= start ||
        has_failed(rewriter, event) ||
        !is_all_anon(rewriter->mapped[task], start, end))
        return;
    const struct import_piece like = {.prot = 0};
    event->op = TRACE_OP_PURGE;
    event->advice = 0;
    rewriter->rewrote_free |= is_free;
    import_space_map(rewriter->purged[task], "purged", start, end - start,
                     &like);
}

/* The range of a region, as an event of its own before a touch that meets it.
 * It is written from the touch's name; what lies before that name's start is
 * not written. */
static void
add_reuse(struct rewriter *rewriter, const struct trace_event *touch,
          uint64_t start, uint64_t end)
{
    uint64_t touched = resolve(rewriter, touch->task, &touch->address);
    struct trace_event event = {
        .address = touch->address,
        .start_ns = touch->start_ns,
        .flags = touch->flags & (TRACE_HAS_TIME | TRACE_HAS_CPU),
        .task = touch->task,
        .object = TRACE_NONE,
        .detail = TRACE_NONE,
        .result = TRACE_NONE,
        .cpu = touch->cpu,
        .op = TRACE_OP_REUSE,
    };
    uint64_t offset = touch->address.offset;
    bool from_end = touch->address.from_end;
    if (from_end)
        event.address.offset = offset + (touched - start);
    else if (touched < start || offset >= touched - start)
        event.address.offset = offset - (touched - start);
    else {
        event.address.offset = 0;
        start = touched - offset;
    }
    event.length = end - start;
    g_array_append_val(rewriter->events, event);
}

static void
reuse(struct rewriter *rewriter, const struct trace_event *touch)
{
    struct import_space *purged = rewriter->purged[touch->task];
    uint64_t start = resolve(rewriter, touch->task, &touch->address);
    uint64_t end = page_ceiling(start + touch->length);
    for (guint i = 0; i < purged->pieces->len && end > start; i++) {
        const struct import_piece *piece =
            &g_array_index(purged->pieces, struct import_piece, i);
        if (piece->end <= start)
            continue;
        if (piece->start >= end)
            break;
        uint64_t first = piece->region->base;
        uint64_t last = first + piece->region->length;
        add_reuse(rewriter, touch, first, last);
        import_space_unmap(purged, first, last);
        i = G_MAXUINT;  // pieces have moved: look from the first again
    }
}

/* ---- guards ---- */

/* Events that a program does between two calls. */
#define BETWEEN_CALLS                                                          \
    (TRACE_OP_BIT(TRACE_OP_READ) | TRACE_OP_BIT(TRACE_OP_WRITE) |              \
     TRACE_OP_BIT(TRACE_OP_EXECUTE) | TRACE_OP_BIT(TRACE_OP_WORK) |            \
     TRACE_OP_BIT(TRACE_OP_KWORK) | TRACE_OP_BIT(TRACE_OP_SLEEP) |             \
     TRACE_OP_BIT(TRACE_OP_MARK) | TRACE_OP_BIT(TRACE_OP_BARRIER))

/* `call` is the first one of its task after the mmap of a stack. */
static void
match_guard(struct rewriter *rewriter, uint64_t mmap_index, uint64_t call_index)
{
    const struct trace_event *stack = event_at(rewriter, mmap_index);
    const struct trace_event *call = event_at(rewriter, call_index);
    uint64_t offset = call->address.offset;
    if (call->op != TRACE_OP_MPROTECT || has_failed(rewriter, call) ||
        call->address.binding != trace_detail(rewriter->trace, stack)->binds ||
        call->address.from_end || offset >= stack->length)
        return;
    bool is_upper =
        stack->prot == 0 && offset > 0 && call->prot & TRACE_PROT_WRITE &&
        page_ceiling(offset + call->length) == page_ceiling(stack->length);
    bool is_lower = stack->prot & TRACE_PROT_WRITE && offset == 0 &&
                    call->prot == 0 && call->length < stack->length;
    if (is_upper) {
        rewriter->guard_parts[mmap_index] = GUARD_OPEN;
        rewriter->guard_values[mmap_index] = call->prot;
    }
    if (is_upper || is_lower) {
        rewriter->guard_parts[call_index] = GUARD_MAKE;
        rewriter->guard_values[call_index] = is_upper ? offset : call->length;
    }
}

static void
find_guards(struct rewriter *rewriter)
{
    uint64_t count = rewriter->trace->events->len;
    g_autofree uint64_t *stacks =
        g_new0(uint64_t, rewriter->trace->tasks->len + 1);  // index + 1
    for (uint64_t i = 0; i < count; i++) {
        const struct trace_event *event = event_at(rewriter, i);
        if (event->task == TRACE_NONE ||
            TRACE_OP_BIT(event->op) & BETWEEN_CALLS)
            continue;
        if (stacks[event->task])
            match_guard(rewriter, stacks[event->task] - 1, i);
        bool is_stack = event->op == TRACE_OP_MMAP && is_private_anon(event) &&
                        event->flags & TRACE_STACK &&
                        !has_failed(rewriter, event);
        stacks[event->task] = is_stack ? i + 1 : 0;
    }
}

static void
make_guard(struct trace_event *event, uint64_t bytes)
{
    event->op = TRACE_OP_GUARD;
    event->address.offset = 0;
    event->length = bytes;
    event->prot = 0;
    event->advice = 0;
}

static void
guard(struct rewriter *rewriter, struct trace_event *event, uint64_t index)
{
    uint64_t value = rewriter->guard_values[index];
    bool is_install = event->op == TRACE_OP_MADVISE &&
                      event->advice == TRACE_ADVICE_GUARD_INSTALL &&
                      event->address.binding >= TRACE_BINDING_FIRST &&
                      event->address.offset == 0 && !event->address.from_end &&
                      rewriter->bases[event->address.binding].is_stack &&
                      !has_failed(rewriter, event);
    if (rewriter->guard_parts[index] == GUARD_OPEN)
        event->prot = (uint8_t)value;
    else if (rewriter->guard_parts[index] == GUARD_MAKE)
        make_guard(event, value);
    else if (is_install)
        make_guard(event, event->length);
}

/* ---- the pass ---- */

#define MAKES_SPACE (TRACE_OP_BIT(TRACE_OP_START) | TRACE_OP_BIT(TRACE_OP_EXEC))
#define MAKES_TASK                                                             \
    (TRACE_OP_BIT(TRACE_OP_FORK) | TRACE_OP_BIT(TRACE_OP_VFORK) |              \
     TRACE_OP_BIT(TRACE_OP_THREAD))

/* What the event did, to what we know of the address space. */
static void
follow(struct rewriter *rewriter, const struct trace_event *event)
{
    uint64_t op = TRACE_OP_BIT(event->op);
    if (op & MAKES_SPACE && !has_failed(rewriter, event))
        new_space(rewriter, event);
    else if (op & MAKES_TASK && !has_failed(rewriter, event))
        inherit_space(rewriter, event);
    else if (event->op == TRACE_OP_EXIT)
        drop_space(rewriter, event->task);
    else if (event->op == TRACE_OP_MMAP || event->op == TRACE_OP_MAP)
        map(rewriter, event);
    else if (event->op == TRACE_OP_MREMAP)
        remap(rewriter, event);
    else if (event->op == TRACE_OP_BRK)
        grow_heap(rewriter, event);
    else if (event->op == TRACE_OP_MUNMAP && !has_failed(rewriter, event))
        unmap_call(rewriter, event);
}

static void
change(struct rewriter *rewriter, struct trace_event *event, uint64_t index)
{
    bool is_touch = event->op == TRACE_OP_READ || event->op == TRACE_OP_WRITE ||
                    event->op == TRACE_OP_EXECUTE;
    if (rewriter->rules & TRACE_RULE_PURGE && is_touch)
        reuse(rewriter, event);
    if (rewriter->rules & TRACE_RULE_PURGE && event->op == TRACE_OP_MADVISE)
        purge(rewriter, event);
    if (rewriter->rules & TRACE_RULE_GUARD)
        guard(rewriter, event, index);
    bool is_brk = event->op == TRACE_OP_BRK;
    if (rewriter->rules & TRACE_RULE_NOZERO &&
        (is_brk || (event->op == TRACE_OP_MMAP && is_private_anon(event))))
        event->flags |= TRACE_NOZERO;
}

static void
rewrite_event(struct rewriter *rewriter, uint64_t index)
{
    struct trace_event event = *event_at(rewriter, index);
    bool lives =
        event.task != TRACE_NONE && rewriter->mapped[event.task] != NULL;
    if (lives)
        change(rewriter, &event, index);
    if (lives || event.op == TRACE_OP_START)
        follow(rewriter, &event);
    g_array_append_val(rewriter->events, event);
}

/* "purge:free,guard", with what it said before. */
static void
note_rules(struct rewriter *rewriter)
{
    struct trace *trace = rewriter->trace;
    const char *before = trace->rewrite ? trace->rewrite : "";
    unsigned rules = rewriter->rules;
    bool rewrote_free =
        rewriter->rewrote_free || strstr(before, TRACE_REWROTE_FREE);
    for (unsigned i = 0; trace_rule_words[i]; i++)
        rules |= strstr(before, trace_rule_words[i]) ? 1u << i : 0;
    GString *text = g_string_new(NULL);
    for (unsigned i = 0; trace_rule_words[i]; i++) {
        const char *word = trace_rule_words[i];
        if (!(rules >> i & 1))
            continue;
        if (1u << i == TRACE_RULE_PURGE && rewrote_free)
            word = TRACE_REWROTE_FREE;
        g_string_append_printf(text, "%s%s", text->len > 0 ? "," : "", word);
    }
    g_free(trace->rewrite);
    trace->rewrite = g_string_free(text, FALSE);
}

void
trace_rewrite(struct trace *trace, unsigned rules)
{
    uint64_t count = trace->events->len;
    struct rewriter rewriter = {
        .trace = trace,
        .rules = rules,
        .events = g_array_sized_new(FALSE, FALSE, sizeof(struct trace_event),
                                    (guint)count),
        .bases = g_new0(struct base, trace->bindings->len + 1),
        .mapped = g_new0(struct import_space *, trace->tasks->len + 1),
        .purged = g_new0(struct import_space *, trace->tasks->len + 1),
        .guard_parts = g_new0(uint8_t, count + 1),
        .guard_values = g_new0(uint64_t, count + 1),
        .next_address = FIRST_FREE_ADDRESS,
    };
    if (rules & TRACE_RULE_GUARD)
        find_guards(&rewriter);
    for (uint64_t i = 0; i < count; i++)
        rewrite_event(&rewriter, i);
    for (guint i = 0; i < trace->tasks->len; i++)
        drop_space(&rewriter, i);
    note_rules(&rewriter);
    g_array_unref(trace->events);
    trace->events = rewriter.events;
    trace->event_count = rewriter.events->len;
    g_free(rewriter.bases);
    g_free(rewriter.mapped);
    g_free(rewriter.purged);
    g_free(rewriter.guard_parts);
    g_free(rewriter.guard_values);
}
