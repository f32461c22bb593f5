"""What systematics and rates of a card do to one process in one channel."""

import dataclasses
from typing import NamedTuple

import numpy as np

from .card import Card, Cell, Effect, Systematic, fault
from .templates import Template, Templates

# Normalisations of varied histograms that differ by less are left alone, by Combine.
_NO_CHANGE = 1e-3


class Morph(NamedTuple):
    """A change of shape.

    Attributes:
        line, name: of the systematic.
        scale: standard deviations of the parameter for one of the histograms.
        down, up: histograms.
        free: whether the parameter has no constraint.
    """

    line: int
    name: str
    scale: float
    down: Template
    up: Template
    free: bool


@dataclasses.dataclass
class Effects:
    """Everything that changes one process in one channel, by parameter.

    Attributes:
        factors: log-normal factors at -1 and +1.
        free: those of `factors` whose parameter has no constraint.
        linear: slopes of factors 1 + slope * parameter.
        counts: (parameter, observed, events per observed one) of a control region.
        gammas: (parameter, relative error) of gamma-distributed factors.
        morphs: changes of shape.
        logarithmic: whether these are of logarithms.
        rates: names of free factors and formulas.
    """

    factors: dict[str, tuple[float, float]] = dataclasses.field(default_factory=dict)
    free: set[str] = dataclasses.field(default_factory=set)
    linear: dict[str, float] = dataclasses.field(default_factory=dict)
    counts: list[tuple[str, float, float]] = dataclasses.field(default_factory=list)
    gammas: dict[str, float] = dataclasses.field(default_factory=dict)
    morphs: list[Morph] = dataclasses.field(default_factory=list)
    logarithmic: bool = False
    rates: list[str] = dataclasses.field(default_factory=list)

    def multiply(self, name: str, lo: float, hi: float) -> None:
        """Add a log-normal factor; two of one parameter are one, their product."""
        before = self.factors.get(name, (1.0, 1.0))
        self.factors[name] = before[0] * lo, before[1] * hi


def effects_on(card: Card, cell: Cell, rate: float, templates: Templates) -> Effects:
    """Collect what changes a process in a channel.

    Args:
        card: the card.
        cell: channel and process.
        rate: its expected events.
        templates: its histograms.

    Raises:
        WorkspaceError: naming the line of what does not fit.
    """
    found = Effects()
    for systematic in card.systematics:
        if (effect := systematic.effects.get(cell)) is not None:
            _add(found, systematic, effect, cell, rate, templates)
    for each in card.rates:
        if each.cell != cell:
            continue
        if each.name in found.rates:
            raise fault(
                each.line,
                f"{each.name!r} already scales {cell[1]!r} in {cell[0]!r}. Remove one.",
            )
        found.rates.append(each.name)
    return found


def _add(
    found: Effects,
    systematic: Systematic,
    effect: Effect,
    cell: Cell,
    rate: float,
    templates: Templates,
) -> None:
    name, kind, line = systematic.name, systematic.kind, systematic.line
    if kind.startswith("shape"):
        shapes = systematic.shapes.get(cell, name)
        counts_only = templates.counts_only(cell[0])
        if kind.endswith("?") and (
            counts_only or templates.varied_if_there(*cell, shapes) is None
        ):
            found.multiply(name, *_factors(line, name, effect))
            return
        if counts_only:
            raise fault(
                line,
                f"{name!r} changes the shape of {cell[1]!r}, but channel {cell[0]!r} "
                "has no histograms.",
            )
        _morph(found, systematic, effect, cell, templates)
        return
    if kind in ("lnN", "lnU"):
        found.multiply(name, *_factors(line, name, effect))
        if kind == "lnU":
            found.free.add(name)
        return
    if isinstance(effect, tuple):
        raise fault(line, f"{name!r} has two numbers for {cell[1]!r}; {kind} has one.")
    if kind == "gmN":
        _count(found, systematic, effect, cell, rate)
    elif kind == "gmM":
        found.gammas[name] = effect
    else:  # trG and unif
        found.linear[name] = found.linear.get(name, 0.0) + effect


def _factors(line: int, name: str, effect: Effect) -> tuple[float, float]:
    if isinstance(effect, tuple):
        return effect
    with np.errstate(over="ignore"):
        inverse = 1 / effect if effect else np.inf
    if not 0 < inverse < np.inf:
        raise fault(line, f"{name!r} has the factor {effect:g}, which has no inverse.")
    return inverse, effect


def _count(
    found: Effects, systematic: Systematic, alpha: float, cell: Cell, rate: float
) -> None:
    name, line, (count,) = systematic.name, systematic.line, systematic.arguments
    if found.counts:
        raise fault(
            line,
            f"{name!r} is a second gmN of {cell[1]!r} in {cell[0]!r}, beside "
            f"{found.counts[0][0]!r}. A process has one control region.",
        )
    # As Combine: what is rounded in the text may differ.
    if abs(alpha * count - rate) > max(0.05 * max(rate, 1.0), alpha):
        raise fault(
            line,
            f"{name!r} expects {count:g} x {alpha:g} = {count * alpha:g} events of "
            f"{cell[1]!r} in {cell[0]!r}, but its rate is {rate:g}. Correct one.",
        )
    found.counts.append((name, count, alpha))


def _morph(
    found: Effects,
    systematic: Systematic,
    effect: Effect,
    cell: Cell,
    templates: Templates,
) -> None:
    name, line = systematic.name, systematic.line
    if isinstance(effect, tuple):
        raise fault(line, f"{name!r} has histograms for {cell[1]!r}: give one number.")
    shapes = systematic.shapes.get(cell, name)
    down, up = templates.varied(line, *cell, shapes)
    nominal = templates.nominal(*cell)
    for side, each in (("Down", down), ("Up", up)):
        if len(each.values) != len(nominal.values):
            raise fault(
                line,
                f"the histogram of {name!r} {side} for {cell[1]!r} in {cell[0]!r} has "
                f"{len(each.values)} bins, the nominal one {len(nominal.values)}.",
            )
        if not each.integral > 0:
            raise fault(
                line,
                f"the histogram of {name!r} {side} for {cell[1]!r} in {cell[0]!r} sums "
                f"to {each.integral:g}; it must be positive.",
            )
    logarithmic = "N" in systematic.kind
    if found.morphs and logarithmic != found.logarithmic:
        raise fault(
            line,
            f"{name!r} is {systematic.kind}, but {found.morphs[0].name!r} (line "
            f"{found.morphs[0].line}) is of the other kind. All shapes of "
            f"{cell[1]!r} in {cell[0]!r} are shape, or all are shapeN.",
        )
    if any(name == morph.name for morph in found.morphs):
        raise fault(line, f"{name!r} changes {cell[1]!r} in {cell[0]!r} twice.")
    found.logarithmic = logarithmic
    free = systematic.kind == "shapeU"
    found.morphs.append(Morph(line, name, effect, down, up, free))
    if free:
        found.free.add(name)
    norms = down.integral / nominal.integral, up.integral / nominal.integral
    if max(abs(each - 1) for each in norms) >= _NO_CHANGE:
        found.multiply(name, norms[0] ** effect, norms[1] ** effect)
