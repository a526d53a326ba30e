/*
 * Writes a call's line and does to our picture of the address space what the
 * call did.  A call that a trace has no word for becomes a comment.
 *
 *   call -> the line's address as NAME+OFF (before the effect) -> effect
 */
#include "traces/import_perf_calls.h"

#include <errno.h>
#include <inttypes.h>

#include "traces/trace_syntax.h"

struct call {
    struct import *import;
    struct import_task *task;
    struct import_space *space;
    const struct perf_record *enter;
    const struct perf_record *at;
    const uint64_t *arg;
    uint64_t result;
    bool has_failed;
};

static uint64_t
page_ceiling(uint64_t bytes)
{
    return (bytes + IMPORT_PAGE_BYTES - 1) & ~(IMPORT_PAGE_BYTES - 1);
}

/* The end of a range in whole pages; the address space's if it wraps. */
static uint64_t
range_end(uint64_t start, uint64_t length)
{
    uint64_t end = start + page_ceiling(length);
    return end < start ? ~(IMPORT_PAGE_BYTES - 1) : end;
}

static char *
address_of(const struct call *call, uint64_t address)
{
    GString *text = g_string_new(NULL);
    import_space_format(call->space, address, text);
    return g_string_free(text, FALSE);
}

/* " = 0", " = 0x7ff..", " = ENOMEM"; nothing for an errno without a name. */
static char *
result_of(const struct call *call, bool is_address)
{
    if (!call->has_failed)
        return is_address ? g_strdup_printf(" = 0x%" PRIx64, call->result)
                          : g_strdup(" = 0");
    const char *name = trace_errno_name((int)-call->result);
    return name ? g_strdup_printf(" = %s", name) : g_strdup("");
}

static void
comment(const struct call *call, const char *why)
{
    import_flush(call->import);
    import_line(call->import, "# task %u: %s, %s", call->task->id,
                perf_call_word((enum perf_call)call->enter->call), why);
}

/* Without images, memory that exec mapped cannot be told from memory that does
 * not exist; then the call is a comment. */
static bool
is_unknown(const struct call *call)
{
    g_autofree char *address = address_of(call, call->arg[0]);
    bool is_unknown = call->import->recording->is_calls_only &&
                      g_str_has_prefix(address, "0x");
    if (is_unknown)
        comment(call, "of memory that the recording does not know");
    return is_unknown;
}

/* "WORD NAME+OFF LENGTH ARGUMENT = 0", with the call's first two arguments. */
static void
write_range(const struct call *call, const char *word, const char *argument)
{
    g_autofree char *address = address_of(call, call->arg[0]);
    g_autofree char *size = import_size(call->arg[1]);
    g_autofree char *result = result_of(call, false);
    import_event(call->import, call->task, call->enter, "%s %s %s%s%s%s", word,
                 address, size, *argument ? " " : "", argument, result);
}

/* ---- mmap ---- */

static char *
mmap_flags(const struct call *call, const char *file)
{
    static const struct {
        uint64_t flag;
        const char *word;
    } words[] = {
        {PERF_MAP_NORESERVE, "noreserve"},
        {PERF_MAP_POPULATE, "populate"},
        {PERF_MAP_LOCKED, "locked"},
        {PERF_MAP_STACK, "stack"},
        {PERF_MAP_GROWSDOWN, "growsdown"},
        {PERF_MAP_FIXED, "fixed"},
        {PERF_MAP_FIXED_NOREPLACE, "fixed-noreplace"},
    };
    uint64_t flags = call->arg[3];
    GString *text = g_string_new(flags & PERF_MAP_ANON ? "anon," : "");
    bool is_private = (flags & PERF_MAP_TYPE) == PERF_MAP_PRIVATE;
    g_string_append(text, is_private ? "private" : "shared");
    for (unsigned i = 0; i < G_N_ELEMENTS(words); i++) {
        if (flags & words[i].flag)
            g_string_append_printf(text, ",%s", words[i].word);
    }
    if (file) {
        g_autofree char *escaped = trace_escape(file);
        g_autofree char *offset = import_size(call->arg[4]);
        g_string_append_printf(text, " file=%s off=%s", escaped, offset);
    }
    if (call->arg[0] || flags & (PERF_MAP_FIXED | PERF_MAP_FIXED_NOREPLACE)) {
        g_autofree char *at = address_of(call, call->arg[0]);
        g_string_append_printf(text, " at=%s", at);
    }
    return g_string_free(text, FALSE);
}

