/*
 * See vmt_file.h.
 */
#include "traces/vmt_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "traces/trace_tables.h"
#include "traces/trace_text.h"
#include "traces/vmt_decode.h"
#include "traces/vmt_tables.h"

enum { COPY_BYTES = 256 * 1024 };

struct vmt_file {
    int fd;
    uint64_t tables_at;  // where the blocks end
    GArray *extents;     // struct vmt_extent
};

/* ---- errors ---- */

static bool G_GNUC_PRINTF(4, 5) fail(GError **error, const char *path,
                                     uint64_t offset, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *what = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_set_error(error, TRACE_ERROR, TRACE_ERROR_SYNTAX,
                "%s: byte %" PRIu64 ": expected %s", trace_shown_path(path),
                offset, what);
    return false;
}

/* `bytes` began at byte `start` of the file; the last one taken is wrong, or
 * the one that was to come is missing. */
static bool
fail_bytes(GError **error, const char *path, uint64_t start,
           const struct vmt_bytes *bytes)
{
    uint64_t offset = start + (uint64_t)(bytes->at - bytes->start);
    if (bytes->at == bytes->end || bytes->at == bytes->start)
        return fail(error, path, offset, "%s, found the end of its part",
                    bytes->expected);
    return fail(error, path, offset - 1, "%s, found 0x%02x", bytes->expected,
                bytes->at[-1]);
}

/* ---- bytes ---- */

int
vmt_temporary_file(GError **error)
{
    g_autofree char *path =
        g_build_filename(g_get_tmp_dir(), "vmsim-XXXXXX", NULL);
    int fd = g_mkstemp_full(path, O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        g_set_error(error, TRACE_ERROR, TRACE_ERROR_IO, "%s: %s", path,
                    g_strerror(errno));
    else
        g_unlink(path);
    return fd;
}

static bool
write_all(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t written = write(fd, bytes, length);
        if (written < 0 && errno != EINTR)
            return false;
        if (written > 0) {
            bytes += written;
            length -= (size_t)written;
        }
    }
    return true;
}

/* Read what is left of the source, so that its digest is complete, and copy it
 * to `fd` unless that is negative. */
static bool
drain(struct trace_source *source, int fd, const char *path, GError **error)
{
    g_autofree char *buffer = g_malloc(COPY_BYTES);
    gssize got;
    while ((got = trace_source_read(source, buffer, COPY_BYTES, error)) > 0) {
        if (fd >= 0 && !write_all(fd, buffer, (size_t)got)) {
            g_set_error(error, TRACE_ERROR, TRACE_ERROR_IO, "%s: %s",
                        g_get_tmp_dir(), g_strerror(errno));
            return false;
        }
    }
    if (got < 0)
        g_prefix_error(error, "%s: ", trace_shown_path(path));
    return got == 0;
}

/* Read exactly `length` bytes at `offset`. */
static bool
read_at(const struct vmt_file *file, const char *path, uint64_t offset,
        void *buffer, size_t length, GError **error)
{
    char *next = buffer;
    while (length > 0) {
        ssize_t got = pread(file->fd, next, length, (off_t)offset);
        if (got == 0)
            return fail(error, path, offset,
                        "%zu more bytes, found the end of "
                        "the file",
                        length);
        if (got < 0 && errno != EINTR)
            return fail(error, path, offset,
                        "a file that can be read, found "
                        "\"%s\"",
                        g_strerror(errno));
        if (got > 0) {
            next += got;
            offset += (uint64_t)got;
            length -= (size_t)got;
        }
    }
    return true;
}

/* Read the block between two offsets, its header in *header, and compare the
 * checksum. */
