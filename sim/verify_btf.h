/*
 * What this host's kernel says of its own types (BTF, /sys/kernel/btf/vmlinux):
 * as much as a program needs that reads a few members of one structure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct btf;

/* NULL: there is none, or nobody here can read it. */
struct btf *btf_open(const char *path);
void btf_close(struct btf *btf);

/* The id of a function; 0: no such. */
uint32_t btf_function_id(const struct btf *btf, const char *name);

/* Where a member of a structure begins, also one of nameless structures and
 * unions in it; false: it has no such member, or one that begins within a
 * byte. */
bool btf_member_offset(const struct btf *btf, const char *structure,
                       const char *member, size_t *offset_bytes);
