/*
 * What the simulated kernel leaves out, and what a reader should expect of it.
 */
#pragma once

struct not_modelled {
    const char *what;
    const char *effect;
};

/* Ends with a NULL `what`. */
extern const struct not_modelled not_modelled[];
