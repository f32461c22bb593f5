"""The command that looks for likely mistakes in a document: validate."""

import re
from typing import Annotated, Any

import typer

from .options import Input, Output
from .signature import with_options
from .source import chosen_point, source

INVALID = 4
_SEVERITY = {"problem": "bold red", "warning": "yellow", "note": "dim"}
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
_WORST = 3  # of many findings of one kind, those that are listed


@with_options
def validate(
    given: Input,
    output: Output,
    everything: Annotated[
        bool,
        typer.Option("--all", help="Every place, not only the worst of many."),
    ] = False,
) -> None:
    """What is formally correct but likely wrong, or hard to fit.

    Ends with 4 where there is a problem, and with 0 after warnings and notes.
    """
    import dataclasses

    import fitkit

    from . import show

    found = source(given)
    findings = fitkit.validate(found.patched(chosen_point(found, given.point)))
    invalid = any(finding.severity == "problem" for finding in findings)
    content = {
        "status": "problem" if invalid else "ok",
        "findings": [dataclasses.asdict(finding) for finding in findings],
    }
    show.answer(content, output, lambda content: _print(content, everything))
    if invalid:
        raise typer.Exit(INVALID)


def _print(content: dict[str, Any], everything: bool) -> None:
    from rich.text import Text

    from . import show

    if not content["findings"]:
        show.line("Nothing to report.")
        return
    kinds: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for finding in content["findings"]:
        kind = (finding["severity"], _NUMBER.sub("#", finding["message"]))
        kinds.setdefault(kind, []).append(finding)
    for (severity, _), alike in kinds.items():
        alike.sort(key=_size, reverse=True)
        worst = alike[0]["message"]
        head = f": {worst}" if len(alike) == 1 else f" ({len(alike)}): {worst}"
        show.out().print(
            Text(severity, _SEVERITY[severity]) + Text(head), soft_wrap=True
        )
        listed = alike if everything else alike[:_WORST]
        for finding in listed:
            same = finding["message"] == worst
            show.line(
                f"  {_place(finding)}" + ("" if same else f": {finding['message']}")
            )
        if len(listed) < len(alike):
            show.line(f"  … {len(alike) - len(listed)} more: --all")
    counts = {
        s: [f["severity"] for f in content["findings"]].count(s) for s in _SEVERITY
    }
    show.line(", ".join(f"{n} {s}{'s' * (n != 1)}" for s, n in counts.items()))


def _place(finding: dict[str, Any]) -> str:
    names = (finding["channel"], finding["sample"], finding["modifier"])
    where = " / ".join(name for name in names if name)
    if finding["bins"]:
        where += f" [bin {', '.join(map(str, finding['bins']))}]"
    return where


def _size(finding: dict[str, Any]) -> tuple[float, int]:
    """How bad one of several findings of a kind is.

    Its numbers are percentages, counts and factors: far from 1 is bad for all of them.
    """
    numbers = map(float, _NUMBER.findall(finding["message"]))
    return max((abs(x - 1) for x in numbers), default=0.0), len(finding["bins"])