static void
mmap_call(const struct call *call)
{
    uint64_t flags = call->arg[3];
    bool is_anon = flags & PERF_MAP_ANON;
    bool is_shared = (flags & PERF_MAP_TYPE) != PERF_MAP_PRIVATE;
    const char *file = NULL;
    if (!is_anon) {
        if (call->has_failed || call->at->kind != PERF_MAPPED) {
            comment(call, "of a file that the recording does not name");
            return;
        }
        file = import_name(call->import, call->at);
    }
    g_autofree char *stem = import_stem(file                     ? file
                                        : flags & PERF_MAP_STACK ? "stack"
                                                                 : "anon");
    g_autofree char *name = import_space_new_name(call->space, stem);
    g_autofree char *size = import_size(call->arg[1]);
    g_autofree char *prot = import_prot(call->arg[2]);
    g_autofree char *words = mmap_flags(call, file);
    g_autofree char *result = result_of(call, true);
    import_event(call->import, call->task, call->enter, "mmap %s %s %s %s%s",
                 name, size, prot, words, result);
    if (call->has_failed)
        return;
    bool is_shmem = file ? import_is_shmem(file) : is_shared;
    struct import_piece like = {
        .prot = call->arg[2] & 7,
        .is_shared = is_shared,
        .is_file = file != NULL,
        .is_shmem = is_shmem,
    };
    import_space_map(call->space, name, call->result,
                     page_ceiling(call->arg[1]), &like);
}

/* A mapping of System V shared memory; its size is known from the kernel. */
static void
shmat_call(const struct call *call)
{
    if (call->has_failed || call->at->kind != PERF_MAPPED) {
        comment(call, "of memory that the recording does not name");
        return;
    }
    const struct perf_record *mapped = call->at;
    const char *file = import_name(call->import, mapped);
    g_autofree char *name = import_space_new_name(call->space, "shm");
    g_autofree char *escaped = trace_escape(file);
    g_autofree char *size = import_size(mapped->arg[1]);
    g_autofree char *prot = import_prot(mapped->arg[3]);
    import_event(call->import, call->task, call->enter,
                 "mmap %s %s %s shared file=%s = 0x%" PRIx64, name, size, prot,
                 escaped, call->result);
    struct import_piece like = {
        .prot = mapped->arg[3] & 7, .is_shared = true, .is_shmem = true};
    import_space_map(call->space, name, call->result, mapped->arg[1], &like);
}

/* ---- the others that change mappings ---- */

static void
unmap(const struct call *call, uint64_t start, uint64_t length)
{
    g_autofree char *address = address_of(call, start);
    g_autofree char *size = import_size(length);
    g_autofree char *result = result_of(call, false);
    import_event(call->import, call->task, call->enter, "munmap %s %s%s",
                 address, size, result);
    if (!call->has_failed)
        import_space_unmap(call->space, start, range_end(start, length));
}

static void
shmdt_call(const struct call *call)
{
    const struct import_piece *piece =
        import_space_find(call->space, call->arg[0]);
    if (piece && piece->is_shmem)
        unmap(call, call->arg[0], piece->region->length);
    else
        comment(call, "of memory that the recording does not name");
}

/* A brk that fails answers with the old end. */
static void
brk_call(const struct call *call)
{
    struct import_space *space = call->space;
    uint64_t start = space->heap->base, wanted = call->arg[0];
    if (wanted < start || wanted == 0)
        return;  // only asks
    g_autofree char *size = import_size(wanted - start);
    bool done = call->result == wanted;
    import_event(call->import, call->task, call->enter, "brk %s = %s", size,
                 done ? "0" : "ENOMEM");
    if (!done)
        return;
    uint64_t old_end = page_ceiling(space->brk);
    uint64_t new_end = page_ceiling(wanted);
    struct import_piece like = {.prot = TRACE_PROT_READ | TRACE_PROT_WRITE};
    import_space_put(space, space->heap, old_end, new_end, &like);
    import_space_unmap(space, new_end, old_end);
    space->brk = wanted;
}

