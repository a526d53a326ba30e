/*
 * Lines into a file that appears when it is complete.
 *
 *     line --> pending --zstd?--> replacement of path
 *        `-> reader --> vmt_writer --^
 *
 * What is no regular file (a pipe, /dev/null) is written in place: there is
 * nothing to replace.
 */
#include "traces/trace_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "traces/replacement.h"
#include "traces/sha256.h"
#include "traces/trace_reader.h"
#include "traces/trace_tables.h"
#include "traces/vmt_writer.h"

enum { PENDING_BYTES = 256 * 1024, ZSTD_LEVEL = 9 };

struct trace_writer {
    int fd;
    char *shown;                  // how errors call the file
    bool is_file;                 // that appears when it is whole
    struct replacement file;      // it, then; it has the descriptor
    ZSTD_CStream *zstd;           // NULL: plain text
    GString *line;                // that is being made
    GByteArray *pending;          // what is not written yet
    GByteArray *packed;           // zstd's output
    struct vmt_writer *vmt;       // NULL: text
    struct trace_reader *reader;  // NULL: lines are not read
    char *origin;                 // of the lines, as the reader's errors say
    struct sha256 digest;         // of the text
    int saved_errno;              // of the first failure, or 0
    GError *line_error;  // of the first line that could not be read, or NULL
};

static struct trace_writer *
writer_new(int fd, const char *shown)
{
    struct trace_writer *writer = g_new0(struct trace_writer, 1);
    writer->fd = fd;
    writer->shown = g_strdup(shown);
    writer->line = g_string_new(NULL);
    writer->pending = g_byte_array_sized_new(PENDING_BYTES);
    return writer;
}

static void
drop_reader(struct trace_writer *writer)
{
    if (!writer->reader)
        return;
    trace_free(trace_reader_end(writer->reader));
    g_clear_pointer(&writer->reader, g_free);
    g_clear_pointer(&writer->origin, g_free);
}

static void
writer_free(struct trace_writer *writer)
{
    if (writer->is_file)
        replacement_drop(&writer->file);
    else if (writer->fd >= 0)
        close(writer->fd);
    ZSTD_freeCStream(writer->zstd);
    if (writer->packed)
        g_byte_array_unref(writer->packed);
    drop_reader(writer);
    vmt_writer_free(writer->vmt);
    g_clear_error(&writer->line_error);
    g_byte_array_unref(writer->pending);
    g_string_free(writer->line, TRUE);
    g_free(writer->shown);
    g_free(writer);
}

static void
fail(GError **error, const char *path, int number)
{
    g_set_error(error, TRACE_ERROR, TRACE_ERROR_IO, "%s: %s", path,
                g_strerror(number));
}

static struct trace_writer *
open_in_place(const char *path, GError **error)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        fail(error, path, errno);
        return NULL;
    }
    return writer_new(fd, path);
}

static struct trace_writer *
open_replacement(const char *path, GError **error)
{
    struct replacement file;
    if (!replacement_open(&file, path)) {
        fail(error, path, errno);
        return NULL;
    }
    struct trace_writer *writer = writer_new(file.fd, path);
    writer->is_file = true;
    writer->file = file;
    return writer;
}

static struct trace_writer *
open_file(const char *path, GError **error)
{
    struct stat old;
    bool exists = stat(path, &old) == 0;
    if (exists && !S_ISREG(old.st_mode))
        return open_in_place(path, error);
    return open_replacement(path, error);
}

static void
pack(struct trace_writer *writer)
{
    writer->zstd = ZSTD_createCStream();
    ZSTD_CCtx_setParameter(writer->zstd, ZSTD_c_compressionLevel, ZSTD_LEVEL);
    ZSTD_CCtx_setParameter(writer->zstd, ZSTD_c_checksumFlag, 1);
    writer->packed = g_byte_array_new();
    g_byte_array_set_size(writer->packed, (guint)ZSTD_CStreamOutSize());
}

static struct trace_writer *
open_plain(const char *path, GError **error)
{
    if (!path || strcmp(path, "-") == 0)
        return writer_new(dup(STDOUT_FILENO), "stdout");
    return open_file(path, error);
}

struct trace_writer *
trace_writer_open(const char *path, GError **error)
{
    static const char first_line[] = "#vmtrace 1\n";
    struct trace_writer *writer = open_plain(path, error);
    if (!writer)
        return NULL;
    if (path && g_str_has_suffix(path, ".zst"))
        pack(writer);
    if (path && (g_str_has_suffix(path, ".vmt") ||
                 g_str_has_suffix(path, ".vmt.zst"))) {
        writer->vmt = vmt_writer_new(writer->pending);
        trace_writer_check(writer, path);
        sha256_init(&writer->digest);
        sha256_update(&writer->digest, first_line, strlen(first_line));
    } else {
        g_byte_array_append(writer->pending, (const guint8 *)first_line,
                            (guint)strlen(first_line));
    }
    return writer;
}

