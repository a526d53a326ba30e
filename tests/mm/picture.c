/*
 * See picture.h.
 */
#include "tests/mm/picture.h"

#include "mm/file.h"
#include "mm/purge.h"
#include "mm/rmap.h"

#include <check.h>
#include <ctype.h>
#include <errno.h>

#define ARENA_PAGES 64

struct machine_config
scene_config(kernel_fixture kernel)
{
    struct machine_config config = kernel(&arch_x86_64, 256 * MIB);

    config.kernel.calls = UINT64_MAX;
    config.policy.rmap = &rmap_anon_vma_chain;
    config.policy.gap = &gap_rb_gap;
    config.policy.purge = &purge_dontneed;
    return config;
}

struct scene
scene_create(const struct machine_config *config)
{
    struct scene scene = {.machine = machine_create(config)};
    struct exec_layout layout = {0};

    ck_assert_int_eq(task_start(scene.machine, 0, 0, &layout, &scene.task), 0);
    scene.mm = scene.task->mm;
    ck_assert_int_eq(mm_munmap(scene.mm, scene.mm->first->start,
                               scene.mm->first->end - scene.mm->first->start),
                     0);
    scene.file =
        file_create(scene.machine, ARENA_PAGES * PAGE_BYTES, false, false);
    return scene;
}

void
scene_destroy(struct scene *scene)
{
    machine_validate(scene->machine);
    machine_destroy(scene->machine);
}

static int64_t
carry_out(struct scene *scene, const struct call *call)
{
    struct operation op = {0};

    operation_begin(&op, scene->machine, scene->task, call);
    operation_run(&op);
    operation_finish(&op);
    if (op.child) {
        scene->task = op.child;
        scene->mm = op.child->mm;
    }
    return op.result;
}

static uint32_t
prot_of(char letter)
{
    switch (letter) {
    case 'r':
        return VM_READ;
    case 'w':
        return VM_READ | VM_WRITE;
    case 'x':
        return VM_READ | VM_EXEC;
    default:
        return 0;
    }
}

static struct call
call_of(const struct scene *scene, const char *word)
{
    char *rest;
    uint64_t page = g_ascii_strtoull(word + 1, &rest, 10);
    uint64_t target = *rest == '>' ? g_ascii_strtoull(rest + 1, &rest, 10) : 0;
    uint64_t pages = *rest == '+' ? g_ascii_strtoull(rest + 1, &rest, 10) : 0;
    struct call call = {.addr = arena_page(page),
                        .length = pages_to_bytes(pages),
                        .prot = prot_of(*rest)};

    switch (*word) {
    case 'f':
        call.file = scene->file;
        call.pgoff = page;
        __attribute__((fallthrough));
    case 'm':
    case 'n':
        call.kind = CALL_MMAP;
        call.flags = MM_FIXED | (*word == 'n' ? MM_NORESERVE : 0);
        break;
    case 'u':
        call.kind = CALL_MUNMAP;
        break;
    case 'p':
        call.kind = CALL_MPROTECT;
        break;
    case 't':
        call.kind = CALL_TOUCH;
        call.access = TOUCH_WRITE;
        break;
    case 'v':
        call.kind = CALL_MREMAP;
        call.new_length = call.length;
        call.new_addr = arena_page(target);
        call.flags = MREMAP_CAN_MOVE | MREMAP_TO_FIXED;
        break;
    case 'l':
    case 'L':
        call.kind = *word == 'l' ? CALL_MLOCK : CALL_MUNLOCK;
        break;
    case 'd':
    case 'D':
    case 'g':
        call.kind = CALL_MADVISE;
        call.advice = *word == 'd'   ? ADVICE_DONTFORK
                      : *word == 'D' ? ADVICE_DOFORK
                                     : ADVICE_GUARD_INSTALL;
        break;
    case 'F':
        call.kind = CALL_FORK;
        break;
    default:
        ck_abort_msg("no such call: %s", word);
    }
    return call;
}

int64_t
scene_run(struct scene *scene, const char *script)
{
    g_auto(GStrv) words = g_strsplit(script, " ", -1);
    int64_t result = 0;

    for (char **word = words; *word; word++) {
        struct call call = call_of(scene, *word);

        result = carry_out(scene, &call);
    }
    return result;
}

static char
letter_of(const struct vma *vma)
{
    char letter = vma->flags & VM_WRITE  ? 'w'
                  : vma->flags & VM_EXEC ? 'x'
                  : vma->flags & VM_READ ? 'r'
                                         : '-';

    if (!vma->family)
        return letter;
    return letter == '-' ? '=' : (char)toupper(letter);
}

static char *
picture_of(const struct mm *mm)
{
    GString *picture = g_string_new(NULL);
    uint64_t drawn = ARENA;

    for (const struct vma *vma = mm->first;
         vma && vma->start < arena_page(ARENA_PAGES); vma = vma->next) {
        ck_assert_uint_ge(vma->start, ARENA);
        if (vma->start == drawn && drawn > ARENA)
            g_string_append_c(picture, '|');
        for (; drawn < vma->start; drawn += PAGE_BYTES)
            g_string_append_c(picture, '.');
        for (; drawn < vma->end; drawn += PAGE_BYTES)
            g_string_append_c(picture, letter_of(vma));
    }
    return g_string_free(picture, FALSE);
}

void
scene_looks(const struct scene *scene, const char *script, const char *picture)
{
    g_autofree char *found = picture_of(scene->mm);

    ck_assert_msg(strcmp(found, picture) == 0, "%s: %s, not %s", script, found,
                  picture);
}
