"""What `neoskit check` prints."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from . import show

if TYPE_CHECKING:
    from .._run.check import Check, Finding


def report(name: Path, result: "Check") -> None:
    """Everything that was found, as tables and sentences."""
    if result.files:
        show.table(_files(result))
    show.line("Events and yields:")
    show.table(_yields(result))
    if result.variations or result.normalisations:
        show.line("Changes of the yield at one standard deviation:")
        show.table(_variations(result))
    if result.features:
        show.line("Features, over all simulated events of the scored channels:")
        show.table(_features(result))
    show.line("What a training will do:")
    for sentence in result.plan:
        show.line(f"  {sentence}")
    _findings(result.findings)
    show.line(
        f"{name}: ready to train."
        if result.passed
        else f"{name}: cannot be trained yet; see the errors above."
    )


def document(result: "Check") -> None:
    """The same as JSON."""
    print(json.dumps(result.document(), indent=1, allow_nan=False))


def _files(result: "Check") -> Table:
    table = Table("sample", "file", "entries")
    for row in result.files:
        count = "" if row.entries is None else str(row.entries)
        table.add_row(row.sample, Path(row.path).name, count)
    return table


def _yields(result: "Check") -> Table:
    columns = ("events", "effective", "negative", "expected", "MC error")
    table = Table("channel", "process", *columns)
    for row in result.yields:
        table.add_row(
            row.channel,
            row.process,
            str(row.raw),
            f"{row.effective:.0f}",
            f"{row.negative:.0%}" if row.negative else "",
            f"{row.expected:.5g}",
            f"{row.error:.3g}",
        )
    return table


def _variations(result: "Check") -> Table:
    columns = ("up", "down", "events", "effective", "moves events")
    table = Table("channel", "process", "parameter", *columns)
    for row in result.variations:
        table.add_row(
            row.channel,
            row.process,
            row.name,
            f"{row.up:+.1%}",
            "mirrored" if row.mirrored else f"{row.down:+.1%}",
            *(
                f"{of[0]:.0f}" if row.mirrored else f"{of[0]:.0f}, {of[1]:.0f}"
                for of in (row.raw, row.effective)
            ),
            "yes" if row.moves else "",
        )
    for channel, process, name, down, up in result.normalisations:
        table.add_row(channel, process, name, f"{up - 1:+.1%}", f"{down - 1:+.1%}")
    return table


def _features(result: "Check") -> Table:
    table = Table("feature", "smallest", "mean", "deviation", "largest", "missing")
    for row in result.features:
        table.add_row(
            row.name,
            *(f"{x:.4g}" for x in (row.low, row.mean, row.deviation, row.high)),
            "" if row.missing is None else f"{row.missing:.1%}",
        )
    return table


def _findings(findings: "Sequence[Finding]") -> None:
    if not findings:
        show.line("Nothing odd was found.")
        return
    show.line(f"{len(findings)} thing{'s'[: len(findings) != 1]} to look at:")
    for finding in findings:
        show.line(f"  {finding.level}: {finding.what}: {finding.where}")
        show.line(f"      {finding.text}")
