/*
 * Recordings of perf become traces.  The recordings here are written by hand in
 * the form that perf script prints, and the whole trace is compared.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/run_suite.h"
#include "tests/traces/loaded.h"
#include "tests/traces/random.h"
#include "traces/import.h"

/* "prog" runs as thread TID of process PID. */
#define BY(pid, tid, time, event)                                              \
    "            prog " #pid "/" #tid " [001]  1." time ": " event "\n"
#define P(time, event)   BY(7, 7, time, event)
#define ALLOC(time, gfp) P(time, "kmem:mm_page_alloc: " ORDER0 gfp)
#define ORDER0           "page=0x1 pfn=0x1 order=0 migratetype=1 gfp_flags="
#define CLEARED          "GFP_HIGHUSER_MOVABLE|__GFP_ZERO|__GFP_COMP"
#define FILLED           "GFP_HIGHUSER_MOVABLE|__GFP_COMP"
#define TABLE            "GFP_KERNEL_ACCOUNT|__GFP_ZERO|__GFP_COMP"
#define FAULT(time, address, code)                                             \
    P(time, "exceptions:page_fault_user: address=" address                     \
            " ip=0x401000 error_code=" code)
#define MMAP2(range, what) "PERF_RECORD_MMAP2 7/7: [" range "]: " what

/* An image with two segments, of which the first reserved 16K. */
#define IMAGE                                                                  \
    "            perf 0/0 [000]     0.000000000: PERF_RECORD_COMM: "           \
    "perf:7/7\n" P("000000100", "PERF_RECORD_COMM exec: prog:7/7") P(          \
        "000000110",                                                           \
        MMAP2("0x7ffffffde000(0x21000) @ 0x7ffffffde000 00:00 0 0",            \
              "rw-p [stack]")) P("000000120",                                  \
                                 MMAP2("0x400000(0x4000) @ 0 fe:00 9 0",       \
                                       "r--p /bin/my prog"))                   \
        P("000000130",                                                         \
          MMAP2("0x401000(0x3000) @ 0x1000 fe:00 9 0", "rw-p /bin/my prog"))   \
            P("000000140",                                                     \
              MMAP2("0x7ffff7ffd000(0x2000) @ 0 00:00 0 0", "r-xp [vdso]"))    \
                P("000000150",                                                 \
                  "sched:sched_process_exec: filename=/bin/my prog pid=7 "     \
                  "old_pid=7") P("000000160", "syscalls:sys_exit_execve: 0x0") \
                    P("000000170", "syscalls:sys_enter_brk: brk: 0x00000000")  \
                        P("000000180", "syscalls:sys_exit_brk: 0x405000")

#define MMAP(enter, mapped, exit, length, flags, address)                      \
    P(enter,                                                                   \
      "syscalls:sys_enter_mmap: addr: 0x00000000, len: " length                \
      ", prot: 0x00000003, flags: " flags ", fd: 0xffffffff, off: 0x00000000") \
    P(mapped, MMAP2(address "(" length ") @ 0 00:00 0 0", "rw-p //anon"))      \
    P(exit, "syscalls:sys_exit_mmap: " address)

#define IMAGE_LINES                                                            \
    "0 file /bin/my%20prog 16K disk cached\n"                                  \
    "0 file [vdso] 8K disk cached\n"                                           \
    "1 start uid=0\n"                                                          \
    "@0/1 1 exec prog mmap-base=0x7ffff7fff000 brk=0x405000 "                  \
    "stack=0x7ffffffff000 = 0\n"                                               \
    "1 map stack_vma 132K rw- anon,private,stack,growsdown at=stack-132K\n"    \
    "1 map my_prog 4K r-- private,file=/bin/my%20prog off=0 at=0x400000\n"     \
    "1 map my_prog.1 12K rw- private,file=/bin/my%20prog off=4K "              \
    "at=0x401000\n"                                                            \
    "1 map vdso 8K r-x private,file=[vdso] off=0 at=0x7ffff7ffd000\n"          \
    "@0/1 1 w stack-4K 4K gup\n"

