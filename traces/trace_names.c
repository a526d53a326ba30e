/*
 * A persistent radix tree: 32 children per node, 64 names per leaf.  Names are
 * interned strings, hence small dense numbers, and a million of them makes
 * four levels.
 *
 *        root (level 2)             a copy's root
 *        [0][1]...[31]              [0][1]...[31]
 *         |  `-----------.           |   |
 *       leaf of 0..63     `--> leaf of 64..127, users = 2
 *
 * A node with more than one user is never written: it is cloned first.
 */
#include "traces/trace_names.h"

#include <glib.h>
#include <stdbool.h>
#include <string.h>

enum {
    FANOUT_SHIFT = 5,
    FANOUT = 1 << FANOUT_SHIFT,
    LEAF_SHIFT = FANOUT_SHIFT + 1,  // a binding is half as wide as a pointer
    LEAF_NAMES = 1 << LEAF_SHIFT,
};

struct trace_name_node {
    uint32_t users;
    uint32_t level;  // 1: a leaf
    union {
        struct trace_name_node *child[FANOUT];
        uint32_t binding[LEAF_NAMES];
    };
};

static struct trace_name_node *
node_new(uint32_t level)
{
    struct trace_name_node *node = g_new0(struct trace_name_node, 1);
    node->users = 1;
    node->level = level;
    if (level == 1)
        memset(node->binding, 0xff, sizeof(node->binding));
    return node;
}

static void
node_unref(struct trace_name_node *node)
{
    if (!node || --node->users > 0)
        return;
    if (node->level > 1) {
        for (unsigned i = 0; i < FANOUT; i++)
            node_unref(node->child[i]);
    }
    g_free(node);
}

/* A node that only this table uses, in place of *place. */
static struct trace_name_node *
node_own(struct trace_name_node **place)
{
    struct trace_name_node *node = *place;
    if (node->users == 1)
        return node;
    struct trace_name_node *clone = g_memdup2(node, sizeof(*node));
    clone->users = 1;
    for (unsigned i = 0; node->level > 1 && i < FANOUT; i++) {
        if (clone->child[i])
            clone->child[i]->users++;
    }
    node->users--;
    *place = clone;
    return clone;
}

/* Bits of a name that a node of this level and those below it tell apart. */
static unsigned
bits_at(uint32_t level)
{
    return LEAF_SHIFT + FANOUT_SHIFT * (level - 1);
}

/* Where a node above the leaves has the child for this name. */
static unsigned
slot_at(uint32_t name, uint32_t level)
{
    return (name >> bits_at(level - 1)) % FANOUT;
}

static bool
is_beyond(const struct trace_names *names, uint32_t name)
{
    return (uint64_t)name >> bits_at(names->levels) != 0;
}

uint32_t
trace_names_get(const struct trace_names *names, uint32_t name)
{
    const struct trace_name_node *node = names->root;
    if (!node || is_beyond(names, name))
        return UINT32_MAX;
    for (uint32_t level = names->levels; level > 1; level--) {
        node = node->child[slot_at(name, level)];
        if (!node)
            return UINT32_MAX;
    }
    return node->binding[name % LEAF_NAMES];
}

void
trace_names_set(struct trace_names *names, uint32_t name, uint32_t binding)
{
    if (!names->root) {
        names->levels = 1;
        names->root = node_new(1);
    }
    while (is_beyond(names, name)) {
        struct trace_name_node *root = node_new(++names->levels);
        root->child[0] = names->root;
        names->root = root;
    }
    struct trace_name_node **place = &names->root;
    for (uint32_t level = names->levels; level > 1; level--) {
        struct trace_name_node *node = node_own(place);
        place = &node->child[slot_at(name, level)];
        if (!*place)
            *place = node_new(level - 1);
    }
    node_own(place)->binding[name % LEAF_NAMES] = binding;
}

struct trace_names
trace_names_copy(const struct trace_names *names)
{
    if (names->root)
        names->root->users++;
    return *names;
}

void
trace_names_clear(struct trace_names *names)
{
    node_unref(names->root);
    *names = (struct trace_names){.root = NULL};
}
