/*
 * TLB flushes.
 *
 * A flush of up to 33 pages invalidates page by page, a larger one everything
 * (tlb_single_page_flush_ceiling, 3.x to 6.18; older i386 kernels flush
 * everything for any range).  Every other CPU that ran the address space is
 * interrupted.
 *
 * Not modelled: lazy TLB, PCID, deferred flushes of reclaim.
 */
#include "mm/tlb.h"

#include "mm/aspace.h"
#include "mm/machine.h"

#define SINGLE_PAGE_CEILING 33

void
tlb_flush(struct mm *mm, uint64_t pages)
{
    struct machine *machine = mm->machine;
    uint64_t others = mm->cpu_mask & ~(UINT64_C(1) << machine->cpu);
    unsigned remote_count = (unsigned)__builtin_popcountll(others);

    machine->counters.tlb_flush_count++;
    machine->counters.tlb_ipi_count += remote_count;
    if (pages <= SINGLE_PAGE_CEILING)
        charge(machine, CHARGE_tlb_flush_page, pages);
    else
        charge(machine, CHARGE_tlb_flush_all, 1);
    if (remote_count) {
        charge(machine, CHARGE_tlb_ipi_first, 1);
        charge(machine, CHARGE_tlb_ipi_more, remote_count - 1);
    }
}
