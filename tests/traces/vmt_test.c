/*
 * Binary traces: every text comes back byte for byte, every form means the
 * same, and no file is believed.
 */
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include <glib/gstdio.h>

#include "tests/run_suite.h"
#include "tests/traces/loaded.h"
#include "tests/traces/random.h"
#include "traces/sha256.h"
#include "traces/trace_copy.h"
#include "traces/vmt_bytes.h"
#include "traces/vmt_layout.h"

static char *folder;

static char *
path_of(const char *name)
{
    return g_build_filename(folder, name, NULL);
}

static void
write_file(const char *name, const void *bytes, gsize length)
{
    g_autofree char *path = path_of(name);
    ck_assert(g_file_set_contents_full(path, bytes, (gssize)length,
                                       G_FILE_SET_CONTENTS_NONE, 0600, NULL));
}

static GBytes *
read_file(const char *name)
{
    g_autofree char *path = path_of(name);
    char *bytes;
    gsize length;
    ck_assert(g_file_get_contents(path, &bytes, &length, NULL));
    return g_bytes_new_take(bytes, length);
}

/* The error, or NULL. */
static char *
convert(const char *from_name, const char *to_name)
{
    GError *error = NULL;
    g_autofree char *from = path_of(from_name), *to = path_of(to_name);
    struct trace_writer *writer = trace_writer_open(to, &error);
    ck_assert_ptr_nonnull(writer);
    if (!trace_copy(from, writer, &error))
        trace_writer_abandon(writer);
    else
        trace_writer_close(writer, &error);
    if (!error)
        return NULL;
    char *message = g_strdup(error->message);
    g_error_free(error);
    return message;
}

static void
convert_well(const char *from, const char *to)
{
    char *message = convert(from, to);
    ck_assert_msg(!message, "%s to %s: %s", from, to, message);
}

static void
assert_same_bytes(const char *left_name, const char *right_name)
{
    g_autoptr(GBytes) left = read_file(left_name);
    g_autoptr(GBytes) right = read_file(right_name);
    ck_assert_msg(g_bytes_equal(left, right), "%s is not %s", left_name,
                  right_name);
}

static struct trace *
load(const char *name)
{
    GError *error = NULL;
    g_autofree char *path = path_of(name);
    struct trace *trace = trace_load(path, &error);
    ck_assert_msg(trace, "%s", error ? error->message : "");
    return trace;
}

/* From text to every form and back; every form is the same trace. */
static void
assert_round_trip(const char *text, gsize length)
{
    static const char *const forms[] = {"b.vmt", "b.vmt.zst", "b.zst"};
    write_file("a", text, length);
    convert_well("a", "b.vmt");
    convert_well("b.vmt", "b.vmt.zst");
    convert_well("b.vmt.zst", "b.zst");
    convert_well("b.vmt.zst", "again.vmt");
    assert_same_bytes("b.vmt", "again.vmt");
    struct trace *original = load("a");
    for (unsigned i = 0; i < G_N_ELEMENTS(forms); i++) {
        convert_well(forms[i], "c");
        assert_same_bytes("a", "c");
        struct trace *trace = load(forms[i]);
        assert_equal_traces(original, trace);
        ck_assert_str_eq(original->content_sha256, trace->content_sha256);
        for (uint64_t event = 0; event < original->event_count; event++)
            ck_assert_uint_eq(trace_event_line(original, event),
                              trace_event_line(trace, event));
        trace_free(trace);
    }
    trace_free(original);
}

