/*
 * The list that experts look for first.
 */
#include "sim/not_modelled.h"

#include <stddef.h>

const struct not_modelled not_modelled[] = {
    {"swap", "under pressure anonymous memory stays; a run that would swap "
             "ends in an OOM kill instead"},
    {"OOM scores", "CPU time, nice and oom_score_adj of a process count for "
                   "nothing; another one may be killed first"},
    {"LRU ageing", "reclaim takes lazily freed, volatile and clean file pages "
                   "only, oldest first; which file pages go may differ"},
    {"transparent huge pages", "a huge page is counted as 512 faults and "
                               "clears of 4 KiB; run the real one with THP "
                               "off to compare"},
    {"contention", "time is the sum of uncontended work on one CPU; waits for "
                   "locks and shared lines come on top"},
    {"old maple tree nodes", "a node that changes changes in place; a real one "
                             "is copied and freed when its readers have left, "
                             "so slab is larger for a moment"},
    {"dense maple trees at fork", "a child's tree has its parent's shape, as "
                                  "from 6.8 on; 6.1 to 6.7 filled it anew, "
                                  "with fewer nodes"},
    {"vmacache", "from 3.15 to 6.0 each task had four cached VMAs; here the "
                 "address space has one, and more lookups are charged"},
    {"nonlinear mappings", "before 4.0 remap_file_pages left a mapping whole; "
                           "here it is cut, as by later kernels, so VMAs are "
                           "more and searches longer"},
    {"privileges", "setuid succeeds for everybody, as in a set-user-id "
                   "program, and so does mmap of the lowest addresses; other "
                   "users than root may really see EPERM"},
    {"NUMA placement", "all memory is local; remote accesses of a real "
                       "machine cost 15 to 40 % more"},
    {"memory cgroups", "no limit but the machine's RAM; a fault in a cgroup "
                       "costs its charge, which is in the measured prices"},
    {"MAP_32BIT", "such mappings are placed as all others are; their "
                  "addresses differ from recorded ones"},
    {"hugetlbfs", "such mappings are ordinary files; page tables are larger "
                  "than real"},
    {"KSM", "equal pages stay apart; resident memory is larger than with ksmd "
            "running"},
    {"userfaultfd", "faults go to the kernel; a program that handles its own "
                    "faults sees none"},
    {"soft-dirty", "no write faults after clear_refs; fewer reuse faults than "
                   "under a checkpointing tool"},
    {"zswap", "nothing is compressed; there is no swap either"},
    {"compaction and migration", "fragments stay; high orders fail earlier, "
                                 "and no page moves or faults for it"},
    {"PCID and lazy TLB", "every flush is charged and every CPU that ran the "
                          "process is interrupted; fewer are in reality"},
    {"hyper-thread sharing", "logical CPUs are whole CPUs; two threads of a "
                             "core do not slow each other"},
    {"TLB misses and caches", "a hit costs nothing, whatever its locality; "
                              "compare faults and kernel time, not user time"},
    {"migrate types", "user pages and page tables share free blocks; splits "
                      "and merges may differ by a few"},
    {"kernel memory of other subsystems", "dentries, inodes, sockets and "
                                          "pipes take no frames; more RAM is "
                                          "free than on a real machine"},
    {"other programs of a recorded host",
     "what they did to batches of pages, to page locks and caches is in no "
     "recording; --check may show a few reuse and file faults"},
    {"waiting for the disk", "what a fault reads ahead is there at once; on a "
                             "slow disk fewer neighbours are mapped with it"},
    {"file descriptors", "read-ahead follows the pattern of a file, not of "
                         "each descriptor; several readers of one file may "
                         "read other windows"},
    {"read-ahead before 6.18",
     "windows as on 6.18 without what is newer, "
     "before 3.0 one around each miss, on 2.4 an "
     "aligned one; real ones followed other patterns"},
    {"writeback", "dirty file pages stay and cost no I/O; reclaim takes clean "
                  "ones"},
    {NULL, NULL},
};