/* Before a hole the change stays, even if the call says ENOMEM. */
static void
mprotect_call(const struct call *call)
{
    g_autofree char *prot = import_prot(call->arg[2]);
    write_range(call, "mprotect", prot);
    uint64_t start = call->arg[0];
    uint64_t end = range_end(start, call->arg[1]);
    if (call->has_failed) {
        uint64_t hole = start;
        const struct import_piece *piece;
        while (hole < end && (piece = import_space_find(call->space, hole)))
            hole = piece->end;
        end = call->result == (uint64_t)-ENOMEM ? MIN(end, hole) : start;
    }
    import_space_protect(call->space, start, end, call->arg[2] & 7);
}

static char *
mremap_flags(const struct call *call, const char *as)
{
    uint64_t flags = call->arg[3];
    GString *text = g_string_new(NULL);
    if (flags & PERF_MREMAP_MAYMOVE)
        g_string_append(text, " maymove");
    if (flags & PERF_MREMAP_FIXED) {
        g_autofree char *at = address_of(call, call->arg[4]);
        g_string_append_printf(text, " fixed at=%s", at);
    }
    if (flags & PERF_MREMAP_DONTUNMAP)
        g_string_append(text, " dontunmap");
    if (as)
        g_string_append_printf(text, " as=%s", as);
    return g_string_free(text, FALSE);
}

/* The whole of a region keeps its name; a part of one gets its own. */
static void
mremap_call(const struct call *call)
{
    struct import_space *space = call->space;
    uint64_t start = call->arg[0], end = range_end(start, call->arg[1]);
    const struct import_piece *piece = import_space_find(space, start);
    bool is_whole = piece && !piece->region->from_end &&
                    piece->region != space->heap &&
                    piece->region->base == start &&
                    end - start >= page_ceiling(piece->region->length);
    g_autofree char *as =
        is_whole ? NULL
                 : import_space_new_name(space,
                                         piece ? piece->region->name : "moved");
    g_autofree char *name = g_strdup(is_whole ? piece->region->name : as);
    g_autofree char *flags = mremap_flags(call, as);
    g_autofree char *address = address_of(call, start);
    g_autofree char *old_size = import_size(call->arg[1]);
    g_autofree char *new_size = import_size(call->arg[2]);
    g_autofree char *result = result_of(call, true);
    import_event(call->import, call->task, call->enter, "mremap %s %s %s%s%s",
                 address, old_size, new_size, flags, result);
    if (call->has_failed || !piece)
        return;
    struct import_piece like = *piece;
    if (!(call->arg[3] & PERF_MREMAP_DONTUNMAP))
        import_space_unmap(space, start, end);
    import_space_map(space, name, call->result, page_ceiling(call->arg[2]),
                     &like);
}

/* ---- advice and locks ---- */

/* Linux's number of an advice as ours; false: a trace has no word for it. */
static bool
find_advice(uint64_t number, enum trace_advice *advice)
{
    static const struct {
        uint8_t number;
        enum trace_advice advice;
    } numbers[] = {
        {0, TRACE_ADVICE_NORMAL},
        {1, TRACE_ADVICE_RANDOM},
        {2, TRACE_ADVICE_SEQUENTIAL},
        {3, TRACE_ADVICE_WILLNEED},
        {4, TRACE_ADVICE_DONTNEED},
        {8, TRACE_ADVICE_FREE},
        {10, TRACE_ADVICE_DONTFORK},
        {11, TRACE_ADVICE_DOFORK},
        {12, TRACE_ADVICE_MERGEABLE},
        {13, TRACE_ADVICE_UNMERGEABLE},
        {14, TRACE_ADVICE_HUGEPAGE},
        {15, TRACE_ADVICE_NOHUGEPAGE},
        {18, TRACE_ADVICE_WIPEONFORK},
        {19, TRACE_ADVICE_KEEPONFORK},
        {20, TRACE_ADVICE_COLD},
        {21, TRACE_ADVICE_PAGEOUT},
        {22, TRACE_ADVICE_POPULATE_READ},
        {23, TRACE_ADVICE_POPULATE_WRITE},
        {24, TRACE_ADVICE_DONTNEED_LOCKED},
        {25, TRACE_ADVICE_COLLAPSE},
        {102, TRACE_ADVICE_GUARD_INSTALL},
        {103, TRACE_ADVICE_GUARD_REMOVE},
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(numbers); i++) {
        *advice = numbers[i].advice;
        if (numbers[i].number == number)
            return true;
    }
    return false;
}