static bool
read_block(const struct vmt_file *file, const char *path, uint64_t at,
           uint64_t end, GByteArray *bytes, struct vmt_block_header *header,
           GError **error)
{
    uint64_t size = end - at;
    if (end < at || size < sizeof(*header) || size > G_MAXUINT - VMT_PADDING)
        return fail(error, path, at, "a block, found none that long");
    g_byte_array_set_size(bytes, (guint)size + VMT_PADDING);
    memset(bytes->data + size, 0, VMT_PADDING);
    if (!read_at(file, path, at, bytes->data, size, error))
        return false;
    memcpy(header, bytes->data, sizeof(*header));
    header->checksum = GUINT64_FROM_LE(header->checksum);
    header->first_event = GUINT64_FROM_LE(header->first_event);
    header->first_line = GUINT64_FROM_LE(header->first_line);
    header->payload_bytes = GUINT32_FROM_LE(header->payload_bytes);
    header->event_count = GUINT32_FROM_LE(header->event_count);
    header->shape_bytes = GUINT32_FROM_LE(header->shape_bytes);
    header->note_bytes = GUINT32_FROM_LE(header->note_bytes);
    uint64_t checksum = vmt_checksum(bytes->data + sizeof(header->checksum),
                                     size - sizeof(header->checksum));
    if (checksum != header->checksum)
        return fail(error, path, at,
                    "a block with the checksum 0x%016" PRIx64
                    ", found one with 0x%016" PRIx64,
                    header->checksum, checksum);
    if (header->payload_bytes != size - sizeof(*header))
        return fail(error, path, at, "%" PRIu64 " bytes, found %" PRIu32,
                    size - sizeof(*header), header->payload_bytes);
    return true;
}

/* ---- the file ---- */

static bool
find_tables(struct vmt_file *file, const char *path, uint64_t length,
            GError **error)
{
    struct vmt_header header;
    struct vmt_footer footer;
    uint64_t footer_at = length - sizeof(footer);
    if (length < sizeof(header) + sizeof(footer))
        return fail(error, path, length,
                    "a whole binary trace, found the end "
                    "of the file");
    if (!read_at(file, path, 0, &header, sizeof(header), error) ||
        !read_at(file, path, footer_at, &footer, sizeof(footer), error))
        return false;
    if (GUINT32_FROM_LE(header.version) != VMT_VERSION || header.zero != 0)
        return fail(error, path, sizeof(header.magic),
                    "version %d, found %" PRIu32, VMT_VERSION,
                    GUINT32_FROM_LE(header.version));
    if (memcmp(footer.magic, vmt_end_magic, sizeof(footer.magic)) != 0)
        return fail(error, path, length,
                    "the end of a binary trace, found "
                    "something else: the file is cut off or longer");
    uint64_t checksum =
        vmt_checksum(&footer.tables_at, sizeof(footer.tables_at));
    file->tables_at = GUINT64_FROM_LE(footer.tables_at);
    if (checksum != GUINT64_FROM_LE(footer.checksum))
        return fail(error, path, footer_at,
                    "the place of the tables, found another checksum");
    if (file->tables_at < sizeof(header) || file->tables_at > footer_at)
        return fail(error, path, footer_at,
                    "the place of the tables, found byte %" PRIu64,
                    file->tables_at);
    return true;
}

static bool
read_tables(struct trace *trace, GError **error)
{
    struct vmt_file *file = trace->file;
    struct stat status;
    struct vmt_block_header header;
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    if (fstat(file->fd, &status) != 0)
        return fail(error, trace->path, 0, "a file, found \"%s\"",
                    g_strerror(errno));
    uint64_t length = (uint64_t)status.st_size;
    if (!find_tables(file, trace->path, length, error) ||
        !read_block(file, trace->path, file->tables_at,
                    length - sizeof(struct vmt_footer), bytes, &header, error))
        return false;
    struct vmt_bytes payload =
        vmt_bytes(bytes->data + sizeof(header), header.payload_bytes);
    if (!vmt_take_tables(&payload, file->tables_at, trace, file->extents))
        return fail_bytes(error, trace->path, file->tables_at + sizeof(header),
                          &payload);
    return true;
}

