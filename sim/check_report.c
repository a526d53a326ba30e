/*
 * Counting what differs, and keeping the first differences.
 */
#include "sim/check_report.h"

enum { SHOWN_COUNT = 10, WAITING_MAX = 4096 };

static void
difference_free(gpointer data)
{
    struct check_difference *difference = data;

    g_array_unref(difference->parts);
    g_free(difference->what);
    g_free(difference->expected);
    g_free(difference->found);
    if (difference->vmas)
        g_ptr_array_unref(difference->vmas);
    g_free(difference->pte);
    g_free(difference);
}

struct check_difference *
check_difference_new(uint64_t event, uint64_t access)
{
    struct check_difference *difference = g_new0(struct check_difference, 1);

    difference->event = event;
    difference->access = access;
    difference->parts = g_array_new(FALSE, FALSE, sizeof(struct check_part));
    return difference;
}

void
check_difference_add(struct check_difference *difference,
                     const struct check_part *part)
{
    g_array_append_vals(difference->parts, part, 1);
}

void
check_report_init(struct check_report *report)
{
    report->first = g_ptr_array_new_with_free_func(difference_free);
    report->waiting = g_ptr_array_new_with_free_func(difference_free);
}

void
check_report_finish(struct check_report *report)
{
    g_ptr_array_unref(report->first);
    g_ptr_array_unref(report->waiting);
}

bool
check_report_wants_words(const struct check_report *report)
{
    return report->first->len < SHOWN_COUNT;
}

/* Into the first ones, in its place, if it belongs there. */
static void
keep(struct check_report *report, struct check_difference *difference)
{
    guint place = report->first->len;

    if (!difference->what) {
        difference_free(difference);
        return;
    }
    while (place > 0) {
        const struct check_difference *before = report->first->pdata[place - 1];
        if (before->event <= difference->event)
            break;
        place--;
    }
    g_ptr_array_insert(report->first, (gint)place, difference);
    if (report->first->len > SHOWN_COUNT)
        g_ptr_array_remove_index(report->first, SHOWN_COUNT);
}

static enum race_verdict
judge_part(const struct races *races, const struct check_difference *difference,
           const struct check_part *part)
{
    if (difference->access == 0 || part->start >= part->end)
        return RACE_NONE;
    return races_judge(races, difference->access, part->start, part->end);
}

/* False: a window that matters has not ended; ask again, if `may_wait`. */
static bool
settle(struct check_report *report, const struct races *races,
       struct check_difference *difference, bool may_wait)
{
    g_autofree bool *has_raced = g_new0(bool, difference->parts->len);
    bool have_all = true;

    for (guint i = 0; i < difference->parts->len; i++) {
        enum race_verdict verdict =
            judge_part(races, difference,
                       &g_array_index(difference->parts, struct check_part, i));
        if (verdict == RACE_OPEN && may_wait)
            return false;
        has_raced[i] = verdict == RACE_FOUND;
        have_all &= has_raced[i];
    }
    for (guint i = 0; i < difference->parts->len; i++) {
        const struct check_part *part =
            &g_array_index(difference->parts, struct check_part, i);
        struct check_tally *tally = &report->tally[part->kind];
        *(has_raced[i] ? &tally->raced_count : &tally->mismatch_count) +=
            part->count;
    }
    *(have_all ? &report->raced_count : &report->mismatch_count) += 1;
    if (have_all)
        difference_free(difference);
    else
        keep(report, difference);
    return true;
}

void
check_report_add(struct check_report *report, const struct races *races,
                 struct check_difference *difference)
{
    if (difference->access == 0)
        settle(report, races, difference, false);
    else
        g_ptr_array_add(report->waiting, difference);
}

void
check_report_settle(struct check_report *report, const struct races *races,
                    bool is_end)
{
    GPtrArray *waiting = report->waiting;
    uint64_t count = races_count(races);
    guint kept = 0;

    for (guint i = 0; i < waiting->len; i++) {
        struct check_difference *difference = waiting->pdata[i];
        bool is_due = is_end || difference->access + RACES_HORIZON <= count;
        bool may_wait = !is_end && waiting->len - i + kept <= WAITING_MAX;
        if (!is_due || !settle(report, races, difference, may_wait))
            waiting->pdata[kept++] = difference;
    }
    /* The others have found their owners. */
    g_ptr_array_set_free_func(waiting, NULL);
    g_ptr_array_set_size(waiting, (gint)kept);
    g_ptr_array_set_free_func(waiting, difference_free);
}

/* ---- JSON ---- */

static const char *
kind_name(unsigned kind)
{
    static const char *const names[CHECK_TOUCH] = {"success", "errno",
                                                   "address", "vma", "expect"};

    return kind < CHECK_TOUCH
               ? names[kind]
               : trace_outcome_word((enum trace_outcome)(kind - CHECK_TOUCH));
}

static json_t *
kinds_json(const struct check_report *report)
{
    json_t *kinds = json_object();

    for (unsigned i = 0; i < CHECK_KIND_COUNT; i++) {
        const struct check_tally *tally = &report->tally[i];
        json_object_set_new(
            kinds, kind_name(i),
            json_pack("{s:I, s:I, s:I}", "compared_count",
                      (json_int_t)tally->compared_count, "mismatch_count",
                      (json_int_t)tally->mismatch_count, "raced_count",
                      (json_int_t)tally->raced_count));
    }
    return kinds;
}

static json_t *
difference_json(const struct check_difference *difference)
{
    return json_pack(
        "{s:I, s:I, s:I, s:s, s:s, s:s}", "event",
        (json_int_t)difference->event, "line", (json_int_t)difference->line,
        "task", (json_int_t)difference->task, "what", difference->what,
        "expected", difference->expected, "found", difference->found);
}

static json_t *
explained_json(const struct check_difference *difference)
{
    json_t *object = difference_json(difference);
    json_t *vmas = json_array();

    for (guint i = 0; difference->vmas && i < difference->vmas->len; i++)
        json_array_append_new(vmas, json_string(difference->vmas->pdata[i]));
    json_object_set_new(object, "vma_count",
                        json_integer((json_int_t)difference->vma_count));
    json_object_set_new(object, "vmas", vmas);
    json_object_set_new(object, "pte",
                        difference->pte ? json_string(difference->pte)
                                        : json_null());
    return object;
}

json_t *
check_report_json(const struct check_report *report)
{
    json_t *differences = json_array();

    for (guint i = 0; i < report->first->len; i++)
        json_array_append_new(differences,
                              explained_json(report->first->pdata[i]));
    return json_pack("{s:I, s:I, s:I, s:o, s:o, s:o}", "compared_count",
                     (json_int_t)report->compared_count, "mismatch_count",
                     (json_int_t)report->mismatch_count, "raced_count",
                     (json_int_t)report->raced_count, "first",
                     report->first->len > 0
                         ? difference_json(report->first->pdata[0])
                         : json_null(),
                     "kinds", kinds_json(report), "differences", differences);
}