/* The same image, with one tracepoint for all calls. */
/* clang-format off */
#define RAW_IMAGE                                                              \
    "            perf 0/0 [000]     0.000000000: PERF_RECORD_COMM: "           \
    "perf:7/7\n"                                                               \
    P("000000100", "PERF_RECORD_COMM exec: prog:7/7")                          \
    P("000000110", MMAP2("0x7ffffffde000(0x21000) @ 0x7ffffffde000 00:00 0 0", \
                         "rw-p [stack]"))                                      \
    P("000000120", MMAP2("0x400000(0x4000) @ 0 fe:00 9 0",                     \
                         "r--p /bin/my prog"))                                 \
    P("000000130", MMAP2("0x401000(0x3000) @ 0x1000 fe:00 9 0",                \
                         "rw-p /bin/my prog"))                                 \
    P("000000140", MMAP2("0x7ffff7ffd000(0x2000) @ 0 00:00 0 0",               \
                         "r-xp [vdso]"))                                       \
    P("000000150", "sched:sched_process_exec: filename=/bin/my prog pid=7 "    \
                   "old_pid=7")                                                \
    P("000000160", "raw_syscalls:sys_exit: NR 59 = 0")                         \
    P("000000170", "raw_syscalls:sys_enter: NR 12 (0, 7f, 0, 0, 0, 0)")        \
    P("000000180", "raw_syscalls:sys_exit: NR 12 = 4214784")
/* clang-format on */

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

/* The trace, or NULL with the error's message (without the folder). */
static char *
import_bytes(const char *bytes, size_t length, uint64_t uid, char **message)
{
    g_autofree char *input = g_build_filename(folder, "p.txt", NULL);
    g_autofree char *output = g_build_filename(folder, "t.trace", NULL);
    ck_assert(g_file_set_contents_full(input, bytes, (gssize)length,
                                       G_FILE_SET_CONTENTS_NONE, 0600, NULL));
    g_autoptr(GPtrArray) paths = g_ptr_array_new();
    g_ptr_array_add(paths, input);
    struct import_options options = {.default_uid = uid, .kernel = "6.18"};

    GError *error = NULL;
    struct trace_writer *writer = trace_writer_open(output, NULL);
    if (!import_perf(paths, &options, writer, &error)) {
        trace_writer_abandon(writer);
        ck_assert(g_str_has_prefix(error->message, folder));
        *message = g_strdup(error->message + strlen(folder) + 1);
        g_error_free(error);
        return NULL;
    }
    ck_assert(trace_writer_close(writer, NULL));
    char *trace = NULL;
    ck_assert(g_file_get_contents(output, &trace, NULL, NULL));
    return trace;
}

/* What follows the header and the totals. */
static void
assert_imports(const char *recording, const char *expected)
{
    char *message = NULL;
    g_autofree char *trace =
        import_bytes(recording, strlen(recording), 0, &message);
    ck_assert_msg(trace, "%s", message);
    g_autofree char *output = g_build_filename(folder, "t.trace", NULL);
    GError *error = NULL;
    struct trace *loaded = trace_load(output, &error);
    ck_assert_msg(loaded, "%s", error ? error->message : "");
    trace_free(loaded);
    const char *body = strstr(trace, "\n0 file ");
    ck_assert_ptr_nonnull(body);
    ck_assert_str_eq(body + 1, expected);
}

START_TEST(an_image_becomes_an_exec_and_its_mappings)
{
    assert_imports(IMAGE, IMAGE_LINES);
}
END_TEST

START_TEST(the_header_names_the_kernel_and_the_totals)
{
    static const char recording[] = IMAGE FAULT("000000200", "0x402008", "0x7")
        ALLOC("000000210", FILLED) FAULT("000000220", "0x403008", "0x6")
            ALLOC("000000230", FILLED) ALLOC("000000240", TABLE)
                FAULT("000000250", "0x7fffffffd000", "0x6")
                    ALLOC("000000260", CLEARED)
                        FAULT("000000270", "0x7ffff7ffd000", "0x14");
    char *message = NULL;
    g_autofree char *trace =
        import_bytes(recording, strlen(recording), 33, &message);
    ck_assert_msg(trace, "%s", message);
    static const char expected[] =
        "#vmtrace 1\n"
        "#touches faults 6.18\n"
        "# faults by outcome: fresh=1 copy=2 file=1\n"
        "# recorded: faults=4 clears=2 shmem_clears=0 copies=2 file_faults=1 "
        "pagetable_pages=4\n";
    ck_assert(g_str_has_prefix(trace, expected));
    ck_assert_ptr_nonnull(strstr(trace, "\n1 start uid=33\n"));
}
END_TEST

/* perf's header shows the command as it was written. */
START_TEST(a_command_of_several_lines_is_no_event)
{
    assert_imports("# ========\n# os release : 6.18.1\n"
                   "# cmdline : perf record -- python3 -c import os\n"
                   "os.fork() \n# event : name = x\n# ========\n#\n" IMAGE,
                   IMAGE_LINES);
}
END_TEST

