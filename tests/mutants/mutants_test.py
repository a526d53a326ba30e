#!/usr/bin/env python3
"""The mutation tool on a library of one small file."""

import collections
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import mutants
import sites

LIBRARY = """\
/* if (this) were code, it would be found: a < b */
#include <stdbool.h>
#define CLIP(x) ((x) < 0 ? 0 : (x))
void mm_assert(bool x);

static bool
list_is_sound(int length)
{
    return length >= 0;
}

void
list_validate(int length)
{
    mm_assert(list_is_sound(length));
}

bool
fits(int length)
{
    mm_assert(length < 100);
    return length <= 7;
}

unsigned
clipped(unsigned value)
{
    const char *text = "a && b";

    if (value < 0 || !text[0])
        return 1;
    return value > 9 ? 9 : value;
}
"""
PROGRAM = """\
#include <stdbool.h>
bool fits(int length);
unsigned clipped(unsigned value);
void mm_assert(bool x) { (void)x; }
int main(void) { return !(fits(7) && !fits(8) && clipped(20) == 9); }
"""


class SitesTest(unittest.TestCase):
    def found(self, text=LIBRARY):
        return sites.sites("mm/one.c", text)

    def test_slips_are_found_in_code_alone(self):
        kinds = collections.Counter(
            (one.function, one.kind) for one in self.found())
        self.assertEqual(kinds, {
            ("fits", "negate"): 1, ("fits", "boundary"): 1,
            ("fits", "constant"): 1, ("clipped", "negate"): 2,
            ("clipped", "boundary"): 2, ("clipped", "connective"): 1,
            ("clipped", "constant"): 1})

    def test_a_condition_ends_where_the_language_says(self):
        changes = [one.change for one in self.found(
            "int\nf(int a, int b)\n{\n    a = g(b, a & 1 ? b : 2);\n}\n")]
        self.assertEqual(changes, ["a & 1 => !(a & 1)"])

    def test_an_equality_is_not_also_negated(self):
        kinds = [one.kind for one in self.found(
            "int\nf(int a, int b)\n{\n    while (a == b)\n        a++;\n}\n")]
        self.assertEqual(kinds, ["equality"])

    def test_lines_that_read_the_same_are_told_apart(self):
        body = "    if (a)\n        a--;\n" * 2
        keys = {one.key() for one in self.found(
            f"int\nf(int a)\n{{\n{body}}}\n")}
        self.assertEqual(len(keys), 2)

    def test_every_file_is_picked_from_by_its_share(self):
        small = sites.sites("mm/small.c", LIBRARY)
        large = sites.sites("mm/large.c", LIBRARY.replace(
            "    return value >", "    if (value)\n" * 91 +
            "    return value >"))
        picked = sites.picked([small, large], 10, 1)
        self.assertEqual(collections.Counter(one.file for one in picked),
                         {"mm/small.c": 1, "mm/large.c": 9})
        self.assertEqual([one.key() for one in picked], [
            one.key() for one in sites.picked([small, large], 10, 1)])


class JudgeTest(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.dir = pathlib.Path(temporary.name)
        (self.dir / "one.c").write_text(LIBRARY)
        (self.dir / "program.c").write_text(PROGRAM)
        compiled = ["cc", "-O2", "-fPIC", "-o", "one.o", "-c", "one.c"]
        link = ["cc", "-shared", "-o", "libmm.so", "one.o"]
        self.build = mutants.Build(self.dir, {"mm/one.c": compiled}, link)
        for command in compiled, link, ["cc", "program.c", "-rdynamic", "-o",
                                        "program", "libmm.so"]:
            subprocess.run(command, cwd=self.dir, check=True)
        self.tests = [mutants.Test("program", [str(self.dir / "program")],
                                   {})]

    def judged(self, kind, function):
        site = next(one for one in sites.sites("mm/one.c", LIBRARY)
                    if one.kind == kind and one.function == function)
        return mutants.judge(site, LIBRARY, self.build, self.tests,
                             self.dir)

    def test_the_original_passes(self):
        self.assertIsNone(mutants.run(self.tests[0], self.dir)[0])

    def test_a_slip_that_changes_an_answer_is_caught(self):
        record = self.judged("boundary", "fits")
        self.assertEqual((record["result"], record["by"], record["how"]),
                         ("caught", "program", "fails"))

    def test_a_slip_that_no_test_looks_at_survives(self):
        self.tests = []
        self.assertEqual(self.judged("boundary", "fits")["result"],
                         "survived")

    def test_a_slip_that_makes_no_difference_is_told_apart(self):
        # 10 is clipped to 9 by either.
        site = sites.sites("mm/one.c", LIBRARY.replace("> 9", ">= 9"))
        site = next(one for one in site if one.change == ">= => >")
        text = LIBRARY.replace("> 9", ">= 9")
        (self.dir / "one.c").write_text(text)
        subprocess.run(self.build.compile["mm/one.c"], cwd=self.dir,
                       check=True)
        record = mutants.judge(site, text, self.build, self.tests,
                               self.dir)
        self.assertEqual(record["result"], "same object")

    def test_a_torn_line_of_results_is_judged_again(self):
        results = self.dir / "results.jsonl"
        results.write_text('{"key": "a", "result": "caught"}\n{"key": "b", ')
        self.assertEqual(list(mutants.read_results(results)), ["a"])
        self.assertTrue(results.read_text().endswith("}\n"))


if __name__ == "__main__":
    if not shutil.which("cc"):
        print("no C compiler named cc: not run")
        sys.exit(77)
    os.environ.pop("LD_LIBRARY_PATH", None)
    unittest.main()
