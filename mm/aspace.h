/*
 * An address space (struct mm, the kernel's mm_struct) and the calls that
 * shape it.  The calls return an address or 0, or a negative errno, and change
 * nothing when they fail, except where the kernel keeps a part.
 */
#pragma once

#include "mm/gap.h"
#include "mm/maple.h"
#include "mm/merge.h"
#include "mm/pagetable.h"
#include "mm/vma.h"
#include "mm/vma_btree.h"

struct machine;
struct task;
struct file;
struct exec_layout;
struct vrange_set;

enum rss_kind { RSS_ANON, RSS_FILE, RSS_SHMEM, RSS_KIND_COUNT };

struct mm {
    struct machine *machine;
    struct mm *prev, *next;  // machine.mms, order of creation
    uint32_t id;             // 1-based, order of creation
    uint32_t user_count;     // tasks (a vfork child counts)

    struct vma *first, *last;
    struct vma_btree btree;
    struct vma *rb_root;    // where an axis wants a red-black tree
    struct vma *vma_cache;  // mmap_cache: last find, or NULL
    uint32_t map_count;
    struct maple maple;  // the same VMAs, where an axis wants it

    struct pagetable pagetable;
    uint64_t rss_pages[RSS_KIND_COUNT];

    uint64_t total_pages;  // of all VMAs (total_vm)
    uint64_t locked_pages;
    uint64_t lost_locked_pages;  // of them, in no VMA any more
    uint64_t accounted_pages;    // VM_ACCOUNT VMAs, in machine.committed_pages

    uint64_t cpu_mask;           // CPUs that may cache its translations
    struct vrange_set *vranges;  // NULL until the first vrange call
    uint16_t uid_holder;         // holder code of the uid it runs as
    bool creds_changed;          // ran as another uid: frames have no owner

    /* From here on nothing that its end looks at.  Layout, bytes. */
    uint64_t mmap_base, brk_start, brk, stack_top;
    bool top_down;
    bool has_default_image;  // exec's stack and no mapping of the image yet
    struct gap_state gap;

    uint64_t rlimit_stack, rlimit_memlock, rlimit_as;  // bytes
};

enum mmap_flag {
    MM_SHARED = 1 << 0,
    MM_FIXED = 1 << 1,
    MM_FIXED_NOREPLACE = 1 << 2,
    MM_NORESERVE = 1 << 3,
    MM_POPULATE = 1 << 4,
    MM_LOCKED = 1 << 5,
    MM_STACK = 1 << 6,
    MM_GROWSDOWN = 1 << 7,
    MM_NOZERO = 1 << 8,
    MM_EXEC_IMAGE = 1 << 9,  // `map`: made by exec at its address, no call
    MM_SPECIAL = 1 << 10,    // with EXEC_IMAGE: vdso, vvar
    MM_RAW = 1 << 11,        // with SPECIAL: vvar
};

struct mmap_args {
    uint64_t addr, length;  // bytes, as the program gave them
    uint64_t pgoff;         // pages, of a file
    uint64_t pgoff_rest;    // bytes that the offset has beyond them
    struct file *file;      // NULL: anonymous
    uint32_t prot;          // VM_READ | VM_WRITE | VM_EXEC
    uint32_t flags;         // enum mmap_flag
};

enum mremap_flag {
    MREMAP_CAN_MOVE = 1 << 0,
    MREMAP_TO_FIXED = 1 << 1,
    MREMAP_KEEP_OLD = 1 << 2,  // MREMAP_DONTUNMAP
};

/* mm/mmap.c.  mm_mmap leaves MM_POPULATE and MM_LOCKED's page faults to the
 * caller: they are touches, hence steps (mm/operation.c). */
