/*
 * What a simulated fault and a simulated touch cost on the host, beside the
 * limit loop in the same run; median of five.
 *
 * The machines of the rounds share their host memory, as the runs of a sweep
 * do; "first run" has to get it from the host.
 */
#include "measure.h"
#include "pages.h"

#include "mm/host_memory.h"

int
main(int argc, char **argv)
{
    static const struct subject subjects[] = {
        {.name = "fault sequential"},
        {.name = "fault sequential, first run", .is_first_run = true},
        {.name = "fault random fresh", .order = SHUFFLED},
        {.name = "fault random aged", .order = SHUFFLED, .is_aged = true},
        {.name = "fault copy-on-write", .what = FAULT_COW},
        {.name = "fault zero page", .what = FAULT_ZERO_PAGE},
        {.name = "fault file", .what = FAULT_FILE_PAGE},
        {.name = "fault file, 16 around", .what = FAULT_FILE_AROUND},
        {.name = "fault file copy", .what = FAULT_FILE_COW},
        {.name = "fault shmem", .what = FAULT_SHMEM},
        {.name = "touch run", .what = TOUCH_PRESENT},
        {.name = "touch random", .what = TOUCH_PRESENT, .order = SHUFFLED},
        {.name = "touch zipf 0.99", .what = TOUCH_PRESENT, .order = ZIPF},
    };
    struct measure measure = measure_begin(argc, argv);
    struct host_memory *memory = host_memory_create();

    for (size_t i = 0; i < G_N_ELEMENTS(subjects); i++) {
        struct measure_result result = {
            .name = subjects[i].name, .unit = "page", .size = PAGES};

        if (!measure_wants(&measure, result.name))
            continue;
        pages_compare(&subjects[i], memory, &result.ns, &result.limit_ns);
        measure_print(&measure, &result);
    }
    host_memory_destroy(memory);
    return 0;
}
