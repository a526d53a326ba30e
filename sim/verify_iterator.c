/*
 * A BPF program on the kernel's list of VMAs, written out by hand: it is shown
 * one VMA after the other and copies five words of each to whoever reads.
 */
#include "sim/verify_iterator.h"

#include "sim/verify_btf.h"

#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TYPES_PATH  "/sys/kernel/btf/vmlinux"
#define ENTRY       "bpf_iter_task_vma"
#define RECORD_SIZE ((int)sizeof(struct iterated_vma))
#define CHUNK_BYTES (1 << 16)
/* What the program is shown: where its parts stand is fixed. */
#define SHOWN_META 0   // whose first word is the file that is written
#define SHOWN_VMA  16  // NULL at the end

struct iterator {
    int program;
};

static int
call_bpf(enum bpf_cmd command, union bpf_attr *attributes)
{
    return (int)syscall(SYS_bpf, command, attributes, sizeof(*attributes));
}

/* ---- the program ---- */

/* Registers: the VMA stays in r6, what the program is shown in r7; r10 is the
 * end of the stack, where a record is put together. */
static struct bpf_insn
load(unsigned target, unsigned base, size_t offset)
{
    return (struct bpf_insn){.code = BPF_LDX | BPF_MEM | BPF_DW,
                             .dst_reg = target & 0xfU,
                             .src_reg = base & 0xfU,
                             .off = (int16_t)offset};
}

static struct bpf_insn
store(int offset, unsigned source)
{
    return (struct bpf_insn){.code = BPF_STX | BPF_MEM | BPF_DW,
                             .dst_reg = BPF_REG_10,
                             .src_reg = source & 0xfU,
                             .off = (int16_t)offset};
}

static struct bpf_insn
copy(unsigned target, unsigned source)
{
    return (struct bpf_insn){.code = BPF_ALU64 | BPF_MOV | BPF_X,
                             .dst_reg = target & 0xfU,
                             .src_reg = source & 0xfU};
}

static struct bpf_insn
set(unsigned target, int32_t value)
{
    return (struct bpf_insn){.code = BPF_ALU64 | BPF_MOV | BPF_K,
                             .dst_reg = target & 0xfU,
                             .imm = value};
}

static struct bpf_insn
add(unsigned target, int32_t value)
{
    return (struct bpf_insn){.code = BPF_ALU64 | BPF_ADD | BPF_K,
                             .dst_reg = target & 0xfU,
                             .imm = value};
}

static struct bpf_insn
skip_if_zero(unsigned source, int16_t count)
{
    return (struct bpf_insn){.code = BPF_JMP | BPF_JEQ | BPF_K,
                             .dst_reg = source & 0xfU,
                             .off = count};
}

static struct bpf_insn
call(int32_t function)
{
    return (struct bpf_insn){.code = BPF_JMP | BPF_CALL, .imm = function};
}

static struct bpf_insn
leave(void)
{
    return (struct bpf_insn){.code = BPF_JMP | BPF_EXIT};
}

/* Where the members stand that are copied. */
struct members {
    size_t start, end, flags, offset, file;
};

static bool
find_members(const struct btf *types, struct members *at)
{
    const struct {
        const char *name;
        size_t *offset;
    } wanted[] = {
        {"vm_start", &at->start}, {"vm_end", &at->end},
        {"vm_flags", &at->flags}, {"vm_pgoff", &at->offset},
        {"vm_file", &at->file},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(wanted); i++)
        if (!btf_member_offset(types, "vm_area_struct", wanted[i].name,
                               wanted[i].offset) ||
            *wanted[i].offset > INT16_MAX)
            return false;
    return true;
}

