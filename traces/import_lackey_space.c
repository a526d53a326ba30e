/*
 * What a lackey recording does not say of an address space: what exec mapped,
 * read from the program's file, and memory that no call was seen to map.
 */
#include "traces/import_lackey.h"

#include <inttypes.h>

#include "traces/import_elf.h"

/* Where valgrind puts things on x86-64. */
#define PROGRAM_BASE      UINT64_C(0x108000)
#define STACK_LIMIT_BYTES (UINT64_C(8) << 20)
#define STACK_FIRST_BYTES (UINT64_C(132) << 10)
#define UNKNOWN_BYTES     (UINT64_C(64) << 10)

static void
map_segment(struct lackey_process *process,
            const struct import_segment *segment, uint64_t base,
            const char *path)
{
    struct import *import = &process->lackey->import;
    struct import_task *task = &process->current->task;
    struct import_piece like = {.prot = segment->prot,
                                .is_file = !segment->is_anon};
    uint64_t length = segment->end - segment->start;
    g_autofree char *stem = import_stem(segment->is_anon ? "anon" : path);
    g_autofree char *name = import_space_new_name(task->space, stem);
    g_autofree char *size = import_size(length);
    g_autofree char *prot = import_prot(segment->prot);
    g_autofree char *file = trace_escape(path);
    g_autofree char *offset = import_size(segment->offset);
    g_autofree char *what =
        segment->is_anon
            ? g_strdup("anon,private")
            : g_strdup_printf("private,file=%s off=%s", file, offset);
    import_line(import, "%u map %s %s %s %s at=0x%" PRIx64, task->id, name,
                size, prot, what, base + segment->start);
    import_space_map(task->space, name, base + segment->start, length, &like);
}

static void
map_file(struct lackey_process *process, const char *path,
         const struct import_elf *elf, uint64_t base)
{
    for (guint i = 0; i < elf->segments->len; i++)
        map_segment(process,
                    &g_array_index(elf->segments, struct import_segment, i),
                    base, path);
}

static void
map_stack(struct lackey_process *process)
{
    struct import *import = &process->lackey->import;
    struct import_task *task = &process->current->task;
    struct import_piece like = {.prot = TRACE_PROT_READ | TRACE_PROT_WRITE};
    g_autofree char *name = import_space_new_name(task->space, "stack_vma");
    import_line(import,
                "%u map %s 132K rw- anon,private,stack,growsdown at=stack-132K",
                task->id, name);
    import_space_put(task->space, task->space->stack,
                     LACKEY_STACK_TOP - STACK_FIRST_BYTES, LACKEY_STACK_TOP,
                     &like);
}

/* The first instruction is the interpreter's, or of a program without one. */
void
lackey_begin_image(struct lackey_process *process, uint64_t first_address)
{
    struct import *import = &process->lackey->import;
    struct import_task *task = &process->current->task;
    g_autofree char *found = g_find_program_in_path(process->program);
    g_autofree char *path = found ? g_canonicalize_filename(found, NULL) : NULL;
    g_autofree char *stem = import_stem(process->program);
    g_autofree char *comm = trace_escape(stem);
    struct import_elf *elf = path ? import_elf_read(path) : NULL;
    struct import_elf *interpreter =
        elf && elf->interpreter ? import_elf_read(elf->interpreter) : NULL;

    import_space_unref(task->space);
    task->space = import_space_new(0, LACKEY_STACK_TOP, STACK_LIMIT_BYTES);
    import_line(import, "%u exec %s", task->id, comm);
    map_stack(process);
    if (interpreter)
        map_file(process, elf->interpreter, interpreter,
                 first_address - interpreter->entry);
    if (elf)
        map_file(process, path, elf,
                 !elf->is_relocatable ? 0
                 : elf->interpreter   ? PROGRAM_BASE
                                      : first_address - elf->entry);
    else
        import_line(import, "# its file cannot be read: its image is unknown");
    import_line(import, "%u w stack-4K 4K gup", task->id);
    import_elf_free(interpreter);
    import_elf_free(elf);
    process->has_image = true;
}

void
lackey_map_unknown(struct lackey_process *process, uint64_t address)
{
    struct import *import = &process->lackey->import;
    struct import_task *task = &process->current->task;
    struct import_piece like = {.prot = 7};
    uint64_t start = address & ~(UNKNOWN_BYTES - 1), end = start;
    for (; end < start + UNKNOWN_BYTES; end += IMPORT_PAGE_BYTES) {
        if (!import_space_find(task->space, end))
            continue;
        if (end > address)
            break;
        start = end + IMPORT_PAGE_BYTES;
    }
    g_autofree char *name = import_space_new_name(task->space, "unknown");
    g_autofree char *size = import_size(end - start);
    import_flush(import);
    import_line(import, "%u mmap %s %s rwx anon,private", task->id, name, size);
    import_space_map(task->space, name, start, end - start, &like);
}
