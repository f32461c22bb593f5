"""The command that looks for likely mistakes in a document: validate."""

from typing import Annotated, Any

import typer

from .options import Input, Output
from .signature import with_options
from .source import chosen_point, read_source

INVALID = 4
_WORST = 3  # of many findings of one kind, those that are listed
_STYLES = {"problem": "bold red", "warning": "yellow", "note": "dim"}


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

    source = read_source(given)
    findings = fitkit.validate(source.patched(chosen_point(source, given.point)))
    content = {
        "status": "problem" if findings.counts["problem"] else "ok",
        "findings": [dataclasses.asdict(finding) for finding in findings],
    }
    show.answer(content, output, lambda _: _print(findings, everything))
    if findings.counts["problem"]:
        raise typer.Exit(INVALID)


def _print(findings: Any, everything: bool) -> None:
    from rich.text import Text

    from . import show

    if not findings:
        show.line("Nothing to report.")
        return
    # A published document may have thousands, of a few kinds.
    for group in findings.groups:
        head, *places = group.lines(None if everything else _WORST)
        severity, rest = head[: len(group.severity)], head[len(group.severity) :]
        text = Text(severity, _STYLES[group.severity]) + Text(rest, "default")
        show.out().print(text, soft_wrap=True)
        for place in places:
            show.line(place)
    counts = ", ".join(
        f"{n} {name}{'s' * (n != 1)}" for name, n in findings.counts.items()
    )
    longest = max(len(group.findings) for group in findings.groups)
    more = " (--all lists every place)" * (longest > _WORST and not everything)
    show.line(counts + more)
