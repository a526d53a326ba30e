/*
 * index.md and index.html: what was drawn, what was not and why.
 */
#pragma once

#include "plots/picture.h"

/* `ending` is that of the pictures, or NULL if none was drawn; for
 * g_string_free. */
GString *index_markdown(const struct plot_runs *runs,
                        const struct picture *pictures, unsigned count,
                        const char *ending);
GString *index_html(const struct plot_runs *runs,
                    const struct picture *pictures, unsigned count,
                    const char *ending);
