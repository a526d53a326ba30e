/*
 * Whose bytes a frame holds when it is handed to a user: what is cleared, what
 * is not, and what leaks.
 */
#include "tests/must_hold/runs.h"
#include "tests/run_suite.h"

#include <stdlib.h>
#include <string.h>

static const char *const kernels[] = {"2.4.21", "2.6.2",  "2.6.22",
                                      "2.6.24", "2.6.32", "6.18"};

static const char *const commands[] = {
    "users",
    "users --uids 1 --size 1M --rounds 20",
    "users --uids 2 --size 4M --rounds 8",
    "users --uids 7 --size 100K --rounds 13",
    "users --uids 16 --size 8M --rounds 2",
};

/* What the trace says alone: pages that each process has, by region. */
struct region {
    uint64_t length;   // bytes
    bool *is_present;  // by page
};

/* Pages that nobody has before the touch. */
static uint64_t
touch(struct region *region, const struct trace_event *event)
{
    uint64_t first = event->address.offset / 4096;
    uint64_t end = (event->address.offset + event->length + 4095) / 4096;
    uint64_t fresh = 0;

    MUST(end * 4096 <= region->length, "a touch leaves its region");
    for (uint64_t page = first; page < end; page++) {
        fresh += !region->is_present[page];
        region->is_present[page] = true;
    }
    return fresh;
}

/*
 * Frames that the trace must be handed: every page's first write.  A read of
 * nothing would be the zero page's business; `users` has none.
 */
static uint64_t
predict_frames(const struct trace *trace)
{
    struct region *regions = g_new0(struct region, trace->bindings->len);
    uint64_t frames = 0;

    for (guint i = 0; i < trace->events->len; i++) {
        const struct trace_event *event =
            &g_array_index(trace->events, struct trace_event, i);
        struct region *region = &regions[event->address.binding];
        if (event->op == TRACE_OP_MMAP) {
            region = &regions[trace_detail(trace, event)->binds];
            region->length = event->length;
            region->is_present = g_new0(bool, event->length / 4096 + 1);
        } else if (event->op == TRACE_OP_WRITE) {
            frames += touch(region, event);
        } else if (event->op == TRACE_OP_READ) {
            MUST(touch(region, event) == 0, "users reads what is not there");
        }
    }
    for (guint i = 0; i < trace->bindings->len; i++)
        g_free(regions[i].is_present);
    g_free(regions);
    return frames;
}

/* All kernels and both machines, with RAM for everything at once and with
 * little, so that frames are recycled all the time. */
static void
assert_users(const char *clear, bool leaks)
{
    static const char *const machines[] = {"x86-64", "x86-64 ram=512M", "i386",
                                           "i386-pae"};

    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
        const struct trace *trace = trace_of_workload(commands[i]);
        uint64_t frames = predict_frames(trace);
        bool has_one_user = strstr(commands[i], "--uids 1 ") != NULL;

        for (size_t k = 0; k < G_N_ELEMENTS(kernels); k++) {
            g_autofree char *choices = g_strdup_printf(
                "clear=%s kernel=%s machine=%s", clear, kernels[k],
                machines[(i + k) % G_N_ELEMENTS(machines)]);
            const json_t *result = result_of(trace, choices);
            uint64_t leaked = counter_of(result, "leak_page_count");

            MUST(counter_of(result, "clear_page_count") +
                         counter_of(result, "clear_page_skipped_count") ==
                     frames,
                 "%s: clears and skips are not the frames handed over",
                 choices);
            if (!has_one_user)
                MUST((leaked > 0) == leaks, "%s, %s: leaks wrong", commands[i],
                     choices);
            assert_identities(result);
        }
    }
}

START_TEST(nothing_leaks_under_on_alloc)
{
    assert_users("on-alloc", false);
}
END_TEST

START_TEST(nothing_leaks_under_nozero)
{
    assert_users("nozero", false);
}
END_TEST

START_TEST(frames_leak_under_never)
{
    assert_users("never", true);
}
END_TEST

/* On a machine that is always full, the next owner of a frame is another user
 * for every region but the second of each turn. */
START_TEST(nozero_skips_what_the_same_user_just_freed)
{
    const struct trace *trace = trace_of_workload("users");
    const json_t *result =
        result_of(trace, "kernel=2.6.22-nozero machine=i386");
    uint64_t frames = predict_frames(trace);

    ck_assert_uint_eq(counter_of(result, "clear_page_skipped_count"),
                      frames / 2);
    ck_assert_uint_eq(
        counter_of(result_of(trace, "kernel=2.6.22"), "clear_page_count"),
        frames);
}
END_TEST

/* A process that changes its uid leaves frames that nobody owns; without the
 * race fix they are its last uid's, and may hold what the first one wrote. */
START_TEST(the_race_fix_loses_the_owner)
{
    const struct trace *trace =
        trace_of_lines("1 start uid=0\n"
                       "1 mmap A 4M rw- anon,private,nozero\n"
                       "1 w A 4M\n"
                       "1 setuid 33\n"
                       "1 exit\n"
                       "2 start uid=33\n"
                       "2 mmap A 64M rw- anon,private,nozero\n"
                       "2 w A 64M");
    const char *fixed = "kernel=2.6.22-nozero ram=128M";
    const char *racy = "kernel=2.6.22-nozero ram=128M knob.nozero.race_fix=0";

    const json_t *safe = result_of(trace, fixed);
    ck_assert_uint_eq(counter_of(safe, "clear_page_skipped_count"), 0);
    ck_assert_uint_eq(counter_of(safe, "leak_page_count"), 0);
    const json_t *open = result_of(trace, racy);
    ck_assert_uint_gt(counter_of(open, "clear_page_skipped_count"), 0);
    ck_assert_uint_gt(counter_of(open, "leak_page_count"), 0);
}
END_TEST

/* Frames of a user, written and copied after a fork, go to the next one. */
static uint64_t
leaks_after_copies(unsigned next_uid)
{
    g_autofree char *lines = g_strdup_printf("1 start uid=5\n"
                                             "1 mmap A 16M rw- anon,private\n"
                                             "1 w A 16M\n"
                                             "1 fork 2\n"
                                             "2 w A 16M\n"
                                             "2 exit\n"
                                             "1 exit\n"
                                             "3 start uid=%u\n"
                                             "3 mmap A 44M rw- anon,private\n"
                                             "3 w A 44M\n",
                                             next_uid);
    const json_t *result =
        result_of(trace_of_lines(lines), "kernel=2.6.22 ram=96M clear=never");

    ck_assert_uint_eq(counter_of(result, "copy_page_count"), 4096);
    return counter_of(result, "leak_page_count");
}

/* The kernel's own frames -- page tables, slabs -- are a few dozen. */
START_TEST(a_copy_belongs_to_the_user_that_it_was_made_for)
{
    ck_assert_uint_lt(leaks_after_copies(5), 100);
    ck_assert_uint_gt(leaks_after_copies(6), 2048);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("must_hold/users");
    TCase *tcase = tcase_create("users");

    tcase_add_checked_fixture(tcase, runs_setup, runs_teardown);
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, nothing_leaks_under_on_alloc);
    tcase_add_test(tcase, nothing_leaks_under_nozero);
    tcase_add_test(tcase, frames_leak_under_never);
    tcase_add_test(tcase, nozero_skips_what_the_same_user_just_freed);
    tcase_add_test(tcase, the_race_fix_loses_the_owner);
    tcase_add_test(tcase, a_copy_belongs_to_the_user_that_it_was_made_for);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
