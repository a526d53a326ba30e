/*
 * The outside of the program: exit statuses, sentences, help.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/run_suite.h"
#include "tests/sim/program.h"

static const char trace[] = "#vmtrace 1\n"
                            "1 start\n"
                            "1 mmap A 64K rw- anon,private\n"
                            "1 w A 64K = fresh\n";

static void
setup(void)
{
    enter_folder();
    write_file("t", trace);
}

/* Wrong command lines and the one sentence that each must get. */
static const struct {
    const char *words[8];
    int status;
    const char *sentence;
} wrong[] = {
    {{"frobnicate"},
     2,
     "unknown command \"frobnicate\"; the nearest known one is"},
    {{"replai"},
     2,
     "unknown command \"replai\"; the nearest known one is "
     "\"replay\""},
    {{"record"}, 2, "record needs a command: vmsim record -- COMMAND..."},
    {{"compare"}, 2, "vmsim compare is not built yet: the name is reserved"},
    {{"replay"}, 2, "replay takes one trace"},
    {{"replay", "t", "t"}, 2, "replay takes one trace"},
    {{"replay", "t", "--kernal", "6.18"},
     2,
     "unknown option \"--kernal\"; the nearest known one is \"--kernel\""},
    {{"replay", "t", "--kernel"},
     2,
     "expected KERNEL after --kernel, found nothing"},
    {{"replay", "t", "--check=1"}, 2, "--check takes no value"},
    {{"replay", "t", "--kernel", "6.81"},
     2,
     "unknown kernel \"6.81\"; the nearest known one is"},
    {{"replay", "t", "--machine", "opteron"}, 2, "unknown machine \"opteron\""},
    {{"replay", "t", "--policy", "gab=linear"},
     2,
     "unknown policy axis \"gab\"; the nearest known one is \"gap\""},
    {{"replay", "t", "--policy", "gap=liner"},
     2,
     "unknown value of --policy gap \"liner\"; the nearest known one is "
     "\"linear\""},
    {{"replay", "t", "--policy", "gap"},
     2,
     "expected NAME=VALUE for --policy, found \"gap\""},
    {{"replay", "t", "--kernel", ""},
     2,
     "expected values with a comma between two for --kernel, found \"\""},
    {{"replay", "t", "--policy", "gap="},
     2,
     "expected values with a comma between two for --policy, found \"\""},
    {{"sweep", "t", "--kernel", "6.18,,6.1"},
     2,
     "expected values with a comma between two for --kernel, found "
     "\"6.18,,6.1\""},
    {{"sweep", "t", "--ram", "1G,"}, 2, "for --ram, found \"1G,\""},
    {{"replay", "t", "--policy", "gap=linear,rb-gap"},
     2,
     "replay makes one run and takes no comma lists; sweep does"},
    {{"replay", "t", "--policy", "clear=on-free"},
     2,
     "the policy clear=on-free is not built yet; the nearest is "
     "clear=on-alloc"},
    {{"replay", "t", "--policy", "rmap=none"},
     2,
     "this combination is refused: without a reverse map"},
    {{"replay", "t", "--ram", "12x"},
     2,
     "expected a size of whole pages such as 512M for --ram, found \"12x\""},
    {{"replay", "t", "--ram", "4M"}, 2, "of so little RAM"},
    {{"replay", "t", "--machine", "i386", "--ram", "64G"},
     2,
     "i386 addresses no more than 4G of RAM"},
    {{"replay", "t", "--cpus", "0"},
     2,
     "expected a number from 1 to 64 for --cpus, found \"0\""},
    {{"replay", "t", "--swap", "1G"}, 2, "swap is not built yet"},
    {{"replay", "t", "--schedule", "simulated"},
     2,
     "--schedule simulated is not built yet"},
    {{"replay", "t", "--sysctl", "vm.max_map_cuont=5"},
     2,
     "unknown sysctl \"vm.max_map_cuont\"; the nearest known one is "
     "\"vm.max_map_count\""},
    {{"replay", "t", "--sysctl", "vm.swappiness=60"},
     2,
     "vm.swappiness is not built yet"},
    {{"replay", "t", "--knob", "l1_line_bytes=48"},
     2,
     "expected a power of two from 32 to 1024 for l1_line_bytes"},
    {{"replay", "t", "--format", "xml"}, 2, "unknown format \"xml\""},
    {{"replay", "t", "--timeline", "0"}, 2, "for --timeline, found \"0\""},
    {{"replay", "t", "--dump", "map"},
     2,
     "unknown dump \"map\"; the nearest known one is \"maps\""},
    {{"replay", "t", "--dump", "maps@x"},
     2,
     "expected KIND[:TASK][@EVENT][=FILE] for --dump"},
    {{"replay", "t", "--sensitivity"}, 2, "--sensitivity is not built yet"},
    {{"replay", "missing"}, 1, "missing"},
    {{"replay", "t", "--kernel", "./missing"},
     1,
     "vmsim: ./missing: No such file or directory"},
    {{"replay", "t", "--machine", "./"}, 1, "vmsim: ./: Is a directory"},
    {{"sweep"}, 2, "sweep needs a trace"},
    {{"sweep", "t", "-j", "0"}, 2, "expected a number from 1 to 1024 for -j"},
    {{"sweep", "t", "--kernel", "6.18", "--kernel", "2.6.2"},
     2,
     "--kernel is given twice"},
    {{"sweep", "t", "--policy", "gap=rb-gap", "--policy", "gap=linear"},
     2,
     "--policy gap is given twice"},
    {{"record", "-or", "--buffer=3M", "--", "true"},
     2,
     "expected a power of two from 4K to 4G for --buffer, found \"3M\""},
    {{"record", "-or", "--buffer=1T", "--", "true"}, 2, "to 4G"},
    {{"gen"}, 2, "expected the name of a workload"},
    {{"gen", "ebizzi"}, 2, "ebizzy"},
    {{"gen", "ebizzy", "-o"}, 2, "expected TRACE after -o, found nothing"},
    {{"list"}, 2, "list takes one of kernels, machines"},
    {{"list", "kernel"}, 2, "the nearest known one is \"kernels\""},
    {{"info"}, 2, "info takes one trace"},
    {{"convert", "--rewrite", "purg", "t"}, 2, "unknown rule \"purg\""},
    {{"convert", "--rewrite", "purge,", "t"}, 2, "unknown rule \"\""},
};

