/*
 * Kernel presets: the JSON file that names a value on every policy axis and
 * the facts of one release.
 *
 * "based_on" names the preset whose values stand where the file says nothing.
 * Which facts there are is the table in kernel_file.c.
 */
#pragma once

#include "mm/kernel.h"
#include "mm/policy.h"
#include "sim/catalog_file.h"

#include <glib.h>

struct arch;

#define POLICY_AXIS_MAX 32

struct kernel_file {
    struct catalog_labels labels;
    struct kernel kernel;
    uint32_t page_highpte[2];  // struct page where page tables are in HighMem
    /* Index of the wanted value of each axis, by KERNEL_FILE_32 or _64. */
    int wanted[POLICY_AXIS_MAX][2];
};

enum { KERNEL_FILE_32, KERNEL_FILE_64 };

/* NULL and *error on failure. */
struct kernel_file *kernel_file_load(const char *data_dir, const char *spec,
                                     GError **error);
void kernel_file_free(void *file);

size_t policy_axis_count(void);
