/*
 * Reads a file in blocks and decompresses it as a stream, so that neither a
 * huge file nor a small one that unpacks to terabytes takes memory.
 *
 *      file --read--> packed --zstd--> caller's buffer
 *                       |                    |
 *                  file digest          text digest
 */
#include "traces/trace_source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "traces/trace.h"

enum { PACKED_BYTES = 256 * 1024 };

struct trace_source {
    int fd;
    ZSTD_DStream *zstd;   // NULL: plain text
    bool is_in_frame;     // a zstd frame has begun and not ended
    char *packed;         // bytes of the file
    ZSTD_inBuffer input;  // what of them is not used yet
    GChecksum *file_digest;
    GChecksum *text_digest;  // NULL: the same bytes
};

/* Read into source->packed until there are `wanted` bytes or the file ends: a
 * pipe may hand out a byte at a time. */
static bool
refill(struct trace_source *source, size_t wanted, GError **error)
{
    size_t length = 0;
    while (length < wanted) {
        ssize_t got =
            read(source->fd, source->packed + length, PACKED_BYTES - length);
        if (got == 0)
            break;
        if (got > 0) {
            length += (size_t)got;
        } else if (errno != EINTR) {
            g_set_error_literal(error, TRACE_ERROR, TRACE_ERROR_IO,
                                g_strerror(errno));
            return false;
        }
    }
    source->input = (ZSTD_inBuffer){source->packed, length, 0};
    g_checksum_update(source->file_digest, (const guchar *)source->packed,
                      (gssize)length);
    return true;
}

static bool
is_zstd(const ZSTD_inBuffer *input)
{
    static const unsigned char magic[] = {0x28, 0xb5, 0x2f, 0xfd};
    return input->size >= sizeof(magic) &&
           memcmp(input->src, magic, sizeof(magic)) == 0;
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
    source->file_digest = g_checksum_new(G_CHECKSUM_SHA256);
    if (!refill(source, 4, error)) {
        g_prefix_error(error, "%s: ", path);
        trace_source_free(source);
        return NULL;
    }
    if (is_zstd(&source->input)) {
        source->zstd = ZSTD_createDStream();
        source->text_digest = g_checksum_new(G_CHECKSUM_SHA256);
    }
    return source;
}

void
trace_source_free(struct trace_source *source)
{
    if (!source)
        return;
    close(source->fd);
    ZSTD_freeDStream(source->zstd);
    g_free(source->packed);
    g_checksum_free(source->file_digest);
    g_clear_pointer(&source->text_digest, g_checksum_free);
    g_free(source);
}

/* More input, unless some is left.  False on error. */
static bool
need_input(struct trace_source *source, GError **error)
{
    return source->input.pos < source->input.size || refill(source, 1, error);
}

static gssize
read_plain(struct trace_source *source, char *buffer, size_t size,
           GError **error)
{
    if (!need_input(source, error))
        return -1;
    size_t length = MIN(size, source->input.size - source->input.pos);
    memcpy(buffer, source->packed + source->input.pos, length);
    source->input.pos += length;
    return (gssize)length;
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
                        "expected zstd data, found a mistake in it (%s)",
                        ZSTD_getErrorName(rest));
            return -1;
        }
        source->is_in_frame = rest != 0;
        if (is_file_ended && output.pos == 0) {
            g_set_error_literal(error, TRACE_ERROR, TRACE_ERROR_IO,
                                "expected more compressed data, found the end "
                                "of the file");
            return -1;
        }
    }
    g_checksum_update(source->text_digest, (const guchar *)buffer,
                      (gssize)output.pos);
    return (gssize)output.pos;
}

gssize
trace_source_read(struct trace_source *source, char *buffer, size_t size,
                  GError **error)
{
    if (source->zstd)
        return read_zstd(source, buffer, size, error);
    return read_plain(source, buffer, size, error);
}

static void
copy_digest(const GChecksum *digest, char hex[65])
{
    /* Reading a digest closes it, and this one may be read again. */
    g_autoptr(GChecksum) closed = g_checksum_copy(digest);
    g_strlcpy(hex, g_checksum_get_string(closed), 65);
}

void
trace_source_digests(const struct trace_source *source, char file[65],
                     char text[65])
{
    copy_digest(source->file_digest, file);
    copy_digest(source->text_digest ? source->text_digest : source->file_digest,
                text);
}