void
trace_writer_check(struct trace_writer *writer, const char *origin)
{
    drop_reader(writer);
    writer->reader = g_new(struct trace_reader, 1);
    writer->origin = g_strdup(origin);
    trace_reader_begin(writer->reader, writer->origin, &writer->line_error);
    writer->reader->text.line = 1;
}

bool
trace_writer_has_failed(const struct trace_writer *writer)
{
    return writer->saved_errno != 0 || writer->line_error;
}

static void
write_bytes(struct trace_writer *writer, const void *bytes, size_t length)
{
    const char *next = bytes;
    while (length > 0 && writer->saved_errno == 0) {
        ssize_t written = write(writer->fd, next, length);
        if (written >= 0) {
            next += written;
            length -= (size_t)written;
        } else if (errno != EINTR) {
            writer->saved_errno = errno;
        }
    }
}

static void
write_packed(struct trace_writer *writer, ZSTD_EndDirective end)
{
    ZSTD_inBuffer input = {writer->pending->data, writer->pending->len, 0};
    size_t rest;
    do {
        ZSTD_outBuffer output = {writer->packed->data, writer->packed->len, 0};
        rest = ZSTD_compressStream2(writer->zstd, &output, &input, end);
        write_bytes(writer, output.dst, output.pos);
        if (ZSTD_isError(rest))
            writer->saved_errno = ENOMEM;  // nothing else can go wrong
    } while (writer->saved_errno == 0 &&
             (input.pos < input.size || (end == ZSTD_e_end && rest != 0)));
}

static void
flush(struct trace_writer *writer, ZSTD_EndDirective end)
{
    if (writer->zstd)
        write_packed(writer, end);
    else
        write_bytes(writer, writer->pending->data, writer->pending->len);
    g_byte_array_set_size(writer->pending, 0);
}

/* Put what a line says into the binary trace, or only see that it can be read.
 * The window is emptied line by line: nobody wants the events. */
static void
read_line(struct trace_writer *writer, const char *line, size_t length)
{
    struct trace_reader *reader = writer->reader;
    struct trace *trace = reader->trace;
    reader->text.line++;
    reader->text.start = line;
    if (!trace_reader_line(reader, length))
        return;
    if (writer->vmt && trace->events->len > 0)
        vmt_writer_event(writer->vmt, trace,
                         &g_array_index(trace->events, struct trace_event, 0),
                         line, length);
    else if (writer->vmt)
        vmt_writer_line(writer->vmt, line, length);
    trace_empty_window(trace);
}

void
trace_writer_raw_line(struct trace_writer *writer, const char *line,
                      size_t length)
{
    if (trace_writer_has_failed(writer))
        return;
    if (writer->reader)
        read_line(writer, line, length);
    if (writer->vmt)
        sha256_update(&writer->digest, line, length + 1);
    else
        g_byte_array_append(writer->pending, (const guint8 *)line,
                            (guint)length + 1);
    if (writer->pending->len >= PENDING_BYTES)
        flush(writer, ZSTD_e_continue);
}

void
trace_writer_line(struct trace_writer *writer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_string_vprintf(writer->line, format, arguments);
    va_end(arguments);
    g_string_append_c(writer->line, '\n');
    trace_writer_raw_line(writer, writer->line->str, writer->line->len - 1);
}

/* The tables are complete when the last line is. */
static void
end_binary(struct trace_writer *writer)
{
    struct trace *trace = trace_reader_end(writer->reader);
    g_clear_pointer(&writer->reader, g_free);
    g_clear_pointer(&writer->origin, g_free);
    sha256_hex(&writer->digest, trace->content_sha256);
    vmt_writer_end(writer->vmt, trace);
    trace_free(trace);
}

static void
close_file(struct trace_writer *writer)
{
    bool is_closed = writer->is_file ? replacement_appear(&writer->file)
                                     : close(writer->fd) == 0;
    if (!is_closed)
        writer->saved_errno = errno;
    writer->is_file = false;
    writer->fd = -1;
}

bool
trace_writer_close(struct trace_writer *writer, GError **error)
{
    if (writer->line_error) {
        g_propagate_error(error, g_steal_pointer(&writer->line_error));
        trace_writer_abandon(writer);
        return false;
    }
    if (writer->vmt)
        end_binary(writer);
    flush(writer, ZSTD_e_end);
    if (writer->saved_errno == 0)
        close_file(writer);
    int number = writer->saved_errno;
    if (number != 0)
        fail(error, writer->shown, number);
    writer_free(writer);
    return number == 0;
}

void
trace_writer_abandon(struct trace_writer *writer)
{
    if (writer)
        writer_free(writer);
}
