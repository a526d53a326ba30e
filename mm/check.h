/*
 * Assertions for our own bugs.
 *
 * mm_assert() states a local fact, costs a compare, and is on in every build:
 * a simulator that carries on from a broken state prints wrong numbers, which
 * is worse than printing none.  mm_assert_deep() guards whole-structure walks
 * and acts only with -Ddeep_checks=true.
 *
 * Neither is for bad input or for simulated failure.  Bad input is a GError in
 * sim/ and traces/; a simulated machine out of memory is a return value.
 */
#pragma once

#include <stdbool.h>

#ifndef MM_DEEP_CHECKS
#define MM_DEEP_CHECKS 0
#endif

_Noreturn void mm_assert_failed(const char *expr, const char *file, int line);

#define mm_assert(expr)                                                        \
    ((expr) ? (void)0 : mm_assert_failed(#expr, __FILE__, __LINE__))

/* A numbered invariant of a header, in a validator: the failure names it. */
#define mm_invariant(name, expr)                                               \
    ((expr) ? (void)0 : mm_assert_failed(#name ": " #expr, __FILE__, __LINE__))

/* A plain `if`, not #ifdef, so that the walk is always compiled. */
#define mm_assert_deep(expr)                                                   \
    do {                                                                       \
        if (MM_DEEP_CHECKS)                                                    \
            mm_assert(expr);                                                   \
    } while (0)
