/*
 * From names to a machine_config, and back to the JSON that tells a reader
 * what was run.
 */
#include "sim/setup.h"

#include "sim/error.h"
#include "sim/machine_file.h"
#include "sim/numbers.h"
#include "sim/settings.h"

#include <inttypes.h>
#include <string.h>

#define DEFAULT_KERNEL  "6.18"
#define DEFAULT_MACHINE "x86-64"
#define RAM_SPARE_BYTES (UINT64_C(1) << 20)  // besides image and frame records

static const char *
choice_of(const struct setup_choice *choices, size_t count,
          enum setup_kind kind, const char *fallback)
{
    for (size_t i = 0; i < count; i++)
        if (choices[i].kind == kind)
            fallback = choices[i].value;
    return fallback;
}

/* Set the axis to the value, or to the nearest one that is built. */
static void
set_axis(struct setup *setup, size_t axis, int value)
{
    const struct policy_axis *row = &policy_axes[axis];

    setup->wanted[axis] = value;
    if (row->values[value].nearest)
        value = policy_value_find(row, row->values[value].nearest);
    row->set(&setup->config.policy, (size_t)value);
}

static bool
fail_unknown_axis(const char *name, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    for (const struct policy_axis *axis = policy_axes; axis->name; axis++)
        g_ptr_array_add(names, (char *)axis->name);
    g_ptr_array_add(names, NULL);
    return sim_fail_unknown(error, "policy axis", name,
                            (const char *const *)names->pdata);
}

static bool
fail_unknown_value(const struct policy_axis *axis, const char *name,
                   GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    g_autofree char *what = g_strdup_printf("value of --policy %s", axis->name);

    for (size_t i = 0; axis->values[i].name; i++)
        g_ptr_array_add(names, (char *)axis->values[i].name);
    g_ptr_array_add(names, NULL);
    return sim_fail_unknown(error, what, name,
                            (const char *const *)names->pdata);
}

static bool
choose_policy(struct setup *setup, const char *name, const char *value,
              GError **error)
{
    const struct policy_axis *axis = policy_axis_find(name);

    if (!axis)
        return fail_unknown_axis(name, error);
    int index = policy_value_find(axis, value);
    if (index < 0)
        return fail_unknown_value(axis, value, error);
    set_axis(setup, (size_t)(axis - policy_axes), index);
    setup->is_chosen[axis - policy_axes] = true;
    return true;
}

static bool
choose_ram(struct setup *setup, const char *text, GError **error)
{
    uint64_t bytes;

    if (!parse_size(text, &bytes) || bytes % PAGE_BYTES != 0 || bytes == 0)
        return sim_fail(error, SIM_ERROR_USAGE,
                        "expected a size of whole pages such as 512M for "
                        "--ram, found \"%s\"",
                        text);
    setup->config.ram_bytes = bytes;
    return true;
}

static bool
choose_cpus(struct setup *setup, const char *text, GError **error)
{
    uint64_t count;

    if (!parse_number(text, &count) || count < 1 || count > CPU_COUNT_MAX)
        return sim_fail(error, SIM_ERROR_USAGE,
                        "expected a number from 1 to %d for --cpus, found "
                        "\"%s\"",
                        CPU_COUNT_MAX, text);
    setup->config.cpu_count = (uint32_t)count;
    return true;
}

static bool
choose_swap(struct setup *setup, const char *text, GError **error)
{
    uint64_t bytes;

    if (!parse_size(text, &bytes))
        return sim_fail(error, SIM_ERROR_USAGE,
                        "expected a size such as 1G for --swap, found \"%s\"",
                        text);
    if (bytes > 0)
        return sim_fail(error, SIM_ERROR_USAGE,
                        "--swap %s: swap is not built yet; use --swap 0", text);
    setup->config.swap_bytes = 0;
    return true;
}

static bool
choose_schedule(const char *text, GError **error)
{
    if (strcmp(text, "simulated") == 0)
        return sim_fail(error, SIM_ERROR_USAGE,
                        "--schedule simulated is not built yet; the nearest "
                        "is recorded");
    if (strcmp(text, "recorded") != 0)
        return sim_fail_unknown(
            error, "schedule", text,
            (const char *const[]){"recorded", "simulated", NULL});
    return true;
}

