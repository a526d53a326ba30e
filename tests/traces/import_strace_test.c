/*
 * Texts of strace become traces of calls.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/run_suite.h"
#include "tests/traces/imported.h"
#include "tests/traces/loaded.h"
#include "tests/traces/random.h"

#define EXEC                                                                   \
    "7 1.000000 execve(\"/bin/prog\", [\"prog\"], 0x7ffe /* 9 vars */) = 0 "   \
    "<0.000100>\n"
#define DIES(tid, time) tid " 1." time " +++ exited with 0 +++\n"

static char *folder;

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

/* What follows the head. */
static void
assert_imports(const char *recording, const char *expected)
{
    static const char head[] =
        "#vmtrace 1\n#touches filtered\n# calls, no touches\n";
    const char *texts[] = {recording, NULL};
    char *message = NULL;
    g_autofree char *trace =
        import_texts(folder, import_strace, texts, &message);
    ck_assert_msg(trace, "%s", message);
    ck_assert(g_str_has_prefix(trace, head));
    ck_assert_str_eq(trace + strlen(head), expected);
}

START_TEST(calls_are_decoded_with_their_results)
{
    assert_imports(
        EXEC "7 1.001000 mmap(NULL, 8192, PROT_READ|PROT_WRITE, "
             "MAP_PRIVATE|MAP_ANONYMOUS|MAP_NORESERVE, -1, 0) = "
             "0x7f0000000000 <0.000010>\n"
             "7 1.002000 mprotect(0x7f0000001000, 4096, PROT_NONE) = 0 "
             "<0.000010>\n"
             "7 1.003000 madvise(0x7f0000000000, 4096, MADV_FREE) = -1 EINVAL "
             "(Invalid argument) <0.000010>\n"
             "7 1.004000 brk(NULL) = 0x555000 <0.000010>\n"
             "7 1.005000 brk(0x557000) = 0x557000 <0.000010>\n"
             "7 1.006000 mprotect(0x400000, 4096, PROT_READ) = 0 <0.000010>\n"
             "7 1.007000 setuid(33) = 0 <0.000010>\n" DIES("7", "008000"),
        "1 start uid=0\n"
        "@100000/0 1 exec prog = 0\n"
        "@1000000+10000/0 1 mmap anon 8K rw- anon,private,noreserve = "
        "0x7f0000000000\n"
        "@2000000+10000/0 1 mprotect anon+4K 4K --- = 0\n"
        "@3000000+10000/0 1 madvise anon+0 4K free = EINVAL\n"
        "@5000000+10000/0 1 brk 8K = 0\n"
        "# task 1: mprotect, of memory that the recording does not know\n"
        "@7000000+10000/0 1 setuid 33 = 0\n"
        "@8000000/0 1 exit\n");
}
END_TEST

START_TEST(files_are_known_from_open_and_from_y)
{
    assert_imports(
        EXEC "7 1.001000 openat(AT_FDCWD, \"/lib/a,(b\", O_RDONLY) = 3 "
             "<0.000010>\n"
             "7 1.002000 mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 3, 0x1000) = "
             "0x7f0000000000 <0.000010>\n"
             "7 1.003000 mmap(NULL, 4096, PROT_READ, MAP_SHARED, "
             "4</lib/c>, 0) = 0x7f0000002000 <0.000010>\n" DIES("7", "004000"),
        "0 file /lib/a%2C(b 8K disk cached\n"
        "0 file /lib/c 4K disk cached\n"
        "1 start uid=0\n"
        "@100000/0 1 exec prog = 0\n"
        "@2000000+10000/0 1 mmap a__b 4K r-- private file=/lib/a%2C(b off=4K = "
        "0x7f0000000000\n"
        "@3000000+10000/0 1 mmap c 4K r-- shared file=/lib/c off=0 = "
        "0x7f0000002000\n"
        "@4000000/0 1 exit\n");
}
END_TEST