/* clang-format off */
START_TEST(an_allocation_says_what_a_fault_did)
{
    assert_imports(
        IMAGE
        MMAP("000000200", "000000210", "000000220", "0x20000", "0x22",
             "0x7ffff7fd0000")
        /* read, then write the zero page */
        FAULT("000000300", "0x7ffff7fd0123", "0x4")
        FAULT("000000310", "0x7ffff7fd0123", "0x7")
        ALLOC("000000311", CLEARED)
        /* a fresh page, a copy, a page that was kept, somebody faster */
        FAULT("000000320", "0x7ffff7fd2000", "0x6")
        ALLOC("000000321", TABLE)
        ALLOC("000000322", CLEARED)
        FAULT("000000330", "0x7ffff7fd4000", "0x7")
        ALLOC("000000331", FILLED)
        FAULT("000000340", "0x7ffff7fd6000", "0x7")
        FAULT("000000350", "0x7ffff7fd8000", "0x6")
        /* a file's page read, copied; not allowed, not mapped */
        FAULT("000000360", "0x400000", "0x4")
        FAULT("000000370", "0x401000", "0x6")
        ALLOC("000000371", FILLED)
        FAULT("000000380", "0x400000", "0x7")
        FAULT("000000390", "0x10", "0x4"),
        IMAGE_LINES
        "@100+20/1 1 mmap anon 128K rw- anon,private = 0x7ffff7fd0000\n"
        "@200/1 1 r anon+0 4K = zero\n"
        "@210/1 1 w anon+0 4K = fresh\n"
        "@220/1 1 w anon+8K 4K = fresh\n"
        "@230/1 1 w anon+16K 4K = copy\n"
        "@240/1 1 w anon+24K 4K = reuse\n"
        "@250/1 1 w anon+32K 4K = hit\n"
        "@260/1 1 r my_prog+0 4K = file\n"
        "@270/1 1 w my_prog.1+0 4K = copy\n"
        "@280/1 1 w my_prog+0 4K = segv\n"
        "@290/1 1 r 0x0 4K = segv\n");
}
END_TEST

/* The first exception brings the page in, the second refuses it: one touch.
 * What is there already is refused at once. */
START_TEST(a_fetch_that_is_not_allowed_is_one_touch)
{
    assert_imports(
        IMAGE
        MMAP("000000200", "000000210", "000000220", "0x20000", "0x22",
             "0x7ffff7fd0000")
        FAULT("000000300", "0x7ffff7fd0123", "0x14")
        FAULT("000000310", "0x7ffff7fd0123", "0x15")
        FAULT("000000320", "0x7ffff7fd1000", "0x14")
        FAULT("000000330", "0x7ffff7fd1000", "0x15")
        FAULT("000000340", "0x7ffff7fd1000", "0x15")
        FAULT("000000350", "0x400000", "0x14")
        FAULT("000000360", "0x7ffff7fd1000", "0x15")
        FAULT("000000370", "0x10", "0x14"),
        IMAGE_LINES
        "@100+20/1 1 mmap anon 128K rw- anon,private = 0x7ffff7fd0000\n"
        "@200+20/1 1 x anon+0 8K = segv\n"
        "@240/1 1 x anon+4K 4K = segv\n"
        "@250/1 1 x my_prog+0 4K = segv\n"
        "@260/1 1 x anon+4K 4K = segv\n"
        "@270/1 1 x 0x0 4K = segv\n");
}
END_TEST

/* The kernel reports the larger stack before it takes the page. */
START_TEST(a_stack_grows_in_a_fault)
{
    assert_imports(
        IMAGE
        FAULT("000000200", "0x7ffffffdd000", "0x6")
        P("000000210", MMAP2("0x7ffffffdd000(0x22000) @ 0 00:00 0 0",
                             "rw-p [stack]"))
        ALLOC("000000220", TABLE)
        ALLOC("000000230", CLEARED),
        IMAGE_LINES
        "@100/1 1 w stack-136K 4K = fresh\n");
}
END_TEST

/* A write for a signal handler is tried where the kernel must not wait. */
START_TEST(a_fault_that_is_refused_and_comes_again_is_one)
{
    static const char refused[] =
        "exceptions:page_fault_kernel: address=0x7fffffffe100 ip=fpu "
        "error_code=0x3";
    static const char again[] =
        "exceptions:page_fault_kernel: address=0x7fffffffe200 ip=clear "
        "error_code=0x3";
    g_autofree char *recording = g_strdup_printf(
        "%s" P("000000200", "%s") P("000000210", "%s")
            ALLOC("000000220", FILLED) P("000000230", "%s")
                FAULT("000000240", "0x7fffffffe200", "0x7"),
        IMAGE, refused, again, refused);
    assert_imports(recording, IMAGE_LINES
                   "@110/1 1 w stack-4K 4K kernel = copy\n"
                   "@130/1 1 w stack-4K 4K kernel = reuse\n"
                   "@140/1 1 w stack-4K 4K = reuse\n");
}
END_TEST

