/*
 * What the kernel says of its types, and the list of VMAs that it hands out
 * without text.
 */
#include "sim/verify_btf.h"
#include "sim/verify_iterator.h"
#include "tests/run_suite.h"
#include "tests/sim/program.h"

#include <check.h>
#include <linux/btf.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- types ---- */

/*
 *  int f(void);               id 1: what it is, 2: the function
 *  struct inner { int c; };   3
 *  struct outer {             4
 *      int a;
 *      struct inner { int c; };   nameless, 8 bytes behind the start
 *      int bit : 3;               17 bytes and a bit behind it
 *  };
 *  struct far {               5
 *      int d;                     4 MiB behind the start
 *  };
 */
static const char names[] = "\0f\0inner\0c\0outer\0a\0bit\0far\0d";
enum { NAME_F = 1, NAME_INNER = 3, NAME_C = 9, NAME_OUTER = 11 };
enum { NAME_A = 17, NAME_BIT = 19, NAME_FAR = 23, NAME_D = 27 };

static const uint32_t types[] = {
    0,          BTF_KIND_FUNC_PROTO << 24,
    0,  // 1
    NAME_F,     BTF_KIND_FUNC << 24,
    1,  // 2
    NAME_INNER, BTF_KIND_STRUCT << 24 | 1,
    4,          NAME_C,
    0,          0,  // 3
    NAME_OUTER, 1U << 31 | BTF_KIND_STRUCT << 24 | 3,
    20,         NAME_A,
    0,          0,  // 4
    0,          3,
    64,         NAME_BIT,
    0,          3 << 24 | 137,
    NAME_FAR,   BTF_KIND_STRUCT << 24 | 1,
    1 << 22,    NAME_D,
    0,          1 << 25,  // 5
};

static GByteArray *
some_types(void)
{
    const struct btf_header header = {
        .magic = BTF_MAGIC,
        .version = 1,
        .hdr_len = sizeof(header),
        .type_len = sizeof(types),
        .str_off = sizeof(types),
        .str_len = sizeof(names),
    };
    GByteArray *bytes = g_byte_array_new();

    g_byte_array_append(bytes, (const void *)&header, sizeof(header));
    g_byte_array_append(bytes, (const void *)types, sizeof(types));
    g_byte_array_append(bytes, (const void *)names, sizeof(names));
    return bytes;
}

static struct btf *
open_bytes(const GByteArray *bytes, size_t count)
{
    const char *path = in_folder("types");

    ck_assert(g_file_set_contents(path, (const char *)bytes->data,
                                  (gssize)count, NULL));
    return btf_open(path);
}

START_TEST(members_are_found_also_in_nameless_structures)
{
    enter_folder();
    g_autoptr(GByteArray) bytes = some_types();
    struct btf *btf = open_bytes(bytes, bytes->len);
    size_t offset;

    ck_assert_ptr_nonnull(btf);
    ck_assert_uint_eq(btf_function_id(btf, "f"), 2);
    ck_assert_uint_eq(btf_function_id(btf, "outer"), 0);
    ck_assert(btf_member_offset(btf, "outer", "c", &offset));
    ck_assert_uint_eq(offset, 8);
    ck_assert(btf_member_offset(btf, "inner", "c", &offset));
    ck_assert_uint_eq(offset, 0);
    ck_assert(btf_member_offset(btf, "far", "d", &offset));
    ck_assert_uint_eq(offset, 1 << 22);
    ck_assert(!btf_member_offset(btf, "outer", "bit", &offset));
    ck_assert(!btf_member_offset(btf, "outer", "b", &offset));
    ck_assert(!btf_member_offset(btf, "f", "c", &offset));
    btf_close(btf);
    leave_folder();
}
END_TEST

START_TEST(types_that_are_cut_or_unknown_are_none)
{
    enter_folder();
    g_autoptr(GByteArray) bytes = some_types();
    struct btf_header *header = (void *)bytes->data;

    for (size_t count = 0; count < bytes->len; count++)
        ck_assert_ptr_null(open_bytes(bytes, count));
    header->type_len -= 4;  // ends within a member
    ck_assert_ptr_null(open_bytes(bytes, bytes->len));
    header->type_len += 4;
    header->hdr_len++;  // types that begin within a word
    g_byte_array_append(bytes, (const guint8 *)"", 1);
    ck_assert_ptr_null(open_bytes(bytes, bytes->len));
    header = (void *)bytes->data;
    header->hdr_len--;
    bytes->data[sizeof(*header) + 7] = 31;  // kind of the first type
    ck_assert_ptr_null(open_bytes(bytes, bytes->len));
    ck_assert_ptr_null(btf_open(in_folder("nothing")));
    leave_folder();
}
END_TEST

/* ---- VMAs ---- */

static const struct iterated_vma *
vma_at(const GArray *vmas, const void *address)
{
    for (guint i = 0; i < vmas->len; i++) {
        const struct iterated_vma *vma =
            &g_array_index(vmas, struct iterated_vma, i);
        if (vma->start == (uintptr_t)address)
            return vma;
    }
    return NULL;
}

START_TEST(the_kernel_hands_out_its_list)
{
    enum { PAGES = 5000, PAGE = 4096 };
    struct iterator *iterator = iterator_open();
    g_autoptr(GArray) vmas =
        g_array_new(FALSE, FALSE, sizeof(struct iterated_vma));

    if (!iterator) {
        printf("# no list: not root, or a kernel without iterators\n");
        return;
    }
    char *pages =
        mmap(NULL, PAGES * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *code = mmap(NULL, PAGE, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (size_t i = 1; i < PAGES; i += 2)
        ck_assert(mprotect(pages + i * PAGE, PAGE, PROT_NONE) == 0);
    ck_assert(iterator_read(iterator, getpid(), vmas));
    ck_assert_uint_ge(vmas->len, PAGES);
    for (size_t i = 0; i < PAGES - 1; i++) {
        const struct iterated_vma *vma = vma_at(vmas, pages + i * PAGE);
        ck_assert_ptr_nonnull(vma);
        ck_assert_uint_eq(vma->end, vma->start + PAGE);
        ck_assert_uint_eq(vma->flags & 0xf, i % 2 == 0);
        ck_assert_uint_eq(vma->has_file, 0);
    }
    ck_assert_uint_eq(vma_at(vmas, code)->has_file, 1);
    munmap(pages, PAGES * PAGE);
    ck_assert(iterator_read(iterator, getpid(), vmas));
    ck_assert_uint_lt(vmas->len, PAGES);
    iterator_close(iterator);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("verify_iterator");
    TCase *tcase = tcase_create("types and VMAs");

    tcase_add_test(tcase, members_are_found_also_in_nameless_structures);
    tcase_add_test(tcase, types_that_are_cut_or_unknown_are_none);
    tcase_add_test(tcase, the_kernel_hands_out_its_list);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