START_TEST(names_of_y_may_hold_any_bytes)
{
    assert_imports(
        EXEC "7 1.001000 mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, "
             "3</t/a,)b>, 0x1000) = 0x7f0000000000 <0.000010>\n"
             "7 1.002000 mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, "
             "3</t/\\74\\303\\251\\\\[->(deleted), 0x2000) = "
             "0x7f0000002000 <0.000010>\n"
             "7 1.003000 ioctl(3</dev/null<char 1:3>>, TCGETS, {}) = -1 ENOTTY "
             "(Inappropriate ioctl for device) <0.000010>\n"
             "7 1.004000 close(4<TCP:[1.1.1.1:1->1.1.1.1:2]>) = 0 "
             "<0.000010>\n" DIES("7", "005000"),
        "0 file /t/a%2C)b 8K disk cached\n"
        "0 file /t/<\303\251\\[- 12K disk cached\n"
        "1 start uid=0\n"
        "@100000/0 1 exec prog = 0\n"
        "@1000000+10000/0 1 mmap a__b 4K r-- private file=/t/a%2C)b off=4K = "
        "0x7f0000000000\n"
        "@2000000+10000/0 1 mmap _______ 4K r-- private "
        "file=/t/<\303\251\\[- off=8K = 0x7f0000002000\n"
        "@5000000/0 1 exit\n");
}
END_TEST

/* A descriptor that means something else now has no old name. */
START_TEST(a_descriptor_is_what_the_last_call_made_it)
{
    assert_imports(
        EXEC "7 1.001000 open(\"/a\", O_RDONLY) = 3 <0.000010>\n"
             "7 1.002000 fcntl(3, F_DUPFD_CLOEXEC, 5) = 5 <0.000010>\n"
             "7 1.002100 fcntl(9, F_DUPFD_QUERY, 5) = 5 <0.000010>\n"
             "7 1.003000 dup2(9, 3) = 3 <0.000010>\n"
             "7 1.004000 mmap(NULL, 4096, PROT_READ, MAP_SHARED, 3, 0) = "
             "0x7f0000000000 <0.000010>\n"
             "7 1.005000 mmap(NULL, 4096, PROT_READ, MAP_SHARED, 5, 0) = "
             "0x7f0000000000 <0.000010>\n"
             "7 1.006000 close(5) = 0 <0.000010>\n"
             "7 1.007000 mmap(NULL, 4096, PROT_READ, MAP_SHARED, 5, 0) = "
             "0x7f0000000000 <0.000010>\n" DIES("7", "008000"),
        "0 file /a 4K disk cached\n"
        "1 start uid=0\n"
        "@100000/0 1 exec prog = 0\n"
        "# task 1: mmap, of a file that the recording does not name\n"
        "@5000000+10000/0 1 mmap a 4K r-- shared file=/a off=0 = "
        "0x7f0000000000\n"
        "# task 1: mmap, of a file that the recording does not name\n"
        "@8000000/0 1 exit\n");
}
END_TEST

/* What no kernel executes: a path longer than PATH_MAX. */
START_TEST(a_name_too_long_is_none)
{
    g_autofree char *name = g_strnfill(60000, '%');
    g_autofree char *recording =
        g_strconcat("7 1.0 execve(\"/", name,
                    "\", [], 0x7ffe) = 0 <0.000100>\n" DIES("7", "1"), NULL);

    assert_imports(recording, "1 start uid=0\n"
                              "@100000/0 1 exec unnamed = 0\n"
                              "@100000000/0 1 exit\n");
}
END_TEST

START_TEST(a_size_of_huge_pages_is_no_flag)
{
    assert_imports(EXEC "7 1.001000 mmap(NULL, 2097152, PROT_READ, "
                        "MAP_PRIVATE|MAP_ANONYMOUS|21<<MAP_HUGE_SHIFT, -1, 0) "
                        "= -1 ENOMEM (Cannot allocate memory) "
                        "<0.000010>\n" DIES("7", "002000"),
                   "1 start uid=0\n"
                   "@100000/0 1 exec prog = 0\n"
                   "@1000000+10000/0 1 mmap anon 2M r-- anon,private = "
                   "ENOMEM\n"
                   "@2000000/0 1 exit\n");
}
END_TEST

/* clone() has its flags in its second argument, clone3() in the first. */
START_TEST(what_clone_makes_is_told_by_its_flags)
{
    assert_imports(
        EXEC "7 1.001000 clone(child_stack=0x7f00, flags=CLONE_VM|CLONE_THREAD"
             "|CLONE_FILES, parent_tidptr=0x7f00) = 8 <0.000010>\n" DIES(
                 "8", "002000") "7 1.003000 clone(child_stack=0x7f00, "
                                "flags=CLONE_VM|CLONE_VFORK|SIGCHLD) = 9 "
                                "<0.000010>\n" DIES("9", "004000")
                                    DIES("7", "005000"),
        "1 start uid=0\n"
        "@100000/0 1 exec prog = 0\n"
        "@1010000/0 1 thread 2 = 0\n"
        "@2000000/0 2 exit\n"
        "@3010000/0 1 vfork 3 = 0\n"
        "@4000000/0 3 exit\n"
        "@5000000/0 1 exit\n");
}
END_TEST