START_TEST(touches_join_only_if_nothing_lies_between)
{
    assert_imports(
        IMAGE
        FAULT("000000200", "0x7fffffff8000", "0x6")
        ALLOC("000000201", CLEARED)
        FAULT("000000210", "0x7fffffff9000", "0x6")
        ALLOC("000000211", CLEARED)
        P("000000220", "exceptions:page_fault_kernel: address=0x7fffffffa000 "
          "ip=put_user error_code=0x2")
        ALLOC("000000221", CLEARED)
        P("000000230", "syscalls:sys_enter_brk: brk: 0x00426000")
        P("000000240", "syscalls:sys_exit_brk: 0x426000")
        FAULT("000000250", "0x405000", "0x6")
        ALLOC("000000251", CLEARED)
        P("000000260", "syscalls:sys_enter_mlock: start: 0x00406000, len: "
          "0x00001000")
        ALLOC("000000265", CLEARED)
        P("000000270", "syscalls:sys_exit_mlock: 0xfffffffffffffff4")
        FAULT("000000280", "0x406000", "0x6")
        ALLOC("000000281", CLEARED),
        IMAGE_LINES "@100+10/1 1 w stack-28K 8K = fresh\n"
                    "@120/1 1 w stack-20K 4K kernel = fresh\n"
                    "@130+10/1 1 brk 132K = 0\n"
                    "@150/1 1 w heap+0 4K = fresh\n"
                    "@160+10/1 1 mlock heap+4K 4K = ENOMEM\n"
                    "@180/1 1 w heap+4K 4K = fresh\n");
}
END_TEST

START_TEST(a_child_has_the_names_and_dies_after_its_last_fault)
{
    assert_imports(
        IMAGE
        MMAP("000000200", "000000210", "000000220", "0x1000", "0x22",
             "0x7ffff7ffc000")
        P("000000300", "task:task_newtask: pid=8 comm=pid=9 "
          "clone_flags=1200000 oom_score_adj=0")
        P("000000305", "task:task_newtask: pid=9 comm=prog "
          "clone_flags=3d0f00 oom_score_adj=0")
        BY(8, 8, "000000310", "exceptions:page_fault_user: "
           "address=0x7ffff7ffc000 ip=0x1 error_code=0x7")
        BY(8, 8, "000000320", "kmem:mm_page_alloc: " ORDER0 FILLED)
        BY(8, 8, "000000330", "sched:sched_process_exit: comm=prog pid=8 "
           "prio=120 group_dead=true")
        BY(8, 8, "000000340", "exceptions:page_fault_kernel: "
           "address=0x7ffff7ffc000 ip=0x1 error_code=0x3")
        P("000000350", "syscalls:sys_enter_wait4: upid: 0xffffffff")
        P("000000360", "syscalls:sys_exit_wait4: 0x8")
        P("000000370", "syscalls:sys_enter_setuid: uid: 0x00000021")
        P("000000380", "syscalls:sys_exit_setuid: 0x0"),
        IMAGE_LINES
        "@100+20/1 1 mmap anon 4K rw- anon,private = 0x7ffff7ffc000\n"
        "@200/1 1 fork 2 = 0\n"
        "@205/1 1 thread 3 = 0\n"
        "@210/1 2 w anon+0 4K = copy\n"
        "@240/1 2 w anon+0 4K kernel = reuse\n"
        "@230/1 2 exit\n"
        "@250+10/1 1 wait 2 = 0\n"
        "@270+10/1 1 setuid 33 = 0\n");
}
END_TEST

START_TEST(arguments_are_pages_of_the_new_stack)
{
    assert_imports(
        IMAGE
        P("000000200", "syscalls:sys_enter_execve: filename: 0x1, argv: 0x2, "
          "envp: 0x3")
        ALLOC("000000201", TABLE)
        ALLOC("000000202", CLEARED)
        ALLOC("000000203", CLEARED)
        P("000000210", "PERF_RECORD_COMM exec: next:7/7")
        P("000000220", MMAP2("0x7ffffffde000(0x21000) @ 0 00:00 0 0", "rw-p "
          "[stack]"))
        P("000000230", "sched:sched_process_exec: filename=/n pid=7 old_pid=7")
        P("000000240", "syscalls:sys_exit_execve: 0x0"),
        IMAGE_LINES "@110/1 1 exec next stack=0x7ffffffff000 = 0\n"
                    "1 map stack_vma 132K rw- anon,private,stack,growsdown "
                    "at=stack-132K\n"
                    "@110/1 1 w stack-8K 8K gup = fresh\n");
}
END_TEST
/* clang-format on */

/* Thread 8's mapping lies where thread 7 unmaps: its effect was later, though
 * both calls end after it. */
