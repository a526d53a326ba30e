/*
 * Events that are kept for all: what every cursor sees is what it would have
 * decoded itself, and a block is decoded once, while there is room.
 */
#include <check.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "tests/run_suite.h"
#include "tests/traces/loaded.h"
#include "tests/traces/random.h"
#include "traces/trace_copy.h"
#include "traces/vmt_layout.h"

enum { BLOCKS = 12, EVENTS = BLOCKS * VMT_BLOCK_EVENTS, PLENTY = 1 << 30 };

static char *folder;
static char *path;

/* Of many kinds and tasks, with times, details and results. */
static void
write_trace(void)
{
    GError *error = NULL;
    uint64_t state = 7, ns = 0;
    struct trace_writer *writer = trace_writer_open(path, &error);

    ck_assert_ptr_nonnull(writer);
    trace_writer_line(writer, "@0 1 start");
    trace_writer_line(writer, "@0 1 mmap A 4G rw- anon,private");
    for (unsigned task = 2; task < 400; task++)
        trace_writer_line(writer, "@0 1 thread %u", task);
    for (unsigned i = 400; i < EVENTS; i++) {
        unsigned page = random_below(&state, 1 << 20);
        unsigned task = 1 + random_below(&state, 399);
        unsigned kind = random_below(&state, 20);
        ns += random_below(&state, 1 << 20);
        if (kind > 3)
            trace_writer_line(writer, "@%" PRIu64 "/%u %u %c A+%uK 4K", ns,
                              task % 3, task, "rw"[kind & 1], page * 4);
        else if (kind > 1)
            trace_writer_line(writer,
                              "@%" PRIu64 "+%u %u w A+%uK 8K = fresh*1,hit*1",
                              ns, kind, task, page * 4);
        else
            trace_writer_line(writer,
                              "@%" PRIu64 " %u mmap B%u 64K r-- "
                              "file=f%u off=%uK = 0x7f00%u000",
                              ns, task, page % 9, page % 7, page * 4, i);
    }
    ck_assert(trace_writer_close(writer, &error));
}

static struct trace *
open_trace(void)
{
    GError *error = NULL;
    struct trace *trace = trace_open(path, &error);

    ck_assert_msg(trace, "%s", error ? error->message : "");
    return trace;
}

static void
assert_same_table(const GArray *left, const GArray *right, const char *name)
{
    ck_assert_msg(left->len == right->len, "%s", name);
    if (left->len > 0)
        ck_assert_msg(
            memcmp(left->data, right->data,
                   left->len * g_array_get_element_size((GArray *)left)) == 0,
            "%s", name);
}

static void
assert_same_windows(struct trace_cursor *left, struct trace_cursor *right)
{
    const struct trace *a, *b;
    unsigned windows = 0;

    for (; (a = trace_cursor_next(left, NULL)); windows++) {
        b = trace_cursor_next(right, NULL);
        ck_assert_ptr_nonnull(b);
        ck_assert_uint_eq(a->first_event, b->first_event);
        assert_same_table(a->events, b->events, "events");
        assert_same_table(a->details, b->details, "details");
        assert_same_table(a->results, b->results, "results");
        assert_same_table(a->runs, b->runs, "runs");
        assert_same_table(a->anchors, b->anchors, "anchors");
    }
    ck_assert_ptr_null(trace_cursor_next(right, NULL));
    ck_assert_uint_eq(windows, BLOCKS);
}

START_TEST(what_is_kept_is_what_was_decoded)
{
    struct trace_room room = {PLENTY};
    struct trace *plain = open_trace(), *kept = open_trace();

    trace_keep(kept, &room);
    for (unsigned i = 0; i < 2; i++) {
        struct trace_cursor *left = trace_cursor_open(plain);
        struct trace_cursor *right = trace_cursor_open(kept);
        assert_same_windows(left, right);
        trace_cursor_close(left);
        trace_cursor_close(right);
    }
    trace_free(plain);
    trace_free(kept);
}
END_TEST

/* Windows that can be read, and the error behind them. */
static unsigned
count_windows(const struct trace *trace, GError **error)
{
    struct trace_cursor *cursor = trace_cursor_open(trace);
    unsigned count = 0;

    while (trace_cursor_next(cursor, error))
        count++;
    trace_cursor_close(cursor);
    return count;
}

static void
empty_the_file(void)
{
    ck_assert_int_eq(truncate(path, 0), 0);
}

START_TEST(a_block_is_decoded_once_for_all_cursors)
{
    struct trace_room room = {PLENTY};
    struct trace *trace = open_trace();
    g_autoptr(GError) error = NULL;

    trace_keep(trace, &room);
    ck_assert_uint_eq(count_windows(trace, NULL), BLOCKS);
    empty_the_file();
    ck_assert_uint_eq(count_windows(trace, NULL), BLOCKS);
    trace_forget(trace);
    ck_assert_int_eq(room.bytes, PLENTY);
    ck_assert_uint_eq(count_windows(trace, &error), 0);
    ck_assert_ptr_nonnull(strstr(error->message, ": byte 16: expected "));
    trace_free(trace);
}
END_TEST

