"""Is a package ready to be released? Version, changelog, tag, pins, citation.

On a commit that carries the package's tag everything must be final. On any other it is
a rehearsal: the changes may still stand under `Unreleased`.

    _release.py fitkit
"""

import re
import subprocess
import sys

from _changelog import ROOT, UNRELEASED, sections
from _released import oldest_allowed, pin, project_of, releases
from packaging.requirements import Requirement
from packaging.version import Version

PACKAGES = sorted(path.parent.name for path in ROOT.glob("packages/*/pyproject.toml"))


def problems(package: str) -> list[str]:
    project = project_of(package)
    version = Version(project["version"])
    here = releases(package, "--points-at", "HEAD")
    wrong = []
    if here:
        wrong += tagged(package, version, here)
    else:
        print(f"no tag of {package} on this commit: a rehearsal of {version}")
        earlier = releases(package)
        if earlier and version <= max(earlier):
            wrong.append(f"{version} is not above {earlier[max(earlier)]}, a release")
        known = {*sections(package)}
        if not known & {UNRELEASED, str(version)}:
            wrong.append(
                f"CHANGELOG.md of {package} has neither `## {UNRELEASED}` nor "
                f"`## {version}`"
            )
    citation = (ROOT / "CITATION.cff").read_text()
    (cited,) = re.findall(r"^version: *(\S+)$", citation, re.M)
    newest = max(Version(project_of(name)["version"]) for name in PACKAGES)
    if Version(cited) != newest:
        wrong.append(f"CITATION.cff says {cited}, the newest package is {newest}")
    return wrong + pins(package, version)


def tagged(package: str, version: Version, here: dict[Version, str]) -> list[str]:
    """What is not final where the commit has the tag."""
    wrong = [
        f"the tag {tag} is not the version {version} of {package}'s pyproject.toml"
        for found, tag in here.items()
        if found != version
    ]
    changes = sections(package)
    if changes.get(UNRELEASED):
        wrong.append(f"CHANGELOG.md of {package} has changes under `## {UNRELEASED}`")
    newest = next((name for name in changes if name != UNRELEASED), None)
    if newest != str(version):
        wrong.append(f"the newest heading of {package}'s changelog is {newest}")
    command = ["git", "status", "--porcelain", "--", f"packages/{package}"]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    if done.stdout:
        wrong.append(f"not committed: {done.stdout.strip()}")
    return wrong


def pins(package: str, version: Version) -> list[str]:
    """Do the pins take the siblings of this commit, and no foreign release?"""
    wrong = []
    needs = {Requirement(need).name for need in project_of(package)["dependencies"]}
    for sibling in sorted(needs.intersection(PACKAGES)):
        need, theirs = pin(package, sibling), Version(project_of(sibling)["version"])
        if theirs not in need.specifier:
            wrong.append(f"{package} needs {need}, this commit has {sibling} {theirs}")
        if theirs.release[:2] != version.release[:2]:
            wrong.append(f"{package} {version} and {sibling} {theirs} differ in minor")
        print(f"{need}: oldest release {oldest_allowed(package, sibling)}")
    return wrong


if __name__ == "__main__":
    found = problems(*sys.argv[1:])
    print(*found, sep="\n", file=sys.stderr)
    sys.exit(1 if found else 0)