/* clang-format off */
START_TEST(a_munmap_comes_before_what_reuses_its_range)
{
    assert_imports(
        IMAGE
        P("000000190", "task:task_newtask: pid=8 comm=prog "
          "clone_flags=3d0f00 oom_score_adj=0")
        MMAP("000000200", "000000210", "000000220", "0x2000", "0x22",
             "0x7ffff7ffb000")
        BY(7, 8, "000000290", "syscalls:sys_enter_mmap: addr: 0x0, len: "
           "0x1000, prot: 0x0, flags: 0x22, fd: 0x0, off: 0x0")
        P("000000300", "syscalls:sys_enter_munmap: addr: 0x7ffff7ffb000, "
          "len: 0x00002000")
        BY(7, 8, "000000310", "PERF_RECORD_MMAP2 7/8: "
           "[0x7ffff7ffc000(0x1000) @ 0 00:00 0 0]: ---p //anon")
        P("000000320", "syscalls:sys_exit_munmap: 0x0")
        BY(7, 8, "000000330", "syscalls:sys_exit_mmap: 0x7ffff7ffc000"),
        IMAGE_LINES
        "@90/1 1 thread 2 = 0\n"
        "@100+20/1 1 mmap anon 8K rw- anon,private = 0x7ffff7ffb000\n"
        "@200+20/1 1 munmap anon+0 8K = 0\n"
        "@190+40/1 2 mmap anon.1 4K --- anon,private = 0x7ffff7ffc000\n");
}
END_TEST

/* One tracepoint for all calls says the same as one for each. */
/* clang-format off */
START_TEST(calls_are_known_by_their_numbers)
{
    assert_imports(
        RAW_IMAGE
        P("000001000", "raw_syscalls:sys_enter: NR 9 (0, 2000, 3, 22, f, 0)")
        P("000002000", "raw_syscalls:sys_exit: NR 9 = 140737353871360")
        P("000003000", "raw_syscalls:sys_enter: NR 11 (0, 0, 0, 0, 0, 0)")
        P("000004000", "raw_syscalls:sys_exit: NR 11 = -22")
        P("000005000", "raw_syscalls:sys_exit: NR -1 = 0"),
        IMAGE_LINES
        "@900+1000/1 1 mmap anon 8K rw- anon,private = 0x7ffff7fbf000\n"
        "@2900+1000/1 1 munmap 0x0 0 = EINVAL\n");
}
END_TEST

/* Preemption is no time of the task's; what a fault takes at least, 1 us here,
 * is taken off the time behind it. */
START_TEST(time_is_spent_in_the_program_in_other_calls_and_asleep)
{
    assert_imports(
        RAW_IMAGE
        P("000010000", "raw_syscalls:sys_enter: NR 39 (0, 0, 0, 0, 0, 0)")
        P("000010100", "raw_syscalls:sys_exit: NR 39 = 7")
        P("000012100", "raw_syscalls:sys_enter: NR 0 (0, 0, 0, 0, 0, 0)")
        P("000014100", "PERF_RECORD_SWITCH OUT")
        P("000024100", "PERF_RECORD_SWITCH IN")
        P("000025100", "raw_syscalls:sys_exit: NR 0 = 1")
        P("000025200", "PERF_RECORD_SWITCH OUT preempt")
        P("000095200", "PERF_RECORD_SWITCH IN")
        FAULT("000095300", "0x401000", "0x4")
        FAULT("000096300", "0x402000", "0x4")
        FAULT("000100300", "0x403000", "0x4")
        P("000101300", "raw_syscalls:sys_enter: NR 11 (0, 0, 0, 0, 0, 0)")
        P("000101400", "raw_syscalls:sys_exit: NR 11 = -22"),
        IMAGE_LINES
        "@60/1 1 work 12030\n"
        "@60/1 1 kwork 3100\n"
        "@60/1 1 sleep 10000\n"
        "@95200+6000/1 1 r my_prog.1+0 12K = file\n"
        "@96200/1 1 work 3000\n"
        "@101200+100/1 1 munmap 0x0 0 = EINVAL\n");
}
END_TEST
/* clang-format on */

/* clang-format off */
/* Task 7 sleeps in call NR from 40100 to 90100. */
#define OFF(call, result)                                                      \
    P("000040000", "raw_syscalls:sys_enter: NR " call)                         \
    P("000040100", "PERF_RECORD_SWITCH OUT")                                   \
    P("000090100", "PERF_RECORD_SWITCH IN")                                    \
    P("000091000", "raw_syscalls:sys_exit: NR " result)                        \
    FAULT("000093000", "0x401000", "0x4")
#define BORN(flags)                                                            \
    P("000000300", "task:task_newtask: pid=8 comm=prog "                       \
      "clone_flags=" flags " oom_score_adj=0")
