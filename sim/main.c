/*
 * vmsim: replay a trace under a policy and report what it cost.
 *
 * The only file that chooses an exit status:
 *   0  done          2  usage, unknown option or policy
 *   1  the trace is wrong, or a check found a mismatch; stderr says where
 */
#include "sim/command.h"
#include "sim/error.h"

#include <stdlib.h>

enum { EXIT_USAGE = 2 };

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;

    (void)argc;
    if (command_run(argv, &error))
        return EXIT_SUCCESS;
    g_printerr("vmsim: %s\n", error->message);
    if (!g_error_matches(error, SIM_ERROR, SIM_ERROR_USAGE))
        return EXIT_FAILURE;
    g_printerr("Try 'vmsim --help'.\n");
    return EXIT_USAGE;
}