int64_t mm_mmap(struct mm *mm, const struct mmap_args *args);
int64_t mm_munmap(struct mm *mm, uint64_t start, uint64_t length);
/* New length of the heap; `nozero`: brk2.  Returns 0 or -errno. */
int64_t mm_brk(struct mm *mm, uint64_t heap_bytes, bool nozero);
/* Map the initial stack of a new image: VM_GROWSDOWN, 132 KiB below top.  It
 * goes if the image's own mappings (MM_EXEC_IMAGE) come next. */
int64_t mm_map_stack(struct mm *mm, uint64_t stack_top);
/* Where the gap ends that a VM_GROWSDOWN VMA keeps from the VMA below it. */
uint64_t mm_stack_floor(const struct vma *stack);
/* Grow a VM_GROWSDOWN VMA down to the page of addr; false: SIGSEGV. */
bool mm_grow_stack(struct mm *mm, struct vma *vma, uint64_t addr);

/* mm/mprotect.c */
int64_t mm_mprotect(struct mm *mm, uint64_t start, uint64_t length,
                    uint32_t prot);

/* mm/mremap.c */
int64_t mm_mremap(struct mm *mm, uint64_t old_addr, uint64_t old_length,
                  uint64_t new_length, uint32_t flags, uint64_t new_addr);

/* mm/mlock.c: sets VM_LOCKED and accounts; faulting in is the caller's. */
int64_t mm_mlock(struct mm *mm, uint64_t start, uint64_t length);
int64_t mm_munlock(struct mm *mm, uint64_t start, uint64_t length);

/* mm/overcommit.c: room for `pages` more under vm.overcommit_memory?  Charges
 * machine.committed_pages and mm.accounted_pages on success. */
bool mm_account(struct mm *mm, uint64_t pages);
void mm_unaccount(struct mm *mm, uint64_t pages);
/* All of a file that stands for shared anonymous memory, as long as it lives
 * and whatever is mapped of it. */
bool mm_account_file(const struct mm *mm, struct file *file);

/* mm/vma_ops.c: objects, split, merge.  They keep rmap, anon identity, file
 * lists, accounting and counters right. */
struct vma *vma_create(struct mm *mm);  // NULL: no memory
/* Not in the tree.  Gives up its identity and its place in file's list (set
 * file only together with rmap_file_link). */
void vma_destroy(struct vma *vma);
/* Cut at addr; the new VMA is the part above if new_above, else below.
 * -ENOMEM: limit or memory, nothing changed. */
int vma_split(struct vma *vma, uint64_t addr, bool new_above);

/*
 * Merge by the `merge` axis.  The range [start, end) between prev and next is
 * new (mapping == NULL), or is the part of existing `mapping` that a call has
 * given new flags.  Returns the VMA that now covers the range, or NULL when
 * nothing merged (nothing changed).
 */
struct merge_request {
    struct mm *mm;
    enum merge_caller caller;
    struct vma *prev;     // last VMA before the range, or NULL
    struct vma *mapping;  // existing VMA that contains the range, or NULL
    uint64_t start, end;
    uint64_t pgoff;
    uint32_t flags;
    struct file *file;
    struct anon_family *family;  // identity of the range
    struct anon_chain *chain;
    uint32_t anon_depth;
};
struct vma *vma_merge(const struct merge_request *request);

/*
 * Give [start, end) of the VMA other flags: merge, or split as needed.
 * *result is the VMA that covers the range afterwards.  -ENOMEM: nothing
 * changed but splits that the kernel also leaves behind.
 */
int vma_modify_flags(struct vma *vma, uint64_t start, uint64_t end,
                     uint32_t new_flags, enum merge_caller caller,
                     struct vma **result);

/* mm/aspace.c: life. */
struct mm *mm_create(struct machine *machine);  // NULL: no memory
/* Limits and layout of a new image.  What the keys leave 0 follows from the
 * preset, the layout axis and RLIMIT_STACK; mm_create() does it without keys.
 * Ends with gap_exec(). */
void mm_set_layout(struct mm *mm, const struct exec_layout *layout);
/* Unmap everything, free tables and the object. */
void mm_destroy(struct mm *mm);
void mm_validate(struct mm *mm);
