#!/bin/sh
# Record the example traces again.
#
#     traces/examples/record.sh VMSIM
#
# VMSIM is the built program.  Needs root, perf, gcc, python3 and zstd.  Each
# command runs once before it is recorded, so that its files are cached, and
# without address randomisation, so that two recordings have the same addresses.
# Transparent huge pages must not be "always": then a fault would map 2 MiB.
# The recorded processes start from env(1): the first process of a recording is
# already past its exec when perf begins, the second one is seen whole.
set -eu

vmsim=$(realpath "${1:?usage: record.sh VMSIM}")
if grep -q '\[always\]' /sys/kernel/mm/transparent_hugepage/enabled; then
    echo "record.sh: transparent huge pages are on; set them to madvise" >&2
    exit 1
fi
here=$(cd "$(dirname "$0")" && pwd)
work=/var/tmp/vmsim-examples  # fixed: the traces hold these paths
mkdir -p "$work"
cp "$here"/src/* "$work"
cd "$work"
export LC_ALL=C

events=exceptions:page_fault_user,exceptions:page_fault_kernel
for call in mmap munmap mremap mprotect madvise brk mlock munlock mlockall \
    mlock2 remap_file_pages shmat shmdt process_madvise clone clone3 fork \
    vfork execve wait4 setuid setreuid setresuid; do
    events="$events,syscalls:sys_enter_$call,syscalls:sys_exit_$call"
done
events="$events,syscalls:sys_enter_exit,syscalls:sys_enter_exit_group"
events="$events,task:task_newtask,sched:sched_process_exec"
events="$events,sched:sched_process_exit,kmem:mm_page_alloc"

# record NAME WHAT COMMAND...
record() {
    name=$1 what=$2
    shift 2
    environment="env -i PATH=/usr/bin:/bin LC_ALL=C"
    $environment "$@" >/dev/null
    setarch -R perf record -q -o "$name.data" -d -k CLOCK_MONOTONIC -m 4096 \
        -e "$events" -- $environment "$@" >/dev/null
    if perf report -i "$name.data" --stats 2>/dev/null | grep LOST; then
        echo "$name: events were lost, try again" >&2
        return 1
    fi
    perf script -i "$name.data" --header --ns --show-mmap-events \
        --show-task-events -F comm,pid,tid,cpu,time,event,trace \
        >"$name.perf" 2>/dev/null
    "$vmsim" import --from perf -o "$name.import" "$name.perf"
    {
        sed -n 1,2p "$name.import"
        echo "# $what: $*"
        echo "# on Linux $(uname -r | sed 's/-.*//'), x86-64," \
            "$(getconf GNU_LIBC_VERSION), $(nproc) CPUs, no huge pages," \
            "no address randomisation"
        echo "# recorded with traces/examples/record.sh, which records it again"
        sed 1,2d "$name.import"
    } >"$name.trace"
    zstd -q -19 -f "$name.trace" -o "$here/$name.trace.zst"
}

gcc -O2 -o threads threads.c -pthread
gcc -O2 -o server server.c
record interpreter "Python counts words" /usr/bin/python3 -I words.py
record compiler "gcc compiles a small file" /usr/bin/gcc -O2 -c small.c
record threads "four threads with malloc and MADV_DONTNEED" ./threads
record server "a server that forks its workers" ./server
