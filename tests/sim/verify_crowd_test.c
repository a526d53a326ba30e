/*
 * A process with thousands of VMAs is compared as a whole after every event:
 * whatever a worker did behind the simulation's back, far from what the event
 * is about, is a difference at that very event.
 *
 * On 6.18 as root; elsewhere that is skipped, and the test says so.
 */
#include "sim/catalog.h"
#include "sim/verify.h"
#include "sim/verify_host.h"
#include "sim/verify_shrink.h"
#include "tests/run_suite.h"
#include "tests/sim/program.h"
#include "traces/trace.h"

#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define GUARD_INSTALL 102  // madvise(), from 6.13 on

/*
 *  CROWD                                       CROWD + 4096 pages
 *    | rw- | r-- | rw- | r-- |  ...  | rw- | r-- |
 *             FAR_READ --^     ^-- FAR, written
 */
#define CROWD    UINT64_C(0x300000000000)
#define FAR      (CROWD + 3000 * UINT64_C(4096))
#define FAR_READ (FAR + 4096)
#define FAR_BARE (FAR + 4 * 4096)  // had a guard
#define SHARED   UINT64_C(0x2f0000000000)

enum { DOUBLINGS = 11 };

static bool
is_asked_here(void)
{
    const char *reason = verify_obstacle();

    if (reason)
        printf("# verify: crowds are not carried out: %s\n", reason);
    return !reason;
}

/* 2 << DOUBLINGS VMAs, pages in some of them; then reads elsewhere, which
 * change nothing. */
static GPtrArray *
crowd_lines(void)
{
    GPtrArray *lines = g_ptr_array_new_with_free_func(g_free);
    static const char *const head[] = {
        "#vmtrace 1",
        "0 file disk 64K disk cached",
        "1 start",
        "1 mmap F 16K rw- shared,file=disk,fixed at=0x2f0000000000",
        "1 mmap N 32K rw- anon,private,fixed at=0x200001f0000",
        "1 mmap W 8K rw- anon,private,fixed at=0x300000000000",
        "1 mprotect 0x300000001000 4K r--",
    };
    static const char *const tail[] = {
        "1 w 0x300000bb8000 4K",
        "1 r 0x300000bb9000 4K",
        "1 madvise 0x300000bbc000 4K guard-install",
        "1 madvise 0x300000bbc000 4K guard-remove",
        "1 w N 4K",
        "1 r N 4K",
        "1 r N 4K",
        "1 r N 4K",
        "1 r N 4K",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(head); i++)
        g_ptr_array_add(lines, g_strdup(head[i]));
    for (uint64_t i = 0; i < DOUBLINGS; i++) {
        unsigned kib = 8U << i;
        g_ptr_array_add(
            lines, g_strdup_printf("1 mremap 0x%" PRIx64 " %uK %uK maymove "
                                   "fixed at=0x%" PRIx64 " dontunmap as=W",
                                   CROWD, kib, kib, CROWD + kib * 1024));
    }
    for (size_t i = 0; i < G_N_ELEMENTS(tail); i++)
        g_ptr_array_add(lines, g_strdup(tail[i]));
    return lines;
}

/* ---- behind its back ---- */

struct deed {
    const char *name;
    long number;
    uint64_t args[6];
    const char *shows_as;
};

struct plan {
    const struct deed *deed;
    size_t event;
};

static void
meddle(void *data, size_t event, struct worker *worker)
{
    const struct plan *plan = data;
    g_autoptr(GError) error = NULL;
    int64_t result;

    if (event != plan->event)
        return;
    ck_assert_msg(host_call(worker, plan->deed->number, plan->deed->args,
                            &result, &error),
                  "%s", error ? error->message : "");
    ck_assert_msg(result >= 0, "%s: %s", plan->deed->name,
                  g_strerror((int)-result));
}

#define MAPPED_OVER(prot, flags)                                               \
    {                                                                          \
        FAR_READ, 4096, prot, MAP_FIXED | (flags), UINT64_MAX, 0               \
    }
#define PRIVATE (MAP_PRIVATE | MAP_ANONYMOUS)

static const struct deed deeds[] = {
    {"a VMA is missing", SYS_munmap, {FAR_READ, 4096}, "VMAs differ"},
    {"two VMAs became one", SYS_munmap, {FAR, 8192}, "VMAs differ"},
    {"protection", SYS_mprotect, {FAR_READ, 4096, PROT_NONE}, "VMAs differ"},
    {"execution", SYS_mprotect, {FAR_READ, 4096, 5}, "VMAs differ"},
    {"sharing", SYS_mmap, MAPPED_OVER(1, MAP_SHARED | MAP_ANONYMOUS), "VMAs"},
    {"gd", SYS_mmap, MAPPED_OVER(1, PRIVATE | MAP_GROWSDOWN), "VMAs differ"},
    {"ac", SYS_mmap, MAPPED_OVER(3, PRIVATE), "VMAs differ"},
    {"nr", SYS_mmap, MAPPED_OVER(1, PRIVATE | MAP_NORESERVE), "VMAs differ"},
    {"offset", SYS_remap_file_pages, {SHARED, 4096, 0, 8}, "VMAs differ"},
    {"lo", SYS_mlock, {FAR_READ, 4096}, "VMAs differ"},
    {"sr", SYS_madvise, {FAR, 4096, MADV_SEQUENTIAL}, "VMAs differ"},
    {"rr", SYS_madvise, {FAR, 4096, MADV_RANDOM}, "VMAs differ"},
    {"dc", SYS_madvise, {FAR, 4096, MADV_DONTFORK}, "VMAs differ"},
    {"wf", SYS_madvise, {FAR, 4096, MADV_WIPEONFORK}, "VMAs differ"},
    {"hg", SYS_madvise, {FAR, 4096, MADV_HUGEPAGE}, "VMAs differ"},
    {"nh", SYS_madvise, {FAR, 4096, MADV_NOHUGEPAGE}, "VMAs differ"},
    {"mg", SYS_madvise, {FAR, 4096, MADV_MERGEABLE}, "VMAs differ"},
    {"a page is gone", SYS_madvise, {FAR, 4096, MADV_DONTNEED}, "page 0x"},
    {"a page may go", SYS_madvise, {FAR, 4096, MADV_FREE}, "page 0x"},
    {"gu", SYS_madvise, {FAR, 4096, GUARD_INSTALL}, "VMAs differ"},
    {"a guard", SYS_madvise, {FAR_BARE, 4096, GUARD_INSTALL}, "page 0x"},
    {"a page more",
     SYS_madvise,
     {FAR + 8192, 4096, MADV_POPULATE_WRITE},
     "page 0x"},
    {"a page table more",
     SYS_madvise,
     {CROWD, 4096, MADV_POPULATE_READ},
     "VmPTE: pages differ"},
};