START_TEST(a_wrong_command_line_gets_one_sentence_and_a_status)
{
    struct outcome outcome = run_vmsim(
        wrong[_i].words[0], wrong[_i].words[1], wrong[_i].words[2],
        wrong[_i].words[3], wrong[_i].words[4], wrong[_i].words[5], NULL);

    ck_assert_msg(outcome.status == wrong[_i].status, "status %d: %s",
                  outcome.status, outcome.err);
    ck_assert_msg(strstr(outcome.err, wrong[_i].sentence), "%s", outcome.err);
    ck_assert(g_str_has_prefix(outcome.err, "vmsim: "));
    ck_assert_str_eq(outcome.out, "");
    ck_assert_ptr_null(strchr(outcome.err, '\033'));
    outcome_clear(&outcome);
}
END_TEST

START_TEST(a_message_sends_nothing_to_a_terminal_but_text)
{
    struct outcome outcome =
        run_vmsim("replay", "\x1b[2Jä\xff", "--kernel", "6.18", NULL);

    ck_assert_str_eq(outcome.err,
                     "vmsim: \\x1b[2Jä\\xff: No such file or directory\n");
    outcome_clear(&outcome);
}
END_TEST

START_TEST(every_command_has_help)
{
    static const char *const commands[] = {
        "gen",       "record",     "import",  "info", "convert",
        "replay",    "sweep",      "plot",    "list", "verify",
        "calibrate", "experiment", "compare",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
        struct outcome outcome = run_vmsim(commands[i], "--help", NULL);
        ck_assert_msg(outcome.status == 0, "%s: %s", commands[i], outcome.err);
        ck_assert(g_str_has_prefix(outcome.out, "Usage: vmsim "));
        outcome_clear(&outcome);
    }
}
END_TEST

START_TEST(the_program_says_its_version_and_its_commands)
{
    struct outcome version = run_vmsim("--version", NULL);
    struct outcome help = run_vmsim("--help", NULL);
    struct outcome nothing = run_vmsim(NULL, NULL);

    ck_assert(g_str_has_prefix(version.out, "vmsim "));
    ck_assert_ptr_nonnull(strstr(help.out, "replay"));
    ck_assert_int_eq(help.status, 0);
    ck_assert_int_eq(nothing.status, 2);
    outcome_clear(&version);
    outcome_clear(&help);
    outcome_clear(&nothing);
}
END_TEST

START_TEST(an_output_that_takes_nothing_is_an_error)
{
    static const char *const outputs[] = {">&-", ">/dev/full"};
    static const char *const commands[] = {
        "--help",
        "--version",
        "replay --help",
        "gen ebizzy --help",
        "list kernels",
        "info t",
        "replay t",
        "sweep t",
        "sweep t --dry-run",
    };

    for (size_t i = 0; i < 2 * G_N_ELEMENTS(commands); i++) {
        struct limits limits = {.program = "/bin/sh"};
        g_autofree char *line = g_strdup_printf(
            "\"$VMSIM\" %s %s", commands[i / 2], outputs[i % 2]);
        struct outcome outcome = run_vmsim_within(&limits, "-c", line, NULL);
        ck_assert_msg(outcome.status == 1, "%s: status %d, %s", line,
                      outcome.status, outcome.err);
        ck_assert_msg(strstr(outcome.err, "vmsim: standard output: "), "%s: %s",
                      line, outcome.err);
        outcome_clear(&outcome);
    }
}
END_TEST

