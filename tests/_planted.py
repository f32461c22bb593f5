"""Faults planted in a copy of the repository: each must be found by the check that is
there for it, with the words that name it.

First all checks pass on the copy as it is; then each fault is planted alone.

    _planted.py            # all
    _planted.py dependency # those whose name has this word
"""

import dataclasses
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
NOT_COPIED = (".*", "__pycache__", "_build", "dist", "runs", "shared", "*.egg-info")


@dataclasses.dataclass
class Fault:
    """What is changed where, which check looks at it, and what that must say."""

    name: str
    file: str
    old: str
    new: str
    check: str
    says: str
    before: tuple[str, ...] = ()  # a program that whoever made the change would run


HIST = """from ._samples import hist_of_samples as _hist


def hist_of_samples(samples, edges, *, width, **options):
    \"\"\"The histograms, with another word for their bandwidth.\"\"\"
    return _hist(samples, edges, bandwidth=width, **options)


"""
SIGNATURE = "    low: ArrayLike, high: ArrayLike, bins: int\n) -> Float"
LONGER = SIGNATURE.replace("bins: int", "bins: int, log: bool = False")
API = "tests/test_public_api.py::"
FAULTS = [
    Fault(
        "a missing dependency",
        "packages/fitkit/pyproject.toml",
        '    "threadpoolctl>=3.5",\n',
        "",
        "tests/test_packaging.py::"
        "test_what_is_imported_is_declared_and_the_reverse[fitkit]",
        r"threadpoolctl",
    ),
    Fault(
        "a sibling's changed API",
        "packages/relaxed/src/relaxed/__init__.py",
        "from ._samples import hist_of_samples as hist_of_samples\n",
        HIST,
        "packages/neoskit/tests/test_templates.py::"
        "test_the_histogram_is_float64_though_the_network_is_float32",
        r"hist_of_samples\(\) missing 1 required keyword-only argument: 'width'",
    ),
    Fault(
        "a broken code block",
        "packages/relaxed/README.md",
        "relaxed.regular_edges(-3.0",
        "relaxed.regular_bins(-3.0",
        "tests/test_documentation.py::"
        "test_code_runs_as_pasted[packages/relaxed/README.md]",
        r"has no attribute 'regular_bins'",
    ),
    Fault(
        "a name off the API page",
        "docs/relaxed/api.md",
        ".. autofunction:: relaxed.cut\n",
        "",
        f"{API}test_every_name_stands_on_the_page[relaxed]",
        r"assert not \['cut'\]",
    ),
    Fault(
        "a changed signature that is not written down",
        "packages/relaxed/src/relaxed/_binning.py",
        SIGNATURE,
        LONGER,
        f"{API}test_the_signatures_are_those_of_the_file[relaxed]",
        r"`nox -s api` writes packages/relaxed/api.txt anew",
    ),
    Fault(
        "a changed signature without a line in the changelog",
        "packages/relaxed/src/relaxed/_binning.py",
        SIGNATURE,
        LONGER,
        f"{API}test_every_change_has_a_line_in_the_changelog[relaxed]",
        r"name these under `## Unreleased` of\s+"
        r"packages/relaxed/CHANGELOG.md: regular_edges",
        before=("tests/_signatures.py",),
    ),
    Fault(
        "a module that is drawn nowhere",
        "packages/relaxed/src/relaxed/_planted_module.py",
        "",
        '"""Nothing."""\n',
        "tests/test_tree.py::test_the_page_draws_every_module_once[relaxed]",
        r"_planted_module",
    ),
]


def python(copy: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """A program on the copy, whose sources are found before what is installed."""
    sources = [str(path) for path in sorted(copy.glob("packages/*/src"))]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sources)}
    # What this run is told about its own tests concerns none of those.
    env.pop("PYTEST_ADDOPTS", None)
    command = [sys.executable, *args]
    return subprocess.run(command, cwd=copy, env=env, capture_output=True, text=True)


def pytest(copy: Path, *checks: str) -> subprocess.CompletedProcess[str]:
    options = ("-vv", "--no-header", "-p", "no:cacheprovider", "--maxfail=1")
    return python(copy, "-m", "pytest", *options, *checks)


def complaint(copy: Path, fault: Fault) -> str | None:
    """Plants a fault; what is wrong with how it is found, or None."""
    path = copy / fault.file
    text = path.read_text() if path.exists() else ""
    if fault.old not in text:
        return f"{fault.file} has no longer {fault.old!r}: plant it elsewhere"
    path.write_text(text.replace(fault.old, fault.new, 1))
    if fault.before:
        done = python(copy, *fault.before)
        if done.returncode:
            return f"{fault.before} failed:\n{done.stderr}"
    done = pytest(copy, fault.check)
    if done.returncode != 1:  # of pytest: tests ran, and one failed
        return f"it is not found: pytest ended with {done.returncode}\n{done.stdout}"
    if not re.search(fault.says, done.stdout + done.stderr):
        return f"it is not named; no {fault.says!r} in\n{done.stdout}"
    return None


def copied(to: Path) -> Path:
    return shutil.copytree(ROOT, to, ignore=shutil.ignore_patterns(*NOT_COPIED))


def main(*words: str) -> int:
    chosen = [f for f in FAULTS if not words or any(word in f.name for word in words)]
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        whole = copied(Path(folder) / "whole")
        begin = time.perf_counter()
        done = pytest(whole, *dict.fromkeys(fault.check for fault in chosen))
        if done.returncode:
            print(done.stdout, "a check fails before anything is planted", sep="\n")
            return 1
        print(f"nothing planted: all pass, {time.perf_counter() - begin:.0f} s")
        for number, fault in enumerate(chosen):
            begin = time.perf_counter()
            copy = copied(Path(folder) / str(number))
            problem = complaint(copy, fault)
            seconds = time.perf_counter() - begin
            print(f"{fault.name}: {problem or 'found and named'}, {seconds:.0f} s")
            wrong += [fault.name] if problem else []
    passed = len(chosen) - len(wrong)
    print(f"{passed} passed, {len(wrong)} failed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