static const char *const texts[] = {
    "#vmtrace 1\n",
    "#vmtrace 1\n\n# nothing but a comment\n\n",
    "#vmtrace 1\n1 start uid=1000 comm=a%20b mmap-base=0x7f00 brk=0x1000\n"
    "# a comment between events\n1 work 5\n",
    "#vmtrace 1\n#touches faults 6.18.44\n#rewrite purge\n"
    "0 file lib%20x 64K shmem,cold\n0 file d 44387 disk cached\n"
    "0 expect fault_count 12\n0 hog 2G\n"
    "@5+10/2 4 start comm=x rlimit-stack=8M\n"
    "@6 4 map C 4K r-x private file=d off=8K at=0x400000\n"
    "@7/1 4 mmap B 512K rw- anon,private,nozero at=C+4K fixed = 0x1000 "
    "vma=0x1000-0x81000\n"
    "@5 4 w B+0 64K stride=8K = fresh*4,hit*4\n"
    "@18446744073709551615 4 r B 4K = segv\n@3+5 4 r B-4K 4K = hit\n",
    "#vmtrace 1\n1 start\n1 mmap A 1M rw- anon,shared\n"
    "1  w\tA 4K   # blanks and a comment\n1 w A 0x1000\n1 w A+0 4096\n"
    "1 w A+1024K 1024K\n1 r A+1048576 4096\n1 x 0xffffffffffffffff 1\n"
    "1 mremap A 1M 2M maymove as=D\n1 mremap D 2M 1M\n1 madvise D 1M free\n"
    "1 vrange D 64K volatile partial\n1 vrange D 64K novolatile full\n"
    "1 remap_file_pages D+8K 4K 3\n1 brk 132K nozero\n1 munmap D 4K = EINVAL\n"
    "1 fork 2 = 0\n1 vfork 3\n1 thread 4\n2 exec y stack=0x10\n2 exit-group\n"
    "1 wait 2\n1 wait = ECHILD\n1 setuid 33\n1 ptrace 3\n1 mark \xc3\xa9\n"
    "1 barrier go 8\n1 kwork 1\n1 sleep 18446744073709551615\n1 exit\n",
};

START_TEST(a_text_comes_back_byte_for_byte)
{
    assert_round_trip(texts[_i], strlen(texts[_i]));
}
END_TEST

/* Shapes beyond the short ones, families of many lengths, several blocks. */
static GString *
random_text(uint64_t seed, unsigned events)
{
    static const char *const sizes[] = {"4K", "4096", "8K", "100", "1025K"};
    GString *text = g_string_new("#vmtrace 1\n1 start\n");
    uint64_t state = seed;
    unsigned names = 1 + random_below(&state, 200);
    unsigned tasks = 1 + random_below(&state, 3);
    bool is_timed = random_below(&state, 2);
    for (unsigned i = 2; i <= tasks; i++)
        g_string_append_printf(text, "1 thread %u\n", i);
    for (unsigned i = 0; i < names; i++)
        g_string_append_printf(text, "1 mmap r%u 64M rw- anon,private\n", i);
    for (unsigned i = 0; i < events; i++) {
        if (random_below(&state, 500) == 0)
            g_string_append(text, "# a comment\n");
        if (is_timed)
            g_string_append_printf(text, "@%u+%u/%u ", i * 100,
                                   random_below(&state, 50),
                                   random_below(&state, 4));
        g_string_append_printf(
            text, "%u %c r%u+%uK ", 1 + random_below(&state, tasks),
            "rwx"[random_below(&state, 3)], random_below(&state, names),
            random_below(&state, 1 << 14));
        if (random_below(&state, 2))
            g_string_append(text, sizes[random_below(&state, 5)]);
        else
            g_string_append_printf(text, "%u", random_below(&state, 1 << 20));
        g_string_append(text, random_below(&state, 3) ? "\n" : " = hit\n");
    }
    return text;
}

START_TEST(a_long_random_text_comes_back_byte_for_byte)
{
    GString *text = random_text((uint64_t)_i, 10000);
    assert_round_trip(text->str, text->len);
    g_string_free(text, TRUE);
}
END_TEST

START_TEST(a_missing_last_newline_changes_no_content)
{
    write_file("a", "#vmtrace 1\n1 start", 18);
    convert_well("a", "b.vmt");
    struct trace *text = load("a"), *binary = load("b.vmt");
    ck_assert_str_eq(text->content_sha256, binary->content_sha256);
    trace_free(text);
    trace_free(binary);
}
END_TEST

