/*
 * Writes events as canonical text: one spelling per meaning, so that reading
 * what was written gives an equal trace.  Walks the tables that the parser
 * walks.
 */
#include "traces/trace_format.h"

#include <string.h>

#include "traces/trace_syntax.h"

static void
append_number(GString *line, uint64_t number)
{
    char digits[20];
    size_t first = sizeof(digits);
    do {
        digits[--first] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    g_string_append_len(line, digits + first, (gssize)(sizeof(digits) - first));
}

void
trace_format_size(GString *line, uint64_t bytes)
{
    static const char suffixes[] = "KMGT";
    unsigned i = 0;
    while (bytes > 0 && bytes % 1024 == 0 && suffixes[i] != '\0') {
        bytes /= 1024;
        i++;
    }
    append_number(line, bytes);
    if (i > 0)
        g_string_append_c(line, suffixes[i - 1]);
}

static void
append_size(GString *line, uint64_t bytes, enum trace_spelling spelling)
{
    if (spelling <= TRACE_SPELLING_ZERO) {
        trace_format_size(line, bytes);
    } else if (spelling >= TRACE_SPELLING_KIB && bytes > 0 &&
               bytes % 1024 == 0) {
        append_number(line, bytes / 1024);
        g_string_append_c(line, 'K');
    } else {
        append_number(line, bytes);
    }
}

static void
append_hex(GString *line, uint64_t number)
{
    g_string_append_printf(line, "0x%" G_GINT64_MODIFIER "x", number);
}

void
trace_format_name(GString *line, const char *name)
{
    while (*name != '\0') {
        unsigned char byte = (unsigned char)*name;
        size_t length = 1;
        if (byte >= 0x80) {
            gunichar c = g_utf8_get_char_validated(name, -1);
            bool is_character = c != (gunichar)-1 && c != (gunichar)-2;
            length = is_character ? (size_t)g_utf8_skip[byte] : 0;
        } else if (byte <= 0x20 || byte == 0x7f || strchr("%#,=", byte)) {
            length = 0;
        }
        g_string_append_len(line, name, (gssize)length);
        if (length == 0)
            g_string_append_printf(line, "%%%02X", byte);
        name += MAX(length, 1);
    }
}

char *
trace_escape(const char *name)
{
    GString *escaped = g_string_new(NULL);
    trace_format_name(escaped, name);
    return g_string_free(escaped, FALSE);
}

static const char *
binding_name(const struct trace *trace, uint32_t binding)
{
    if (binding == TRACE_BINDING_HEAP)
        return "heap";
    if (binding == TRACE_BINDING_STACK)
        return "stack";
    return trace_string(
        trace,
        g_array_index(trace->bindings, struct trace_binding, binding).name);
}

static void
append_address(GString *line, const struct trace *trace,
               const struct trace_address *address,
               enum trace_spelling spelling)
{
    if (address->binding == TRACE_BINDING_ABSOLUTE) {
        append_hex(line, address->offset);
        return;
    }
    g_string_append(line, binding_name(trace, address->binding));
    bool writes_zero = spelling % 2 == TRACE_SPELLING_ZERO;
    if (address->offset == 0 && !address->from_end && !writes_zero)
        return;
    g_string_append_c(line, address->from_end ? '-' : '+');
    append_size(line, address->offset, spelling);
}

static void
append_prot(GString *line, uint8_t prot)
{
    g_string_append_c(line, prot & TRACE_PROT_READ ? 'r' : '-');
    g_string_append_c(line, prot & TRACE_PROT_WRITE ? 'w' : '-');
    g_string_append_c(line, prot & TRACE_PROT_EXEC ? 'x' : '-');
}

static uint64_t
task_id(const struct trace *trace, uint32_t task)
{
    return task == TRACE_NONE
               ? 0
               : g_array_index(trace->tasks, struct trace_task, task).id;
}

static void
append_file_name(GString *line, const struct trace *trace, uint32_t file)
{
    trace_format_name(
        line,
        trace_string(
            trace, g_array_index(trace->files, struct trace_file, file).name));
}

static void
append_operand(GString *line, const struct trace *trace,
               const struct trace_event *event, enum trace_operand operand,
               enum trace_spelling spelling)
{
    const struct trace_detail *detail = trace_detail(trace, event);
    switch (operand) {
    case TRACE_OPERAND_BIND:
        g_string_append(line, binding_name(trace, detail->binds));
        break;
    case TRACE_OPERAND_ADDRESS:
        append_address(line, trace, &event->address, spelling);
        break;
    case TRACE_OPERAND_SIZE:
        append_size(line, event->length, spelling);
        break;
    case TRACE_OPERAND_NEW_SIZE:
        append_size(line, detail->new_length, spelling);
        break;
    case TRACE_OPERAND_PAGE:
        append_number(line, detail->file_offset);
        break;
    case TRACE_OPERAND_NUMBER:
    case TRACE_OPERAND_UID:
    case TRACE_OPERAND_COUNT:
        append_number(line, event->length);
        break;
    case TRACE_OPERAND_PROT:
        append_prot(line, event->prot);
        break;
    case TRACE_OPERAND_ADVICE:
        g_string_append(line,
                        trace_advice_word((enum trace_advice)event->advice));
        break;
    case TRACE_OPERAND_STRING:
        trace_format_name(line, trace_string(trace, event->object));
        break;
    case TRACE_OPERAND_NEW_FILE:
        append_file_name(line, trace, event->object);
        break;
    case TRACE_OPERAND_NEW_TASK:
    case TRACE_OPERAND_TASK:
    case TRACE_OPERAND_ANY_TASK:
        append_number(line, task_id(trace, event->object));
        break;
    case TRACE_OPERAND_END:
        g_assert_not_reached();
    }
}

static void
append_operands(GString *line, const struct trace *trace,
                const struct trace_event *event, enum trace_spelling spelling)
{
    const enum trace_operand *operand = trace_syntax[event->op].operands;
    for (; *operand != TRACE_OPERAND_END; operand++) {
        if (*operand == TRACE_OPERAND_ANY_TASK && event->object == TRACE_NONE)
            continue;
        g_string_append_c(line, ' ');
        append_operand(line, trace, event, *operand, spelling);
    }
}

static void
append_flags(GString *line, const struct trace_event *event)
{
    char separator = ' ';
    for (const struct trace_flag_word *flag = trace_flag_words; flag->word;
         flag++) {
        bool is_true = ((event->flags & flag->flag) != 0) != flag->is_absence;
        if (!(flag->ops & TRACE_OP_BIT(event->op)) || !flag->is_written ||
            !is_true)
            continue;
        g_string_append_c(line, separator);
        g_string_append(line, flag->word);
        separator = ',';
    }
}

static bool
is_key_present(const struct trace *trace, const struct trace_event *event,
               const struct trace_key_word *key)
{
    const struct trace_detail *detail = trace_detail(trace, event);
    switch (key->value) {
    case TRACE_VALUE_AT:
        return event->flags & TRACE_AT;
    case TRACE_VALUE_FILE:
        return event->object != TRACE_NONE;
    case TRACE_VALUE_OFF:
        return detail->file_offset != 0;
    case TRACE_VALUE_AS:
        return event->flags & TRACE_AS;
    case TRACE_VALUE_STRIDE:
        return detail->stride != 0;
    case TRACE_VALUE_COMM:
        return detail->comm != TRACE_NONE;
    case TRACE_VALUE_UID:
    case TRACE_VALUE_ADDRESS:
    case TRACE_VALUE_SIZE:
        return detail->keys >> key->key & 1;
    }
    g_assert_not_reached();
}

static void
append_value(GString *line, const struct trace *trace,
             const struct trace_event *event, const struct trace_key_word *key,
             enum trace_spelling spelling)
{
    const struct trace_detail *detail = trace_detail(trace, event);
    switch (key->value) {
    case TRACE_VALUE_AT:
        append_address(line, trace, &detail->at, spelling);
        break;
    case TRACE_VALUE_FILE:
        append_file_name(line, trace, event->object);
        break;
    case TRACE_VALUE_OFF:
        append_size(line, detail->file_offset, spelling);
        break;
    case TRACE_VALUE_AS:
        g_string_append(line, binding_name(trace, detail->binds));
        break;
    case TRACE_VALUE_STRIDE:
        append_size(line, detail->stride, spelling);
        break;
    case TRACE_VALUE_COMM:
        trace_format_name(line, trace_string(trace, detail->comm));
        break;
    case TRACE_VALUE_UID:
        append_number(line, detail->key[key->key]);
        break;
    case TRACE_VALUE_ADDRESS:
        append_hex(line, detail->key[key->key]);
        break;
    case TRACE_VALUE_SIZE:
        append_size(line, detail->key[key->key], spelling);
        break;
    }
}

static void
append_keys(GString *line, const struct trace *trace,
            const struct trace_event *event, enum trace_spelling spelling)
{
    for (const struct trace_key_word *key = trace_key_words; key->word; key++) {
        if (!(key->ops & TRACE_OP_BIT(event->op)) ||
            !is_key_present(trace, event, key))
            continue;
        g_string_append_printf(line, " %s=", key->word);
        append_value(line, trace, event, key, spelling);
    }
}

static void
append_runs(GString *line, const struct trace *trace,
            const struct trace_result *result)
{
    for (uint32_t i = 0; i < result->run_count; i++) {
        const struct trace_run *run = &g_array_index(
            trace->runs, struct trace_run, result->run_first + i);
        if (i > 0)
            g_string_append_c(line, ',');
        g_string_append(line, trace_outcome_word(run->outcome));
        if (run->pages > 0) {
            g_string_append_c(line, '*');
            append_number(line, run->pages);
        }
    }
}

static void
append_result(GString *line, const struct trace *trace,
              const struct trace_result *result)
{
    g_string_append(line, " = ");
    switch (result->kind) {
    case TRACE_RESULT_SUCCESS:
        g_string_append_c(line, '0');
        break;
    case TRACE_RESULT_ERRNO:
        g_string_append(line, trace_errno_name(result->error));
        break;
    case TRACE_RESULT_ADDRESS:
        append_hex(line, result->address);
        if (result->vma_end > 0) {
            g_string_append(line, " vma=");
            append_hex(line, result->vma_start);
            g_string_append_c(line, '-');
            append_hex(line, result->vma_end);
        }
        break;
    case TRACE_RESULT_TOUCH:
        append_runs(line, trace, result);
        break;
    }
}

static void
append_prefix(GString *line, const struct trace_event *event)
{
    if (!(event->flags & TRACE_HAS_TIME))
        return;
    g_string_append_c(line, '@');
    append_number(line, event->start_ns);
    if (event->duration_ns > 0) {
        g_string_append_c(line, '+');
        append_number(line, event->duration_ns);
    }
    if (event->flags & TRACE_HAS_CPU) {
        g_string_append_c(line, '/');
        append_number(line, event->cpu);
    }
    g_string_append_c(line, ' ');
}

void
trace_format_event(const struct trace *trace, const struct trace_event *event,
                   GString *line)
{
    trace_format_spelled(trace, event, TRACE_SPELLING_CANONICAL, line);
}

void
trace_format_spelled(const struct trace *trace, const struct trace_event *event,
                     enum trace_spelling spelling, GString *line)
{
    append_prefix(line, event);
    append_number(line, task_id(trace, event->task));
    g_string_append_c(line, ' ');
    g_string_append(line, trace_op_word((enum trace_op)event->op));
    append_operands(line, trace, event, spelling);
    append_flags(line, event);
    append_keys(line, trace, event, spelling);
    if (event->result != TRACE_NONE)
        append_result(
            line, trace,
            &g_array_index(trace->results, struct trace_result, event->result));
}

static void
write_header(const struct trace *trace, struct trace_writer *writer)
{
    if (trace->touches == TRACE_TOUCHES_FAULTS)
        trace_writer_line(writer, "#touches faults %s", trace->touches_kernel);
    else if (trace->touches == TRACE_TOUCHES_FILTERED)
        trace_writer_line(writer, "#touches filtered");
    if (trace->rewrite)
        trace_writer_line(writer, "#rewrite %s", trace->rewrite);
}

void
trace_write_text(const struct trace *trace, struct trace_writer *writer)
{
    g_autoptr(GString) line = g_string_new(NULL);
    for (unsigned i = 0; i < trace->comments->len; i++)
        trace_writer_line(writer, "%s",
                          (const char *)g_ptr_array_index(trace->comments, i));
    write_header(trace, writer);
    for (unsigned i = 0; i < trace->events->len; i++) {
        g_string_truncate(line, 0);
        trace_format_event(
            trace, &g_array_index(trace->events, struct trace_event, i), line);
        trace_writer_line(writer, "%s", line->str);
    }
}