#define DIES                                                                   \
    BY(7, 8, "000080000", "sched:sched_process_exit: comm=prog pid=8 prio=120")

static const struct {
    const char *recording, *expected;
} waits[] = {
    /* wait4 = 8; waitid(P_PID, 8); waitid(P_ALL) */
    {BORN("1200000") DIES OFF("61 (8, 0, 0, 0, 0, 0)", "61 = 8"),
     "@39900+51000/1 1 wait 2 = 0\n"},
    {BORN("1200000") DIES OFF("247 (1, 8, 0, 4, 0, 0)", "247 = 0"),
     "@39900+51000/1 1 wait 2 = 0\n"},
    {BORN("1200000") DIES OFF("247 (0, 0, 0, 4, 0, 0)", "247 = 0"),
     "@39900+51000/1 1 wait = 0\n"},
    /* Nobody to wait for; nobody had ended; only stopped. */
    {BORN("1200000") DIES OFF("61 (8, 0, 0, 0, 0, 0)", "61 = -10"), NULL},
    {BORN("1200000") DIES OFF("247 (1, 8, 0, 5, 0, 0)", "247 = 0"), NULL},
    {BORN("1200000") DIES OFF("247 (1, 8, 0, 2, 0, 0)", "247 = 0"), NULL},
    /* A join, of a thread that may just have gone: the word holds its tid. */
    {BORN("3d0f00") DIES OFF("202 (7fff0000, 109, 8, 0, 0, ffffffff)",
                             "202 = 0"),
     "@39900+51000/1 1 wait 2 = 0\n"},
    {BORN("3d0f00") DIES OFF("202 (7fff0000, 80, 8, 0, 0, 0)", "202 = -11"),
     "@39900+51000/1 1 wait 2 = 0\n"},
    /* Given up; a wake; a lock; of a thread that lives. */
    {BORN("3d0f00") DIES OFF("202 (7fff0000, 80, 8, 0, 0, 0)", "202 = -110"),
     NULL},
    {BORN("3d0f00") DIES OFF("202 (7fff0000, 81, 8, 0, 0, 0)", "202 = 1"),
     NULL},
    {BORN("3d0f00") DIES OFF("202 (7fff0000, 80, 2, 0, 0, 0)", "202 = 0"),
     NULL},
    {BORN("3d0f00") OFF("202 (7fff0000, 80, 8, 0, 0, 0)", "202 = 0"), NULL},
};
/* clang-format on */

/* Waiting for a task's end is `wait`, for anything else `sleep`. */
START_TEST(who_waits_for_a_task_does_not_sleep)
{
    g_autofree char *recording =
        g_strconcat(RAW_IMAGE, waits[_i].recording, NULL);
    char *message = NULL;
    g_autofree char *trace =
        import_bytes(recording, strlen(recording), 0, &message);

    ck_assert_msg(trace, "%s", message);
    if (waits[_i].expected)
        ck_assert_msg(strstr(trace, waits[_i].expected), "%s", trace);
    else
        ck_assert_msg(!strstr(trace, " wait"), "%s", trace);
    ck_assert_msg(!strstr(trace, " sleep 50000\n") == !!waits[_i].expected,
                  "%s", trace);
}
END_TEST

/* A vfork ends when the child is done, which the event says. */
START_TEST(who_waits_in_a_vfork_does_not_sleep)
{
    static const char *const flags[] = {"4111", "100"};
    for (unsigned i = 0; i < G_N_ELEMENTS(flags); i++) {
        g_autofree char *recording = g_strdup_printf(
            RAW_IMAGE P("000000250",
                        "raw_syscalls:sys_enter: NR 56 (0, 0, 0, 0, 0, 0)")
                P("000000300", "task:task_newtask: pid=8 comm=prog "
                               "clone_flags=%s oom_score_adj=0")
                    P("000040100", "PERF_RECORD_SWITCH OUT")
                        P("000090100", "PERF_RECORD_SWITCH IN")
                            P("000091000", "raw_syscalls:sys_exit: NR 56 = 8")
                                FAULT("000093000", "0x401000", "0x4"),
            flags[i]);
        char *message = NULL;
        g_autofree char *trace =
            import_bytes(recording, strlen(recording), 0, &message);
        ck_assert_msg(trace, "%s", message);
        ck_assert_ptr_nonnull(strstr(trace, " vfork 2 = 0\n"));
        ck_assert_msg(!strstr(trace, " sleep 50000\n") == (i == 0), "%s",
                      trace);
    }
}
END_TEST

