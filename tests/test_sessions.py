"""The sessions of nox, the workflow that is made of them, and the scripts they run."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGES = ["fitkit", "neoskit", "relaxed"]
# What a person runs, not a workflow.
BY_HAND = {"api", "bench", "demo"}


@pytest.fixture(scope="module")
def sessions() -> list[dict]:
    root = Path(__file__).parents[1]
    command = [sys.executable, "-m", "nox", "-f", "noxfile.py", "-l", "--json"]
    every = ["-s", *listed(root)]
    done = subprocess.run(
        [*command, *every], cwd=root, check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout)


def listed(root: Path) -> list[str]:
    """The names of all sessions, also of those that `nox` alone does not run."""
    command = [sys.executable, "-m", "nox", "-f", "noxfile.py", "-l"]
    done = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True)
    lines = [line.split() for line in done.stdout.splitlines()]
    return [words[1] for words in lines if words and words[0] in ("*", "-")]


def test_every_package_has_every_check(sessions):
    per_package = {s["name"] for s in sessions if "package" in s["call_spec"]}
    assert {"tests", "types", "minimum", "artifact", "release"} <= per_package
    for name in per_package - {"floor"}:
        found = [s["call_spec"]["package"] for s in sessions if s["name"] == name]
        assert sorted({*found}) == PACKAGES, name


def test_every_session_is_run_by_the_workflow(sessions):
    assert {s["name"] for s in sessions if not s["tags"]} == BY_HAND
    assert {tag for s in sessions for tag in s["tags"]} == {"ci", "weekly"}


def test_newer_pythons_are_those_that_the_packages_name(sessions):
    pythons = {s["python"] for s in sessions if s["name"] == "tests_on"}
    assert pythons
    oldest = {s["python"] for s in sessions if s["name"] == "minimum"}
    assert oldest == {"3.11"}
    assert not pythons & oldest


def test_the_workflow_names_no_package_and_no_session(root, sessions):
    text = (root / ".github" / "workflows" / "ci.yml").read_text()
    assert "-l --json" in text
    steps = text[text.index("jobs:") :]
    named = {s["session"] for s in sessions if "(" in s["session"]}
    assert not [name for name in {*PACKAGES, *named} if name in steps]


# --- what is asked before a release, in a repository made for it --------------------
PROJECT = """
[project]
name = "{name}"
version = "{version}"
dependencies = [{needs}]
"""


@pytest.fixture
def repository(root, tmp_path):
    """`relaxed` and `neoskit`, which needs it, at 0.5.1; and a way to change it."""
    (tmp_path / "tests").mkdir()
    for script in ("_changelog.py", "_released.py", "_release.py"):
        shutil.copy(root / "tests" / script, tmp_path / "tests")
    write(tmp_path, "relaxed", "0.5.1")
    write(tmp_path, "neoskit", "0.5.1", '"relaxed~=0.5.0"')
    (tmp_path / "CITATION.cff").write_text("version: 0.5.1\n")
    git(tmp_path, "init", "--quiet")
    commit(tmp_path)
    return tmp_path


def write(at: Path, name: str, version: str, needs: str = "", changes: str = ""):
    folder = at / "packages" / name
    folder.mkdir(parents=True, exist_ok=True)
    text = PROJECT.format(name=name, version=version, needs=needs)
    (folder / "pyproject.toml").write_text(text)
    log = f"## Unreleased\n{changes}\n## {version} (2026-11-30)\n\nFirst.\n"
    (folder / "CHANGELOG.md").write_text(log)


def git(at: Path, *args: str) -> None:
    who = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.org")
    subprocess.run(["git", *who, *args], cwd=at, check=True, capture_output=True)


def commit(at: Path) -> None:
    git(at, "add", "--all")
    git(at, "commit", "--quiet", "--message", "more")


def script(at: Path, *args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *args]
    return subprocess.run(command, cwd=at, capture_output=True, text=True)


def test_a_release_in_order(repository):
    git(repository, "tag", "relaxed-0.5.1")
    git(repository, "tag", "neoskit-0.5.1")
    for package in ("relaxed", "neoskit"):
        done = script(repository, "tests/_release.py", package)
        assert done.returncode == 0, done.stderr


def test_a_rehearsal_may_have_changes_to_come(repository):
    write(repository, "relaxed", "0.5.1", changes="\n- `hist` is quicker.\n")
    done = script(repository, "tests/_release.py", "relaxed")
    assert done.returncode == 0, done.stderr
    assert "a rehearsal of 0.5.1" in done.stdout


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda at: git(at, "tag", "relaxed-0.5.2"),
            "the tag relaxed-0.5.2 is not the version 0.5.1",
        ),
        (
            lambda at: (
                write(at, "relaxed", "0.5.1", changes="\n- `hist` is quicker.\n"),
                commit(at),
                git(at, "tag", "relaxed-0.5.1"),
            ),
            "has changes under `## Unreleased`",
        ),
        (
            lambda at: (
                git(at, "tag", "relaxed-0.5.1"),
                (at / "packages/relaxed/new.py").touch(),
            ),
            "not committed",
        ),
        (
            lambda at: (git(at, "tag", "relaxed-0.5.1"), commit_empty(at)),
            "0.5.1 is not above relaxed-0.5.1",
        ),
        (
            lambda at: (at / "CITATION.cff").write_text("version: 0.4.0\n"),
            "CITATION.cff says 0.4.0",
        ),
    ],
    ids=["tag", "changelog", "not committed", "released", "citation"],
)
def test_a_release_out_of_order(repository, change, message):
    change(repository)
    done = script(repository, "tests/_release.py", "relaxed")
    assert done.returncode == 1
    assert message in done.stderr


def commit_empty(at: Path) -> None:
    git(at, "commit", "--quiet", "--allow-empty", "--message", "later")


def test_a_pin_that_does_not_hold(repository):
    write(repository, "relaxed", "0.6.0")
    done = script(repository, "tests/_release.py", "neoskit")
    assert done.returncode == 1
    assert "neoskit needs relaxed~=0.5.0, this commit has relaxed 0.6.0" in done.stderr


def test_the_oldest_release_that_a_pin_allows(repository):
    assert script(repository, "tests/_released.py", "neoskit", "relaxed").stdout == "\n"
    for version in ("0.4.9", "0.5.10", "0.5.2", "0.6.0"):
        git(repository, "tag", f"relaxed-{version}")
    done = script(repository, "tests/_released.py", "neoskit", "relaxed")
    assert done.stdout == "relaxed-0.5.2\n"
