/*
 * What is known of this host before anything is carried out on it.
 */
#include "sim/verify.h"

#include "mm/types.h"
#include "sim/error.h"
#include "sim/verify_file.h"

#include <inttypes.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

const char *
verify_obstacle(void)
{
    struct utsname names;

    if (uname(&names) < 0 || strcmp(names.machine, "x86_64") != 0)
        return "the host is no x86-64";
    if (strncmp(names.release, "6.18.", 5) != 0)
        return "the host's kernel is not 6.18";
    if (geteuid() != 0)
        return "states of pages are root's to see";
    return NULL;
}

/* A line of /proc/meminfo; 4G where that cannot be read. */
static uint64_t
host_memory_bytes(const char *name)
{
    g_autofree char *text = NULL;
    const char *at;

    if (!g_file_get_contents("/proc/meminfo", &text, NULL, NULL) ||
        !(at = strstr(text, name)))
        return UINT64_C(4) << 30;
    return g_ascii_strtoull(at + strlen(name), NULL, 10) * 1024;
}

uint64_t
verify_memory_limit_bytes(void)
{
    return host_memory_bytes("MemAvailable:") / 4;
}

/* "6.18.44-x" as the presets count: 6018044. */
static uint32_t
host_version(void)
{
    struct utsname names;
    unsigned major = 0, minor = 0;
    char *at;

    if (uname(&names) < 0)
        return 0;
    major = (unsigned)g_ascii_strtoull(names.release, &at, 10);
    if (*at == '.')
        minor = (unsigned)g_ascii_strtoull(at + 1, NULL, 10);
    return major * 1000000 + minor * 1000 + 999;
}

static const struct kernel_file *
nearest_preset(struct catalog *catalog, GError **error)
{
    g_auto(GStrv) names = catalog_kernel_names(catalog);
    const struct kernel_file *best = NULL;
    uint32_t host = host_version();

    for (char **name = names; *name; name++) {
        const struct kernel_file *file = catalog_kernel(catalog, *name, error);
        if (!file)
            return NULL;
        if (file->kernel.version <= host &&
            (!best || file->kernel.version >= best->kernel.version))
            best = file;
    }
    if (!best)
        sim_fail(error, SIM_ERROR_FAILED,
                 "no preset is as old as this host's kernel");
    return best;
}

static char *
sysctl_text(const char *name)
{
    g_autofree char *path = g_strdup_printf("/proc/sys/vm/%s", name);
    char *text = NULL;

    return g_file_get_contents(path, &text, NULL, NULL) ? g_strstrip(text)
                                                        : NULL;
}

bool
verify_setup(struct setup *setup, struct catalog *catalog,
             const GArray *choices, bool *is_exact, GError **error)
{
    const struct kernel_file *kernel = nearest_preset(catalog, error);
    g_autofree char *overcommit = sysctl_text("overcommit_memory");
    g_autofree char *host_map_count = sysctl_text("max_map_count");
    g_autofree char *map_count = NULL;
    g_autofree char *ram = NULL;
    g_autofree char *read_ahead = NULL;
    g_autofree char *max_sectors = NULL;
    uint64_t ram_bytes = host_memory_bytes("MemTotal:");
    struct host_disk disk;

    if (!kernel || !host_disk_read(&disk, error))
        return false;
    read_ahead = g_strdup_printf("%" PRIu64, disk.read_ahead_kb);
    max_sectors = g_strdup_printf("%" PRIu64, disk.max_sectors_kb);
    ram = g_strdup_printf("%" PRIu64, page_floor(MAX(ram_bytes, 1 << 28)));
    /* A worker's code is a mapping more. */
    map_count = g_strdup_printf(
        "%" PRIu64,
        g_ascii_strtoull(host_map_count ? host_map_count : "65530", NULL, 10) -
            1);
    const struct setup_choice imitation[] = {
        {SETUP_KERNEL, NULL, kernel->labels.name},
        {SETUP_MACHINE, NULL, "x86-64"},
        {SETUP_RAM, NULL, ram},
        {SETUP_CPUS, NULL, "1"},
        {SETUP_SYSCTL, "vm.overcommit_memory", overcommit ? overcommit : "0"},
        {SETUP_SYSCTL, "vm.max_map_count", map_count},
        {SETUP_KNOB, "read_ahead_kb", read_ahead},
        {SETUP_KNOB, "max_sectors_kb", max_sectors},
        {SETUP_KNOB, "large_folios", disk.has_large_folios ? "1" : "0"},
        {SETUP_POLICY, "thp", "never"},
    };
    g_autoptr(GArray) all =
        g_array_new(FALSE, FALSE, sizeof(struct setup_choice));
    g_array_append_vals(all, imitation, G_N_ELEMENTS(imitation));
    g_array_append_vals(all, choices->data, choices->len);
    *is_exact = host_version() / 1000 == kernel->kernel.version / 1000 &&
                kernel->kernel.version >= 6018000 && choices->len == 0;
    return setup_create(setup, catalog,
                        (const struct setup_choice *)(void *)all->data,
                        all->len, 1, error) &&
           (!setup->refusal ||
            sim_fail(error, SIM_ERROR_USAGE, "this combination is refused: %s",
                     setup->refusal));
}
