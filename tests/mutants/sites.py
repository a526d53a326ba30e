"""Where a C file of this tree can be mutated, and into what.

A mutant is a small slip that a programmer could make:

    negate     if (x), while (x), x ? a : b, return x of a bool: not x
    boundary   < for <=, > for >=, and the reverse
    equality   == for !=, and the reverse
    connective && for ||, and the reverse
    constant   the number beside a comparison is one off, in the direction
               that `boundary` does not take

Comments, strings, preprocessor lines and what only checks the program itself
(mm_assert() and its kin, validators, helpers that only validators call) are
left alone.  This is no parser of C: it relies on the layout that clang-format
gives the tree, with the name and the braces of a function in column 0.
"""

import bisect
import collections
import hashlib
import re

ASSERTIONS = re.compile(r"\b(?:mm_assert|mm_assert_deep|mm_invariant|"
                        r"_Static_assert|static_assert)\s*\(")
FUNCTION = re.compile(r"^([a-z_]\w*)\([^;{]*?\)\n\{\n(.*?)^\}",
                      re.MULTILINE | re.DOTALL)
TOKEN = re.compile(r"->|<<=|>>=|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|"
                   r"\b\w+\b|[<>=?:;,(){}\[\]]|[^\s\w]")
OPENERS, CLOSERS = "([{", ")]}"
SWAPS = {"<": ("<=", "boundary"), "<=": ("<", "boundary"),
         ">": (">=", "boundary"), ">=": (">", "boundary"),
         "==": ("!=", "equality"), "!=": ("==", "equality"),
         "&&": ("||", "connective"), "||": ("&&", "connective")}
# What is added to the number on the right; on the left it is the opposite.
NUDGES = {"<": -1, "<=": 1, ">": 1, ">=": -1, "==": 1, "!=": 1}
NUMBER = re.compile(r"\d+[uUlL]*\Z")
# What ends the condition of ?: on its left.
BEFORE_CONDITION = {"return", "?", ":", ",", ";", "=", "{", "}", "+=", "-=",
                    "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>=", "case"}


class Site:
    """One mutant: text[start:end] becomes `new`."""

    def __init__(self, source, kind, start, end, new):
        self.file = source.name
        self.kind = kind
        self.start, self.end, self.new = start, end, new
        self.line = bisect.bisect_right(source.line_starts, start)
        self.column = start - source.line_starts[self.line - 1] + 1
        self.function = source.function_at(start)
        self.text = source.line_text(self.line)
        self.change = shortened(f"{source.text[start:end]} => {new}")
        self.twins_before = 0  # mutants of the function that read the same

    def slip(self):
        return (self.file, self.function, self.text, self.column, self.kind,
                self.change)

    def key(self):
        """The same for the same slip, wherever the line has moved to."""
        return ":".join(map(str, (*self.slip(), self.twins_before)))

    def apply(self, text):
        """The same number of lines, so that assertions compile the same."""
        return text[:self.start] + self.new + text[self.end:]


class Source:
    def __init__(self, name, text):
        self.name, self.text = name, text
        self.line_starts = [0] + [m.end() for m in re.finditer("\n", text)]
        self.code = without_comments_and_strings(text)
        self.functions = [(m.start(), m.end(), m.group(1), m.start(2))
                          for m in FUNCTION.finditer(self.code)]
        self.is_bool = {f[2] for f in self.functions
                        if re.search(r"\bbool\n\Z", self.code[:f[0]])}
        for start, end in self.checks():
            self.code = blanked(self.code, start, end)
        self.tokens = [(m.group(), m.start())
                       for m in TOKEN.finditer(self.code)]

    def line_text(self, line):
        return self.text.split("\n", line)[line - 1].strip()

    def function_at(self, at):
        return next((f[2] for f in self.functions if f[0] <= at < f[1]), "")

    def checks(self):
        """What only checks the program itself, as (start, end)."""
        found = []
        for match in ASSERTIONS.finditer(self.code):
            found.append((match.start(), closing(self.code, match.end() - 1)))
        for start, end, name, body in self.functions:
            if name.endswith("validate") or "mm_invariant" in \
                    self.code[body:end]:
                found.append((start, end))
        while True:
            more = [f for f in self.functions if not inside(f[0], found) and
                    self.is_called_only_in(f, found)]
            if not more:
                return found
            found += [(f[0], f[1]) for f in more]

    def is_called_only_in(self, function, ranges):
        start, _, name, _ = function
        if not re.search(r"^static [^\n]*\n\Z", self.code[:start],
                         re.MULTILINE):
            return False
        uses = [m.start() for m in re.finditer(rf"\b{name}\b", self.code)
                if m.start() != start]
        return bool(uses) and all(inside(use, ranges) for use in uses)


