#!/bin/sh
# Measure how cost grows and draw it: docs/performance.svg.
# Usage: docs/performance.sh BUILD [RESULTS.jsonl]
# With a second word, draw what `bench-scale --json` said before.
set -eu

build=${1:?usage: docs/performance.sh BUILD [RESULTS.jsonl]}
docs=$(dirname "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ $# -gt 1 ]; then
    cp "$2" "$work/results"
else
    "$build/tests/bench/bench-scale" --json > "$work/results"
fi

# One file of "size milliseconds" per thing that grows.
field() { sed -n "s/.*\"$2\":\"\{0,1\}\([^\",}]*\).*/\1/p" <<EOF
$1
EOF
}
while read -r line; do
    name=$(field "$line" name | tr ' ' '-')
    slope=$(field "$line" slope)
    if [ -n "$slope" ]; then
        echo "$slope" > "$work/$name.slope"
    else
        echo "$(field "$line" size) $(field "$line" ns)" >> "$work/$name"
    fi
done < "$work/results"

panel() {
    echo "set title '$2: slope $(cat "$work/$1.slope")'"
    echo "set xlabel '$2'"
    read -r size ns < "$work/$1"
    echo "plot '$work/$1' using 1:(\$1*\$2/1e6) with linespoints" \
         "linecolor rgb '#1f5fa8' pointtype 7 pointsize 0.6 title 'measured'," \
         "x*$ns/1e6 with lines linecolor rgb '#888888' dashtype 2" \
         "title 'slope 1.00'"
}
{
    echo "set terminal svg size 900,700 font 'sans,13' background rgb 'white'"
    echo "set output '$docs/performance.svg'"
    echo "set logscale xy; set grid; set key top left; set format '10^{%T}'"
    echo "set ylabel 'CPU time, ms'"
    echo "set multiplot layout 2,2 title 'CPU time against size'"
    panel touched-pages 'touched pages'
    panel VMAs 'VMAs'
    panel processes 'processes'
    panel events 'events'
} | gnuplot