static bool
apply(struct setup *setup, const struct setup_choice *choice, GError **error)
{
    switch (choice->kind) {
    case SETUP_KERNEL:
    case SETUP_MACHINE:
        return true;
    case SETUP_RAM:
        return choose_ram(setup, choice->value, error);
    case SETUP_CPUS:
        return choose_cpus(setup, choice->value, error);
    case SETUP_SWAP:
        return choose_swap(setup, choice->value, error);
    case SETUP_SCHEDULE:
        return choose_schedule(choice->value, error);
    case SETUP_SYSCTL:
        return setting_set(SETTING_SYSCTL, choice->name, choice->value,
                           &setup->config, error);
    case SETUP_KNOB:
        return setting_set(SETTING_KNOB, choice->name, choice->value,
                           &setup->config, error);
    case SETUP_POLICY:
        return choose_policy(setup, choice->name, choice->value, error);
    case SETUP_KIND_COUNT:
        break;
    }
    return true;
}

static void
set_defaults(struct setup *setup, const struct kernel_file *kernel,
             const struct machine_file *machine)
{
    int width = machine->arch->is_64bit ? KERNEL_FILE_64 : KERNEL_FILE_32;

    setup->kernel_name = kernel->labels.name;
    setup->machine_name = machine->labels.name;
    setup->kernel_digest = kernel->labels.digest;
    setup->machine_digest = machine->labels.digest;
    setup->price_ps = machine->price_ps;
    setup->config = (struct machine_config){
        .arch = machine->arch,
        .kernel = kernel->kernel,
        .ram_bytes = machine->ram_bytes,
        .kernel_image_bytes = machine->kernel_image_bytes,
        .swap_bytes = machine->swap_bytes,
        .cpu_count = machine->cpu_count,
        .l1_line_bytes = machine->l1_line_bytes,
        .highpte = machine->highpte,
        .overcommit_ratio = 50,
        .max_map_count = kernel->kernel.max_map_count,
        .nozero_race_fix = true,
        .read_ahead_kb = 128,
        .max_sectors_kb = 4096,
        .large_folios = true,
    };
    for (size_t axis = 0; policy_axes[axis].name; axis++)
        set_axis(setup, axis, kernel->wanted[axis][width]);
}

/* Frames that the image and the frame records take. */
static uint64_t
reserved_bytes(const struct setup *setup)
{
    const struct machine_config *config = &setup->config;
    const struct kernel_sizes *sizes = config->arch->is_64bit
                                           ? &config->kernel.sizes64
                                           : &config->kernel.sizes32;

    return config->kernel_image_bytes +
           bytes_to_pages(config->ram_bytes) * sizes->page;
}

/* Why there cannot be so much RAM, or NULL: it depends on machine and kernel.
 */
static const char *
ram_refusal(const struct setup *setup)
{
    const uint64_t gib = UINT64_C(1) << 30;
    uint64_t bytes = setup->config.ram_bytes;
    const struct arch *arch = setup->config.arch;

    if (bytes < reserved_bytes(setup) + RAM_SPARE_BYTES)
        return "of so little RAM the kernel image and the frame records leave "
               "less than 1M";
    if (arch->is_64bit)
        return bytes > 8192 * gib ? "no more than 8T of RAM is modelled" : NULL;
    if (arch->level_count == 2)
        return bytes > 4 * gib ? "i386 addresses no more than 4G of RAM" : NULL;
    return bytes > 64 * gib ? "i386-pae addresses no more than 64G of RAM"
                            : NULL;
}

static const char *
wanted_value(const struct setup *setup, size_t axis)
{
    return policy_axes[axis].values[setup->wanted[axis]].name;
}

static const char *
used_value(const struct setup *setup, size_t axis)
{
    const struct policy_axis *row = &policy_axes[axis];

    return row->values[row->get(&setup->config.policy)].name;
}

static bool
is_wanted(const struct setup *setup, const char *axis, const char *value,
          bool *is_chosen)
{
    size_t index = (size_t)(policy_axis_find(axis) - policy_axes);

    *is_chosen |= setup->is_chosen[index];
    return strcmp(wanted_value(setup, index), value) == 0;
}

/*
 * Why the combination makes no sense, or NULL.  What was asked for is judged,
 * not what stands in for it.  A preset's own thp gives way silently: a user
 * who only chose an rmap did not ask for huge pages.
 */
static const char *
find_refusal(const struct setup *setup)
{
    size_t thp = (size_t)(policy_axis_find("thp") - policy_axes);

    for (const struct policy_refused_pair *pair = policy_refused_pairs;
         pair->reason; pair++) {
        bool is_chosen = false;
        if (!is_wanted(setup, pair->axis, pair->value, &is_chosen) ||
            !is_wanted(setup, pair->other_axis, pair->other_value, &is_chosen))
            continue;
        bool gives_way =
            strcmp(pair->other_axis, "thp") == 0 && !setup->is_chosen[thp];
        if (is_chosen && !gives_way)
            return pair->reason;
    }
    return policy_refusal(&setup->config.policy);
}

