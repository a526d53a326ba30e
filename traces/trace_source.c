/*
 * Reads a file in blocks and decompresses it as a stream, so that neither a
 * huge file nor a small one that unpacks to terabytes takes memory.
 *
 *      file --read--> packed --zstd--> head, then the caller's buffer
 *                       |
 *                     digest
 */
#include "traces/trace_source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "traces/trace.h"
#include "traces/vmt_layout.h"

enum { PACKED_BYTES = 256 * 1024 };

struct trace_source {
    int fd;
    ZSTD_DStream *zstd;   // NULL: plain text
    bool is_in_frame;     // a zstd frame has begun and not ended
    char *packed;         // bytes of the file
    ZSTD_inBuffer input;  // what of them is not used yet
    uint64_t file_bytes;  // read so far
    struct sha256 digest;
    char head[sizeof(vmt_magic)];  // the first bytes, by which it is told
    size_t head_length, head_used;
    GError *early_error;  // what stopped the reading of the head, or NULL
};

/* Read until there are `wanted` bytes or the file ends: a pipe may hand out a
 * byte at a time. */
static gssize
read_file(struct trace_source *source, char *buffer, size_t size, size_t wanted,
          GError **error)
{
    size_t length = 0;
    while (length < wanted) {
        ssize_t got = read(source->fd, buffer + length, size - length);
        if (got == 0)
            break;
        if (got > 0) {
            length += (size_t)got;
        } else if (errno != EINTR) {
            g_set_error_literal(error, TRACE_ERROR, TRACE_ERROR_IO,
                                g_strerror(errno));
            return -1;
        }
    }
    sha256_update(&source->digest, buffer, length);
    source->file_bytes += length;
    return (gssize)length;
}

static bool
refill(struct trace_source *source, size_t wanted, GError **error)
{
    gssize length =
        read_file(source, source->packed, PACKED_BYTES, wanted, error);
    source->input =
        (ZSTD_inBuffer){source->packed, length > 0 ? (size_t)length : 0, 0};
    return length >= 0;
}

static bool
is_zstd(const ZSTD_inBuffer *input)
{
    static const unsigned char magic[] = {0x28, 0xb5, 0x2f, 0xfd};
    return input->size >= sizeof(magic) &&
           memcmp(input->src, magic, sizeof(magic)) == 0;
}

/* More input, unless some is left.  False on error. */
static bool
need_input(struct trace_source *source, GError **error)
{
    return source->input.pos < source->input.size || refill(source, 1, error);
}

/* What is left of the first reading, then straight from the file. */
static gssize
read_plain(struct trace_source *source, char *buffer, size_t size,
           GError **error)
{
    size_t length = MIN(size, source->input.size - source->input.pos);
    if (length == 0)
        return read_file(source, buffer, size, 1, error);
    memcpy(buffer, source->packed + source->input.pos, length);
    source->input.pos += length;
    return (gssize)length;
}

/* Where in the file zstd stands. */
static uint64_t
place_of(const struct trace_source *source)
{
    return source->file_bytes - (source->input.size - source->input.pos);
}

static gssize
read_zstd(struct trace_source *source, char *buffer, size_t size,
          GError **error)
{
    ZSTD_outBuffer output = {buffer, size, 0};
    while (output.pos == 0) {
        if (!need_input(source, error))
            return -1;
        bool is_file_ended = source->input.size == 0;
        if (is_file_ended && !source->is_in_frame)
            return 0;
        size_t rest =
            ZSTD_decompressStream(source->zstd, &output, &source->input);
        if (ZSTD_isError(rest)) {
            g_set_error(error, TRACE_ERROR, TRACE_ERROR_IO,
                        "expected zstd data, found a mistake at byte "
                        "%" G_GUINT64_FORMAT " of the file (%s)",
                        place_of(source), ZSTD_getErrorName(rest));
            return -1;
        }
        source->is_in_frame = rest != 0;
        if (is_file_ended && output.pos == 0) {
            g_set_error(error, TRACE_ERROR, TRACE_ERROR_IO,
                        "expected more compressed data, found the end of the "
                        "file at byte %" G_GUINT64_FORMAT,
                        place_of(source));
            return -1;
        }
    }
    return (gssize)output.pos;
}

static gssize
read_on(struct trace_source *source, char *buffer, size_t size, GError **error)
{
    if (source->zstd)
        return read_zstd(source, buffer, size, error);
    return read_plain(source, buffer, size, error);
}

/* Take the first bytes of what the file holds; the caller gets them, or the
 * error, when it reads. */
static void
take_head(struct trace_source *source)
{
    gssize got;
    do {
        got = read_on(source, source->head + source->head_length,
                      sizeof(source->head) - source->head_length,
                      &source->early_error);
        source->head_length += got > 0 ? (size_t)got : 0;
    } while (got > 0 && source->head_length < sizeof(source->head));
}

struct trace_source *
trace_source_open(const char *path, GError **error)
{
    int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO)
                                    : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        g_set_error(error, TRACE_ERROR, TRACE_ERROR_IO, "%s: %s", path,
                    g_strerror(errno));
        return NULL;
    }
    struct trace_source *source = g_new0(struct trace_source, 1);
    source->fd = fd;
    source->packed = g_malloc(PACKED_BYTES);
    sha256_init(&source->digest);
    if (!refill(source, sizeof(source->head), error)) {
        g_prefix_error(error, "%s: ", path);
        trace_source_free(source);
        return NULL;
    }
    if (is_zstd(&source->input))
        source->zstd = ZSTD_createDStream();
    take_head(source);
    return source;
}

void
trace_source_free(struct trace_source *source)
{
    if (!source)
        return;
    close(source->fd);
    ZSTD_freeDStream(source->zstd);
    g_clear_error(&source->early_error);
    g_free(source->packed);
    g_free(source);
}

bool
trace_source_is_binary(const struct trace_source *source)
{
    return source->head_length == sizeof(vmt_magic) &&
           memcmp(source->head, vmt_magic, sizeof(vmt_magic)) == 0;
}

bool
trace_source_is_packed(const struct trace_source *source)
{
    return source->zstd != NULL;
}

gssize
trace_source_read(struct trace_source *source, char *buffer, size_t size,
                  GError **error)
{
    size_t left = source->head_length - source->head_used;
    if (left == 0 && source->early_error) {
        g_propagate_error(error, g_steal_pointer(&source->early_error));
        return -1;
    }
    if (left == 0)
        return read_on(source, buffer, size, error);
    left = MIN(left, size);
    memcpy(buffer, source->head + source->head_used, left);
    source->head_used += left;
    return (gssize)left;
}

const struct sha256 *
trace_source_digest(const struct trace_source *source)
{
    return &source->digest;
}

int
trace_source_seekable(const struct trace_source *source)
{
    struct stat status;
    bool is_file = fstat(source->fd, &status) == 0 && S_ISREG(status.st_mode);
    return is_file && !source->zstd ? source->fd : -1;
}