/* Pages of 4 GiB in random order, some written. */
START_TEST(a_random_access_costs_less_than_four_bytes)
{
    enum { ACCESSES = 100000 };
    GString *text = g_string_new("#vmtrace 1\n1 start\n"
                                 "1 mmap A 4G rw- anon,private\n");
    uint64_t state = 1;
    for (unsigned i = 0; i < ACCESSES; i++)
        g_string_append_printf(text, "1 %c A+%uK 4K\n",
                               "rw"[random_below(&state, 2)],
                               random_below(&state, 1 << 20) * 4);
    write_file("a", text->str, text->len);
    convert_well("a", "b.vmt");
    g_autoptr(GBytes) packed = read_file("b.vmt");
    ck_assert_uint_lt(g_bytes_get_size(packed), 4 * ACCESSES);
    g_string_free(text, TRUE);
}
END_TEST

START_TEST(a_cursor_finds_any_event)
{
    GError *error = NULL;
    GString *text = random_text(5, 10000);
    write_file("a", text->str, text->len);
    convert_well("a", "b.vmt");
    struct trace *all = load("a");
    g_autofree char *path = path_of("b.vmt");
    struct trace *trace = trace_open(path, &error);
    struct trace_cursor *cursor = trace_cursor_open(trace);
    uint64_t state = 1;
    for (unsigned i = 0; i < 100; i++) {
        uint64_t number = random_below(&state, (uint32_t)all->event_count);
        trace_cursor_seek(cursor, number);
        const struct trace *window = trace_cursor_next(cursor, &error);
        ck_assert_ptr_nonnull(window);
        g_autofree char *found = event_text(
            window, event_at(window, (unsigned)(number - window->first_event)));
        g_autofree char *wanted =
            event_text(all, event_at(all, (unsigned)number));
        ck_assert_str_eq(found, wanted);
        ck_assert_uint_eq(trace_event_line(window, number),
                          trace_event_line(all, number));
    }
    trace_cursor_close(cursor);
    trace_free(trace);
    trace_free(all);
    g_string_free(text, TRUE);
}
END_TEST

/* More events than stay in memory: the same by a cursor as all at once. */
START_TEST(a_text_of_many_events_is_read_from_a_temporary_file)
{
    enum { EVENTS = 1200000 };
    GError *error = NULL;
    GString *text = g_string_new("#vmtrace 1\n1 start\n");
    for (unsigned i = 0; i < EVENTS; i++)
        g_string_append(text, i % 7 ? "1 w stack-8K 4K = hit\n"
                                    : "# comment\n1 madvise stack 1 free\n");
    write_file("a", text->str, text->len);
    g_string_free(text, TRUE);
    g_autofree char *path = path_of("a");
    struct trace *trace = trace_open(path, &error);
    ck_assert_msg(trace, "%s", error ? error->message : "");
    ck_assert_uint_eq(trace->event_count, EVENTS + 1);
    ck_assert_ptr_nonnull(trace->file);
    ck_assert_uint_eq(trace->events->len, 0);
    ck_assert(trace_fetch(trace, &error));
    struct trace *all = load("a");
    assert_equal_traces(all, trace);
    for (uint64_t i = 0; i < EVENTS; i += 997)
        ck_assert_uint_eq(trace_event_line(trace, i), trace_event_line(all, i));
    trace_free(trace);
    trace_free(all);
}
END_TEST

START_TEST(a_line_that_cannot_be_read_makes_no_binary_trace)
{
    write_file("a", "#vmtrace 1\n1 start\n1 w A 4K\n", 28);
    g_autofree char *message = convert("a", "b.vmt");
    g_autofree char *path = path_of("b.vmt");
    ck_assert_ptr_nonnull(message);
    ck_assert_ptr_nonnull(strstr(message, "/a:3:5: expected the name of a "
                                          "region bound above, found \"A\""));
    ck_assert(!g_file_test(path, G_FILE_TEST_EXISTS));
}
END_TEST

