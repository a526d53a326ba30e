#!/usr/bin/env bash
# The main job, end to end: recorded and generated programs under several
# kernels and policies, with tables and pictures.
#
#   docs/demo.sh VMSIM OUT
set -euo pipefail

vmsim=$(readlink -f "$1")
out=$2
examples=$(dirname "$(readlink -f "$0")")/../traces/examples
mkdir -p "$out"

# Which values stand in for ones that are not built yet is in the results
# (config.substituted); here it would hide the tables.
quietly() {
    "$@" 2>"$out/messages.txt" || {
        cat "$out/messages.txt" >&2
        exit 1
    }
}

study() { # NAME TITLE sweep arguments...
    local name=$1 title=$2
    shift 2
    printf '\n%s\n\n' "$title"
    mkdir -p "$out/$name"
    quietly "$vmsim" sweep "$@" --format table -o "$out/$name/results.jsonl"
    quietly "$vmsim" plot "$out/$name/results.jsonl" -o "$out/$name" \
        >/dev/null
    printf '* [%s](%s/index.md)\n' "$title" "$name" >>"$out/index.md.new"
}

printf '# What vmsim found\n\n' >"$out/index.md.new"

study recorded "Recorded programs under five kernels" \
    "$examples"/*.trace.zst --kernel 2.6.2,2.6.22,2.6.24,2.6.32,6.18 \
    --timeline 50

"$vmsim" gen ebizzy --nozero -o "$out/ebizzy-mmap.trace"
study clear "ebizzy -m, one mmap per record: who clears" \
    "$out/ebizzy-mmap.trace" --kernel 2.6.22 --machine opteron-2007 \
    --policy clear=on-alloc,nozero,never

"$vmsim" gen ebizzy --allocator jemalloc -o "$out/ebizzy-jemalloc.trace"
study purge "ebizzy over jemalloc: how memory is given back" \
    "$out/ebizzy-jemalloc.trace" --kernel 3.9-vrange \
    --machine kvm-12cpu-2013 --policy purge=ignore,dontneed,free,vrange-full

stacks=()
for threads in 30 100 300 1000; do
    "$vmsim" gen nptl-stacks --threads $threads \
        -o "$out/stacks-$threads.trace"
    stacks+=("$out/stacks-$threads.trace")
done
study stacks "A thousand thread stacks: the search for an unmapped area" \
    "${stacks[@]}" --kernel 2.6.2 --machine p4-2002 \
    --policy gap=linear,area-cache,rb-gap

"$vmsim" gen fork-tree --size 64M --levels 5 -o "$out/fork-tree.trace"
study fork "A tree of forks over 64 MiB: what reverse mapping costs" \
    "$out/fork-tree.trace" --kernel 2.6.2 --machine xeon-ht-2004 \
    --policy rmap=pte-chain,anon-vma,anon-vma-chain

rm -f "$out/messages.txt"
mv "$out/index.md.new" "$out/index.md"
printf '\nPictures: %s/*/index.md, listed in %s/index.md\n' "$out" "$out"