START_TEST(without_room_the_first_blocks_are_kept)
{
    struct trace_room room = {PLENTY};
    struct trace *trace = open_trace();
    g_autoptr(GError) error = NULL;

    trace_keep(trace, &room);
    count_windows(trace, NULL);
    long long used = PLENTY - room.bytes;
    ck_assert_int_lt(used, EVENTS * (long long)sizeof(struct trace_event));
    trace_forget(trace);
    room.bytes = used / 2;
    trace_keep(trace, &room);
    ck_assert_uint_eq(count_windows(trace, NULL), BLOCKS);
    ck_assert_int_ge(room.bytes, 0);
    empty_the_file();
    unsigned kept = count_windows(trace, &error);
    ck_assert_uint_gt(kept, BLOCKS / 3);
    ck_assert_uint_lt(kept, BLOCKS);
    ck_assert_ptr_nonnull(strstr(error->message, ": byte "));
    trace_free(trace);
    ck_assert_int_eq(room.bytes, used / 2);
}
END_TEST

static void
damage_the_last_block(void)
{
    int fd = open(path, O_RDWR);
    uint64_t tables_at;
    char byte;
    off_t end = lseek(fd, 0, SEEK_END);

    ck_assert_int_eq(pread(fd, &tables_at, 8, end - 24), 8);
    off_t place = (off_t)GUINT64_FROM_LE(tables_at) - 1;
    ck_assert_int_eq(pread(fd, &byte, 1, place), 1);
    byte ^= 1;
    ck_assert_int_eq(pwrite(fd, &byte, 1, place), 1);
    close(fd);
}

START_TEST(every_cursor_has_the_error_of_a_wrong_block)
{
    struct trace_room room = {PLENTY};

    damage_the_last_block();
    struct trace *trace = open_trace();
    trace_keep(trace, &room);
    for (unsigned i = 0; i < 3; i++) {
        g_autoptr(GError) error = NULL;
        ck_assert_uint_eq(count_windows(trace, &error), BLOCKS - 1);
        ck_assert_ptr_nonnull(
            strstr(error->message, "expected a block with the checksum"));
    }
    trace_free(trace);
}
END_TEST

START_TEST(a_cursor_may_begin_anywhere)
{
    struct trace_room room = {PLENTY};
    struct trace *trace = open_trace();
    struct trace_cursor *cursor = trace_cursor_open(trace);

    trace_keep(trace, &room);
    for (unsigned i = BLOCKS; i-- > 0;) {
        trace_cursor_seek(cursor, i * VMT_BLOCK_EVENTS);
        const struct trace *window = trace_cursor_next(cursor, NULL);
        ck_assert_ptr_nonnull(window);
        ck_assert_uint_eq(window->first_event, i * VMT_BLOCK_EVENTS);
    }
    trace_cursor_close(cursor);
    trace_free(trace);
}
END_TEST

/* A digest of all events, by a cursor of its own. */
static gpointer
digest_events(gpointer data)
{
    struct trace_cursor *cursor = trace_cursor_open(data);
    GChecksum *sum = g_checksum_new(G_CHECKSUM_SHA256);
    const struct trace *window;

    while ((window = trace_cursor_next(cursor, NULL)))
        g_checksum_update(
            sum, (const guchar *)window->events->data,
            (gssize)(window->events->len * sizeof(struct trace_event)));
    char *digest = g_strdup(g_checksum_get_string(sum));
    g_checksum_free(sum);
    trace_cursor_close(cursor);
    return digest;
}

START_TEST(many_threads_read_the_same)
{
    enum { THREADS = 6 };
    static const long long rooms[] = {PLENTY, EVENTS * 8, 0};
    struct trace_room room = {rooms[_i]};
    struct trace *trace = open_trace();
    g_autofree char *expected = digest_events(trace);
    GThread *threads[THREADS];

    trace_keep(trace, &room);
    for (unsigned i = 0; i < THREADS; i++)
        threads[i] = g_thread_new("reader", digest_events, trace);
    for (unsigned i = 0; i < THREADS; i++) {
        g_autofree char *digest = g_thread_join(threads[i]);
        ck_assert_str_eq(digest, expected);
    }
    trace_free(trace);
    ck_assert_int_eq(room.bytes, rooms[_i]);
}
END_TEST

static void
set_up(void)
{
    folder = make_folder();
    path = g_build_filename(folder, "t.vmt", NULL);
    write_trace();
}

static void
tear_down(void)
{
    remove_folder(folder);
    g_free(path);
}

int
main(void)
{
    Suite *suite = suite_create("kept");
    TCase *tests = tcase_create("kept");

    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, what_is_kept_is_what_was_decoded);
    tcase_add_test(tests, a_block_is_decoded_once_for_all_cursors);
    tcase_add_test(tests, without_room_the_first_blocks_are_kept);
    tcase_add_test(tests, every_cursor_has_the_error_of_a_wrong_block);
    tcase_add_test(tests, a_cursor_may_begin_anywhere);
    tcase_add_loop_test(tests, many_threads_read_the_same, 0, 3);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
