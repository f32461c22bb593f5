"""What a Combine datacard says, line by line, before any histogram is read."""

import dataclasses
from typing import NamedTuple, TypeAlias

from ..._workspace.error import WorkspaceError

Effect: TypeAlias = float | tuple[float, float]
"""A number of a systematic's line, or two of them, `down/up`."""

Cell: TypeAlias = tuple[str, str]
"""A channel and a process."""


def fault(line: int, reason: str) -> WorkspaceError:
    """An error at a line of the card, counted from 1; 0 for the whole card."""
    return WorkspaceError(f"line {line}: {reason}" if line else reason)


class Column(NamedTuple):
    """One process in one channel.

    Attributes:
        channel, process: names.
        signal: whether its number is 0 or negative.
        rate: expected events; -1 for those of the histogram.
    """

    channel: str
    process: str
    signal: bool
    rate: float

    @property
    def cell(self) -> Cell:
        """The channel and the process."""
        return self.channel, self.process


class ShapeRule(NamedTuple):
    """A `shapes` line: where the histograms of a process are.

    Attributes:
        line: of the card.
        file: a path with keywords, or "FAKE" for a channel that only counts.
        nominal, varied: names of histograms with keywords; empty where not given.
    """

    line: int
    file: str
    nominal: str = ""
    varied: str = ""


@dataclasses.dataclass
class Systematic:
    """A line of a systematic uncertainty.

    Attributes:
        line: of the card.
        name: the parameter.
        kind: "lnN", "shape", and so on, as on the line.
        arguments: numbers before the columns: the count of a gmN.
        effects: by channel and process; none where it has none.
        shapes: under which name its histograms stand, where an edit renamed it.
    """

    line: int
    name: str
    kind: str
    arguments: tuple[float, ...]
    effects: dict[Cell, Effect]
    shapes: dict[Cell, str] = dataclasses.field(default_factory=dict)


class RateParameter(NamedTuple):
    """A `rateParam` line for one process in one channel.

    Attributes:
        line: of the card.
        name: the factor.
        cell: what it scales.
        value: its start, or a formula.
        bounds: of a free one; None without.
        arguments: of a formula; None for a free one.
    """

    line: int
    name: str
    cell: Cell
    value: float | str
    bounds: tuple[float, float] | None
    arguments: tuple[str, ...] | None


class Constraint(NamedTuple):
    """A `param` line: a normal constraint, with one width for each side.

    Attributes:
        line: of the card.
        mean, down, up: the measured value and its errors.
        bounds: None without.
    """

    line: int
    mean: float
    down: float
    up: float
    bounds: tuple[float, float] | None


class Extra(NamedTuple):
    """An `extArg` line: a number that formulas use; free where it has a range."""

    line: int
    value: float
    bounds: tuple[float, float] | None


class Statistics(NamedTuple):
    """An `autoMCStats` line.

    Attributes:
        line: of the card.
        threshold: effective events up to which each process has its own parameter;
            negative for no parameters.
        signal: whether signals count for the decision.
    """

    line: int
    threshold: float
    signal: bool


@dataclasses.dataclass
class Card:
    """A card as it is written, after its own edits.

    Attributes:
        channels: in their order.
        observed: counts; -1 for those of the histogram. Empty without a line for it.
        columns: processes in channels, in their order.
        rules: of shapes, by channel and process, "*" for all.
        systematics: in their order; several may share a name.
        rates: factors of processes.
        constraints: by parameter.
        extras: by name.
        groups: names of parameters.
        statistics: by channel.
        frozen: parameters that are fixed at their nominal values.
    """

    channels: list[str] = dataclasses.field(default_factory=list)
    observed: dict[str, float] = dataclasses.field(default_factory=dict)
    columns: list[Column] = dataclasses.field(default_factory=list)
    rules: dict[Cell, ShapeRule] = dataclasses.field(default_factory=dict)
    systematics: list[Systematic] = dataclasses.field(default_factory=list)
    rates: list[RateParameter] = dataclasses.field(default_factory=list)
    constraints: dict[str, Constraint] = dataclasses.field(default_factory=dict)
    extras: dict[str, Extra] = dataclasses.field(default_factory=dict)
    groups: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    statistics: dict[str, Statistics] = dataclasses.field(default_factory=dict)
    frozen: set[str] = dataclasses.field(default_factory=set)

    @property
    def asymmetric(self) -> dict[str, Constraint]:
        """The constraints with two different errors."""
        return {n: each for n, each in self.constraints.items() if each.down != each.up}

    def rule(self, channel: str, process: str) -> ShapeRule | None:
        """The `shapes` line of a process: the channel's own before that of all."""
        for of_channel in (channel, "*"):
            for of_process in (process, "*"):
                if (found := self.rules.get((of_channel, of_process))) is not None:
                    return found
        return None
