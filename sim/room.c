/*
 * Asking the host what this process may have.
 */
#include "sim/room.h"

#include <glib.h>
#include <sys/resource.h>
#include <unistd.h>

#define ROOM_BYTES_MAX (INT64_C(1) << 30)
#define ROOM_PART      4

static uint64_t
limit_of(int resource)
{
    struct rlimit limit;

    if (getrlimit((__rlimit_resource_t)resource, &limit) != 0 ||
        limit.rlim_cur == RLIM_INFINITY)
        return UINT64_MAX;
    return limit.rlim_cur;
}

/* Of the group that a container sees as its root; "max" is none. */
static uint64_t
limit_of_group(void)
{
    g_autofree char *text = NULL;
    uint64_t bytes = 0;

    if (g_file_get_contents("/sys/fs/cgroup/memory.max", &text, NULL, NULL))
        bytes = g_ascii_strtoull(text, NULL, 10);
    return bytes > 0 ? bytes : UINT64_MAX;
}

int64_t
room_bytes(void)
{
    uint64_t bytes =
        (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);

    bytes = MIN(bytes, limit_of_group());
    bytes = MIN(bytes, limit_of(RLIMIT_AS));
    bytes = MIN(bytes, limit_of(RLIMIT_DATA));
    return (int64_t)MIN(bytes / ROOM_PART, (uint64_t)ROOM_BYTES_MAX);
}
