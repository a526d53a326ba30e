/*
 * Reading, appending to and removing a journal.
 */
#include "sim/journal.h"

#include "sim/error.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

struct journal {
    char *path;
    int fd;
    GHashTable *results;  // key -> result
    GMutex mutex;         // of fd
};

static bool
is_json(const char *text)
{
    json_t *value = json_loads(text, 0, NULL);
    bool ok = value != NULL;

    json_decref(value);
    return ok;
}

/* Take the complete lines in; returns where the last of them ends. */
static size_t
read_lines(struct journal *journal, const char *text)
{
    const char *line = text;
    const char *end;

    while ((end = strchr(line, '\n'))) {
        const char *blank = memchr(line, ' ', (size_t)(end - line));
        if (!blank)
            break;
        g_autofree char *result =
            g_strndup(blank + 1, (size_t)(end - blank - 1));
        if (!is_json(result))
            break;
        g_hash_table_insert(journal->results,
                            g_strndup(line, (size_t)(blank - line)),
                            g_steal_pointer(&result));
        line = end + 1;
    }
    return (size_t)(line - text);
}

struct journal *
journal_open(const char *output, GError **error)
{
    g_autofree char *path = g_strconcat(output, ".journal", NULL);
    g_autofree char *text = NULL;
    int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);

    if (fd < 0) {
        sim_fail(error, SIM_ERROR_FAILED, "%s: %s", path, g_strerror(errno));
        return NULL;
    }
    struct journal *journal = g_new0(struct journal, 1);
    journal->path = g_steal_pointer(&path);
    journal->fd = fd;
    journal->results =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_mutex_init(&journal->mutex);
    if (g_file_get_contents(journal->path, &text, NULL, NULL) &&
        ftruncate(fd, (off_t)read_lines(journal, text)) != 0) {
        sim_fail(error, SIM_ERROR_FAILED, "%s: %s", journal->path,
                 g_strerror(errno));
        journal_close(journal, /* remove = */ false);
        return NULL;
    }
    return journal;
}

const char *
journal_find(const struct journal *journal, const char *key)
{
    return g_hash_table_lookup(journal->results, key);
}

bool
journal_append(struct journal *journal, const char *key, const char *result,
               GError **error)
{
    g_autofree char *line = g_strdup_printf("%s %s\n", key, result);
    size_t length = strlen(line);

    g_mutex_lock(&journal->mutex);
    ssize_t written = write(journal->fd, line, length);
    g_mutex_unlock(&journal->mutex);
    if (written != (ssize_t)length)
        return sim_fail(error, SIM_ERROR_FAILED, "%s: %s", journal->path,
                        written < 0 ? g_strerror(errno)
                                    : "the line was cut short");
    return true;
}

void
journal_close(struct journal *journal, bool remove)
{
    close(journal->fd);
    if (remove)
        unlink(journal->path);
    g_hash_table_unref(journal->results);
    g_mutex_clear(&journal->mutex);
    g_free(journal->path);
    g_free(journal);
}
