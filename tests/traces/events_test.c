/*
 * One line, one event: every kind is read and written back, and every way to
 * write it wrong is named with its column.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/run_suite.h"
#include "tests/traces/loaded.h"

/* Above every line below: a task with a region A, a child 2 and a dead 3. */
static const char above[] = "1 start\n"
                            "1 mmap A 64K rw- anon\n"
                            "1 fork 2\n"
                            "1 fork 3\n"
                            "3 exit\n"
                            "1 mmap F 4K r-- file=used\n";
enum { LINES_ABOVE = 7 };

/* Written as on the left, a line means what is on the right. */
static const struct {
    const char *line, *canonical;
} accepted[] = {
    {"0 file lib 64K", NULL},
    {"0 file lib 65536 disk,cached", "0 file lib 64K"},
    {"0 file a%20b%25%23%2C%3D 1T shmem cold",
     "0 file a%20b%25%23%2C%3D 1T shmem,cold"},
    {"0 expect fault_count 12", NULL},
    {"0 hog 2G", NULL},
    {"4 start", NULL},
    {"4 start uid=1000 comm=ebizzy mmap-base=0x7f00 brk=0x1 stack=4096 "
     "rlimit-stack=8M rlimit-memlock=64K rlimit-as=0x400",
     "4 start uid=1000 comm=ebizzy mmap-base=0x7f00 brk=0x1 stack=0x1000 "
     "rlimit-stack=8M rlimit-memlock=64K rlimit-as=1K"},
    {"1 mmap B 512K rw- anon,private", NULL},
    {"1 mmap B 0x1000 r-x anon", "1 mmap B 4K r-x anon,private"},
    {"1 mmap B 1 --- shared anon", "1 mmap B 1 --- anon,shared"},
    {"1 mmap B 4K -w- at=0x1000 private,fixed nozero,anon",
     "1 mmap B 4K -w- anon,private,nozero,fixed at=0x1000"},
    {"1 mmap B 4K rwx anon,private,nozero,noreserve,populate,locked,stack,"
     "growsdown",
     NULL},
    {"1 mmap B 4K rw- anon,private,fixed-noreplace at=A+4K", NULL},
    {"1 mmap B 4K rw- private file=used off=8K", NULL},
    {"1 mmap B 4K rw- file=used,off=0,shared", "1 mmap B 4K rw- shared "
                                               "file=used"},
    {"1 mmap B 4K rw- anon,private = ENOMEM", NULL},
    {"1 mmap B 4K rw- anon,private = 0x7f0000001000", NULL},
    {"1 mmap B 4K rw- anon,private = 0x1000 vma=0x1000-0x3000", NULL},
    {"2 map text 4K r-x private at=0x400000 file=prog", NULL},
    {"1 munmap A+0 512K", "1 munmap A 512K"},
    {"1 munmap A-0 4K = EINVAL", NULL},
    {"1 munmap 0x1000 4K = 0", NULL},
    {"1 mprotect A+4K 8K r--", NULL},
    {"1 mremap A 64K 1M", NULL},
    {"1 mremap A 64K 1M maymove,dontunmap as=B", NULL},
    {"1 mremap A+4K 4K 8K fixed at=0x10000 maymove",
     "1 mremap A+4K 4K 8K fixed,maymove at=0x10000"},
    {"1 brk 132K", NULL},
    {"1 brk 0 nozero", NULL},
    {"1 vrange A 64K volatile full", "1 vrange A 64K volatile,full"},
    {"1 vrange A 64K novolatile", "1 vrange A 64K novolatile,full"},
    {"1 vrange A 64K volatile partial", "1 vrange A 64K volatile,partial"},
    {"1 purge A 64K", NULL},
    {"1 reuse A 64K", NULL},
    {"1 guard A 4K", NULL},
    {"1 mlock A 8K", NULL},
    {"1 munlock A 8K", NULL},
    {"1 remap_file_pages A+8K 4K 3", NULL},
    {"1 r A 64K", NULL},
    {"1 w stack-4K 4K", NULL},
    {"1 x heap+4K 4K", NULL},
    {"1 w A 64K stride=8K gup", "1 w A 64K gup stride=8K"},
    {"1 w A 64K kernel = EFAULT", NULL},
    {"1 w A 64K = fresh", NULL},
    {"1 r A 64K = fresh*12,hit*4", NULL},
    {"1 r A 64K = hit*1,zero*1,fresh*1,copy*1,reuse*1,file*1,swap*1,segv*1,"
     "bus*1",
     NULL},
    {"1 fork 4", NULL},
    {"1 vfork 3", NULL},
    {"1 thread 4 = EAGAIN", NULL},
    {"2 exec bash", NULL},
    {"2 exec sh%20x mmap-base=0x10 brk=0x20 stack=0x30", NULL},
    {"2 exit", NULL},
    {"2 exit-group", NULL},
    {"1 wait", NULL},
    {"1 wait = ECHILD", NULL},
    {"1 wait 2", NULL},
    {"1 wait 3 = 0", NULL},
    {"1 setuid 33", NULL},
    {"1 ptrace 2", NULL},
    {"1 work 1500", NULL},
    {"1 kwork 900", NULL},
    {"1 sleep 0x10", "1 sleep 16"},
    {"1 mark record%3d1", "1 mark record%3D1"},
    {"1 mark \xc3\xa9t\xc3\xa9%FF", NULL},
    {"1 barrier go 8", NULL},
    {"@5 1 work 1", NULL},
    {"@5+7 1 work 1", NULL},
    {"@0x5+7/3 1 work 1", "@5+7/3 1 work 1"},
    {"@18446744073709551615/65535 1 work 1", NULL},
    {"  @5   1\twork   1  # a comment", "@5 1 work 1"},
    {"1 work 1 #", "1 work 1"},
    {"01 work 0007", "1 work 7"},
    {"1 work 18446744073709551615", NULL},
    {"1 munmap A 17179869183G", NULL},
};

