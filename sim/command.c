/*
 * The table of subcommands, their help, and what they share.
 */
#include "sim/command.h"

#include "sim/axes.h"
#include "sim/error.h"

#include <stdio.h>
#include <string.h>

/* clang-format off */
#define HELP {"help", 'h', NULL, "print this page"}
#define END  {NULL, 0, NULL, NULL}

static const struct option_spec output_options[] = {
    {"output", 'o', "TRACE", "file to write (default: standard output)"},
    HELP, END};
static const struct option_spec record_options[] = {
    {"with", 0, "TOOL", "perf or strace (default: perf if it may be used)"},
    {"buffer", 0, "SIZE", "of every CPU, for perf's events: a power of two "
     "(default 16M)"},
    {"output", 'o', "TRACE", "file to write (default: standard "
     "output; the command's then goes to standard error)"},
    HELP, END};
static const struct option_spec import_options[] = {
    {"from", 0, "FORMAT", "perf (the text of perf script), strace or lackey"},
    {"uid", 0, "UID", "of the first process (default 0)"},
    {"kernel", 0, "KERNEL", "that was recorded (default: as the file says)"},
    {"rewrite", 0, "RULES", "let policies choose calls: a comma list of purge, "
     "guard, nozero"},
    {"output", 'o', "TRACE", "file to write (default: standard output)"},
    HELP, END};
static const struct option_spec convert_options[] = {
    {"rewrite", 0, "RULES", "let policies choose calls: a comma list of purge, "
     "guard, nozero"},
    {"output", 'o', "TRACE", "file to write; .vmt is binary, .zst packed"},
    HELP, END};
static const struct option_spec help_options[] = {HELP, END};
static const struct option_spec replay_options[] = {
    AXIS_OPTIONS,
    {"seed", 0, "N", "of chance, where it is used (default 1)"},
    {"check", 0, NULL, "compare with the recorded results; exit 1 if any "
     "differs"},
    {"timeline", 0, "N|Nms", "sample the gauges every N events or ms"},
    {"dump", 0, "KIND[:TASK][@EVENT][=FILE]",
     "maps, smaps, pagemap, buddyinfo, zoneinfo, vmstat, slabinfo"},
    {"sensitivity", 0, NULL, "vary the prices"},
    {"trace-out", 0, "FILE", "events as a Chrome trace"},
    {"by", 0, "WHAT", "break counters down"},
    {"top", 0, "N", "rows of --by"},
    {"format", 0, "FORMAT", "table, json or csv (default table)"},
    {"output", 'o', "FILE", "file to write (default: standard output)"},
    HELP, END};
static const struct option_spec sweep_options[] = {
    AXIS_OPTIONS,
    {"seed", 0, "N", "of chance, where it is used (default 1)"},
    {"check", 0, NULL, "compare with the recorded results; exit 1 if any "
     "differs"},
    {"timeline", 0, "N|Nms", "sample the gauges every N events or ms"},
    {"jobs", 'j', "N", "runs at a time (default: one per CPU)"},
    {"dry-run", 0, NULL, "print the runs, one a line, and do nothing"},
    {"format", 0, "FORMAT", "json, or table: with -o, also print a comparison "
     "(default json)"},
    {"output", 'o', "FILE", "results, one JSON object a line (default: "
     "standard output)"},
    HELP, END};
static const struct option_spec verify_options[] = {
    {"kernel", 0, "KERNEL", "preset or path of one instead of the newest that "
     "is not newer than this host"},
    {"policy", 0, "AXIS=VALUE", "a policy instead of the preset's"},
    {"random", 0, "COUNT", "carry out so many random operations instead"},
    {"seed", 0, "S|FIRST-LAST", "of the random operations (default 1); a range "
     "runs COUNT for each and tells what happened rarely in all"},
    {"output", 'o', "TRACE", "minimal trace of a difference (default: standard "
     "output)"},
    HELP, END};
static const struct option_spec plot_options[] = {
    {"term", 0, "TERM", "svg, png or pdf (default svg)"},
    {"output", 'o', "DIR", "folder to write into"},
    HELP, END};

