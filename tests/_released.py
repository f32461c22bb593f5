"""What git's tags know of releases: `relaxed-0.5.0` is one of relaxed.

_released.py neoskit relaxed    # prints the oldest tag that neoskit's pins allow
"""

import subprocess
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import InvalidVersion, Version

ROOT = Path(__file__).parents[1]


def releases(package: str, *options: str) -> dict[Version, str]:
    """The tags of a package by their versions, the oldest first."""
    command = ["git", "tag", "--list", *options, f"{package}-*"]
    tags = subprocess.run(
        command, cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    found = {}
    for tag in tags:
        try:
            found[Version(tag.removeprefix(f"{package}-"))] = tag
        except InvalidVersion:
            print(f"the tag {tag} is no version of {package}", file=sys.stderr)
    return dict(sorted(found.items()))


def project_of(package: str) -> dict:
    text = (ROOT / "packages" / package / "pyproject.toml").read_text()
    return tomllib.loads(text)["project"]


def pin(package: str, sibling: str) -> Requirement:
    needs = map(Requirement, project_of(package)["dependencies"])
    (found,) = (need for need in needs if need.name == sibling)
    return found


def oldest_allowed(package: str, sibling: str) -> str | None:
    allowed = pin(package, sibling).specifier
    tags = releases(sibling).items()
    return next((tag for version, tag in tags if version in allowed), None)


if __name__ == "__main__":
    print(oldest_allowed(*sys.argv[1:]) or "")