START_TEST(a_part_that_moves_gets_a_name_of_its_own)
{
    assert_imports(
        IMAGE MMAP("000000200", "000000210", "000000220", "0x4000", "0x22",
                   "0x7ffff7ff9000")
            P("000000300",
              "syscalls:sys_enter_mremap: addr: 0x7ffff7ffb000, "
              "old_len: 0x2000, new_len: 0x3000, flags: 0x1, new_addr: 0x0")
                P("000000310", "syscalls:sys_exit_mremap: 0x7ffff7ff6000") P(
                    "000000320",
                    "syscalls:sys_enter_madvise: start: 0x7ffff7ff6000, "
                    "len_in: 0x3000, behavior: 0x00000004")
                    P("000000330", "syscalls:sys_exit_madvise: 0x0") P(
                        "000000340",
                        "syscalls:sys_enter_madvise: start: 0x7ffff7ff9000, "
                        "len_in: 0x1000, behavior: 0x00000010")
                        P("000000350", "syscalls:sys_exit_madvise: 0x0") P(
                            "000000360", "syscalls:sys_enter_mprotect: start: "
                                         "0x7ffff7ff9000, "
                                         "len: 0x1000, prot: 0x00000001")
                            P("000000370", "syscalls:sys_exit_mprotect: 0x0")
                                FAULT("000000380", "0x7ffff7ff9000", "0x7")
                                    FAULT("000000390", "0x7ffff7ffb000", "0x6"),
        IMAGE_LINES
        "@100+20/1 1 mmap anon 16K rw- anon,private = 0x7ffff7ff9000\n"
        "@200+10/1 1 mremap anon+8K 8K 12K maymove as=anon.1 = "
        "0x7ffff7ff6000\n"
        "@220+10/1 1 madvise anon.1+0 12K dontneed = 0\n"
        "# task 1: madvise, with advice that a trace has no word for\n"
        "@260+10/1 1 mprotect anon+0 4K r-- = 0\n"
        "@280/1 1 w anon+0 4K = segv\n"
        "@290/1 1 w anon+8K 4K = segv\n");
}
END_TEST
/* clang-format on */

static const struct {
    const char *recording;
    const char *message;
} refused[] = {
    {"hello world\n", "p.txt:1:1: expected a line like COMM PID/TID [CPU] "
                      "SECONDS: EVENT, found \"hello\""},
    {IMAGE "prog 7/7 [001] 1.5", "p.txt:11:19: expected the end of the line, "
                                 "found the end of the file"},
    {"p 7/7 [1] 1.0: PERF_RECORD_LOST lost 3\n",
     "p.txt:1:16: expected a complete recording, found \"PERF_RECORD_LOST\""},
    {"p 7/7 [1] 1.0: LOST: 3\n",
     "p.txt:1:16: expected a complete recording, found \"LOST:\""},
    {"p 7/7 [1] 1.0: exceptions:page_fault_user: address=zz\n",
     "p.txt:1:52: expected a number in the field address, found \"zz\""},
    {"p 7/7 [1] 1.0: exceptions:page_fault_user: address=0x1\n",
     "p.txt:1:44: expected a number in the field error_code, found "
     "\"address=0x1\""},
    {"p 7/7 [1] 1.0: PERF_RECORD_MMAP2 7/7: [0x1\n",
     "p.txt:1:34: expected a mapping like PID/TID: [0xADDR(0xLEN) @ OFF ...]: "
     "rw-p NAME, found \"7/7:\""},
    {"p 7/7 [1] 1.0: syscalls:sys_exit_mmap: 0x1ffffffffffffffff\n",
     "p.txt:1:40: expected the result of a call, found "
     "\"0x1ffffffffffffffff\""},
    {"", "p.txt:1:1: expected a line like COMM PID/TID [CPU] SECONDS: EVENT, "
         "found the end of the file (is the recording cut off?)"},
    {"# os release : 6.18\n#\n",
     "p.txt:2:1: expected a line like COMM PID/TID [CPU] SECONDS: EVENT, found "
     "the end of the file (is the recording cut off?)"},
};

START_TEST(what_cannot_be_read_is_an_error_with_its_place)
{
    char *message = NULL;
    const char *recording = refused[_i].recording;
    ck_assert_ptr_null(import_bytes(recording, strlen(recording), 0, &message));
    ck_assert_str_eq(message, refused[_i].message);
    g_free(message);
}
END_TEST

START_TEST(a_nul_byte_is_an_error)
{
    char *message = NULL;
    ck_assert_ptr_null(import_bytes("# \0\n", 4, 0, &message));
    ck_assert_str_eq(message, "p.txt:1:3: expected text, found a NUL byte");
    g_free(message);
}
END_TEST

START_TEST(an_endless_line_is_an_error)
{
    char *message = NULL;
    g_autofree char *line = g_strnfill(1 << 20, 'x');
    ck_assert_ptr_null(import_bytes(line, strlen(line), 0, &message));
    ck_assert_str_eq(message, "p.txt:1:1: expected a line of at most 64 KiB, "
                              "found a longer one");
    g_free(message);
}
END_TEST