/* The event before the last but one, after which an end would compare. */
static void
expect_seen(const struct trace *trace, const struct setup *setup,
            const struct deed *deed)
{
    struct plan plan = {.deed = deed, .event = trace->events->len - 3};
    const struct verify_wishes wishes = {.meddle = meddle, .meddler = &plan};
    struct verify_result result;
    g_autoptr(GError) error = NULL;

    ck_assert_msg(verify_trace(trace, setup, &wishes, &result, &error), "%s",
                  error ? error->message : "");
    ck_assert_msg(result.differs, "not seen: %s", deed->name);
    ck_assert_msg(result.event == plan.event, "%s: seen at event %zu",
                  deed->name, result.event);
    ck_assert_msg(g_str_has_prefix(result.difference, deed->shows_as), "%s: %s",
                  deed->name, result.difference);
    verify_result_clear(&result);
}

static void
expect_all_seen(size_t step)
{
    g_autoptr(GPtrArray) lines = crowd_lines();
    g_autoptr(GArray) choices = g_array_new(FALSE, FALSE, 1);
    g_autoptr(GError) error = NULL;
    struct trace *trace = lines_load(lines, &error);
    const struct verify_wishes wishes = {0};
    struct verify_result result;
    struct catalog catalog;
    struct setup setup;
    bool is_exact;

    ck_assert_msg(trace, "%s", error ? error->message : "");
    ck_assert(catalog_open(&catalog, getenv("VMSIM_DATA"), NULL));
    ck_assert(verify_setup(&setup, &catalog, choices, &is_exact, NULL));
    ck_assert(verify_trace(trace, &setup, &wishes, &result, &error));
    ck_assert_msg(!result.differs, "%s", result.difference);
    verify_result_clear(&result);
    for (size_t i = 0; i < G_N_ELEMENTS(deeds); i += step)
        expect_seen(trace, &setup, &deeds[i]);
    trace_free(trace);
    catalog_close(&catalog);
}

START_TEST(what_differs_far_away_in_a_crowd_is_seen_at_its_event)
{
    if (is_asked_here())
        expect_all_seen(1);
}
END_TEST

/* As a kernel that was built without it would. */
static void
forbid_bpf(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_bpf, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {G_N_ELEMENTS(filter), filter};

    ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

START_TEST(a_host_without_iterators_sees_the_same)
{
    if (!is_asked_here())
        return;
    forbid_bpf();
    expect_all_seen(4);
}
END_TEST

/* Under merge=off the simulation leaves two VMAs where the host has one. */
static const char *const differing[] = {
    "1 mmap D 16K rw- anon,private,noreserve,fixed at=0x2000020c000",
    "1 mprotect D 8K r--",
    "1 mprotect D+8K 8K r--",
    "1 r N 4K",
};

START_TEST(a_difference_that_needs_no_crowd_is_shrunk_to_what_it_needs)
{
    if (!is_asked_here())
        return;
    g_autoptr(GPtrArray) lines = crowd_lines();
    g_autofree char *said =
        g_strdup_printf("event %u differs", lines->len - 1 + 3);
    enter_folder();
    for (size_t i = 0; i < G_N_ELEMENTS(differing); i++)
        g_ptr_array_add(lines, g_strdup(differing[i]));
    g_ptr_array_add(lines, NULL);
    g_autofree char *text = g_strjoinv("\n", (char **)lines->pdata);
    write_file("crowd.vmt", text);
    struct outcome outcome =
        run_vmsim("verify", "--policy", "merge=off", "crowd.vmt", NULL);
    ck_assert_int_eq(outcome.status, 1);
    ck_assert_msg(strstr(outcome.err, said), "%s", end_of(outcome.err));
    ck_assert_msg(strstr(outcome.err, ": 4 lines show it"), "%s",
                  end_of(outcome.err));
    ck_assert_ptr_nonnull(strstr(outcome.out, "1 mprotect "));
    outcome_clear(&outcome);
    leave_folder();
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("verify_crowd");
    TCase *host = tcase_create("host");

    tcase_set_timeout(host, 120);
    tcase_add_test(host, what_differs_far_away_in_a_crowd_is_seen_at_its_event);
    tcase_add_test(host, a_host_without_iterators_sees_the_same);
    tcase_add_test(host,
                   a_difference_that_needs_no_crowd_is_shrunk_to_what_it_needs);
    suite_add_tcase(suite, host);
    return run_suite(suite);
}