/* ---- wrong files ---- */

static void
check_message(const char *message)
{
    ck_assert_ptr_nonnull(message);
    const char *place = strstr(message, "x.vmt: byte ");
    ck_assert_msg(place && strstr(place, ": expected ") &&
                      strstr(place, ", found ") && !strchr(message, '\n'),
                  "%s", message);
}

static GBytes *
binary_of(const char *text)
{
    write_file("a", text, strlen(text));
    convert_well("a", "b.vmt");
    return read_file("b.vmt");
}

static char *
load_wrong(const void *bytes, gsize length, struct trace **trace)
{
    GError *error = NULL;
    write_file("x.vmt", bytes, length);
    g_autofree char *path = path_of("x.vmt");
    *trace = trace_load(path, &error);
    ck_assert((*trace == NULL) == (error != NULL));
    char *message = error ? g_strdup(error->message) : NULL;
    g_clear_error(&error);
    return message;
}

START_TEST(a_file_cut_anywhere_is_refused_with_its_place)
{
    g_autoptr(GBytes) bytes = binary_of(texts[3]);
    for (gsize length = sizeof(vmt_magic); length < g_bytes_get_size(bytes);
         length++) {
        struct trace *trace;
        g_autofree char *message =
            load_wrong(g_bytes_get_data(bytes, NULL), length, &trace);
        ck_assert_ptr_null(trace);
        check_message(message);
    }
}
END_TEST

START_TEST(a_changed_byte_is_refused_with_its_place)
{
    g_autoptr(GBytes) bytes = binary_of(texts[3]);
    gsize length = g_bytes_get_size(bytes);
    for (gsize i = sizeof(vmt_magic); i < length; i++) {
        struct trace *trace;
        g_autofree uint8_t *changed =
            g_memdup2(g_bytes_get_data(bytes, NULL), length);
        changed[i] ^= 0x10;
        g_autofree char *message = load_wrong(changed, length, &trace);
        ck_assert_ptr_null(trace);
        check_message(message);
    }
}
END_TEST

/* Give every block the checksum that fits, so that what is in it is judged. */
static void
mend_checksum(uint8_t *bytes, gsize at, gsize end)
{
    uint64_t checksum = GUINT64_TO_LE(vmt_checksum(
        bytes + at + sizeof(checksum), end - at - sizeof(checksum)));
    memcpy(bytes + at, &checksum, sizeof(checksum));
}

/* Somebody who means harm: any bytes, all checksums right. */
START_TEST(a_forged_file_is_read_or_refused)
{
    enum { ROUNDS = 1500 };
    g_autoptr(GBytes) bytes = binary_of(texts[3 + _i % 2]);
    gsize length = g_bytes_get_size(bytes);
    struct vmt_footer footer;
    memcpy(&footer,
           (const char *)g_bytes_get_data(bytes, NULL) + length -
               sizeof(footer),
           sizeof(footer));
    gsize tables_at = GUINT64_FROM_LE(footer.tables_at);
    uint64_t state = (uint64_t)_i + 1;
    unsigned loaded = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct trace *trace;
        g_autofree uint8_t *forged =
            g_memdup2(g_bytes_get_data(bytes, NULL), length);
        gsize first = sizeof(struct vmt_header) + 8;
        gsize last = length - sizeof(footer);
        for (unsigned i = 1 + random_below(&state, 3); i > 0; i--)
            forged[first + random_below(&state, (uint32_t)(last - first))] =
                (uint8_t)(random_below(&state, 2) ? next_random(&state)
                                                  : random_below(&state, 9));
        mend_checksum(forged, sizeof(struct vmt_header), tables_at);
        mend_checksum(forged, tables_at, last);
        g_autofree char *message = load_wrong(forged, length, &trace);
        if (!trace) {
            check_message(message);
            continue;
        }
        loaded++;
        for (guint i = 0; i < trace->events->len; i++)
            g_free(event_text(trace, event_at(trace, i)));
        trace_free(trace);
        g_free(convert("x.vmt", "y"));
    }
    ck_assert_uint_gt(loaded, 0);
    ck_assert_uint_lt(loaded, ROUNDS);
}
END_TEST

