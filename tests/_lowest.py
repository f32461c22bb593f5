"""Show and assert that the lowest versions that a package says it takes are here.

A lower bound that cannot be installed together with the others is a promise that
nobody has tried.

    _lowest.py packages/relaxed/pyproject.toml
"""

import importlib.metadata
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version


def lower_bound(requirement: Requirement) -> Version | None:
    bounds = [s for s in requirement.specifier if s.operator in (">=", "~=", "==")]
    return max((Version(bound.version) for bound in bounds), default=None)


def main(path: str) -> int:
    project = tomllib.loads(Path(path).read_text())["project"]
    extras = project.get("optional-dependencies", {}).values()
    texts = {*project["dependencies"], *(need for group in extras for need in group)}
    wrong = []
    print(f"Python {sys.version.split()[0]}, {project['requires-python']}")
    for requirement in sorted(map(Requirement, texts), key=lambda each: each.name):
        bound = lower_bound(requirement)
        if bound is None:
            wrong.append(f"{requirement} has no lower bound")
            continue
        found = Version(importlib.metadata.version(requirement.name))
        print(f"{requirement.name} {found}, of {requirement.specifier}")
        if found != bound:
            wrong.append(
                f"{requirement}: {found} is the lowest that could be installed; "
                f"raise the bound to it, or find what asks for more than {bound}"
            )
    print(*wrong, sep="\n", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
