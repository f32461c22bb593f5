"""Which parameter of interest scales which process."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from ..._workspace.error import WorkspaceError
from .card import Card, Cell

_TARGET = re.compile(r"([A-Za-z_]\w*)(?:\[([^,\]]+),([^,\]]+),([^,\]]+)\])?")


class Strengths(NamedTuple):
    """What scales the processes of a card.

    Attributes:
        of: the strength of each process in each channel; 1 leaves it as it is, 0 takes
            it out.
        settings: start, lower and upper bound, where the map gives them.
    """

    of: dict[Cell, str]
    settings: dict[str, tuple[float, float, float]]

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters of interest, in order."""
        used = dict.fromkeys(self.of.values())
        return tuple(name for name in used if name not in ("0", "1"))


def strengths(card: Card, poi_map: Mapping[str, str] | None) -> Strengths:
    """The strength of each process: `r` for all signals, or what a map says.

    Args:
        card: the card.
        poi_map: from regular expressions of `channel/process`, or of the process alone,
            to `name`, `name[start,lower,upper]`, `1` or `0`; the last that fits holds.

    Raises:
        WorkspaceError: for a pattern or a target that cannot be used.
    """
    if poi_map is None:
        return Strengths({c.cell: "r" if c.signal else "1" for c in card.columns}, {})
    of = {column.cell: "1" for column in card.columns}
    settings: dict[str, tuple[float, float, float]] = {}
    for pattern, target in poi_map.items():
        name = _target(pattern, target, settings)
        try:
            match = re.compile(str(pattern)).fullmatch
        except (re.error, RecursionError, OverflowError) as error:
            raise WorkspaceError(
                f"`poi_map`: {pattern!r} is no regular expression: {error}."
            ) from None
        meant = [
            column.cell
            for column in card.columns
            if match(
                f"{column.channel}/{column.process}"
                if "/" in pattern
                else column.process
            )
        ]
        if not meant:
            known = ", ".join(dict.fromkeys(c.process for c in card.columns))
            raise WorkspaceError(
                f"`poi_map`: {pattern!r} fits no process. Write a regular expression "
                f"of channel/process, as '.*/ggH'. The card has: {known}."
            )
        of |= dict.fromkeys(meant, name)
    return Strengths(of, settings)


def _target(
    pattern: str, target: str, settings: dict[str, tuple[float, float, float]]
) -> str:
    if str(target) in ("0", "1"):
        return str(target)
    match = _TARGET.fullmatch(str(target).replace(" ", ""))
    if match is None:
        raise WorkspaceError(
            f"`poi_map`: {pattern!r} is mapped to {target!r}. Write a name, "
            "name[start,lower,upper], 1 or 0."
        )
    if match[2] is not None:
        try:
            start, lower, upper = (float(each) for each in match.groups()[1:])
        except ValueError:
            start, lower, upper = 0.0, 0.0, 0.0
        if not lower < upper or not lower <= start <= upper:
            raise WorkspaceError(
                f"`poi_map`: {target!r} must be name[start,lower,upper], with the "
                "start between the bounds."
            )
        settings[match[1]] = start, lower, upper
    return match[1]