START_TEST(another_version_is_refused)
{
    struct trace *trace;
    g_autoptr(GBytes) bytes = binary_of(texts[0]);
    gsize length = g_bytes_get_size(bytes);
    g_autofree uint8_t *changed =
        g_memdup2(g_bytes_get_data(bytes, NULL), length);
    changed[8] = 2;
    g_autofree char *message = load_wrong(changed, length, &trace);
    ck_assert_ptr_nonnull(
        strstr(message, "x.vmt: byte 8: expected version 1, found 2"));
}
END_TEST

/* ---- digests ---- */

START_TEST(the_digest_is_that_of_glib)
{
    uint8_t bytes[400];
    uint64_t state = 3;
    char hex[65];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)next_random(&state);
    for (size_t length = 0; length <= sizeof(bytes); length++) {
        struct sha256 digest;
        size_t half = random_below(&state, (uint32_t)length + 1);
        sha256_init(&digest);
        sha256_update(&digest, bytes, half);
        sha256_update(&digest, bytes + half, length - half);
        sha256_hex(&digest, hex);
        g_autofree char *known =
            g_compute_checksum_for_data(G_CHECKSUM_SHA256, bytes, length);
        ck_assert_str_eq(hex, known);
        sha256_init(&digest);
        digest.mix = sha256_mix_portably;
        sha256_update(&digest, bytes, length);
        sha256_hex(&digest, hex);
        ck_assert_str_eq(hex, known);
    }
}
END_TEST

/* A frame of zstd ends with the low half of the XXH64 of its content. */
START_TEST(the_checksum_is_that_of_zstd)
{
    uint8_t bytes[300], frame[1000];
    uint64_t state = 4;
    ZSTD_CCtx *zstd = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1);
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)next_random(&state);
    for (size_t length = 0; length <= sizeof(bytes); length++) {
        uint32_t known;
        size_t size = ZSTD_compress2(zstd, frame, sizeof(frame), bytes, length);
        ck_assert(!ZSTD_isError(size));
        memcpy(&known, frame + size - sizeof(known), sizeof(known));
        ck_assert_uint_eq((uint32_t)vmt_checksum(bytes, length),
                          GUINT32_FROM_LE(known));
    }
    ZSTD_freeCCtx(zstd);
}
END_TEST

static void
set_up(void)
{
    folder = make_folder();
}

static void
tear_down(void)
{
    remove_folder(folder);
}

int
main(void)
{
    Suite *suite = suite_create("vmt");
    TCase *tests = tcase_create("vmt");

    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, a_text_comes_back_byte_for_byte, 0,
                        G_N_ELEMENTS(texts));
    tcase_add_loop_test(tests, a_long_random_text_comes_back_byte_for_byte, 0,
                        6);
    tcase_add_test(tests, a_missing_last_newline_changes_no_content);
    tcase_add_test(tests, a_random_access_costs_less_than_four_bytes);
    tcase_add_test(tests, a_cursor_finds_any_event);
    tcase_add_test(tests, a_text_of_many_events_is_read_from_a_temporary_file);
    tcase_add_test(tests, a_line_that_cannot_be_read_makes_no_binary_trace);
    tcase_add_test(tests, a_file_cut_anywhere_is_refused_with_its_place);
    tcase_add_test(tests, a_changed_byte_is_refused_with_its_place);
    tcase_add_loop_test(tests, a_forged_file_is_read_or_refused, 0, 4);
    tcase_add_test(tests, another_version_is_refused);
    tcase_add_test(tests, the_digest_is_that_of_glib);
    tcase_add_test(tests, the_checksum_is_that_of_zstd);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
