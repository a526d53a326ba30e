/*
 * Address spaces as pictures: tests of the calls write down what they do and
 * what must come of it, one character a page.
 *
 *     ww|rr..W-      two VMAs side by side, a hole, one that was written to
 *
 *   .  nothing   -  no access   r  read   w  write   x  execute
 *   |  a border between neighbours
 *   capital, or = for no access: the VMA has an anon identity
 *
 * A script is a list of calls on pages of the arena, at+count and what for:
 *
 *   m0+4w     mmap private anonymous, fixed     f0+4r   private file, linear
 *   n0+4w     like m, noreserve                 u1+2    munmap
 *   p1+2r     mprotect                          t0+2    write
 *   v0>8+2    mremap to page 8                  g0+1    guard-install
 *   l0+1 L0+1 mlock, munlock                    d0+1 D0+1 dontfork, dofork
 *   F         fork, and go on in the child
 */
#pragma once

#include "mm/aspace.h"
#include "mm/machine.h"
#include "mm/operation.h"
#include "tests/mm/kernel_fixture.h"

#define ARENA (UINT64_C(0x10000000))
#define KIB   (UINT64_C(1) << 10)

/* A machine with one process, bare: no VMA at all. */
struct scene {
    struct machine *machine;
    struct task *task;
    struct mm *mm;      // of the task
    struct file *file;  // for f
};

/* x86-64, 256 MiB; change what the test is about. */
struct machine_config scene_config(kernel_fixture kernel);
struct scene scene_create(const struct machine_config *config);
/* Validates everything first. */
void scene_destroy(struct scene *scene);

static inline uint64_t
arena_page(uint64_t page)
{
    return ARENA + pages_to_bytes(page);
}

/* Carry the script out; the result of its last call. */
int64_t scene_run(struct scene *scene, const char *script);
/* Like ck_assert_str_eq() with the picture of the arena, up to the last page
 * that is mapped. */
void scene_looks(const struct scene *scene, const char *script,
                 const char *picture);
