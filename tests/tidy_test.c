/*
 * Rules about the source itself that a program can check.
 *
 * Each rule is a pattern that must not occur in the files of a folder; what
 * is found is printed as file:line: reason.  Give the source directory as the
 * only argument.
 */
#include "tests/run_suite.h"

#include <check.h>
#include <glib.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *folder;
    const char *suffix;
    const char *forbidden;  // PCRE, multi-line
    const char *reason;
} rules[] = {
    {"mm", ".c", "#include [<\"](sim/|traces/|plots/|jansson|stdio)",
     "mm/ knows nothing of traces, JSON or output"},
    {"mm", ".h", "#include [<\"](sim/|traces/|plots/|jansson|stdio)",
     "mm/ knows nothing of traces, JSON or output"},
    {"mm", ".c", "\\b(printf|g_print|g_printerr|getenv|exit)\\s*\\(",
     "mm/ reports through return values and counters"},
    {"mm", ".c",
     "\\b(g_random_\\w+|s?rand|time|clock_gettime|g_get_monotonic_time)\\s*\\(",
     "a run is a function of trace, policy and seed"},
    {"mm", ".c", "^static (?!const\\b|inline\\b|_Noreturn\\b)[^(\\n]*;$",
     "no mutable globals: runs go in parallel"},
    {"sim", ".c", "\\brmap_(pte_chain|anon_vma)\\b",
     "policies are chosen by name, never by symbol"},
    {"workloads", ".c", "#include \"(mm|sim)/", "generators never call mm/"},
    {"traces", ".c", "#include \"(mm|sim|workloads)/",
     "the format knows nothing of who reads it"},
    {"plots", ".c", "#include \"(mm|sim|traces|workloads)/",
     "plots read results and nothing else"},
};

/* These hold in every folder. */
static const struct {
    const char *forbidden;
    const char *reason;
} common_rules[] = {
    {"\\A(?!/\\*)", "every file opens with a comment"},
    {"^\\{\\n(?:(?!\\}).*\\n){61,}", "functions fit on a screen: 60 lines"},
    {"\\b(FIXME|XXX|TODO)\\b", "finish it or file it"},
    {"[ \\t]+$", "no blanks at the end of a line"},
};

static const char *const folders[] = {"mm", "sim", "traces", "workloads",
                                      "plots"};
static const char *source_dir;

static unsigned
line_of(const char *text, int offset)
{
    unsigned line = 1;

    for (int i = 0; i < offset; i++)
        line += text[i] == '\n';
    return line;
}

static unsigned
report_matches(const char *name, const char *text, const char *pattern,
               const char *reason)
{
    g_autoptr(GRegex) regex = g_regex_new(pattern, G_REGEX_MULTILINE, 0, NULL);
    g_autoptr(GMatchInfo) match = NULL;
    unsigned count = 0;

    ck_assert_ptr_nonnull(regex);
    g_regex_match(regex, text, 0, &match);
    for (; g_match_info_matches(match); g_match_info_next(match, NULL)) {
        int start = 0;

        g_match_info_fetch_pos(match, 0, &start, NULL);
        fprintf(stderr, "%s:%u: %s\n", name, line_of(text, start), reason);
        count++;
    }
    return count;
}

static bool
is_source(const char *name)
{
    return g_str_has_suffix(name, ".c") || g_str_has_suffix(name, ".h");
}

static unsigned
check_file(const char *folder, const char *file)
{
    g_autofree char *path = g_build_filename(source_dir, folder, file, NULL);
    g_autofree char *name = g_build_filename(folder, file, NULL);
    g_autofree char *text = NULL;
    unsigned count = 0;

    ck_assert(g_file_get_contents(path, &text, NULL, NULL));
    for (size_t i = 0; i < G_N_ELEMENTS(common_rules); i++)
        count += report_matches(name, text, common_rules[i].forbidden,
                                common_rules[i].reason);
    for (size_t i = 0; i < G_N_ELEMENTS(rules); i++)
        if (strcmp(rules[i].folder, folder) == 0 &&
            g_str_has_suffix(file, rules[i].suffix))
            count +=
                report_matches(name, text, rules[i].forbidden, rules[i].reason);
    return count;
}

START_TEST(the_sources_of_a_folder_keep_the_rules)
{
    g_autofree char *path = g_build_filename(source_dir, folders[_i], NULL);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *file;
    unsigned count = 0;

    ck_assert_ptr_nonnull(dir);
    while ((file = g_dir_read_name(dir)))
        if (is_source(file))
            count += check_file(folders[_i], file);
    ck_assert_uint_eq(count, 0);
}
END_TEST

START_TEST(a_planted_violation_is_found)
{
    ck_assert_uint_eq(report_matches("planted", "int x;\nstatic int y;\n",
                                     rules[4].forbidden, "planted"),
                      1);
    ck_assert_uint_eq(report_matches("planted", "int x;\n",
                                     common_rules[0].forbidden, "planted"),
                      1);
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite = suite_create("tidy");
    TCase *tcase = tcase_create("rules");

    source_dir = argc > 1 ? argv[1] : ".";
    tcase_add_loop_test(tcase, the_sources_of_a_folder_keep_the_rules, 0,
                        G_N_ELEMENTS(folders));
    tcase_add_test(tcase, a_planted_violation_is_found);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
