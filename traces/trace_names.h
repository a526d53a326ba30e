/*
 * What the region names of one address space mean: string index -> binding.
 *
 * A fork copies the whole table, and a server may fork ten thousand times with
 * a thousand names.  So a table is a tree of shared nodes: a copy costs one
 * count, and binding a name afterwards copies the path to it, nothing else.
 */
#pragma once

#include <stdint.h>

struct trace_name_node;

struct trace_names {
    struct trace_name_node *root;  // NULL: no name is bound
    uint32_t levels;               // from root to leaf, 1: the root is a leaf
};

/* UINT32_MAX when the name is not bound. */
uint32_t trace_names_get(const struct trace_names *names, uint32_t name);
void trace_names_set(struct trace_names *names, uint32_t name,
                     uint32_t binding);
/* Both tables must be cleared in the end. */
struct trace_names trace_names_copy(const struct trace_names *names);
void trace_names_clear(struct trace_names *names);
