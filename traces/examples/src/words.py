"""A small script for an interpreter to be recorded with: builds text, counts
its words, sorts and formats the counts, parses them back."""

import json
import re


def text(words):
    state = 1
    for _ in range(words):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        yield "word%d" % ((state >> 33) % 5000)


def main():
    lines = []
    line = []
    for word in text(60000):
        line.append(word)
        if len(line) == 12:
            lines.append(" ".join(line))
            line = []
    counts = {}
    for word in re.findall(r"\w+", "\n".join(lines)):
        counts[word] = counts.get(word, 0) + 1
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    parsed = json.loads(json.dumps([{"word": w, "count": c} for w, c in ranked]))
    print(sum(entry["count"] for entry in parsed))


main()
