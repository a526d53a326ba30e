/*
 * Opening, reading, appending to and removing a journal.
 *
 * A lock on the file tells whether a sweep is at work on it; a kill releases
 * it.
 */
#include "sim/journal.h"

#include "sim/error.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct journal {
    char *path;
    bool has_name;  // in the folder; otherwise `path` is its folder
    int fd;
    GHashTable *places;  // key -> struct journal_place
    GMutex mutex;        // of what follows
    uint64_t end;        // of the complete lines
};

static bool
fail(const struct journal *journal, const char *why, GError **error)
{
    return sim_fail(error, SIM_ERROR_FAILED, "%s: %s", journal->path, why);
}

/* Whether the file still has its name: the sweep that held the lock removes
 * it at its end. */
static bool
is_in_place(const struct journal *journal)
{
    struct stat named, locked;

    return stat(journal->path, &named) == 0 &&
           fstat(journal->fd, &locked) == 0 && named.st_ino == locked.st_ino &&
           named.st_dev == locked.st_dev;
}

static bool
open_named(struct journal *journal, GError **error)
{
    do {
        if (journal->fd >= 0)
            close(journal->fd);
        journal->fd =
            open(journal->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
        if (journal->fd < 0)
            return fail(journal, g_strerror(errno), error);
        if (flock(journal->fd, LOCK_EX | LOCK_NB) != 0)
            return fail(journal,
                        errno == EWOULDBLOCK
                            ? "another sweep is writing these results"
                            : g_strerror(errno),
                        error);
    } while (!is_in_place(journal));
    return true;
}

static bool
open_nameless(struct journal *journal, GError **error)
{
    g_autofree char *path =
        g_build_filename(journal->path, "vmsim-XXXXXX", NULL);

    journal->fd = g_mkstemp_full(path, O_RDWR | O_APPEND | O_CLOEXEC, 0600);
    if (journal->fd < 0)
        return fail(journal, g_strerror(errno), error);
    g_unlink(path);
    return true;
}

static bool
is_json(const char *text, size_t length)
{
    json_t *value = json_loadb(text, length, 0, NULL);
    bool ok = value != NULL;

    json_decref(value);
    return ok;
}

/* Note where the result of a line is; false: it is none of ours. */
static bool
take_line(struct journal *journal, const char *line, size_t length)
{
    size_t result_at = JOURNAL_KEY_LENGTH + 1;

    if (length <= result_at + 1 || line[length - 1] != '\n' ||
        line[JOURNAL_KEY_LENGTH] != ' ' ||
        !is_json(line + result_at, length - result_at - 1))
        return false;
    struct journal_place *place = g_new(struct journal_place, 1);
    *place = (struct journal_place){
        .offset = journal->end + result_at,
        .length = (uint32_t)(length - result_at - 1),
    };
    g_hash_table_replace(journal->places, g_strndup(line, JOURNAL_KEY_LENGTH),
                         place);
    journal->end += length;
    return true;
}

/* Take in what is complete and cut off the rest. */
static bool
read_lines(struct journal *journal, GError **error)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t length;
    int fd = dup(journal->fd);
    FILE *stream = fd >= 0 ? fdopen(fd, "r") : NULL;

    if (!stream)
        return fail(journal, g_strerror(errno), error);
    while ((length = getline(&line, &size, stream)) > 0 &&
           take_line(journal, line, (size_t)length))
        continue;
    free(line);
    fclose(stream);
    return ftruncate(journal->fd, (off_t)journal->end) == 0 ||
           fail(journal, g_strerror(errno), error);
}

struct journal *
journal_open(const char *output, GError **error)
{
    /* What could never become the results is said before any run. */
    if (output && g_file_test(output, G_FILE_TEST_IS_DIR)) {
        sim_fail(error, SIM_ERROR_FAILED, "%s: %s", output, g_strerror(EISDIR));
        return NULL;
    }
    struct journal *journal = g_new0(struct journal, 1);

    journal->has_name = output != NULL;
    journal->path = output ? g_strconcat(output, ".journal", NULL)
                           : g_strdup(g_get_tmp_dir());
    journal->fd = -1;
    journal->places =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_mutex_init(&journal->mutex);
    if (journal->has_name
            ? open_named(journal, error) && read_lines(journal, error)
            : open_nameless(journal, error))
        return journal;
    journal_close(journal);
    return NULL;
}

struct journal_place
journal_find(const struct journal *journal, const char *key)
{
    const struct journal_place *place =
        g_hash_table_lookup(journal->places, key);

    return place ? *place : (struct journal_place){0};
}

/* All or nothing: half a line would hide those after it. */
static bool
write_line(struct journal *journal, const char *line, size_t length,
           GError **error)
{
    size_t done = 0;

    while (done < length) {
        ssize_t written = write(journal->fd, line + done, length - done);
        if (written >= 0) {
            done += (size_t)written;
        } else if (errno != EINTR) {
            const char *why = g_strerror(errno);
            bool is_whole = ftruncate(journal->fd, (off_t)journal->end) == 0;
            return fail(journal, is_whole ? why : "a line was cut short",
                        error);
        }
    }
    journal->end += length;
    return true;
}

struct journal_place
journal_append(struct journal *journal, const char *key, const char *result,
               GError **error)
{
    g_autofree char *line = g_strdup_printf("%s %s\n", key, result);
    struct journal_place place = {0};
    size_t length = strlen(result);

    g_mutex_lock(&journal->mutex);
    uint64_t start = journal->end;
    if (write_line(journal, line, strlen(line), error))
        place = (struct journal_place){
            .offset = start + JOURNAL_KEY_LENGTH + 1,
            .length = (uint32_t)length,
        };
    g_mutex_unlock(&journal->mutex);
    return place;
}

char *
journal_read(const struct journal *journal, struct journal_place place,
             GError **error)
{
    g_autofree char *result = g_malloc(place.length + UINT64_C(1));
    size_t done = 0;

    while (done < place.length) {
        ssize_t got = pread(journal->fd, result + done, place.length - done,
                            (off_t)(place.offset + done));
        if (got == 0 || (got < 0 && errno != EINTR)) {
            fail(journal, got == 0 ? "it was cut off" : g_strerror(errno),
                 error);
            return NULL;
        }
        if (got > 0)
            done += (size_t)got;
    }
    result[done] = '\0';
    return g_steal_pointer(&result);
}

void
journal_remove(const struct journal *journal)
{
    if (journal->has_name)
        g_unlink(journal->path);
}

void
journal_close(struct journal *journal)
{
    if (!journal)
        return;
    if (journal->fd >= 0)
        close(journal->fd);
    g_hash_table_unref(journal->places);
    g_mutex_clear(&journal->mutex);
    g_free(journal->path);
    g_free(journal);
}
