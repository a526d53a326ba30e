#!/bin/sh
# Record the example traces again.
#
#     traces/examples/record.sh VMSIM
#
# VMSIM is the built program.  Needs root, perf, gcc, python3 and zstd.  Each
# command runs once before it is recorded, so that its files are cached.
set -eu

vmsim=$(realpath "${1:?usage: record.sh VMSIM}")
here=$(cd "$(dirname "$0")" && pwd)
work=/var/tmp/vmsim-examples  # fixed: the traces hold these paths
mkdir -p "$work"
cp "$here"/src/* "$work"
cd "$work"
export LC_ALL=C

# record NAME WHAT COMMAND...
record() {
    name=$1 what=$2
    shift 2
    environment="env -i PATH=/usr/bin:/bin LC_ALL=C"
    $environment "$@" >/dev/null
    $environment "$vmsim" record -o "$name.trace" -- "$@" >/dev/null
    {
        head -n 2 "$name.trace"
        echo "# $what: $*"
        echo "# on Linux $(uname -r | sed 's/-.*//'), x86-64," \
            "$(getconf GNU_LIBC_VERSION), $(nproc) CPUs"
        echo "# recorded with traces/examples/record.sh, which records it again"
        tail -n +3 "$name.trace"
    } | zstd -q -19 -f -o "$here/$name.trace.zst"
}

gcc -O2 -o threads threads.c -pthread
gcc -O2 -o server server.c
record interpreter "Python counts words" /usr/bin/python3 -I words.py
record compiler "gcc compiles a small file" /usr/bin/gcc -O2 -c small.c
record threads "four threads with malloc and MADV_DONTNEED" ./threads
record server "a server that forks its workers" ./server