START_TEST(a_line_is_read_and_written_back)
{
    const char *line = accepted[_i].line;
    const char *canonical = accepted[_i].canonical;
    g_autofree char *text = g_strconcat(above, line, NULL);
    struct trace *trace = load_lines(text);
    g_autofree char *found = event_text(trace, last_event(trace));

    ck_assert_str_eq(found, canonical ? canonical : line);
    ck_assert_uint_eq(trace_event_line(trace, trace->event_count - 1),
                      LINES_ABOVE + 1);

    g_autofree char *again = g_strconcat(above, found, NULL);
    struct trace *second = load_lines(again);
    assert_equal_traces(trace, second);
    trace_free(second);
    trace_free(trace);
}
END_TEST

START_TEST(every_advice_is_read_and_written_back)
{
    const char *word = trace_advice_word((enum trace_advice)_i);
    g_autofree char *line = g_strdup_printf("1 madvise A 64K %s", word);
    g_autofree char *text = g_strconcat(above, line, NULL);
    struct trace *trace = load_lines(text);
    g_autofree char *found = event_text(trace, last_event(trace));

    ck_assert_str_eq(found, line);
    ck_assert_int_eq(last_event(trace)->advice, _i);
    trace_free(trace);
}
END_TEST

START_TEST(every_kind_of_event_is_among_the_accepted_lines)
{
    bool is_seen[TRACE_OP_COUNT] = {[TRACE_OP_MADVISE] = true};
    for (unsigned i = 0; i < G_N_ELEMENTS(accepted); i++) {
        g_autofree char *text = g_strconcat(above, accepted[i].line, NULL);
        struct trace *trace = load_lines(text);
        is_seen[last_event(trace)->op] = true;
        trace_free(trace);
    }
    for (unsigned op = 0; op < TRACE_OP_COUNT; op++)
        ck_assert_msg(is_seen[op], "no line has %s",
                      trace_op_word((enum trace_op)op));
}
END_TEST

