/*
 * An ELF executable of one page.  The kernel puts the heap right behind it, so
 * that its place decides where the heap begins.
 */
#include "sim/verify_image.h"

#include "mm/types.h"
#include "sim/error.h"
#include "sim/verify_host.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

static const uint8_t syscall_code[] = {
    0x0f, 0x05,  // syscall
    0xcc,        // int3
};
static const uint8_t read_code[] = {
    0x8a, 0x07,        // again: mov al, [rdi]
    0x48, 0x01, 0xf7,  // add rdi, rsi
    0x48, 0xff, 0xc9,  // dec rcx
    0x75, 0xf6,        // jnz again
    0xcc,              // int3
};
/* What is written is zero: all memory of a worker stays the instruction that
 * host_touch() needs for fetches. */
static const uint8_t write_code[] = {
    0xc6, 0x07, 0x00,  // again: mov byte [rdi], 0
    0x48, 0x01, 0xf7,  // add rdi, rsi
    0x48, 0xff, 0xc9,  // dec rcx
    0x75, 0xf5,        // jnz again
    0xcc,              // int3
};

static void
fill_headers(uint8_t *page, uint64_t base)
{
    Elf64_Ehdr header = {
        .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
                    EV_CURRENT},
        .e_type = ET_EXEC,
        .e_machine = EM_X86_64,
        .e_version = EV_CURRENT,
        .e_entry = base + IMAGE_SYSCALL,
        .e_phoff = sizeof(Elf64_Ehdr),
        .e_ehsize = sizeof(Elf64_Ehdr),
        .e_phentsize = sizeof(Elf64_Phdr),
        .e_phnum = 2,
    };
    Elf64_Phdr segments[2] = {
        {.p_type = PT_LOAD,
         .p_flags = PF_R | PF_X,
         .p_vaddr = base,
         .p_filesz = PAGE_BYTES,
         .p_memsz = PAGE_BYTES,
         .p_align = PAGE_BYTES},
        {.p_type = PT_GNU_STACK, .p_flags = PF_R | PF_W},
    };

    memcpy(page, &header, sizeof(header));
    memcpy(page + sizeof(header), segments, sizeof(segments));
}

/* What the kernel is to believe: arguments and environment are empty. */
static void
fill_places(uint8_t *page, uint64_t brk_start)
{
    const struct prctl_mm_map places = {
        .start_code = HOST_CODE_ADDR,
        .end_code = HOST_CODE_ADDR + PAGE_BYTES,
        .start_data = HOST_CODE_ADDR,
        .end_data = HOST_CODE_ADDR,
        .start_brk = brk_start,
        .brk = brk_start,
        .start_stack = HOST_CODE_ADDR,
        .arg_start = HOST_CODE_ADDR,
        .arg_end = HOST_CODE_ADDR,
        .env_start = HOST_CODE_ADDR,
        .env_end = HOST_CODE_ADDR,
        .exe_fd = UINT32_MAX,
    };

    memcpy(page + IMAGE_PLACES, &places, sizeof(places));
}

/* A file that is open for writing cannot be executed. */
static int
reopen_read_only(int fd)
{
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);
    int again = open(path, O_RDONLY);

    close(fd);
    return again;
}

int
image_create(uint64_t brk_start, GError **error)
{
    uint8_t page[PAGE_BYTES] = {0};
    int fd = -1;

#if defined(__x86_64__)
    fd = memfd_create("vmsim-worker", 0);
#endif
    fill_headers(page, brk_start - PAGE_BYTES);
    fill_places(page, brk_start);
    memcpy(page + IMAGE_SYSCALL, syscall_code, sizeof(syscall_code));
    memcpy(page + IMAGE_READ, read_code, sizeof(read_code));
    memcpy(page + IMAGE_WRITE, write_code, sizeof(write_code));
    if (fd >= 0 && write(fd, page, sizeof(page)) == (ssize_t)sizeof(page))
        fd = reopen_read_only(fd);
    if (fd < 0)
        sim_fail(error, SIM_ERROR_FAILED, "no program for workers: %s",
                 g_strerror(errno));
    return fd;
}
