/*
 * Machines: the JSON file that says what a machine is made of and what each
 * primitive costs on it.
 */
#pragma once

#include "mm/arch.h"
#include "mm/counters.h"
#include "sim/catalog_file.h"

#include <glib.h>

struct machine_file {
    struct catalog_labels labels;
    const struct arch *arch;
    uint64_t ram_bytes, kernel_image_bytes, swap_bytes;
    uint32_t cpu_count, l1_line_bytes;
    bool highpte;
    uint64_t price_ps[CHARGE_COUNT];  // picoseconds per unit of the charge
};

/* NULL and *error on failure. */
struct machine_file *machine_file_load(const char *data_dir, const char *spec,
                                       GError **error);
void machine_file_free(void *file);
