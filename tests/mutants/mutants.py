#!/usr/bin/env python3
"""How many small slips in mm/ do the tests notice?

    tests/mutants/mutants.py [--count 120] [--seed 1] [-j 1] [-o FILE]

Copies the source tree to a scratch directory and builds it once with mm/ as a
shared library.  A mutant (sites.py) then costs one compile and one link, and
every test program runs with it as it is.  Tests go from the fastest to the
slowest until one fails, the comparison with this host's kernel (vmsim verify)
among them; what fails must fail again.  A crash counts as failure, and so does
more than three times the CPU time of the unchanged program.  A mutant that
compiles to the same object as the original is none; it is counted apart.

One JSON line per mutant goes to FILE.  The same command again goes on where it
was interrupted; --again survived judges those once more.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import pickle
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import sites

SUITES = {"mm", "sim", "must_hold"}
# sim/record judges what this host's perf recorded, not mm/.
LEFT_OUT = {"sim/record"}
VERIFY_SEEDS = range(1, 11)
MEMORY_LIMIT = 32 << 30  # of addresses: most of it is never touched
FILE_LIMIT = 1 << 30
WALL_LIMIT = 900  # seconds: only for one that waits for ever
LIBRARY = "mm/libmm.so"
ONE = "--one"  # what apart() calls this program with


class Test:
    """A command, and what it costs with the original."""

    def __init__(self, name, command, environment):
        self.name, self.command = name, command
        self.environment = environment
        self.cpu_seconds = 0.0

    def cpu_limit(self):
        return int(3 * self.cpu_seconds) + 2


def limits(cpu_limit):
    """Soft ones: vmsim verify sets its own in the process that it compares."""
    def apply():
        for what, limit in ((resource.RLIMIT_CPU, cpu_limit),
                            (resource.RLIMIT_AS, MEMORY_LIMIT),
                            (resource.RLIMIT_FSIZE, FILE_LIMIT),
                            (resource.RLIMIT_CORE, 0)):
            resource.setrlimit(what, (limit, resource.getrlimit(what)[1]))
    return apply


def run(test, library_dir, cpu_limit=600):
    """How it ended, None if well, and the CPU time that it took."""
    environment = {**os.environ, **test.environment,
                   "LD_LIBRARY_PATH": str(library_dir),
                   "TMPDIR": str(library_dir),
                   "MALLOC_PERTURB_": "165"}  # as meson test does
    # Its own session, so that no child of it is left behind.
    process = subprocess.Popen(
        test.command, cwd=library_dir, env=environment,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
        preexec_fn=limits(cpu_limit))
    deadline = time.monotonic() + WALL_LIMIT
    pid = 0
    while not pid and time.monotonic() < deadline:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if not pid:
            time.sleep(0.02)
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    if not pid:
        os.wait4(process.pid, 0)
        return "hangs", WALL_LIMIT
    process.returncode = os.waitstatus_to_exitcode(status)
    cpu = usage.ru_utime + usage.ru_stime
    if process.returncode == 0:
        return None, cpu
    if process.returncode == -signal.SIGXCPU:
        return "takes too long", cpu
    if process.returncode < 0:
        return f"ends by signal {-process.returncode}", cpu
    return "fails", cpu


class Build:
    """A build of a copy of the tree, with mm/ as a shared library."""

    def __init__(self, directory, compile_commands, link):
        self.dir = directory
        self.compile = compile_commands  # by source file, as words
        self.link = link

    def make_library(self, site, text, to):
        """None, or why there is no mutant to judge."""
        command = list(self.compile[site.file])
        original = command[-1]
        old_object = command[command.index("-o") + 1]
        # Line numbers and names of files are part of an object.
        mutant = to / pathlib.Path(site.file).name
        new_object = str(to / "mutant.o")
        mutant.write_text(f'#line 1 "{original}"\n{site.apply(text)}')
        command[-1] = str(mutant)
        command[command.index("-o") + 1] = new_object
        if quietly(command, self.dir) != 0:
            return "does not compile"
        if (to / "mutant.o").read_bytes() == \
                (self.dir / old_object).read_bytes():
            return "same object"
        command = [new_object if word == old_object else word
                   for word in self.link]
        command[command.index("-o") + 1] = str(to / "libmm.so")
        if quietly(command, self.dir) != 0:
            return "does not link"
        return None

    def tests(self):
        listed = json.loads(subprocess.run(
            ["meson", "introspect", "--tests", self.dir], check=True,
            stdout=subprocess.PIPE).stdout)
        found = [Test(one["name"], one["cmd"], one["env"]) for one in listed
                 if one["suite"][0].split(":")[-1] in SUITES and
                 one["name"] not in LEFT_OUT]
        found += [Test(f"verify --seed {seed}",
                       [str(self.dir / "vmsim"), "verify", "--random",
                        "2000", "--seed", str(seed)], {})
                  for seed in VERIFY_SEEDS]
        return found


def quietly(command, cwd):
    return subprocess.run(command, cwd=cwd, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL).returncode


def built(source_dir, scratch, prefix):
    tree, build_dir = scratch / "tree", scratch / "build"
    copy_tree(source_dir, tree)
    if not (build_dir / "build.ninja").exists():
        subprocess.run(["meson", "setup", build_dir, tree, "-Doptimization=2",
                        "-Ddebug=false", "-Dwerror=false",
                        "-Dwarning_level=0", "-Dtests=enabled"],
                       check=True, stdout=subprocess.DEVNULL)
    subprocess.run([*prefix, "ninja", "-C", build_dir, "--quiet"], check=True)
    commands = json.loads((build_dir / "compile_commands.json").read_text())
    link = subprocess.run(
        ["ninja", "-C", build_dir, "-t", "commands", "-s", LIBRARY],
        check=True, text=True, stdout=subprocess.PIPE).stdout
    # A source may be compiled for other libraries, too.
    return Build(build_dir, {
        os.path.relpath(build_dir / one["file"], tree):
        shlex.split(one["command"]) for one in commands
        if one["output"].startswith(LIBRARY)}, shlex.split(link))


def copy_file(path, to):
    """Leaves alone what is the same, so that little is built again."""
    content = pathlib.Path(path).read_bytes()
    if str(path).endswith("mm/meson.build"):
        content = content.replace(b"static_library('mm'",
                                  b"shared_library('mm'")
    to = pathlib.Path(to)
    if not to.exists() or to.read_bytes() != content:
        to.write_bytes(content)
        shutil.copymode(path, to)


def copy_tree(source_dir, to):
    def ignored(folder, names):
        return [name for name in names if name.startswith(".") or
                (pathlib.Path(folder) / name / "meson-private").exists()]
    shutil.copytree(source_dir, to, ignore=ignored, dirs_exist_ok=True,
                    copy_function=copy_file)


def measured(build, work):
    """The tests that pass with the original, the fastest first.

    In one process where that works: then a crash ends the program at once, and
    an endless loop is not met once per test function.
    """
    passing = []
    (work / "original").mkdir(exist_ok=True)
    shutil.copy(build.dir / LIBRARY, work / "original" / "libmm.so")
    for test in build.tests():
        # Under load Check's own limit, of wall time, would be met by chance.
        test.environment["CK_TIMEOUT_MULTIPLIER"] = "30"
        for fork in "no", "yes":
            test.environment["CK_FORK"] = fork
            end, test.cpu_seconds = run(test, work / "original")
            if not end:
                break
        if end:
            print(f"{test.name} {end} without any mutant: left out",
                  file=sys.stderr)
        else:
            passing.append(test)
    return sorted(passing, key=lambda test: test.cpu_seconds)


def failure(test, library_dir):
    """How the test fails, every time: what happens on a busy host does not
    count."""
    end, _ = run(test, library_dir, test.cpu_limit())
    if end == "fails":
        end, _ = run(test, library_dir, test.cpu_limit())
    return end


def judge(site, text, build, tests, work):
    """The record of one mutant."""
    record = {"file": site.file, "line": site.line, "column": site.column,
              "function": site.function, "kind": site.kind,
              "text": site.text, "change": site.change, "key": site.key()}
    with tempfile.TemporaryDirectory(dir=work) as name:
        to = pathlib.Path(name)
        why_not = build.make_library(site, text, to)
        if why_not:
            return {**record, "result": why_not}
        for test in tests:
            end = failure(test, to)
            if end:
                return {**record, "result": "caught", "by": test.name,
                        "how": end}
    return {**record, "result": "survived"}


def apart(prefix, function, *arguments):
    """function(*arguments) in a process of its own, behind the prefix."""
    done = subprocess.run(
        [*prefix, sys.executable, __file__, ONE],
        input=pickle.dumps((function.__name__, arguments)), check=True,
        stdout=subprocess.PIPE)
    return pickle.loads(done.stdout)


def read_results(path):
    """Records by key; the last one of a mutant counts."""
    if not path.exists():
        return {}
    whole, _, torn = path.read_text().rpartition("\n")
    if torn:  # by an interrupt
        path.write_text(whole + "\n")
    return {one["key"]: one for one in map(json.loads, whole.splitlines())}


def share(caught, survived):
    judged = caught + survived
    return f"{100 * caught / judged:.1f} %" if judged else "-"


def print_table(records, column):
    rows = collections.defaultdict(collections.Counter)
    for record in records:
        for name in record[column], "all":
            rows[name][record["result"]] += 1
    print(f"\n{column:<28} picked  same object  caught  survived    share")
    for name in sorted(rows, key=lambda name: (name == "all", name)):
        row = rows[name]
        print(f"{name:<28} {sum(row.values()):>6}  {row['same object']:>11}  "
              f"{row['caught']:>6}  {row['survived']:>8}  "
              f"{share(row['caught'], row['survived']):>7}")


def report(records):
    print_table(records, "file")
    print_table(records, "kind")
    caught_by = collections.Counter(
        "verify" if one["by"].startswith("verify") else one["by"]
        for one in records if one["result"] == "caught")
    print("\ncaught first by: " + ", ".join(
        f"{name} {count}" for name, count in caught_by.most_common()))
    for wanted in "survived", "does not compile", "does not link":
        for one in records:
            if one["result"] == wanted:
                print(f"\n{wanted}: {one['file']}:{one['line']}: "
                      f"{one['function']}()\n    {one['text']}\n"
                      f"    {one['kind']}: {one['change']}")


def all_sites(source_dir):
    """By file: its text and what can be mutated in it."""
    found = {}
    for path in sorted((source_dir / "mm").glob("*.c")):
        # Nothing but checks of the program itself.
        if path.name not in ("check.c", "validate.c"):
            text, name = path.read_text(), f"mm/{path.name}"
            found[name] = text, sites.sites(name, text)
    return found


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--count", type=int, default=120)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-j", type=int, default=1, dest="jobs")
    parser.add_argument("-o", default="mutants.jsonl", dest="results",
                        type=pathlib.Path, metavar="FILE")
    parser.add_argument("--again", choices=["survived", "caught"],
                        help="judge those once more")
    parser.add_argument("--scratch", type=pathlib.Path, metavar="DIR",
                        help="a directory for the build, kept for the next "
                        "time (default: a new one, removed at the end)")
    parser.add_argument("--prefix", type=shlex.split, default=[],
                        help="put before the work on each mutant, as in "
                        "'nice -n 15'")
    parser.add_argument("--list", action="store_true",
                        help="only print what would be judged")
    return parser.parse_args()


def judge_all(wanted, sources, build, args, work):
    done = read_results(args.results)
    todo = [site for site in wanted if site.key() not in done or
            done[site.key()]["result"] == args.again]
    tests = apart(args.prefix, measured, build, work) if todo else []
    print(f"{len(todo)} of {len(wanted)} mutants to judge by {len(tests)} "
          f"tests of {sum(test.cpu_seconds for test in tests):.0f} s")
    with open(args.results, "a", encoding="utf-8") as results, \
            concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        running = [pool.submit(apart, args.prefix, judge, site,
                               sources[site.file][0], build, tests, work)
                   for site in todo]
        try:
            for i, one in enumerate(
                    concurrent.futures.as_completed(running)):
                record = one.result()
                results.write(json.dumps(record) + "\n")
                results.flush()
                print(f"{i + 1}/{len(todo)} {record['file']}:"
                      f"{record['line']} {record['kind']} "
                      f"{record['result']} {record.get('by', '')}",
                      flush=True)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    done = read_results(args.results)
    report([done[site.key()] for site in wanted])


def main():
    args = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    source_dir = pathlib.Path(__file__).resolve().parents[2]
    sources = all_sites(source_dir)
    found = [one for _, one in sources.values()]
    wanted = sites.picked(found, args.count, args.seed)
    print(f"{len(wanted)} of {sum(map(len, found))} mutants picked")
    if args.list:
        for site in wanted:
            print(f"{site.file}:{site.line}:{site.column}: {site.kind}: "
                  f"{site.change}")
        return
    with tempfile.TemporaryDirectory(prefix="mutants-") as temporary:
        scratch = (args.scratch or pathlib.Path(temporary)).absolute()
        scratch.mkdir(parents=True, exist_ok=True)
        build = built(source_dir, scratch, args.prefix)
        with tempfile.TemporaryDirectory(dir=scratch) as work:
            judge_all(wanted, sources, build, args, pathlib.Path(work))


if __name__ == "__main__":
    if sys.argv[1:] == [ONE]:
        name, parameters = pickle.load(sys.stdin.buffer)
        pickle.dump(globals()[name](*parameters), sys.stdout.buffer)
    else:
        main()