/* Whatever is imported can be loaded. */
START_TEST(damaged_recordings_are_refused_or_make_a_trace)
{
    static const char intact[] =
        IMAGE MMAP("000000200", "000000210", "000000220", "0x4000", "0x22",
                   "0x7ffff7ff9000") FAULT("000000300", "0x401008", "0x7")
            ALLOC("000000310", FILLED)
                FAULT("000000320", "0x7ffff7ff9000", "0x6")
                    P("000000330", "sched:sched_process_exit: comm=prog pid=7 "
                                   "prio=120 group_dead=true");
    g_autofree char *output = g_build_filename(folder, "t.trace", NULL);
    uint64_t random = 1;
    unsigned imported_count = 0, refused_count = 0;
    for (unsigned round = 0; round < 2000; round++) {
        g_autofree char *damaged = g_strdup(intact);
        for (uint32_t i = 0; i < 1 + round % 3; i++)
            damaged[random_below(&random, sizeof(intact) - 2)] =
                (char)('0' + random_below(&random, 64));
        char *message = NULL;
        g_autofree char *trace =
            import_bytes(damaged, strlen(damaged), 0, &message);
        refused_count += trace == NULL;
        imported_count += trace != NULL;
        g_free(message);
        if (!trace)
            continue;
        GError *error = NULL;
        struct trace *loaded = trace_load(output, &error);
        ck_assert_msg(loaded, "%s", error ? error->message : "");
        trace_free(loaded);
    }
    ck_assert_uint_gt(imported_count, 100);
    ck_assert_uint_gt(refused_count, 100);
}
END_TEST

/* The recordings that come with the program. */
START_TEST(every_touch_of_a_recorded_program_has_a_name)
{
    static const char *const names[] = {"interpreter", "compiler", "threads",
                                        "server"};
    g_autofree char *path = g_strdup_printf("%s/../examples/%s.trace.zst",
                                            TRACE_SAMPLES, names[_i]);
    GError *error = NULL;
    struct trace *trace = trace_load(path, &error);
    ck_assert_msg(trace, "%s", error ? error->message : "");
    ck_assert_int_eq(trace->touches, TRACE_TOUCHES_FAULTS);
    unsigned touch_count = 0;
    for (guint i = 0; i < trace->events->len; i++) {
        const struct trace_event *event = event_at(trace, i);
        if (event->op != TRACE_OP_READ && event->op != TRACE_OP_WRITE &&
            event->op != TRACE_OP_EXECUTE)
            continue;
        touch_count++;
        ck_assert_uint_ne(event->address.binding, TRACE_BINDING_ABSOLUTE);
    }
    ck_assert_uint_gt(touch_count, 500);
    trace_free(trace);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("import_perf");
    TCase *tests = tcase_create("import_perf");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, an_image_becomes_an_exec_and_its_mappings);
    tcase_add_test(tests, the_header_names_the_kernel_and_the_totals);
    tcase_add_test(tests, a_command_of_several_lines_is_no_event);
    tcase_add_test(tests, an_allocation_says_what_a_fault_did);
    tcase_add_test(tests, a_fetch_that_is_not_allowed_is_one_touch);
    tcase_add_test(tests, a_stack_grows_in_a_fault);
    tcase_add_test(tests, a_fault_that_is_refused_and_comes_again_is_one);
    tcase_add_test(tests, touches_join_only_if_nothing_lies_between);
    tcase_add_test(tests, a_child_has_the_names_and_dies_after_its_last_fault);
    tcase_add_test(tests, arguments_are_pages_of_the_new_stack);
    tcase_add_test(tests, a_munmap_comes_before_what_reuses_its_range);
    tcase_add_test(tests, a_part_that_moves_gets_a_name_of_its_own);
    tcase_add_test(tests, calls_are_known_by_their_numbers);
    tcase_add_test(tests,
                   time_is_spent_in_the_program_in_other_calls_and_asleep);
    tcase_add_loop_test(tests, who_waits_for_a_task_does_not_sleep, 0,
                        G_N_ELEMENTS(waits));
    tcase_add_test(tests, who_waits_in_a_vfork_does_not_sleep);
    tcase_add_loop_test(tests, what_cannot_be_read_is_an_error_with_its_place,
                        0, G_N_ELEMENTS(refused));
    tcase_add_test(tests, a_nul_byte_is_an_error);
    tcase_add_test(tests, an_endless_line_is_an_error);
    tcase_add_test(tests, damaged_recordings_are_refused_or_make_a_trace);
    tcase_add_loop_test(tests, every_touch_of_a_recorded_program_has_a_name, 0,
                        4);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
