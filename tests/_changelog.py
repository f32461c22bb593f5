"""A package's CHANGELOG.md: its headings, and the names that stand under one."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
UNRELEASED = "Unreleased"
_HEADING = re.compile(r"^## +\[?(?P<name>[^\]\s]+)\]?(?: .*)?$", re.M)
_CODE = re.compile(r"`([^`]+)`")


def sections(package: str, root: Path = ROOT) -> dict[str, str]:
    """The text below each heading, `Unreleased` or a version, the newest first."""
    text = (root / "packages" / package / "CHANGELOG.md").read_text()
    found = list(_HEADING.finditer(text))
    ends = [heading.start() for heading in found[1:]] + [len(text)]
    return {
        heading["name"]: text[heading.end() : end].strip()
        for heading, end in zip(found, ends, strict=True)
    }


def names(text: str) -> set[str]:
    """What stands between backticks, up to a bracket: `Model.with_fixed(mu=0)`."""
    return {re.split(r"[(\[]", code)[0] for code in _CODE.findall(text)}
