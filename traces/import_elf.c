/*
 * Reads the program headers of a 64-bit ELF file of this host's byte order.
 */
#include "traces/import_elf.h"

#include <elf.h>
#include <string.h>

#include "traces/trace.h"

#define PAGE_BYTES UINT64_C(4096)

enum { HEADERS_MAX = 256 };

static uint64_t
page_floor(uint64_t address)
{
    return address & ~(PAGE_BYTES - 1);
}

static uint64_t
page_ceiling(uint64_t address)
{
    return page_floor(address + PAGE_BYTES - 1);
}

static void
add_segment(struct import_elf *elf, const Elf64_Phdr *header)
{
    struct import_segment segment = {
        .start = page_floor(header->p_vaddr),
        .end = page_ceiling(header->p_vaddr + header->p_filesz),
        .offset = page_floor(header->p_offset),
        .prot = (uint8_t)((header->p_flags & PF_R ? TRACE_PROT_READ : 0) |
                          (header->p_flags & PF_W ? TRACE_PROT_WRITE : 0) |
                          (header->p_flags & PF_X ? TRACE_PROT_EXEC : 0)),
    };
    uint64_t end = page_ceiling(header->p_vaddr + header->p_memsz);
    if (segment.end > segment.start)
        g_array_append_val(elf->segments, segment);
    if (end <= segment.end)
        return;
    segment.start = segment.end;
    segment.end = end;
    segment.offset = 0;
    segment.is_anon = true;
    g_array_append_val(elf->segments, segment);
}

static bool
read_headers(struct import_elf *elf, const char *bytes, gsize length)
{
    Elf64_Ehdr file;
    if (length < sizeof(file))
        return false;
    memcpy(&file, bytes, sizeof(file));
    if (memcmp(file.e_ident, ELFMAG, SELFMAG) != 0 ||
        file.e_ident[EI_CLASS] != ELFCLASS64 ||
        file.e_phentsize != sizeof(Elf64_Phdr) || file.e_phnum > HEADERS_MAX ||
        file.e_phoff > length ||
        file.e_phnum * sizeof(Elf64_Phdr) > length - file.e_phoff)
        return false;
    elf->entry = file.e_entry;
    elf->is_relocatable = file.e_type == ET_DYN;
    for (unsigned i = 0; i < file.e_phnum; i++) {
        Elf64_Phdr header;
        memcpy(&header, bytes + file.e_phoff + i * sizeof(header),
               sizeof(header));
        if (header.p_type == PT_LOAD)
            add_segment(elf, &header);
        if (header.p_type == PT_INTERP && header.p_offset < length) {
            g_free(elf->interpreter);
            elf->interpreter =
                g_strndup(bytes + header.p_offset,
                          MIN(header.p_filesz, length - header.p_offset));
        }
    }
    return elf->segments->len > 0;
}

struct import_elf *
import_elf_read(const char *path)
{
    g_autoptr(GMappedFile) file = g_mapped_file_new(path, FALSE, NULL);
    if (!file)
        return NULL;
    struct import_elf *elf = g_new0(struct import_elf, 1);
    elf->segments = g_array_new(FALSE, FALSE, sizeof(struct import_segment));
    if (read_headers(elf, g_mapped_file_get_contents(file),
                     g_mapped_file_get_length(file)))
        return elf;
    import_elf_free(elf);
    return NULL;
}

void
import_elf_free(struct import_elf *elf)
{
    if (!elf)
        return;
    g_array_unref(elf->segments);
    g_free(elf->interpreter);
    g_free(elf);
}
