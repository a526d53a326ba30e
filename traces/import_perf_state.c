/*
 * Writes the lines of an import.  Touches of one task that follow one another
 * in memory and in the recording become one line, if nothing else happened
 * between them; the time that the task spent between them stands above its next
 * line.
 */
#include "traces/import_perf_state.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#define SPENDING_MIN_NS 1000

void
import_line(struct import *import, const char *format, ...)
{
    if (!import->out)
        return;
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *line = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    trace_writer_line(import->out, "%s", line);
}

static uint64_t
duration_of(const struct import *import, const struct perf_record *record)
{
    if (record->kind != PERF_ENTER || record->partner == PERF_NONE)
        return 0;
    return perf_record_at(import->recording, record->partner)->time_ns -
           record->time_ns;
}

/* "@START+DURATION/CPU TASK " */
static void
write_event(struct import *import, uint64_t start_ns, uint64_t duration_ns,
            uint16_t cpu, uint32_t task, const char *event)
{
    if (import->is_untimed) {
        import_line(import, "%u %s", task, event);
        return;
    }
    char duration[32] = "";
    if (duration_ns > 0)
        g_snprintf(duration, sizeof(duration), "+%" PRIu64, duration_ns);
    uint64_t since = start_ns - MIN(start_ns, import->start_ns);
    import_line(import, "@%" PRIu64 "%s/%u %u %s", since, duration, cpu, task,
                event);
}

/* What the task did since its last line, unless it is too little for one. */
static void
write_spending(struct import *import, struct import_task *task, uint16_t cpu)
{
    static const char *const words[] = {"work", "kwork", "sleep"};
    struct import_time *time = &task->time;
    uint64_t total = 0;
    for (unsigned i = 0; i < IMPORT_SPENDING_COUNT; i++)
        total += time->spent[i];
    for (unsigned i = 0; total >= SPENDING_MIN_NS && i < G_N_ELEMENTS(words);
         i++) {
        if (time->spent[i] == 0)
            continue;
        g_autofree char *event =
            g_strdup_printf("%s %" PRIu64, words[i], time->spent[i]);
        write_event(import, time->first_ns, 0, cpu, task->id, event);
        time->spent[i] = 0;
    }
}

void
import_event(struct import *import, struct import_task *task,
             const struct perf_record *record, const char *format, ...)
{
    import_flush(import);
    write_spending(import, task, record->cpu);
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *event = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    write_event(import, record->time_ns, duration_of(import, record),
                record->cpu, task->id, event);
}

static bool
is_continued(const struct import_touch *touch, const struct import_touch *next)
{
    return touch->op == next->op && touch->task == next->task &&
           touch->is_kernel == next->is_kernel && touch->cpu == next->cpu &&
           touch->outcome == next->outcome && next->region &&
           touch->region == next->region &&
           touch->start + touch->pages * IMPORT_PAGE_BYTES == next->start;
}

void
import_touch(struct import *import, struct import_task *task,
             const struct import_touch *touch)
{
    struct import_touch *pending = &import->pending;
    if (is_continued(pending, touch)) {
        pending->pages++;
        pending->last_ns = touch->last_ns;
        return;
    }
    import_flush(import);
    write_spending(import, task, touch->cpu);
    *pending = *touch;
    import->pending_address = g_string_new(NULL);
    import_space_format(task->space, touch->start, import->pending_address);
}

void
import_flush(struct import *import)
{
    struct import_touch touch = import->pending;
    if (!touch.op)
        return;
    import->pending.op = 0;
    g_autoptr(GString) address = g_steal_pointer(&import->pending_address);
    g_autofree char *size = import_size(touch.pages * IMPORT_PAGE_BYTES);
    bool is_known = touch.outcome != TRACE_OUTCOME_COUNT;
    g_autofree char *event =
        g_strdup_printf("%c %s %s%s%s%s", touch.op, address->str, size,
                        touch.is_kernel ? " kernel" : "", is_known ? " = " : "",
                        is_known ? trace_outcome_word(touch.outcome) : "");
    write_event(import, touch.first_ns, touch.last_ns - touch.first_ns,
                touch.cpu, touch.task, event);
}

const char *
import_name(const struct import *import, const struct perf_record *record)
{
    if (record->name == PERF_NONE)
        return "unnamed";
    return import->recording->names->pdata[record->name];
}

char *
import_prot(uint64_t prot)
{
    return g_strdup_printf("%c%c%c", prot & TRACE_PROT_READ ? 'r' : '-',
                           prot & TRACE_PROT_WRITE ? 'w' : '-',
                           prot & TRACE_PROT_EXEC ? 'x' : '-');
}

/* "/usr/lib/libc.so.6" is libc.so.6, "[vdso]" vdso. */
char *
import_stem(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *stem = g_strdup(slash ? slash + 1 : path);
    char *deleted = strstr(stem, " (deleted)");
    if (deleted)
        *deleted = '\0';
    g_strdelimit(stem, "[]", ' ');
    g_strstrip(stem);
    if (!*stem) {
        g_free(stem);
        stem = g_strdup("file");
    }
    return stem;
}

bool
import_is_shmem(const char *path)
{
    return g_str_has_prefix(path, "/memfd:") ||
           g_str_has_prefix(path, "/dev/shm/") ||
           g_str_has_prefix(path, "/dev/zero") ||
           g_str_has_prefix(path, "/SYSV");
}
