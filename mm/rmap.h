/*
 * Reverse mapping: from a frame to every PTE that maps it.
 *
 * Callers never ask which scheme is in use; they call rmap_*(), which forward
 * to machine.policy.rmap.  To add a scheme, write mm/rmap_<name>.c with one
 * const struct rmap_ops and list it in mm/rmap.c.
 *
 * Anonymous pages only, plus page-cache pages under schemes that chain those
 * too (pte-chain); other schemes find file pages through the file's VMA list
 * (mm/rmap_file.c).  The zero page is never given to rmap.
 *
 * A scheme may report an address that does not map the page -- how often is
 * what we measure -- but must never miss one that does.
 */
#pragma once

#include "mm/counters.h"
#include "mm/pagetable.h"

struct machine;
struct vma;
struct page;
struct anon_family;

/* false stops the walk.  May remove the entry that it is given, no other. */
typedef bool (*rmap_visit_fn)(struct leaf *leaf, uint32_t index, void *data);

struct rmap_ops {
    const char *name;

    /* The scheme's own state (or NULL) and the slab caches of its objects. */
    void *(*create)(struct machine *machine);
    void (*destroy)(struct machine *machine, void *rmap);

    /*
     * `count` entries from leaf->pte[index] on have become present; map_count
     * is counted already, so that a reclaim for the scheme's own memory does
     * not take the pages.  Returns how many were added: fewer than count when
     * no memory could be had for the next.  The first mapping of a page takes
     * none.  NULL: nothing to do per page.
     */
    uint32_t (*add_run)(struct machine *machine, struct vma *vma,
                        struct leaf *leaf, uint32_t index, uint32_t count);
    /* The entries, still in place, are about to be cleared. */
    void (*remove_run)(struct machine *machine, struct leaf *leaf,
                       uint32_t index, uint32_t count);
    /* An entry moved to another leaf (mremap); pte is in its new place. */
    void (*moved)(struct machine *machine, struct leaf *from,
                  uint32_t from_index, struct leaf *to, uint32_t to_index);

    /* A VMA with a family was linked or got one; false: no memory. */
    bool (*link_vma)(struct vma *vma);
    /* It goes away or loses its identity. */
    void (*unlink_vma)(struct vma *vma);
    /* A family came to be or is about to go. false: no memory. */
    bool (*create_family)(struct machine *machine, struct anon_family *family);
    void (*destroy_family)(struct machine *machine, struct anon_family *family);

    /* Call visit for every candidate entry that maps the page. */
    void (*walk)(struct machine *machine, struct page *page,
                 rmap_visit_fn visit, void *data);

    /* page_referenced() has walked the page: time to tidy up.  NULL: no. */
    void (*referenced)(struct machine *machine, struct page *page);

    /* Bytes of live objects. */
    uint64_t (*bytes)(const struct machine *machine);

    /* What an entry added or removed is charged as. */
    enum mm_charge update_charge;
    /* File pages are kept as anonymous ones are, not found by their file. */
    bool chains_file_pages;
    /* merge=flags must also ask for equal identity and linear pgoff. */
    bool needs_linear_vmas;
    /* A fork gives every VMA a family of its own, under any kernel. */
    bool has_family_per_process;
};

extern const struct rmap_ops *const rmap_schemes[];
extern const struct rmap_ops rmap_pte_chain;
extern const struct rmap_ops rmap_anon_vma;
extern const struct rmap_ops rmap_anon_vma_chain;

/* The forwarding layer.  rmap_add_run and rmap_remove_run also keep map_count
 * and charge; the run maps frames, anonymous or of files. */
uint32_t rmap_add_run(struct machine *machine, struct vma *vma,
                      struct leaf *leaf, uint32_t index, uint32_t count);
void rmap_remove_run(struct machine *machine, struct leaf *leaf,
                     uint32_t index, uint32_t count);
void rmap_moved(struct machine *machine, struct leaf *from,
                uint32_t from_index, struct leaf *to, uint32_t to_index);

/* How many of the frames can be mapped, one after the other, without asking for
 * memory. */
uint32_t rmap_run_at_hand(const struct machine *machine, const pfn_t *pfns,
                          uint32_t count);

/* What anon.c tells the scheme; as the members of struct rmap_ops. */
bool rmap_link_vma(struct vma *vma);
void rmap_unlink_vma(struct vma *vma);
bool rmap_create_family(struct machine *machine, struct anon_family *family);
void rmap_destroy_family(struct machine *machine, struct anon_family *family);

/* Visit every PTE of the page, anonymous or file; the walk ends when map_count
 * of them were found.  Counts one walk. */
void rmap_walk(struct machine *machine, struct page *page,
               rmap_visit_fn visit, void *data);
/* The same by page_referenced(), where schemes tidy up afterwards. */
void rmap_walk_referenced(struct machine *machine, struct page *page,
                          rmap_visit_fn visit, void *data);

/* Assert that the gauge is the bytes of live objects. */
void rmap_validate(const struct machine *machine);

/* For schemes: count a candidate (leaf may be NULL) and visit it if it maps
 * the page; false: the walk is to stop. */
bool rmap_visit_candidate(struct machine *machine, struct page *page,
                          struct leaf *leaf, uint32_t index,
                          rmap_visit_fn visit, void *data);

/* The same for the place in the VMA where the page would be. */
bool rmap_visit_vma(struct machine *machine, struct page *page,
                    struct vma *vma, rmap_visit_fn visit, void *data);
/* Does the VMA cover that linear page index? */
bool rmap_vma_covers(const struct vma *vma, uint64_t index);

/* mm/rmap_file.c: i_mmap of a file and file.vma_count. */
void rmap_file_link(struct vma *vma);
void rmap_file_unlink(struct vma *vma);
void rmap_file_walk(struct machine *machine, struct page *page,
                    rmap_visit_fn visit, void *data);
