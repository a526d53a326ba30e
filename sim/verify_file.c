/*
 * The files that workers map.  They have holes all over, so that reading one
 * takes no time: when a fault goes on, everything that was read ahead is there.
 */
#include "sim/verify_file.h"

#include "mm/types.h"
#include "sim/error.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#define PAGEMAP_PFN ((UINT64_C(1) << 55) - 1)
/* /proc/kpageflags */
#define KPF_COMPOUND_HEAD (UINT64_C(1) << 15)

/* Bring every page into memory; without read-ahead, so that the page cache
 * holds single pages, none of which is marked to start more of it; and by a
 * descriptor of its own, which keeps what it knows of the pattern to itself. */
static void
read_whole(int file, uint64_t size_bytes)
{
    enum { CHUNK_BYTES = 1 << 17 };
    g_autofree char *chunk = g_malloc(CHUNK_BYTES);
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", file);
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
    for (uint64_t at = 0; at < size_bytes; at += CHUNK_BYTES)
        if (pread(fd, chunk, CHUNK_BYTES, (off_t)at) < 0)
            break;
    close(fd);
}

/*
 * Keep all pages in memory.  A host may take pages of files out of its page
 * cache whenever it likes, and not only for want of memory: with proactive
 * reclaim (DAMON) single pages go that nobody has used for a while.  Pages
 * that somebody has locked stay.  The call is made by its number: the address
 * sanitizer replaces mlock() by nothing.
 */
static bool
hold(const struct host_file *file)
{
    return file->pages &&
           syscall(SYS_mlock, file->pages, file->size_bytes) == 0;
}

/* Without a name, so that nothing of it can stay behind.  Everybody may write
 * to it: who may not cannot page it out.  Files of a tmpfs are shared memory to
 * the kernel: such a folder will not do. */
static int
temporary_file(bool is_shmem)
{
    const char *const folders[] = {g_get_tmp_dir(), "/var/tmp", "."};

    if (is_shmem)
        return memfd_create("vmsim-verify", 0);
    for (size_t i = 0; i < G_N_ELEMENTS(folders); i++) {
        struct statfs system;
        int fd = open(folders[i], O_TMPFILE | O_RDWR, 0600);

        if (fd >= 0 && fstatfs(fd, &system) == 0 &&
            system.f_type != TMPFS_MAGIC && fchmod(fd, 0666) == 0)
            return fd;
        if (fd >= 0)
            close(fd);
    }
    errno = ENOENT;
    return -1;
}

bool
host_file_open(struct host_file *file, GError **error)
{
    file->pages = NULL;
    file->fd = temporary_file(file->is_shmem);
    if (file->fd < 0 || ftruncate(file->fd, (off_t)file->size_bytes) < 0) {
        sim_fail(error, SIM_ERROR_FAILED,
                 "no temporary file for a file of the trace (TMPDIR, /var/tmp "
                 "and the current folder were tried): %s",
                 g_strerror(errno));
        if (file->fd >= 0)
            close(file->fd);
        return false;
    }
    if (file->is_shmem || file->size_bytes == 0)
        return true;
    if (!file->is_cold)
        read_whole(file->fd, file->size_bytes);
    void *pages =
        mmap(NULL, file->size_bytes, PROT_READ, MAP_PRIVATE, file->fd, 0);
    file->pages = pages == MAP_FAILED ? NULL : pages;
    file->is_held = file->is_held && hold(file);
    return true;
}

void
host_file_close(struct host_file *file)
{
    if (file->pages)
        munmap(file->pages, file->size_bytes);
    close(file->fd);
}

bool
host_file_residency(const struct host_file *file, unsigned char *pages,
                    GError **error)
{
    if (mincore(file->pages, file->size_bytes, pages) == 0)
        return true;
    return sim_fail(error, SIM_ERROR_FAILED, "mincore: %s", g_strerror(errno));
}

/* ---- the disk ---- */

/* A number that the kernel shows; false: there is no such file. */
static bool
read_shown(const char *folder, dev_t device, const char *name, uint64_t *number)
{
    g_autofree char *path = g_strdup_printf("%s/%u:%u/%s", folder,
                                            major(device), minor(device), name);
    g_autofree char *text = NULL;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return false;
    *number = g_ascii_strtoull(text, NULL, 10);
    return true;
}

/* Flags of the frame behind an address of this process; 0: unknown. */
static uint64_t
frame_flags(const void *address)
{
    int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    int kpageflags = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
    uint64_t entry = 0, flags = 0;
    const size_t bytes = sizeof(uint64_t);

    if (pread(pagemap, &entry, bytes,
              (off_t)((uintptr_t)address / PAGE_BYTES * bytes)) !=
            (ssize_t)bytes ||
        pread(kpageflags, &flags, bytes,
              (off_t)((entry & PAGEMAP_PFN) * bytes)) != (ssize_t)bytes)
        flags = 0;
    close(pagemap);
    close(kpageflags);
    return flags;
}

/* A mapping that wants huge pages reads in folios as large as can be. */
static bool
reads_large_folios(int fd)
{
    const size_t bytes = 16 * PAGE_BYTES;
    char *pages = NULL;
    bool is_large = false;

    if (ftruncate(fd, (off_t)bytes) == 0)
        pages = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    if (!pages || pages == MAP_FAILED)
        return false;
    if (madvise(pages, bytes, MADV_HUGEPAGE) == 0) {
        (void)*(volatile char *)pages;
        is_large = frame_flags(pages) & KPF_COMPOUND_HEAD;
    }
    munmap(pages, bytes);
    return is_large;
}

bool
host_disk_read(struct host_disk *disk, GError **error)
{
    struct stat status;
    int fd = temporary_file(/* is_shmem = */ false);

    if (fd < 0 || fstat(fd, &status) < 0)
        return sim_fail(error, SIM_ERROR_FAILED,
                        "no temporary file to see how files are read: %s",
                        g_strerror(errno));
    *disk = (struct host_disk){.read_ahead_kb = 128, .max_sectors_kb = 128};
    read_shown("/sys/class/bdi", status.st_dev, "read_ahead_kb",
               &disk->read_ahead_kb);
    if (!read_shown("/sys/dev/block", status.st_dev, "queue/max_sectors_kb",
                    &disk->max_sectors_kb))
        read_shown("/sys/dev/block", status.st_dev, "../queue/max_sectors_kb",
                   &disk->max_sectors_kb);
    disk->has_large_folios = reads_large_folios(fd);
    close(fd);
    return true;
}