/* The place is the column in line 8. */
static const struct {
    const char *line, *message;
} refused[] = {
    {"x", "1: expected a task id, found \"x\""},
    {"-1 exit", "1: expected a task id, found \"-1\""},
    {"0x1 exit", "1: expected a task id, found \"0x1\""},
    {"1", "2: expected an event, found the end of the line"},
    {"1 # exit", "3: expected an event, found the end of the line"},
    {"1 mmapp", "3: expected an event, found \"mmapp\""},
    {"1 W A 4K", "3: expected an event, found \"W\""},
    {"1 exit now", "8: expected the end of the line, found \"now\""},
    {"1 exit = 0", "8: expected the end of the line, found \"=\""},
    {"1 munmap A", "11: expected a size, found the end of the line"},
    {"1 munmap A -4096", "12: expected a size, found \"-4096\""},
    {"1 munmap A 4k", "12: expected a size, found \"4k\""},
    {"1 munmap A 4KB", "12: expected a size, found \"4KB\""},
    {"1 munmap A 0x", "12: expected a size, found \"0x\""},
    {"1 munmap A 99999999999G",
     "12: expected a size below 2^64, found \"99999999999G\""},
    {"1 munmap A 18446744073709551616",
     "12: expected a size below 2^64, found \"18446744073709551616\""},
    {"1 munmap A 0x10000000000000000",
     "12: expected a size below 2^64, found \"0x10000000000000000\""},
    {"1 munmap A 4K anon", "15: expected the end of the line, found \"anon\""},
    {"1 munmap B 4K",
     "10: expected the name of a region bound above, found \"B\""},
    {"1 munmap B+4K 4K",
     "10: expected the name of a region bound above, found \"B+4K\""},
    {"1 munmap 4096 4K",
     "10: expected an address like A, A+4K, A-4K or 0x1000, found \"4096\""},
    {"1 munmap A+ 4K",
     "10: expected an address like A, A+4K, A-4K or 0x1000, found \"A+\""},
    {"1 munmap A+1x 4K",
     "10: expected an address like A, A+4K, A-4K or 0x1000, found \"A+1x\""},
    {"1 munmap A+17179869184G 4K",
     "10: expected an offset below 2^64, found \"A+17179869184G\""},
    {"1 munmap "
     "a234567890123456789012345678901234567890123456789012345678901234 4K",
     "10: expected a region name of at most 63 bytes, found "
     "\"a234567890123456789012345678901234567890...\""},
    {"1 mmap 1B 4K rw- anon", "8: expected a region name, found \"1B\""},
    {"1 mmap B+4K 4K rw- anon", "8: expected a region name, found \"B+4K\""},
    {"1 mmap heap 4K rw- anon",
     "8: expected a region name other than heap and stack, which always exist, "
     "found \"heap\""},
    {"1 mremap A 4K 8K as=stack",
     "21: expected a region name other than heap and stack, which always "
     "exist, found \"stack\""},
    {"1 mmap B 4K rw anon", "13: expected a protection like rw-, found \"rw\""},
    {"1 mmap B 4K wr- anon",
     "13: expected a protection like rw-, found \"wr-\""},
    {"1 mmap B 4K rw-x anon",
     "13: expected a protection like rw-, found \"rw-x\""},
    {"1 mmap B 4K rw-",
     "16: expected anon or file=, found the end of the line"},
    {"1 mmap B 4K rw- private = 0", "25: expected anon or file=, found \"=\""},
    {"1 mmap B 4K rw- anon file=x",
     "28: expected either anon or file=, found both"},
    {"1 mmap B 4K rw- anon,shared,private",
     "29: expected no flag that contradicts another, found \"private\""},
    {"1 mmap B 4K rw- anon,", "22: expected a flag or key of mmap, found "
                              "the end of the line"},
    {"1 mmap B 4K rw- ,anon", "17: expected a flag or key of mmap, found "
                              "\",\""},
    {"1 mmap B 4K rw- anom", "17: expected a flag or key of mmap, found "
                             "\"anom\""},
    {"1 mmap B 4K rw- anon fixed",
     "27: expected at=, which fixed needs, found the end of the line"},
    {"1 mmap B 4K rw- anon at=C",
     "25: expected the name of a region bound above, found \"C\""},
    {"1 mmap B 4K rw- anon at=",
     "25: expected an address like A, A+4K, A-4K or 0x1000, found the end of "
     "the line"},
    {"1 mmap B 4K rw- anon at=0x1 at=0x2",
     "29: expected each key only once, found \"at=0x2\""},
    {"1 mmap B 4K rw- file=",
     "22: expected the name of a file, found the end of the line"},
    {"1 mmap B 4K rw- file=a%2",
     "23: expected %XX, the code of a byte, found \"%2\""},
    {"1 mmap B 4K rw- file=%00",
     "22: expected %XX, the code of a byte, found \"%00\""},
    {"1 mmap B 4K rw- file=a#b",
     "23: expected %XX, the code of a byte, found \"#b\""},
    {"1 mmap B 4K rw- anon stride=1",
     "22: expected a flag or key of mmap, found \"stride=1\""},
    {"1 map B 4K rw- anon",
     "20: expected at=, which map needs, found the end of the line"},
    {"1 map B 4K rw- anon at=0x1000 = 0",
     "31: expected the end of the line, found \"=\""},
    {"1 mremap A 4K 8K fixed",
     "23: expected at=, which fixed needs, found the end of the line"},
    {"1 madvise A 4K dontneeed", "16: expected an advice, found \"dontneeed\""},
    {"1 vrange A 4K",
     "14: expected volatile or novolatile, found the end of the line"},
    {"1 vrange A 4K volatile novolatile",
     "24: expected no flag that contradicts another, found \"novolatile\""},
    {"1 w A 4K stride=0", "17: expected a stride above 0, found \"0\""},
    {"1 w A 4K = ", "12: expected a result, found the end of the line"},
    {"1 w A 4K = cold",
     "12: expected what the touch did, like fresh or hit, found \"cold\""},
    {"1 w A 4K = fresh,hit*2",
     "12: expected an outcome and its pages, like fresh*12, found \"fresh\""},
    {"1 w A 4K = fresh*2,hit",
     "20: expected an outcome and its pages, like fresh*12, found \"hit\""},
    {"1 w A 4K = fresh*0", "12: expected at least one page, found \"fresh*0\""},
    {"1 w A 4K = fresh*", "18: expected a number, found the end of the line"},
    {"1 w A 4K =fresh", "10: expected a flag or key of w, found \"=fresh\""},
    {"1 munmap A 4K = ENOPE",
     "17: expected the name of an errno, found \"ENOPE\""},
    {"1 munmap A 4K = 1", "17: expected 0, an errno or a 0x address, found "
                          "\"1\""},
    {"1 munmap A 4K = fresh",
     "17: expected 0, an errno or a 0x address, found \"fresh\""},
    {"1 munmap A 4K = 0x1000 vma=0x2-0x1",
     "24: expected vma=START-END with START below END, found \"vma=0x2-0x1\""},
    {"1 munmap A 4K = 0 0", "19: expected the end of the line, found \"0\""},
    {"1 setuid 4294967295",
     "10: expected a uid of at most 4294967294, found \"4294967295\""},
    {"1 setuid 33K", "10: expected a uid, found \"33K\""},
    {"1 barrier go 0", "14: expected at least one task, found \"0\""},
    {"1 barrier go 4294967296",
     "14: expected a number of tasks of at most 4294967295, found "
     "\"4294967296\""},
    {"1 mark", "7: expected a name, found the end of the line"},
    {"1 mark a,b", "9: expected %XX, the code of a byte, found \",b\""},
    {"1 mark a\x01"
     "b",
     "9: expected %XX, the code of a byte, found \"\\x01b\""},
    {"@ 1 exit", "1: expected @START+DURATION/CPU in nanoseconds, found \"@\""},
    {"@1+ 1 exit",
     "1: expected @START+DURATION/CPU in nanoseconds, found \"@1+\""},
    {"@1/65536 1 exit",
     "1: expected times below 2^64 ns and a CPU below 65536, found "
     "\"@1/65536\""},
    {"@18446744073709551615+1 1 exit",
     "1: expected times below 2^64 ns and a CPU below 65536, found "
     "\"@18446744073709551615+1\""},
    {"@5", "3: expected a task id, found the end of the line"},
    {"0 file used 4K",
     "8: expected a file not declared or used above, found \"used\""},
    {"0 mmap B 4K rw- anon",
     "1: expected a task other than 0, the machine, found \"0\""},
    {"1 hog 4K", "1: expected task 0, the machine, found \"1\""},
    {"1 fork 0", "8: expected a task other than 0, the machine, found \"0\""},
    {"1 fork 2", "8: expected the id of no living task, found \"2\""},
    {"1 fork 1", "8: expected the id of no living task, found \"1\""},
    {"2 start", "1: expected the id of no living task, found \"2\""},
    {"3 work 1", "1: expected a task that has not exited, found \"3\""},
    {"9 work 1", "1: expected a task created above, found \"9\""},
    {"1 wait 9", "8: expected a task created above, found \"9\""},
    {"1 ptrace 3", "10: expected a task that has not exited, found \"3\""},
    {"1 work 1\r", "8: expected a number, found \"1\\x0d\""},
    {"#touches accesses",
     "1: expected a header once and above the events, found #touches"},
};

START_TEST(a_wrong_line_is_refused_at_its_column)
{
    g_autofree char *text = g_strconcat(above, refused[_i].line, NULL);
    g_autofree char *expected =
        g_strconcat("t.trace:8:", refused[_i].message, NULL);
    g_autofree char *found = refuse_lines(text);
    ck_assert_str_eq(found, expected);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("events");
    TCase *tests = tcase_create("events");

    tcase_add_loop_test(tests, a_line_is_read_and_written_back, 0,
                        G_N_ELEMENTS(accepted));
    tcase_add_loop_test(tests, every_advice_is_read_and_written_back, 0,
                        TRACE_ADVICE_COUNT);
    tcase_add_test(tests, every_kind_of_event_is_among_the_accepted_lines);
    tcase_add_loop_test(tests, a_wrong_line_is_refused_at_its_column, 0,
                        G_N_ELEMENTS(refused));
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
