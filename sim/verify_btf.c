/*
 * Types of the kernel, found by walking all of them: they are of many lengths,
 * and only the order of the file numbers them.
 */
#include "sim/verify_btf.h"

#include <glib.h>
#include <linux/btf.h>
#include <string.h>

#define KIND_ENUM64 19  // younger than the headers of some hosts
#define DEPTH_MAX   8   // of structures in structures

struct btf {
    char *data;
    const char *strings;
    size_t string_bytes;
    GPtrArray *types;  // const struct btf_type *, by id; none has id 0
};

/* What follows the head of a type; SIZE_MAX: unknown. */
static size_t
tail_bytes(const struct btf_type *type)
{
    size_t count = BTF_INFO_VLEN(type->info);

    switch (BTF_INFO_KIND(type->info)) {
    case BTF_KIND_PTR:
    case BTF_KIND_FWD:
    case BTF_KIND_TYPEDEF:
    case BTF_KIND_VOLATILE:
    case BTF_KIND_CONST:
    case BTF_KIND_RESTRICT:
    case BTF_KIND_FUNC:
    case BTF_KIND_FLOAT:
    case BTF_KIND_TYPE_TAG:
        return 0;
    case BTF_KIND_INT:
    case BTF_KIND_VAR:
    case BTF_KIND_DECL_TAG:
        return sizeof(uint32_t);
    case BTF_KIND_ARRAY:
        return sizeof(struct btf_array);
    case BTF_KIND_STRUCT:
    case BTF_KIND_UNION:
        return count * sizeof(struct btf_member);
    case BTF_KIND_ENUM:
        return count * sizeof(struct btf_enum);
    case BTF_KIND_FUNC_PROTO:
        return count * sizeof(struct btf_param);
    case BTF_KIND_DATASEC:
        return count * sizeof(struct btf_var_secinfo);
    case KIND_ENUM64:
        return count * 3 * sizeof(uint32_t);
    default:
        return SIZE_MAX;
    }
}

/* Number the types; false: this is not all of them. */
static bool
index_types(struct btf *btf, const char *at, size_t bytes)
{
    g_ptr_array_add(btf->types, NULL);
    while (bytes >= sizeof(struct btf_type)) {
        const struct btf_type *type = (const void *)at;
        size_t tail = tail_bytes(type);
        if (tail > bytes - sizeof(*type))
            return false;
        g_ptr_array_add(btf->types, (void *)(uintptr_t)type);
        at += sizeof(*type) + tail;
        bytes -= sizeof(*type) + tail;
    }
    return bytes == 0;
}

static bool
is_within(uint64_t offset, uint64_t length, size_t bytes)
{
    return offset % sizeof(uint32_t) == 0 && offset + length <= bytes;
}

static bool
parse(struct btf *btf, size_t bytes)
{
    const struct btf_header *header = (const void *)btf->data;

    if (bytes < sizeof(*header) || header->magic != BTF_MAGIC ||
        header->hdr_len > bytes || header->hdr_len % sizeof(uint32_t) != 0)
        return false;
    const char *body = btf->data + header->hdr_len;
    bytes -= header->hdr_len;
    if (!is_within(header->type_off, header->type_len, bytes) ||
        !is_within(header->str_off, header->str_len, bytes) ||
        header->str_len == 0 ||
        body[header->str_off + header->str_len - 1] != '\0')
        return false;
    btf->strings = body + header->str_off;
    btf->string_bytes = header->str_len;
    return index_types(btf, body + header->type_off, header->type_len);
}

struct btf *
btf_open(const char *path)
{
    struct btf *btf = g_new0(struct btf, 1);
    gsize bytes;

    btf->types = g_ptr_array_new();
    if (g_file_get_contents(path, &btf->data, &bytes, NULL) &&
        parse(btf, bytes))
        return btf;
    btf_close(btf);
    return NULL;
}

void
btf_close(struct btf *btf)
{
    if (!btf)
        return;
    g_ptr_array_unref(btf->types);
    g_free(btf->data);
    g_free(btf);
}

static const char *
name_at(const struct btf *btf, uint32_t offset)
{
    return offset < btf->string_bytes ? btf->strings + offset : "";
}

/* 0: none. */
static uint32_t
find_type(const struct btf *btf, uint32_t kind, const char *name)
{
    for (guint id = 1; id < btf->types->len; id++) {
        const struct btf_type *type = btf->types->pdata[id];
        if (BTF_INFO_KIND(type->info) == kind &&
            strcmp(name_at(btf, type->name_off), name) == 0)
            return id;
    }
    return 0;
}

uint32_t
btf_function_id(const struct btf *btf, const char *name)
{
    return find_type(btf, BTF_KIND_FUNC, name);
}

/* Where any member of the structure is a bit field, the top byte of each offset
 * is a length. */
static uint32_t
member_offset(const struct btf_type *type, const struct btf_member *member)
{
    return BTF_INFO_KFLAG(type->info) ? BTF_MEMBER_BIT_OFFSET(member->offset)
                                      : member->offset;
}

static bool
find_member(const struct btf *btf, uint32_t id, const char *name,
            uint64_t *offset_bits, unsigned depth)
{
    const struct btf_type *type =
        id < btf->types->len ? btf->types->pdata[id] : NULL;
    uint32_t kind = type ? BTF_INFO_KIND(type->info) : BTF_KIND_UNKN;

    if ((kind != BTF_KIND_STRUCT && kind != BTF_KIND_UNION) ||
        depth == DEPTH_MAX)
        return false;
    const struct btf_member *members = (const void *)(type + 1);
    for (uint32_t i = 0; i < BTF_INFO_VLEN(type->info); i++) {
        const char *own = name_at(btf, members[i].name_off);
        uint64_t inner = 0;
        if (strcmp(own, name) != 0 &&
            (*own ||
             !find_member(btf, members[i].type, name, &inner, depth + 1)))
            continue;
        *offset_bits = inner + member_offset(type, &members[i]);
        return true;
    }
    return false;
}

bool
btf_member_offset(const struct btf *btf, const char *structure,
                  const char *member, size_t *offset_bytes)
{
    uint64_t bits;

    if (!find_member(btf, find_type(btf, BTF_KIND_STRUCT, structure), member,
                     &bits, 0) ||
        bits % 8 != 0)
        return false;
    *offset_bytes = bits / 8;
    return true;
}