static struct vmt_file *
file_new(int fd, GArray *extents)
{
    struct vmt_file *file = g_new0(struct vmt_file, 1);
    file->fd = fd;
    file->extents = extents;
    return file;
}

void
vmt_file_free(struct vmt_file *file)
{
    if (!file)
        return;
    if (file->fd >= 0)
        close(file->fd);
    g_array_unref(file->extents);
    g_free(file);
}

/* A descriptor that can be read anywhere, and the digest on the way. */
static int
open_anywhere(struct trace_source *source, const char *path, GError **error)
{
    int own = trace_source_seekable(source);
    int fd = own >= 0 ? dup(own) : vmt_temporary_file(error);
    if (fd < 0 || drain(source, own >= 0 ? -1 : fd, path, error))
        return fd;
    close(fd);
    return -1;
}

struct trace *
vmt_open(struct trace_source *source, const char *path, GError **error)
{
    struct trace *trace = trace_new(path);
    trace->file =
        file_new(open_anywhere(source, path, error),
                 g_array_new(FALSE, FALSE, sizeof(struct vmt_extent)));
    sha256_hex(trace_source_digest(source), trace->sha256);
    trace_source_free(source);
    if (trace->file->fd >= 0 && read_tables(trace, error))
        return trace;
    trace_free(trace);
    return NULL;
}

void
vmt_attach(struct trace *trace, int fd, GArray *extents, uint64_t blocks_end)
{
    trace->file = file_new(fd, extents);
    trace->file->tables_at = blocks_end;
}

guint
vmt_block_count(const struct trace *trace)
{
    return trace->file->extents->len;
}

static const struct vmt_extent *
extent_at(const struct trace *trace, guint index)
{
    return &g_array_index(trace->file->extents, struct vmt_extent, index);
}

guint
vmt_find_block(const struct trace *trace, uint64_t number)
{
    guint low = 0, high = vmt_block_count(trace);
    while (high - low > 1) {
        guint middle = low + (high - low) / 2;
        if (extent_at(trace, middle)->first_event <= number)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* ---- blocks ---- */

struct vmt_block *
vmt_block_new(const struct trace *trace)
{
    struct vmt_block *block = g_new0(struct vmt_block, 1);
    block->window = *trace;
    trace_init_window(&block->window);
    block->bytes = g_byte_array_new();
    block->spellings = g_byte_array_new();
    block->decoder = vmt_decoder_new(trace);
    return block;
}

void
vmt_block_free(struct vmt_block *block)
{
    if (!block)
        return;
    trace_finish_window(&block->window);
    g_byte_array_unref(block->bytes);
    g_byte_array_unref(block->spellings);
    vmt_decoder_free(block->decoder);
    g_free(block);
}

bool
vmt_block_read(struct vmt_block *block, guint index, GError **error)
{
    const struct trace *trace = &block->window;
    const struct vmt_extent *extent = extent_at(trace, index);
    bool is_last = index + 1 == vmt_block_count(trace);
    uint64_t end =
        is_last ? trace->file->tables_at : extent_at(trace, index + 1)->at;
    uint64_t event_end =
        is_last ? trace->event_count : extent_at(trace, index + 1)->first_event;
    struct vmt_block_header header;
    if (end - extent->at > VMT_BLOCK_BYTES_MAX)
        return fail(error, trace->path, extent->at,
                    "a block of at most %d bytes, found a longer one",
                    VMT_BLOCK_BYTES_MAX);
    if (!read_block(trace->file, trace->path, extent->at, end, block->bytes,
                    &header, error))
        return false;
    if (header.first_event != extent->first_event ||
        header.event_count != event_end - extent->first_event)
        return fail(error, trace->path, extent->at,
                    "a block of the events that the index says, found others");
    struct vmt_bytes payload =
        vmt_bytes(block->bytes->data + sizeof(header), header.payload_bytes);
    if (!vmt_decode(block, &header, &payload))
        return fail_bytes(error, trace->path, extent->at + sizeof(header),
                          &payload);
    return true;
}
