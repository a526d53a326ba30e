/*
 * vmsim: replay a trace under a policy and report what it cost.
 *
 * The only file that chooses an exit status:
 *   0  done          2  usage, unknown option or policy
 *   1  the trace is wrong, or a check found a mismatch; stderr says where
 */
#include "sim/command.h"
#include "sim/error.h"
#include "traces/legible.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { EXIT_USAGE = 2 };

/* A file that is opened while 0, 1 or 2 is closed takes its number, and what
 * is meant for standard output goes there.  Their places are kept, in a way in
 * which using them still fails. */
static void
keep_standard_places(void)
{
    static const int modes[] = {O_WRONLY, O_RDONLY, O_RDONLY};

    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", modes[fd]) != fd)
            exit(EXIT_FAILURE);
}

/* Messages name files, which may be called anything. */
static void
print_legibly(const char *message)
{
    g_autofree char *text = legible_text(message, LEGIBLE_LINES);

    fputs(text, stderr);
}

/* glibc reserves 64 MiB of addresses for each thread that finds the allocator
 * busy: where addresses are limited, a sweep would fail now and then. */
static void
share_heap_if_limited(void)
{
#ifdef M_ARENA_MAX
    struct rlimit space;

    if (getrlimit(RLIMIT_AS, &space) == 0 && space.rlim_cur != RLIM_INFINITY)
        mallopt(M_ARENA_MAX, 1);
#endif
}

/* GLib ends the program with a dump where the host grants no memory, which is
 * no mistake of it: the user hears what was asked for in vain. */
static void
end_without_memory(const char *domain, GLogLevelFlags level,
                   const char *message, gpointer data)
{
    const char *place = strstr(message, ": ");

    if (!(level & G_LOG_LEVEL_ERROR)) {
        g_log_default_handler(domain, level, message, data);
        return;
    }
    dprintf(STDERR_FILENO, "vmsim: out of memory: %s\n",
            place ? place + strlen(": ") : message);
    _exit(EXIT_FAILURE);
}

/* What is printed and not written by output_write(), such as help. */
static bool
is_printed(GError **error)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return true;
    return sim_fail(error, SIM_ERROR_FAILED, "standard output: %s",
                    g_strerror(errno));
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;

    (void)argc;
    keep_standard_places();
    g_set_printerr_handler(print_legibly);
    g_log_set_default_handler(end_without_memory, NULL);
    share_heap_if_limited();
    if (command_run(argv, &error) && is_printed(&error))
        return EXIT_SUCCESS;
    g_printerr("vmsim: %s\n", error->message);
    if (!g_error_matches(error, SIM_ERROR, SIM_ERROR_USAGE))
        return EXIT_FAILURE;
    g_printerr("Try 'vmsim --help'.\n");
    return EXIT_USAGE;
}