/* A pointer to a file must not leave the kernel: a one stands for it. */
static int
load_program(const struct members *at, uint32_t entry_id)
{
    const struct bpf_insn program[] = {
        copy(BPF_REG_7, BPF_REG_1),
        load(BPF_REG_6, BPF_REG_7, SHOWN_VMA),
        skip_if_zero(BPF_REG_6, 19),
        load(BPF_REG_1, BPF_REG_6, at->start),
        store(-40, BPF_REG_1),
        load(BPF_REG_1, BPF_REG_6, at->end),
        store(-32, BPF_REG_1),
        load(BPF_REG_1, BPF_REG_6, at->flags),
        store(-24, BPF_REG_1),
        load(BPF_REG_1, BPF_REG_6, at->offset),
        store(-16, BPF_REG_1),
        load(BPF_REG_1, BPF_REG_6, at->file),
        set(BPF_REG_2, 0),
        skip_if_zero(BPF_REG_1, 1),
        set(BPF_REG_2, 1),
        store(-8, BPF_REG_2),
        load(BPF_REG_1, BPF_REG_7, SHOWN_META),
        load(BPF_REG_1, BPF_REG_1, 0),
        copy(BPF_REG_2, BPF_REG_10),
        add(BPF_REG_2, -RECORD_SIZE),
        set(BPF_REG_3, RECORD_SIZE),
        call(BPF_FUNC_seq_write),
        set(BPF_REG_0, 0),
        leave(),
    };
    union bpf_attr attributes;

    memset(&attributes, 0, sizeof(attributes));
    attributes.prog_type = BPF_PROG_TYPE_TRACING;
    attributes.expected_attach_type = BPF_TRACE_ITER;
    attributes.attach_btf_id = entry_id;
    attributes.insns = (uintptr_t)program;
    attributes.insn_cnt = G_N_ELEMENTS(program);
    attributes.license = (uintptr_t) "Dual MIT/GPL";
    return call_bpf(BPF_PROG_LOAD, &attributes);
}

struct iterator *
iterator_open(void)
{
    struct btf *types = btf_open(TYPES_PATH);
    uint32_t entry_id = types ? btf_function_id(types, ENTRY) : 0;
    struct members at;
    int program = -1;

    if (entry_id > 0 && find_members(types, &at))
        program = load_program(&at, entry_id);
    btf_close(types);
    if (program < 0)
        return NULL;
    struct iterator *iterator = g_new(struct iterator, 1);
    iterator->program = program;
    return iterator;
}

void
iterator_close(struct iterator *iterator)
{
    if (!iterator)
        return;
    close(iterator->program);
    g_free(iterator);
}

/* ---- a run ---- */

/* The program over one process's list: what is to be read, or -1. */
static int
attach(const struct iterator *iterator, pid_t pid)
{
    /* The union of the kernel's header, as far as every one has it.  By its
     * first thread (tid) 6.18 would hand out the end again and again. */
    const struct {
        uint32_t tid, pid, pid_fd;
    } whose = {.pid = (uint32_t)pid};
    union bpf_attr attributes;

    memset(&attributes, 0, sizeof(attributes));
    attributes.link_create.prog_fd = (uint32_t)iterator->program;
    attributes.link_create.attach_type = BPF_TRACE_ITER;
    attributes.link_create.iter_info = (uintptr_t)&whose;
    attributes.link_create.iter_info_len = sizeof(whose);
    int link = call_bpf(BPF_LINK_CREATE, &attributes);
    if (link < 0)
        return -1;
    memset(&attributes, 0, sizeof(attributes));
    attributes.iter_create.link_fd = (uint32_t)link;
    int list = call_bpf(BPF_ITER_CREATE, &attributes);
    close(link);
    return list;
}

/* Whether what was read from `from` on goes on where the list was: a kernel may
 * begin again rather than end. */
static bool
goes_on(const GArray *vmas, size_t from)
{
    if (from == 0 || from >= vmas->len)
        return true;
    const struct iterated_vma *next =
        &g_array_index(vmas, struct iterated_vma, from);
    return next->start >= next[-1].end;
}

bool
iterator_read(const struct iterator *iterator, pid_t pid, GArray *vmas)
{
    const size_t size = sizeof(struct iterated_vma);
    int list = attach(iterator, pid);
    size_t bytes = 0, count;
    ssize_t got;

    if (list < 0)
        return false;
    do {
        count = bytes / size;
        g_array_set_size(vmas, (guint)((bytes + CHUNK_BYTES) / size) + 1);
        got = read(list, vmas->data + bytes, CHUNK_BYTES);
        bytes += got > 0 ? (size_t)got : 0;
        g_array_set_size(vmas, (guint)(bytes / size));
    } while (got > 0 && goes_on(vmas, count));
    close(list);
    return got == 0 && bytes % size == 0;
}
