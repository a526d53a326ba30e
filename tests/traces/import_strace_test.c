/*
 * Texts of strace become traces of calls.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/run_suite.h"
#include "tests/traces/imported.h"
#include "tests/traces/loaded.h"

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
    {EXEC "7 1.1 brk(NULL) = 0x5 <0.1>\n",
     "0.txt:2:1: expected the end of task 7, found the end of the file (is the "
     "recording cut off?)"},
    {EXEC "7 1.1 <... brk resumed>) = 0x5 <0.1>\n",
     "0.txt:2:7: expected a line that belongs to this task's last one"},
    {EXEC "7 1.1 brk(NULL <unfinished ...>\n"
          "7 1.2 brk(NULL) = 0x5 <0.1>\n",
     "0.txt:3:7: expected the end of this task's last call"},
    {EXEC "9 1.1 brk(NULL) = 0x5 <0.1>\n" DIES("7", "2") DIES("9", "2"),
     "0.txt:2:1: expected a task that a line above or below makes, found 9"},
};

START_TEST(what_is_cut_off_or_interleaved_is_an_error_with_its_line)
{
    assert_refused(folder, import_strace, refused[_i].recording,
                   refused[_i].message);
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
    tcase_add_test(tests, a_child_may_speak_before_it_is_born);
    tcase_add_test(tests, threads_share_and_interleave);
    tcase_add_loop_test(
        tests, what_is_cut_off_or_interleaved_is_an_error_with_its_line, 0,
        G_N_ELEMENTS(refused));
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
