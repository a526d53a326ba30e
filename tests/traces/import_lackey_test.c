/*
 * Logs of valgrind's lackey become traces of accesses.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/run_suite.h"
#include "tests/traces/imported.h"
#include "tests/traces/loaded.h"

#define HEAD(pid, parent)                                                      \
    "==" pid "== Lackey, an example Valgrind tool\n"                           \
    "==" pid "== Command: /no/such/prog arg\n"                                 \
    "==" pid "== Parent PID: " parent "\n"                                     \
    "==" pid "== \n"
#define FIRST "I  00401000,3\n"
#define DIES(pid)                                                              \
    "SYSCALL[" pid ",1](231) exit_group( 0 ) --> [pre-success] Success(0x0)\n"

/* Of a program whose file is gone: what it touches first is mapped then. */
#define START_LINES                                                            \
    "1 start uid=0\n"                                                          \
    "1 exec prog\n"                                                            \
    "1 map stack_vma 132K rw- anon,private,stack,growsdown at=stack-132K\n"    \
    "# its file cannot be read: its image is unknown\n"                        \
    "1 w stack-4K 4K gup\n"                                                    \
    "1 mmap unknown 64K rwx anon,private\n"                                    \
    "1 x unknown+4K 4K\n"

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

static void
assert_imports(const char *first, const char *second, const char *expected)
{
    static const char head[] = "#vmtrace 1\n#touches accesses\n"
                               "# accesses seen by valgrind's lackey\n";
    const char *texts[] = {first, second, NULL};
    char *message = NULL;
    g_autofree char *trace =
        import_texts(folder, import_lackey, texts, &message);
    ck_assert_msg(trace, "%s", message);
    ck_assert(g_str_has_prefix(trace, head));
    ck_assert_str_eq(trace + strlen(head), expected);
}

START_TEST(a_touch_is_new_once_between_two_calls)
{
    assert_imports(
        HEAD("7", "1") FIRST
        "SYSCALL[7,1](9) sys_mmap ( 0x0, 8192, 3, 34, 4294967295, 0 ) --> "
        "[pre-success] Success(0x4835000) \n"
        " L 04835000,8\n"
        " L 04835008,8\n"
        " S 04835ffc,8\n"
        " L 04836000,4\n"
        " M 04835000,1\n"
        "SYSCALL[7,1](28) sys_madvise ( 0x4835000, 4096, 4 ) --> [async] ... \n"
        "SYSCALL[7,1](28) ... [async] --> Success(0x0) \n"
        " S 04835000,1\n"
        " S 1fff000ff8,8\n" DIES("7"),
        NULL,
        START_LINES "1 mmap anon 8K rw- anon,private = 0x4835000\n"
                    "1 r anon+0 4K\n"
                    "1 w anon+0 8K\n"
                    "1 madvise anon+0 4K dontneed = 0\n"
                    "1 w anon+0 4K\n"
                    "1 w stack-4K 4K\n"
                    "1 exit-group\n");
}
END_TEST

START_TEST(what_the_kernel_reads_and_writes_is_added)
{
    assert_imports(
        HEAD("7", "1") FIRST
        "SYSCALL[7,1](9) sys_mmap ( 0x0, 8192, 3, 34, 4294967295, 0 ) --> "
        "[pre-success] Success(0x4835000) \n"
        "SYSCALL[7,1](0) sys_read ( 3, 0x4835000, 8192 ) --> [async] ... \n"
        "SYSCALL[7,1](0) ... [async] --> Success(0x10) \n"
        "SYSCALL[7,1](1) sys_write ( 1, 0x4836000, 16 ) --> [async] ... \n"
        "SYSCALL[7,1](1) ... [async] --> Success(0x10) \n"
        "SYSCALL[7,1](0) sys_read ( 3, 0x4836000, 16 ) --> [async] ... \n"
        "SYSCALL[7,1](0) ... [async] --> Failure(0x5) \n" DIES("7"),
        NULL,
        START_LINES "1 mmap anon 8K rw- anon,private = 0x4835000\n"
                    "1 w anon+0 4K kernel\n"
                    "1 r anon+4K 4K kernel\n"
                    "1 exit-group\n");
}
END_TEST

START_TEST(a_child_lives_where_its_parent_forks)
{
    assert_imports(
        HEAD("8", "7") " --> [pre-success] Success(0x0)\n" FIRST DIES("8"),
        HEAD("7", "1") FIRST
        "SYSCALL[7,1](56) sys_clone ( 1200011, 0x0, 0x0, 0x4a29a10, 0x0 )   "
        "clone(fork): process 7 created child 8\n" FIRST
        "SYSCALL[7,1](61) sys_wait4 ( 4294967295, 0x0, 0, 0x0 ) --> [async] "
        "... \n"
        "SYSCALL[7,1](61) ... [async] --> Success(0x8) \n" DIES("7"),
        START_LINES "1 fork 2 = 0\n"
                    "2 x unknown+4K 4K\n"
                    "2 exit-group\n"
                    "1 x unknown+4K 4K\n"
                    "1 wait 2 = 0\n"
                    "1 exit-group\n");
}
END_TEST