/* The child's first line stands above the end of its parent's clone. */
START_TEST(a_child_may_speak_before_it_is_born)
{
    assert_imports(
        EXEC
        "7 1.001000 clone(child_stack=NULL, flags=SIGCHLD "
        "<unfinished ...>\n"
        "8 1.001100 mmap(NULL, 4096, PROT_READ, "
        "MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0000000000 "
        "<0.000010>\n" DIES(
            "8",
            "001200") "7 1.001300 <... clone resumed>) = 8 <0.000300>\n"
                      "7 1.001400 wait4(-1, NULL, 0, NULL) = 8 <0.000010>\n"
                      "7 1.001500 --- SIGCHLD {si_signo=SIGCHLD} ---\n"
                      "7 1.001600 exit_group(0) = ?\n" DIES("7", "001700"),
        "1 start uid=0\n"
        "@100000/0 1 exec prog = 0\n"
        "@1100000/0 1 fork 2 = 0\n"
        "@1100000+10000/0 2 mmap anon 4K r-- anon,private = 0x7f0000000000\n"
        "@1200000/0 2 exit\n"
        "@1400000+10000/0 1 wait 2 = 0\n"
        "@1700000/0 1 exit\n");
}
END_TEST

START_TEST(threads_share_and_interleave)
{
    assert_imports(
        EXEC "7 1.001000 clone3({flags=CLONE_VM|CLONE_THREAD|CLONE_FILES, "
             "stack=0x7f00}, 88) = 8 <0.000010>\n"
             "7 1.001100 mmap(NULL, 4096, PROT_READ, "
             "MAP_PRIVATE|MAP_ANONYMOUS, -1, 0 <unfinished ...>\n"
             "8 1.001110 munmap(0x7f0000009000, 4096 <unfinished ...>\n"
             "7 1.001120 <... mmap resumed>) = 0x7f0000000000 <0.000020>\n"
             "8 1.001130 <... munmap resumed>) = 0 "
             "<0.000020>\n" DIES("8", "001200") DIES("7", "001300"),
        "1 start uid=0\n"
        "@100000/0 1 exec prog = 0\n"
        "@1010000/0 1 thread 2 = 0\n"
        "@1100000+20000/0 1 mmap anon 4K r-- anon,private = 0x7f0000000000\n"
        "# task 2: munmap, of memory that the recording does not know\n"
        "@1200000/0 2 exit\n"
        "@1300000/0 1 exit\n");
}
END_TEST

static const struct {
    const char *recording, *message;
} refused[] = {
    {"7 1.0 brk(NULL) = 0x5", "0.txt:1:22: expected the end of the line"},
    {"7 1.0 brk(NULL) = 0x5\n",
     "0.txt:1:22: expected the call's duration (strace -T), found the end of "
     "the line"},
    {"7 brk(NULL) = 0x5 <0.1>\n", "0.txt:1:3: expected a time like"},
    {"hello\n", "0.txt:1:1: expected a line like PID SECONDS CALL(...)"},
    {"7 1.0 mmap(NULL, 4096, \n", "0.txt:1:7: expected a complete call"},
    {"7 1.0 open(\"/a) = 3 <0.1>\n", "0.txt:1:7: expected a complete call"},
    {EXEC "7 1.1 brk(NULL) = 0x5 <0.1>\n",
     "0.txt:2:1: expected the end of task 7, found the end of the file (is the "
     "recording cut off?)"},
    {EXEC "7 1.1 <... brk resumed>) = 0x5 <0.1>\n",
     "0.txt:2:7: expected a line that belongs to this task's last one"},
    {EXEC "7 1.1 brk(NULL <unfinished ...>\n"
          "7 1.2 brk(NULL) = 0x5 <0.1>\n",
     "0.txt:3:7: expected the end of this task's last call"},
    {"",
     "0.txt:1:1: expected a line like PID SECONDS CALL(...) = RESULT, found "
     "the end of the file"},
    {EXEC "7 1.1 mmap(NULL <unfinished ...>\n"
          "7 1.2 <... mmap resumed>, 4096\n",
     "0.txt:3:25: expected a complete call, found \",\""},
    {EXEC "7 1.1 mmap(NULL <unfinished ...>\n"
          "7 1.2 <... mmap resumed>, 4096) = x <0.1>\n",
     "0.txt:3:35: expected the result of a call, found \"x\""},
    {EXEC "7 1.1 fork() = 7 <0.1>\n" DIES("7", "2"),
     "0.txt:2:16: expected the PID of no task that lives, found \"7\""},
    {EXEC "7 1.1 fork() = 0x100000008 <0.1>\n" DIES("7", "2"),
     "0.txt:2:16: expected the PID of no task that lives"},
    {EXEC "9 1.1 brk(NULL) = 0x5 <0.1>\n" DIES("7", "2") DIES("9", "2"),
     "0.txt:2:1: expected a task that a line above or below makes, found 9"},
};