/* Nothing stands in for a value that the user named. */
static bool
check_built(const struct setup *setup, GError **error)
{
    for (size_t axis = 0; policy_axes[axis].name; axis++) {
        const struct policy_value *value =
            &policy_axes[axis].values[setup->wanted[axis]];
        if (setup->is_chosen[axis] && value->nearest)
            return sim_fail(error, SIM_ERROR_USAGE,
                            "the policy %s=%s is not built yet; the nearest "
                            "is %s=%s",
                            policy_axes[axis].name, value->name,
                            policy_axes[axis].name, value->nearest);
    }
    return true;
}

bool
setup_create(struct setup *setup, struct catalog *catalog,
             const struct setup_choice *choices, size_t choice_count,
             uint64_t seed, GError **error)
{
    const struct kernel_file *kernel = catalog_kernel(
        catalog, choice_of(choices, choice_count, SETUP_KERNEL, DEFAULT_KERNEL),
        error);
    const struct machine_file *machine =
        kernel ? catalog_machine(catalog,
                                 choice_of(choices, choice_count, SETUP_MACHINE,
                                           DEFAULT_MACHINE),
                                 error)
               : NULL;

    *setup = (struct setup){.seed = seed};
    if (!machine)
        return false;
    set_defaults(setup, kernel, machine);
    for (size_t i = 0; i < choice_count; i++)
        if (!apply(setup, &choices[i], error))
            return false;
    if (setup->config.highpte && !machine->arch->is_64bit)
        setup->config.kernel.sizes32.page = kernel->page_highpte[0];
    setup->refusal = ram_refusal(setup);
    if (!setup->refusal)
        setup->refusal = find_refusal(setup);
    return setup->refusal || check_built(setup, error);
}

/* The value in effect; of a refused combination what was asked for. */
static const char *
shown_value(const struct setup *setup, size_t axis)
{
    return setup->refusal ? wanted_value(setup, axis) : used_value(setup, axis);
}

static json_t *
policy_json(const struct setup *setup)
{
    json_t *object = json_object();

    for (size_t axis = 0; policy_axes[axis].name; axis++)
        json_object_set_new(object, policy_axes[axis].name,
                            json_string(shown_value(setup, axis)));
    return object;
}

static json_t *
substituted_json(const struct setup *setup)
{
    json_t *object = json_object();

    for (size_t axis = 0; policy_axes[axis].name; axis++) {
        const char *wanted = wanted_value(setup, axis);
        const char *used = shown_value(setup, axis);
        if (strcmp(wanted, used) != 0)
            json_object_set_new(
                object, policy_axes[axis].name,
                json_pack("{s:s, s:s}", "wanted", wanted, "used", used));
    }
    return object;
}

json_t *
setup_json(const struct setup *setup, const struct machine *machine)
{
    const struct machine_config *config = &setup->config;
    uint64_t reserved = machine ? pages_to_bytes(machine->reserved_pages)
                                : page_ceil(reserved_bytes(setup));

    return json_pack(
        "{s:s, s:s, s:o, s:o, s:I, s:I, s:I, s:I, s:s, s:o, s:o, s:I}",
        "kernel", setup->kernel_name, "machine", setup->machine_name, "policy",
        policy_json(setup), "substituted", substituted_json(setup), "ram_bytes",
        (json_int_t)config->ram_bytes, "reserved_bytes", (json_int_t)reserved,
        "cpu_count", (json_int_t)config->cpu_count, "swap_bytes",
        (json_int_t)config->swap_bytes, "schedule", "recorded", "sysctl",
        settings_json(SETTING_SYSCTL, config), "knobs",
        settings_json(SETTING_KNOB, config), "seed", (json_int_t)setup->seed);
}

char *
setup_substitutions(const struct setup *setup)
{
    g_autoptr(GString) list = g_string_new(NULL);

    for (size_t axis = 0; policy_axes[axis].name; axis++) {
        const char *wanted = wanted_value(setup, axis);
        const char *used = shown_value(setup, axis);
        if (strcmp(wanted, used) != 0)
            g_string_append_printf(list, "%s %s=%s (wants %s)",
                                   list->len > 0 ? "," : "",
                                   policy_axes[axis].name, used, wanted);
    }
    if (list->len == 0)
        return NULL;
    return g_strdup_printf("%s on %s runs with the nearest built values:%s",
                           setup->kernel_name, setup->machine_name, list->str);
}