START_TEST(options_may_stand_before_and_after_in_every_form)
{
    struct outcome a =
        run_vmsim("replay", "--kernel=2.6.2", "t", "--format", "json", NULL);
    struct outcome b =
        run_vmsim("replay", "t", "--format=json", "--kernel", "2.6.2", NULL);
    struct outcome c = run_vmsim("replay", "--format=json", "--kernel=2.6.2",
                                 "-oresult", "--", "t", NULL);
    g_autofree char *file = read_file("result");

    ck_assert_int_eq(a.status, 0);
    ck_assert_str_eq(a.out, b.out);
    ck_assert_str_eq(a.out, file);
    ck_assert_str_eq(c.out, "");
    outcome_clear(&a);
    outcome_clear(&b);
    outcome_clear(&c);
}
END_TEST

START_TEST(a_wrong_trace_exits_with_1_and_its_place)
{
    write_file("bad", "#vmtrace 1\n1 start\n1 mmap\n");
    struct outcome outcome = run_vmsim("replay", "bad", NULL);

    ck_assert_int_eq(outcome.status, 1);
    ck_assert_msg(g_str_has_prefix(outcome.err, "vmsim: bad:3:"), "%s",
                  outcome.err);
    outcome_clear(&outcome);
}
END_TEST

START_TEST(lists_are_not_empty)
{
    static const struct {
        const char *list, *has;
    } lists[] = {
        {"kernels", "2.6.5-aa1"},         {"machines", "xeon-ht-2004"},
        {"policies", "refused pairs"},    {"workloads", "nptl-stacks"},
        {"counters", "clear_page_count"}, {"knobs", "vm.overcommit_memory"},
        {"not-modelled", "NUMA"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(lists); i++) {
        struct outcome outcome = run_vmsim("list", lists[i].list, NULL);
        ck_assert_int_eq(outcome.status, 0);
        ck_assert_msg(strstr(outcome.out, lists[i].has), "%s", lists[i].list);
        outcome_clear(&outcome);
    }
}
END_TEST

START_TEST(the_program_finds_its_presets_through_a_symbolic_link)
{
    ck_assert_int_eq(symlink(getenv("VMSIM"), in_folder("link")), 0);
    char *argv[] = {(char *)in_folder("link"), (char *)"list",
                    (char *)"kernels", NULL};
    g_autofree char *out = NULL;
    int status;

    ck_assert(g_spawn_sync("/", argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, &out,
                           NULL, &status, NULL));
    ck_assert_int_eq(status, 0);
    ck_assert_ptr_nonnull(strstr(out, "6.18"));
}
END_TEST

START_TEST(converting_there_and_back_keeps_every_byte)
{
    write_file("t", "#vmtrace 1\n# a comment\n1 start   uid=5\n"
                    "1 work 0x10 # another\n");
    struct outcome there = run_vmsim("convert", "t", "-o", "t.zst", NULL);
    struct outcome back = run_vmsim("convert", "t.zst", "-o", "u", NULL);
    g_autofree char *before = read_file("t");
    g_autofree char *after = read_file("u");

    ck_assert_msg(there.status == 0, "%s", there.err);
    ck_assert_msg(back.status == 0, "%s", back.err);
    ck_assert_str_eq(before, after);
    outcome_clear(&there);
    outcome_clear(&back);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("sim/command");
    TCase *tcase = tcase_create("command");

    tcase_add_checked_fixture(tcase, setup, leave_folder);
    tcase_add_loop_test(tcase,
                        a_wrong_command_line_gets_one_sentence_and_a_status, 0,
                        G_N_ELEMENTS(wrong));
    tcase_add_test(tcase, a_message_sends_nothing_to_a_terminal_but_text);
    tcase_add_test(tcase, every_command_has_help);
    tcase_add_test(tcase, the_program_says_its_version_and_its_commands);
    tcase_add_test(tcase, an_output_that_takes_nothing_is_an_error);
    tcase_add_test(tcase, options_may_stand_before_and_after_in_every_form);
    tcase_add_test(tcase, a_wrong_trace_exits_with_1_and_its_place);
    tcase_add_test(tcase, lists_are_not_empty);
    tcase_add_test(tcase,
                   the_program_finds_its_presets_through_a_symbolic_link);
    tcase_add_test(tcase, converting_there_and_back_keeps_every_byte);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
