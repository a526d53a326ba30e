#!/bin/sh
# Record pages.c both ways again: by faults and by accesses.
#
#     tests/sim/recordings/record.sh VMSIM
#
# Needs root, perf, valgrind and gcc.
set -eu

vmsim=$(realpath "${1:?usage: record.sh VMSIM}")
here=$(cd "$(dirname "$0")" && pwd)
work=/var/tmp/vmsim-pages
mkdir -p "$work"
cp "$here/pages.c" "$work"
cd "$work"
gcc -O1 -o pages pages.c
"$vmsim" record -o "$here/pages-faults.trace.zst" -- ./pages
rm -f pages.*.lackey
valgrind --tool=lackey --trace-mem=yes --trace-syscalls=yes \
    --trace-children=yes --log-file=pages.%p.lackey ./pages
"$vmsim" import --from lackey -o "$here/pages-accesses.trace.zst" \
    pages.*.lackey
