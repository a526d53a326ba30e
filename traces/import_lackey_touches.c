/*
 * The accesses of a lackey recording become touches: one when its page was not
 * touched so since the last call that changed the address space, or for
 * ACCESS_WINDOW accesses.
 */
#include "traces/import_lackey.h"

#include <string.h>

enum {
    ACCESS_WINDOW = 1 << 20,
    ACCESS_BYTES_MAX = 4096,
};

void
lackey_forget_touches(struct lackey_process *process)
{
    g_hash_table_remove_all(process->seen);
    process->access_count = 0;
    process->last_bit = 0;
}

static void
touch_page(struct lackey_process *process, uint64_t page, enum touch_bit bit,
           bool is_kernel)
{
    if (page == process->last_page && (process->last_bit & bit))
        return;
    gpointer key = (gpointer)(uintptr_t)page;
    unsigned bits = GPOINTER_TO_UINT(g_hash_table_lookup(process->seen, key));
    bool is_new = !(bits & bit) && !(bit == TOUCH_R && bits & TOUCH_W);
    process->last_page = page;
    process->last_bit = bits | bit;
    if (!is_new)
        return;
    g_hash_table_insert(process->seen, key, GUINT_TO_POINTER(bits | bit));

    uint64_t address = page * IMPORT_PAGE_BYTES;
    const struct import_piece *piece =
        import_space_find(lackey_space(process), address);
    if (!piece && !is_kernel) {
        lackey_map_unknown(process, address);
        piece = import_space_find(lackey_space(process), address);
    }
    struct import_touch touch = {
        .task = process->current->task.id,
        .op = bit == TOUCH_W   ? 'w'
              : bit == TOUCH_X ? 'x'
                               : 'r',
        .is_kernel = is_kernel,
        .region = piece ? piece->region : NULL,
        .start = address,
        .pages = 1,
        .outcome = TRACE_OUTCOME_COUNT,
    };
    import_touch(&process->lackey->import, &process->current->task, &touch);
}

void
lackey_touch_range(struct lackey_process *process, uint64_t start,
                   uint64_t length, enum touch_bit bit, bool is_kernel)
{
    if (length == 0 || start + length < start)
        return;
    uint64_t last = (start + length - 1) / IMPORT_PAGE_BYTES;
    for (uint64_t page = start / IMPORT_PAGE_BYTES; page <= last; page++)
        touch_page(process, page, bit, is_kernel);
}

bool
lackey_take_hex(struct trace_text *text, uint64_t *value)
{
    unsigned digits = 0;
    for (*value = 0; g_ascii_isxdigit(*text->at) && digits < 16;
         text->at++, digits++)
        *value = *value << 4 | (uint64_t)g_ascii_xdigit_value(*text->at);
    return digits > 0;
}

/* "I  0401ab70,3" or " L 1ffeffe7a8,8" */
bool
lackey_take_access(struct lackey_process *process)
{
    static const char what[] = "an access like \" L 1ffeffe7a8,8\"";
    struct trace_text *text = process->text;
    const char *start = text->at;
    bool is_fetch = *start == 'I';
    char kind = is_fetch ? 'I' : start[1];
    uint64_t address, length;
    text->at += is_fetch ? 1 : 2;
    text->at += strspn(text->at, " ");
    if (!lackey_take_hex(text, &address) || *text->at++ != ',' ||
        trace_scan_number(&text->at, &length) != TRACE_SCAN_DONE ||
        *text->at != '\n' || length > ACCESS_BYTES_MAX)
        return lackey_fail(process, start, what);
    if (process->is_dead)
        return lackey_fail(process, start,
                           "the end of a process that has exited");
    if (!process->has_image && !process->program)
        return lackey_fail(process, start,
                           "a line like ==7== Command: PROGRAM above");
    if (!process->has_image)
        lackey_begin_image(process, address);
    if (++process->access_count > ACCESS_WINDOW)
        lackey_forget_touches(process);
    lackey_touch_range(process, address, length,
                       is_fetch      ? TOUCH_X
                       : kind == 'L' ? TOUCH_R
                                     : TOUCH_W,
                       false);
    return true;
}