START_TEST(a_call_says_which_thread_runs)
{
    assert_imports(
        HEAD("7", "1") FIRST
        "SYSCALL[7,1](56) sys_clone ( 3d0f00, 0x5, 0x5, 0x5, 0x5 ) --> "
        "[pre-success] Success(0x9) --7--   SCHED[1]: releasing lock\n"
        "--7--   SCHED[2]:  acquired lock (thread_wrapper)\n"
        " S 00402000,8\n"
        "SYSCALL[7,2](60) exit( 0 ) --> [pre-success] Success(0x0) \n"
        " S 00403000,8\n" DIES("7"),
        NULL,
        START_LINES "1 thread 2 = 0\n"
                    "2 w unknown+8K 4K\n"
                    "2 exit\n"
                    "1 w unknown+12K 4K\n"
                    "1 exit-group\n");
}
END_TEST

/* The result of what a signal interrupted is nowhere. */
START_TEST(a_call_may_be_interrupted_by_a_signal)
{
    assert_imports(
        HEAD("7", "1") FIRST
        "SYSCALL[7,1](61) sys_wait4 ( 4294967295, 0x0, 0, 0x0 ) --> [async] "
        "... \n"
        " S 00402000,8\n"
        "SYSCALL[7,1](15) sys_rt_sigreturn ( ) --> [pre-success] "
        "NoWriteResult \n"
        " S 00402000,8\n" DIES("7"),
        NULL,
        START_LINES "1 w unknown+8K 4K\n"
                    "# task 1: call 61, whose result is not recorded\n"
                    "1 exit-group\n");
}
END_TEST

START_TEST(every_file_is_of_a_process_of_its_own)
{
    static const char *const others[][2] = {
        {HEAD("7", "1") FIRST DIES("7"),
         "1.txt:1:1: expected one file of each process, found process 7"},
        {HEAD("9", "2") FIRST DIES("9"),
         "1.txt:1:1: expected a process that another file makes, found process "
         "9"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(others); i++) {
        const char *texts[] = {HEAD("7", "1") FIRST DIES("7"), others[i][0],
                               NULL};
        g_autofree char *found = NULL;
        ck_assert_ptr_null(import_texts(folder, import_lackey, texts, &found));
        ck_assert_str_eq(found, others[i][1]);
    }
}
END_TEST

static const struct {
    const char *recording, *message;
} refused[] = {
    {"nonsense\n", "0.txt:1:1: expected a file of valgrind's lackey"},
    {"==7== Lackey\n", "0.txt:2:1: expected a line like ==PID== Parent PID: "
                       "NUMBER, found the end of the file"},
    {HEAD("7", "7") FIRST, "0.txt:1:1: expected one file of a process whose "
                           "parent has none"},
    {HEAD("7", "1") FIRST,
     "0.txt:5:1: expected the end of process 7, found the end of the file (is "
     "the recording cut off?)"},
    {HEAD("7", "1") FIRST " L 0040", "0.txt:6:8: expected the end of the line"},
    {HEAD("7", "1") FIRST " L 0040\n", "0.txt:6:1: expected an access like"},
    {HEAD("7", "1") "SYSCALL[8,1](12) sys_brk ( 0x0 ) --> Success(0x5)\n",
     "0.txt:5:1: expected a call of this process"},
    {HEAD("7", "1") "==8== Command: other\n",
     "0.txt:5:1: expected a line of this file's process"},
    {HEAD("7", "1") FIRST DIES("7") FIRST,
     "0.txt:7:1: expected the end of a process that has exited"},
    {HEAD("7", "1") FIRST "SYSCALL[7,1](28) ... [async] --> Success(0x0)\n",
     "0.txt:6:1: expected the end of this thread's last call"},
    {"==7== Parent PID: 1\n" FIRST,
     "0.txt:2:1: expected a line like ==7== Command: PROGRAM above"},
    {HEAD("7", "1") "who is this\n",
     "0.txt:5:1: expected a line of valgrind's lackey"},
};

START_TEST(what_is_cut_off_or_interleaved_is_an_error_with_its_line)
{
    assert_refused(folder, import_lackey, refused[_i].recording,
                   refused[_i].message);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("import_lackey");
    TCase *tests = tcase_create("import_lackey");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_touch_is_new_once_between_two_calls);
    tcase_add_test(tests, what_the_kernel_reads_and_writes_is_added);
    tcase_add_test(tests, a_child_lives_where_its_parent_forks);
    tcase_add_test(tests, a_call_says_which_thread_runs);
    tcase_add_test(tests, a_call_may_be_interrupted_by_a_signal);
    tcase_add_test(tests, every_file_is_of_a_process_of_its_own);
    tcase_add_loop_test(
        tests, what_is_cut_off_or_interleaved_is_an_error_with_its_line, 0,
        G_N_ELEMENTS(refused));
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
