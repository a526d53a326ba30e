/*
 * The build-id note of the program, found through its program headers.
 */
#include "sim/build_id.h"

#include <elf.h>
#include <glib.h>
#include <link.h>
#include <string.h>

static size_t
padded(size_t bytes)
{
    return (bytes + 3) & ~(size_t)3;
}

static void
append_hex(GString *out, const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        g_string_append_printf(out, "%02x", bytes[i]);
}

static void
search_notes(GString *out, const uint8_t *at, const uint8_t *end)
{
    ElfW(Nhdr) note;

    for (; at + sizeof(note) <= end;
         at += sizeof(note) + padded(note.n_namesz) + padded(note.n_descsz)) {
        memcpy(&note, at, sizeof(note));
        const uint8_t *name = at + sizeof(note);
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
            memcmp(name, "GNU", 4) == 0)
            append_hex(out, name + 4, note.n_descsz);
    }
}

/* The program itself is the first that the linker tells of. */
static int
search_program(struct dl_phdr_info *info, size_t size, void *out)
{
    (void)size;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        const uint8_t *notes =
            (const uint8_t *)(info->dlpi_addr + header->p_vaddr);
        if (header->p_type == PT_NOTE && header->p_align <= 4)
            search_notes(out, notes, notes + header->p_memsz);
    }
    return 1;  // no other object
}

char *
build_id(void)
{
    GString *out = g_string_new(NULL);

    dl_iterate_phdr(search_program, out);
    return g_string_free(out, FALSE);
}