def shortened(text):
    text = " ".join(text.split())
    return text if len(text) <= 100 else text[:97] + "..."


def inside(at, ranges):
    return any(start <= at < end for start, end in ranges)


def blanked(text, start, end):
    return (text[:start] + re.sub(r"[^\n]", " ", text[start:end]) +
            text[end:])


def closing(text, at):
    """Just behind the bracket that closes the one at `at`."""
    depth = 0
    for i in range(at, len(text)):
        depth += (text[i] in OPENERS) - (text[i] in CLOSERS)
        if depth == 0:
            return i + 1
    raise ValueError("bracket without end")


def without_comments_and_strings(text):
    pattern = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|"
                         r"'(?:\\.|[^'\\\n])*'|^[ \t]*#(?:\\\n|[^\n])*",
                         re.DOTALL | re.MULTILINE)
    return pattern.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


def top_level(expression):
    """The operators of an expression that stand in no bracket."""
    depth, found = 0, []
    for match in TOKEN.finditer(expression):
        token = match.group()
        depth += (token in OPENERS) - (token in CLOSERS)
        if depth == 0:
            found.append(token)
    return found


def negation(source, start, end):
    """None where `equality` says the same."""
    text = source.text[start:end]
    operators = [t for t in top_level(source.code[start:end])
                 if t in SWAPS or t in "?="]
    if operators in (["=="], ["!="]) or not text.strip():
        return None
    # A condition may declare nothing, but it may assign: it is bracketed.
    return Site(source, "negate", start, end, f"!({text})")


def predicates(source):
    """Of if and while: what stands in the brackets."""
    for match in re.finditer(r"\b(?:if|while)\s*\(", source.code):
        end = closing(source.code, match.end() - 1)
        yield match.end(), end - 1


def conditions(source):
    """Of ?: what stands before the question mark."""
    for i, (token, at) in enumerate(source.tokens):
        if token != "?":
            continue
        depth = 0
        for before, start in reversed(source.tokens[:i]):
            if depth == 0 and (before in OPENERS or
                               before in BEFORE_CONDITION):
                break
            depth += (before in CLOSERS) - (before in OPENERS)
        first = start + len(before)
        text = source.text[first:at]
        yield (first + len(text) - len(text.lstrip()),
               at - (len(text) - len(text.rstrip())))


def returned(source):
    """What a function that answers yes or no returns."""
    for match in re.finditer(r"\breturn\s+([^;]+);", source.code):
        if source.function_at(match.start()) in source.is_bool:
            yield match.start(1), match.end(1)


def nudged(source, operator, operand, at, delta):
    digits = re.match(r"\d+", operand).group()
    value = int(digits, 8 if digits.startswith("0") else 10) + delta
    if value < 0:
        return None
    return Site(source, "constant", at, at + len(operand),
                f"{value}{operand[len(digits):]}")


def comparisons(source):
    for i, (token, at) in enumerate(source.tokens):
        if token not in SWAPS:
            continue
        new, kind = SWAPS[token]
        yield Site(source, kind, at, at + len(token), new)
        if token not in NUDGES:
            continue
        for j, sign in ((i + 1, 1), (i - 1, -1)):
            operand, where = source.tokens[j]
            if NUMBER.match(operand):
                delta = NUDGES[token]
                # An equality is off by one either way.
                yield nudged(source, token, operand, where,
                             delta if kind == "equality" else sign * delta)


def sites(name, text):
    """Every mutant of a file, in order."""
    source = Source(name, text)
    found = [negation(source, *where) for listed in
             (predicates(source), conditions(source), returned(source))
             for where in listed]
    found += list(comparisons(source))
    found = sorted((site for site in found if site and site.function),
                   key=lambda site: (site.start, site.kind))
    seen = collections.Counter()
    for site in found:
        site.twins_before = seen[site.slip()]
        seen[site.slip()] += 1
    return found


def picked(all_sites, count, seed):
    """`count` of them: from every file by its share, and at least one.

    `all_sites` is a list for each file.  Which ones depends on the seed and on
    the slip itself, so a file that did not change gives the same again.
    """
    all_sites = [one for one in all_sites if one]
    total = sum(map(len, all_sites))
    count = min(count, total)
    shares = [max(1, count * len(one) // total) for one in all_sites]
    by_rest = sorted(range(len(all_sites)), key=lambda i: (
        shares[i] - count * len(all_sites[i]) / total, all_sites[i][0].file))
    for i in by_rest[:max(0, count - sum(shares))]:
        shares[i] += 1
    chosen = []
    for one, share in zip(all_sites, shares):
        one = sorted(one, key=lambda site: hashlib.sha256(
            f"{seed}:{site.key()}".encode()).digest())
        chosen += sorted(one[:share], key=lambda site: (site.start,
                                                        site.kind))
    return chosen
