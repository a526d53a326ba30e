/*
 * The folder of the running test, and children in it.
 */
#include "tests/sim/program.h"

#include <check.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>

/* Check runs every test in a process of its own. */
static char *folder;
static GPtrArray *paths;

void
enter_folder(void)
{
    folder = g_dir_make_tmp("vmsim-XXXXXX", NULL);
    ck_assert_ptr_nonnull(folder);
    paths = g_ptr_array_new_with_free_func(g_free);
}

void
leave_folder(void)
{
    GDir *dir = g_dir_open(folder, 0, NULL);
    const char *entry;

    while ((entry = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(folder, entry, NULL);
        g_remove(path);
    }
    g_dir_close(dir);
    g_rmdir(folder);
    g_clear_pointer(&folder, g_free);
    g_clear_pointer(&paths, g_ptr_array_unref);
}

const char *
in_folder(const char *name)
{
    char *path = g_build_filename(folder, name, NULL);

    g_ptr_array_add(paths, path);
    return path;
}

void
write_file(const char *name, const char *text)
{
    ck_assert(g_file_set_contents(in_folder(name), text, -1, NULL));
}

char *
read_file(const char *name)
{
    char *text = NULL;

    ck_assert_msg(g_file_get_contents(in_folder(name), &text, NULL, NULL),
                  "%s is missing", name);
    return text;
}

/* In the child, before it becomes vmsim.  The timer outlives that. */
static void
set_limits(gpointer data)
{
    const struct limits *limits = data;
    struct rlimit file = {limits->file_bytes, limits->file_bytes};
    struct rlimit space = {limits->address_bytes, limits->address_bytes};
    struct itimerval timer = {
        .it_value = {.tv_sec = (time_t)(limits->life_us / 1000000),
                     .tv_usec = (suseconds_t)(limits->life_us % 1000000)},
    };

    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    if (limits->file_bytes > 0)
        setrlimit(RLIMIT_FSIZE, &file);
    if (limits->address_bytes > 0)
        setrlimit(RLIMIT_AS, &space);
    setitimer(ITIMER_REAL, &timer, NULL);
}

static struct outcome
run_within(struct limits *limits, GPtrArray *argv)
{
    struct outcome outcome = {0};
    int wait_status;

    ck_assert(g_spawn_sync(folder, (char **)argv->pdata, NULL, G_SPAWN_DEFAULT,
                           set_limits, limits, &outcome.out, &outcome.err,
                           &wait_status, NULL));
    outcome.status = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status)
                                            : -WTERMSIG(wait_status);
    return outcome;
}

static struct outcome
run(GPtrArray *argv)
{
    struct limits limits = {0};
    struct outcome outcome = run_within(&limits, argv);

    ck_assert_msg(outcome.status >= 0, "vmsim died: %s", outcome.err);
    return outcome;
}

static GPtrArray *
words_of(const char *program, const char *argument, va_list more)
{
    GPtrArray *argv = g_ptr_array_new();

    g_ptr_array_add(argv, (char *)(program ? program : getenv("VMSIM")));
    for (; argument; argument = va_arg(more, const char *))
        g_ptr_array_add(argv, (char *)argument);
    return argv;
}

struct outcome
run_vmsim(const char *argument, ...)
{
    va_list more;

    va_start(more, argument);
    g_autoptr(GPtrArray) argv = words_of(NULL, argument, more);
    va_end(more);
    g_ptr_array_add(argv, NULL);
    return run(argv);
}

struct outcome
run_vmsim_within(const struct limits *limits, const char *argument, ...)
{
    va_list more;
    struct limits copy = *limits;

    va_start(more, argument);
    g_autoptr(GPtrArray) argv = words_of(limits->program, argument, more);
    va_end(more);
    g_ptr_array_add(argv, NULL);
    return run_within(&copy, argv);
}

void
outcome_clear(struct outcome *outcome)
{
    g_free(outcome->out);
    g_free(outcome->err);
}

const char *
end_of(const char *text)
{
    size_t length = strlen(text);

    return text + length - MIN(length, 4000);
}

json_t *
replay_result(const char *argument, ...)
{
    va_list more;

    va_start(more, argument);
    g_autoptr(GPtrArray) argv = words_of(NULL, argument, more);
    va_end(more);
    g_ptr_array_insert(argv, 1, (char *)"replay");
    g_ptr_array_add(argv, (char *)"--format=json");
    g_ptr_array_add(argv, NULL);
    struct outcome outcome = run(argv);
    ck_assert_msg(outcome.status == 0, "replay failed: %s", outcome.err);
    json_t *result = json_loads(outcome.out, 0, NULL);
    ck_assert_ptr_nonnull(result);
    outcome_clear(&outcome);
    return result;
}

json_int_t
integer_at(const json_t *object, const char *path)
{
    g_auto(GStrv) keys = g_strsplit(path, ".", 0);

    for (char **key = keys; *key; key++)
        object = json_object_get(object, *key);
    ck_assert_msg(json_is_integer(object), "no integer at %s", path);
    return json_integer_value(object);
}