/* The first task that is left is told with its own file. */
START_TEST(a_task_that_nobody_made_is_told_where_it_is)
{
    const char *texts[] = {EXEC "9 1.1 brk(NULL) = 0x5 <0.1>\n",
                           "6 1.1 brk(NULL) = 0x5 <0.1>\n" DIES("7", "2"),
                           NULL};
    g_autofree char *found = NULL;

    ck_assert_ptr_null(import_texts(folder, import_strace, texts, &found));
    ck_assert_msg(g_str_has_prefix(found, "0.txt:2:1: expected a task that"),
                  "%s", found);
}
END_TEST

START_TEST(what_is_cut_off_or_interleaved_is_an_error_with_its_line)
{
    assert_refused(folder, import_strace, refused[_i].recording,
                   refused[_i].message);
}
END_TEST

/* Whatever is imported can be loaded. */
START_TEST(damaged_recordings_are_refused_or_make_a_trace)
{
    static const char intact[] = EXEC
        "7 1.1 openat(AT_FDCWD</t>, \"/a\", 0) = 3</a> <0.1>\n"
        "7 1.2 mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, 3</a>, 0) = 0x7f0000 "
        "<0.1>\n"
        "7 1.3 clone(child_stack=NULL, flags=SIGCHLD <unfinished ...>\n"
        "8 1.4 mremap(0x7f0000, 4096, 8192, MREMAP_MAYMOVE) = 0x7e0000 <0.1>\n"
        "7 1.5 <... clone resumed>) = 8 <0.1>\n"
        "8 1.6 madvise(0x7e0000, 4096, MADV_DONTNEED) = 0 <0.1>\n" DIES(
            "8", "7") "7 1.8 mprotect(0x7f0000, 4096, 3) = 0 "
                      "<0.1>\n" DIES("7", "9");
    static const char bytes[] = "0123456789<>()[]{}\",|-x=? \\/.";
    uint64_t random = 1;
    unsigned imported_count = 0;
    for (unsigned round = 0; round < 2000; round++) {
        g_autofree char *damaged = g_strdup(intact);
        for (uint32_t i = 0; i < 1 + round % 3; i++)
            damaged[random_below(&random, sizeof(intact) - 2)] =
                bytes[random_below(&random, sizeof(bytes) - 1)];
        const char *texts[] = {damaged, NULL};
        g_autofree char *message = NULL;
        g_autofree char *trace =
            import_texts(folder, import_strace, texts, &message);
        imported_count += trace != NULL;
        ck_assert_msg(trace || g_str_has_prefix(message, "0.txt:"), "%s",
                      message);
    }
    ck_assert_uint_gt(imported_count, 100);
    ck_assert_uint_lt(imported_count, 1900);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("import_strace");
    TCase *tests = tcase_create("import_strace");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, calls_are_decoded_with_their_results);
    tcase_add_test(tests, files_are_known_from_open_and_from_y);
    tcase_add_test(tests, names_of_y_may_hold_any_bytes);
    tcase_add_test(tests, a_descriptor_is_what_the_last_call_made_it);
    tcase_add_test(tests, a_name_too_long_is_none);
    tcase_add_test(tests, a_size_of_huge_pages_is_no_flag);
    tcase_add_test(tests, what_clone_makes_is_told_by_its_flags);
    tcase_add_test(tests, a_child_may_speak_before_it_is_born);
    tcase_add_test(tests, threads_share_and_interleave);
    tcase_add_loop_test(
        tests, what_is_cut_off_or_interleaved_is_an_error_with_its_line, 0,
        G_N_ELEMENTS(refused));
    tcase_add_test(tests, a_task_that_nobody_made_is_told_where_it_is);
    tcase_add_test(tests, damaged_recordings_are_refused_or_make_a_trace);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
