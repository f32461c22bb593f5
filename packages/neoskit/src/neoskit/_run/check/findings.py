"""What an experienced analyst would notice."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ..config import RunConfig
from .yields import Samples, VariationRow, YieldRow

Level = Literal["error", "warning", "note"]

# What is worth a line. None of these decides anything but whether it is said.
_LARGEST_SHARE = 0.1  # of a bin, that one event has
_FEW_EFFECTIVE = 10.0  # events per bin
_LARGE_CHANGE = 0.5  # of a yield, by one standard deviation
_NO_CHANGE = 1e-9
_SAME_SIDE = 1e-3  # smaller changes to one side are noise
_MANY_NEGATIVE = 0.3  # share of the events
_REPEATED = 0.01  # share of the events


@dataclass(frozen=True)
class Finding:
    """Something that is worth a look.

    Args:
        level: `"error"` if a training would not start, `"warning"` if its result would
            likely be wrong or noisy, `"note"` otherwise.
        what: a short name of the kind of thing.
        where: channel, process, variation, feature or key.
        text: a sentence, with the way out.
    """

    level: Level
    what: str
    where: str
    text: str


def of_yields(
    config: RunConfig, rows: Sequence[YieldRow], scored: Sequence[str], bins: int
) -> Iterator[Finding]:
    """What is odd about the yields.

    Args:
        config: the description.
        rows: the table.
        scored: the channels that the observable scores.
        bins: how many bins it has.
    """
    floor = config.measurement.floor
    for row in rows:
        where = f"process {row.process!r} of channel {row.channel!r}"
        if row.raw == 0:
            yield Finding(
                "error",
                "empty process",
                where,
                "There are no events. Loosen a `filter`, or leave the process out of "
                "this channel.",
            )
            continue
        if row.expected <= 0:
            yield Finding(
                "warning",
                "negative yield",
                where,
                f"The weights add up to {row.expected:.4g}; each bin below "
                f"`measurement.floor` = {floor:g} is raised to it.",
            )
            continue
        in_bins = bins if row.channel in scored else 1
        of_bin = row.largest * in_bins
        if of_bin > _LARGEST_SHARE:
            yield Finding(
                "warning",
                "large weight",
                where,
                f"One event has {of_bin:.0%} of a bin"
                + (f" ({in_bins} bins of equal content)" if in_bins > 1 else "")
                + ". Its weight may be wrong; if it is right, use fewer bins.",
            )
        if row.effective / in_bins < _FEW_EFFECTIVE:
            yield Finding(
                "warning",
                "few events",
                where,
                f"{row.raw} events are as good as {row.effective:.0f} of equal weight"
                + (f", for {in_bins} bins" if in_bins > 1 else "")
                + (
                    "."
                    if config.measurement.mc_statistics
                    else ": say so to the fit by `measurement.mc_statistics = true`."
                ),
            )
        if row.negative > _MANY_NEGATIVE:
            yield Finding(
                "note",
                "negative weights",
                where,
                f"{row.negative:.0%} of the events have negative weights. A bin that "
                f"they leave below {floor:g} is raised to it (`measurement.floor`).",
            )


def of_variations(
    config: RunConfig, rows: Sequence[VariationRow], nominal: Sequence[YieldRow]
) -> Iterator[Finding]:
    """What is odd about the variations.

    Args:
        config: the description.
        rows: the table of variations.
        nominal: that of yields.
    """
    expected = {(row.channel, row.process): row.expected for row in nominal}
    floor = config.measurement.floor
    for row in rows:
        where = (
            f"variation {row.name!r} of process {row.process!r} in channel "
            f"{row.channel!r}"
        )
        if 0 in row.raw:
            yield Finding(
                "error", "empty variation", where, "One side of it has no events."
            )
            continue
        changes = [row.up] if row.mirrored else [row.up, row.down]
        total = expected[row.channel, row.process]
        sides = {"up": row.up, "down": -row.up if row.mirrored else row.down}
        for side, change in sides.items():
            if total > 0 and total * (1 + change) < floor:
                yield Finding(
                    "warning",
                    "negative yield",
                    where,
                    f"Its yield {side} is {total * (1 + change):.4g}; each bin below "
                    f"`measurement.floor` = {floor:g} is raised to it.",
                )
        if not row.moves and max(map(abs, changes)) < _NO_CHANGE:
            yield Finding(
                "note",
                "no effect",
                where,
                "It changes nothing. Leave it out by `samples`, `processes` or "
                "`channels`, or look for a slip in its columns or weights.",
            )
        same_side = not row.mirrored and row.up * row.down > 0
        if same_side and min(abs(row.up), abs(row.down)) > _SAME_SIDE:
            yield Finding(
                "warning",
                "same sign",
                where,
                f"Up and down both change the yield to one side ({row.up:+.1%} and "
                f"{row.down:+.1%}). If one of them is noise or the same events twice, "
                '`symmetrise = "maximum"` or "one-sided" makes it two-sided.',
            )
        if max(map(abs, changes)) > _LARGE_CHANGE:
            yield Finding(
                "warning",
                "large change",
                where,
                f"It changes the yield by {row.up:+.0%} and {row.down:+.0%} at one "
                "standard deviation.",
            )


def of_events(samples: Samples, scored: Sequence[str]) -> Iterator[Finding]:
    """Events that come more than once."""
    for key, of in samples.items():
        if key.shift or of.raw < 2:
            continue
        again = of.rows.again if key.channel in scored else 0
        if again > _REPEATED * of.raw:
            yield Finding(
                "warning",
                "duplicated events",
                str(key),
                f"{again} of {of.raw} events are another one again, in all "
                "features and the weight. A file may be read twice, or hold events "
                "twice.",
            )
            continue
        same = of.index.again
        # Of 32 bits some pairs agree by chance: n²/2³³ of them.
        if same > 10 + 2 * of.raw**2 / 2**33:
            yield Finding(
                "warning",
                "index not unique",
                str(key),
                f"{same} of {of.raw} events have the index of another one: they "
                "would always be on the same side of a split. Name more columns as "
                "`source.index`, or leave it out.",
            )