static void
madvise_call(const struct call *call)
{
    enum trace_advice advice;
    if (!find_advice(call->arg[2], &advice)) {
        comment(call, "with advice that a trace has no word for");
        return;
    }
    write_range(call, "madvise", trace_advice_word(advice));
    bool is_guard = advice == TRACE_ADVICE_GUARD_INSTALL;
    if (!call->has_failed && (is_guard || advice == TRACE_ADVICE_GUARD_REMOVE))
        import_space_guard(call->space, call->arg[0],
                           range_end(call->arg[0], call->arg[1]), is_guard);
}

static void
remap_file_pages_call(const struct call *call)
{
    g_autofree char *page = g_strdup_printf("%" PRIu64, call->arg[2]);
    write_range(call, "remap_file_pages", page);
}

/* ---- processes ---- */

static void
wait_call(const struct call *call)
{
    uint64_t waited = call->arg[PERF_ARG_WAITED];
    gpointer id =
        g_hash_table_lookup(call->import->ids, GUINT_TO_POINTER(waited));
    if (waited == PERF_WAITED_ANY)
        import_event(call->import, call->task, call->enter, "wait = 0");
    else if (waited > 0 && id)
        import_event(call->import, call->task, call->enter, "wait %u = 0",
                     GPOINTER_TO_UINT(id));
}

/* Only what changes the effective uid matters; -1 leaves it as it is. */
static void
setuid_call(const struct call *call)
{
    uint32_t uid = (uint32_t)call->arg[0];
    if (!call->has_failed && uid <= TRACE_UID_MAX)
        import_event(call->import, call->task, call->enter, "setuid %u = 0",
                     uid);
}

static void
munmap_call(const struct call *call)
{
    unmap(call, call->arg[0], call->arg[1]);
}

static void
mlock_call(const struct call *call)
{
    write_range(call, "mlock", "");
}

static void
mlock2_call(const struct call *call)
{
    if (call->arg[2] == 0)
        mlock_call(call);
    else
        comment(call, "which locks pages only when they come");
}

static void
munlock_call(const struct call *call)
{
    write_range(call, "munlock", "");
}

static void
unknown_call(const struct call *call)
{
    comment(call, "which a trace has no word for");
}

/* NULL: what it does shows in other records. */
static void (*const writers[PERF_CALL_COUNT])(const struct call *call) = {
    [PERF_CALL_MMAP] = mmap_call,
    [PERF_CALL_MUNMAP] = munmap_call,
    [PERF_CALL_MREMAP] = mremap_call,
    [PERF_CALL_MPROTECT] = mprotect_call,
    [PERF_CALL_MADVISE] = madvise_call,
    [PERF_CALL_BRK] = brk_call,
    [PERF_CALL_MLOCK] = mlock_call,
    [PERF_CALL_MLOCK2] = mlock2_call,
    [PERF_CALL_MUNLOCK] = munlock_call,
    [PERF_CALL_MLOCKALL] = unknown_call,
    [PERF_CALL_REMAP_FILE_PAGES] = remap_file_pages_call,
    [PERF_CALL_SHMAT] = shmat_call,
    [PERF_CALL_SHMDT] = shmdt_call,
    [PERF_CALL_PROCESS_MADVISE] = unknown_call,
    [PERF_CALL_WAIT4] = wait_call,
    [PERF_CALL_WAITID] = wait_call,
    [PERF_CALL_FUTEX] = wait_call,
    [PERF_CALL_SETUID] = setuid_call,
    [PERF_CALL_SETREUID] = setuid_call,
    [PERF_CALL_SETRESUID] = setuid_call,
};

void
import_perf_call(struct import *import, struct import_task *task,
                 const struct perf_record *enter, const struct perf_record *at)
{
    const struct perf_record *exit =
        perf_record_at(import->recording, enter->partner);
    struct call call = {
        .import = import,
        .task = task,
        .space = task->space,
        .enter = enter,
        .at = at,
        .arg = enter->arg,
        .result = exit->arg[0],
        .has_failed = perf_is_failure(exit->arg[0]),
    };
    bool has_range =
        enter->call == PERF_CALL_MUNMAP || enter->call == PERF_CALL_MREMAP ||
        enter->call == PERF_CALL_MPROTECT || enter->call == PERF_CALL_MADVISE ||
        enter->call == PERF_CALL_MLOCK || enter->call == PERF_CALL_MLOCK2 ||
        enter->call == PERF_CALL_MUNLOCK;
    if (writers[enter->call] && !(has_range && is_unknown(&call)))
        writers[enter->call](&call);
}