const struct command commands[] = {
    {"gen", "WORKLOAD [OPTION]... [-o TRACE]", "write a synthetic trace",
     output_options, command_gen},
    {"record", "[-o TRACE] -- COMMAND...", "record a program on this host",
     record_options, command_record},
    {"import", "--from perf|strace|lackey [-o TRACE] FILE...",
     "turn a recording of another tool into a trace", import_options,
     command_import},
    {"info", "TRACE", "validate and summarise a trace", help_options,
     command_info},
    {"convert", "TRACE -o TRACE", "text to binary, packed or not, and back",
     convert_options, command_convert},
    {"replay", "TRACE [OPTION]...", "simulate one run", replay_options,
     command_replay},
    {"sweep", "TRACE... [OPTION]... [-o RESULTS.jsonl]",
     "simulate every combination of comma lists", sweep_options,
     command_sweep},
    {"compare", "RESULTS.jsonl", "differences against a base", help_options,
     NULL},
    {"plot", "RESULTS.jsonl -o DIR", "draw results", plot_options,
     command_plot},
    {"verify", "TRACE | --random COUNT [--seed S]",
     "carry a trace out on this host and compare", verify_options,
     command_verify},
    {"calibrate", "[-o MACHINE.json]", "measure this host's price list",
     help_options, NULL},
    {"experiment", "[NAME]", "reproduce a published effect", help_options,
     NULL},
    {"list",
     "kernels|machines|policies|workloads|counters|knobs|not-modelled",
     "what there is to choose from", help_options, command_list},
    {NULL, NULL, NULL, NULL, NULL},
};
/* clang-format on */

static void
print_help(void)
{
    g_print("Usage: vmsim COMMAND [ARGUMENT]...\n"
            "Simulate the Linux virtual-memory subsystem on traces of real "
            "programs.\n\n");
    for (const struct command *command = commands; command->name; command++)
        g_print("  %-11s %s%s\n", command->name, command->summary,
                command->run ? "" : " (not built yet)");
    g_print("\n  --help      print this page, or that of a command\n"
            "  --version   print the version\n");
}

static void
print_command_help(const struct command *command)
{
    g_print("Usage: vmsim %s %s\n%c%s.\n\n", command->name, command->usage,
            g_ascii_toupper(command->summary[0]), command->summary + 1);
    for (const struct option_spec *spec = command->options; spec->name;
         spec++) {
        g_autofree char *form =
            g_strconcat("--", spec->name, spec->argument ? " " : "",
                        spec->argument ? spec->argument : "", NULL);
        char letter[] = {'-', spec->letter, ',', '\0'};
        g_print("  %-3s %-28s %s\n", spec->letter ? letter : "", form,
                spec->help);
    }
}

bool
command_arguments(const struct command *command, char **argv,
                  struct arguments *arguments, bool *helped, GError **error)
{
    *helped = false;
    if (!arguments_parse(arguments, command->options, argv, error))
        return false;
    *helped = arguments_has(arguments, "help");
    if (*helped)
        print_command_help(command);
    return true;
}

static bool
run_command(const struct command *command, char **argv, GError **error)
{
    if (command->run)
        return command->run(command, argv, error);
    if (argv[0] && strcmp(argv[0], "--help") == 0) {
        print_command_help(command);
        return true;
    }
    return sim_fail(error, SIM_ERROR_USAGE,
                    "vmsim %s is not built yet: the name is reserved",
                    command->name);
}

bool
command_run(char **argv, GError **error)
{
    const char *names[G_N_ELEMENTS(commands)];

    if (!argv[0] || !argv[1])
        return sim_fail(error, SIM_ERROR_USAGE, "expected a command");
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help();
        return true;
    }
    if (strcmp(argv[1], "--version") == 0) {
        g_print("vmsim %s\n", VMSIM_VERSION);
        return true;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
        names[i] = commands[i].name;
        if (names[i] && strcmp(names[i], argv[1]) == 0)
            return run_command(&commands[i], argv + 2, error);
    }
    return sim_fail_unknown(error, "command", argv[1], names);
}
