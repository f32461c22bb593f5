"""The samples and parameters that the errors of templates add to a channel."""

import dataclasses
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

from ..._histfactory.functions import Functions
from ..._histfactory.modifiers import AbstractModifier
from ..._histfactory.modifiers.base import (
    ParameterDeclaration,
    ParameterKind,
    Place,
    Tables,
    record,
)
from ..._histfactory.modifiers.function import FunctionFactor
from ..._histfactory.spec import Sample
from .card import Column, Statistics
from .effects import Effects
from .functions import ErrorOfSum
from .scaling import Scaling
from .statistics import Treatment, treatment
from .templates import Template

STATISTICS = "MC statistics"
"""The name of a sample that has nothing but the errors of templates."""


@record
class BinParameters(AbstractModifier):
    """Parameters of bins with constraints of their own, as the errors of templates.

    Attributes:
        name: the parameter, `[bins]`.
        kind: normal at 0, or a count that is `events` where the factor is 1.
        events: `[bins]`.
    """

    name: str
    kind: ParameterKind
    events: np.ndarray

    def declare(self, tables: Tables, place: Place) -> None:
        normal = self.kind in (ParameterKind.NORMAL, ParameterKind.SHIFT)
        tables.parameter(
            self.name,
            place,
            ParameterDeclaration(
                place.size,
                False,
                self.kind,
                init=0.0 if normal else 1.0,
                lower=-7.0 if normal else 0.0,
                upper=7.0 if normal else np.inf,
                aux=np.zeros(place.size) if normal else self.events,
                sigma=np.ones(place.size) if normal else self.events**-0.5,
            ),
        )
        # The sample is made of errors, and has none of its own.
        tables.factor(self.name, place, np.arange(place.size), np.zeros(place.size))


class Process(NamedTuple):
    """A process in a channel with `autoMCStats`.

    Attributes:
        column: of the card.
        template: its histogram.
        effects: what changes it.
    """

    column: Column
    template: Template
    effects: Effects


class Errors(NamedTuple):
    """What the errors of templates add to a channel.

    Attributes:
        samples: those of the channel, with further parameters, and new ones.
        fixed: the bins in which parameters have nothing to do, by their names.
    """

    samples: list[Sample]
    fixed: dict[str, Bool[np.ndarray, " bins"]]


def with_errors(
    channel: str,
    samples: list[Sample],
    processes: list[Process],
    scaling: Scaling,
    flags: Statistics,
    nominal: dict[str, float],
) -> Errors:
    """Add the parameters of the errors of templates.

    Args:
        channel: its name.
        samples: of the processes, in their order.
        processes: all of the channel.
        scaling: what scales them.
        flags: what the card says.
        nominal: values of parameters before any fit.
    """
    function, arguments = _error_of_sum(processes, scaling)
    start = np.array([nominal.get(name, 0.0) for name in arguments])
    chosen = treatment(
        flags,
        np.array([each.template.values for each in processes]),
        np.array([each.template.errors for each in processes]),
        np.asarray(function.normalisations(start)),
        np.array([each.column.signal for each in processes]),
    )
    made = Errors(list(samples), {})
    name, here = f"prop_bin{channel}", chosen.total
    if here.any():
        made.fixed[name] = ~here
        factor = FunctionFactor(f"{name} error", function, arguments)
        parameters = BinParameters(name, ParameterKind.SHIFT, np.ones(here.shape))
        yields = here.astype(float)
        made.samples.append(Sample(STATISTICS, yields, (factor, parameters)))
    for row, each in enumerate(processes):
        own = f"{name}_{each.column.process}"
        _add_counts(made, own, row, chosen)
        _add_shift(made, own, row, chosen, function, arguments)
    return made


def _add_counts(made: Errors, name: str, row: int, chosen: Treatment) -> None:
    """Poisson parameters: factors of the process itself."""
    counted = chosen.counted[row]
    if not counted.any():
        return
    made.fixed[name] = ~counted
    events = np.where(counted, chosen.events[row], 1.0)
    parameters = BinParameters(name, ParameterKind.COUNT, events)
    sample = made.samples[row]
    made.samples[row] = Sample(
        sample.name, sample.yields, (*sample.modifiers, parameters)
    )


def _add_shift(
    made: Errors,
    name: str,
    row: int,
    chosen: Treatment,
    function: ErrorOfSum,
    arguments: tuple[str, ...],
) -> None:
    """Normal parameters: a shift by the error of the process alone."""
    normal = chosen.normal[row]
    if not normal.any():
        return
    if name in made.fixed:
        name = f"{name}_normal"
    made.fixed[name] = ~normal
    variances = np.zeros_like(function.variances)
    variances[row] = function.variances[row]
    own = dataclasses.replace(function, variances=variances)
    parameters = BinParameters(name, ParameterKind.NORMAL, np.ones(normal.shape))
    made.samples.append(
        Sample(
            f"{STATISTICS} of {made.samples[row].name}",
            normal.astype(float),
            (FunctionFactor(f"{name} error", own, arguments), parameters),
        )
    )


def _error_of_sum(
    processes: list[Process], scaling: Scaling
) -> tuple[ErrorOfSum, tuple[str, ...]]:
    """The error of the sum of a channel's templates, and its arguments."""
    names: dict[str, None] = {}
    rows = []
    for each in processes:
        rows.append(scaling.functions(each.column.cell, each.effects))
        names |= dict.fromkeys(each.effects.factors)
        names |= dict.fromkeys(name for f in rows[-1] for name in f.arguments)
    position = {name: i for i, name in enumerate(names)}
    slope, bend = np.zeros((2, len(names), len(processes)))
    errors = np.array([each.template.errors for each in processes], float)
    for row, each in enumerate(processes):
        # A factor that counts events is 1 where it has as many as were observed.
        for _, count, _ in each.effects.counts:
            errors[row] = errors[row] / (count or 1.0)
        for name, (lo, hi) in each.effects.factors.items():
            log_lo, log_hi = np.log(lo), np.log(hi)
            slope[position[name], row] = (log_hi - log_lo) / 2
            bend[position[name], row] = (log_hi + log_lo) / 2
    factors = _of_rows(rows, position)
    made = ErrorOfSum(errors.shape[1], slope, bend, factors, errors**2)
    return made, tuple(names)


def _of_rows(
    rows: list[list[FunctionFactor]], position: dict[str, int]
) -> Functions | None:
    """The functions of some processes as one table with one bin."""
    members = {id(each.function): each for row in rows for each in row}
    if not members:
        return None
    place = {key: i for i, key in enumerate(members)}
    index = np.full((max(map(len, rows)), len(rows), 1), len(members), dtype=np.int32)
    for i, row in enumerate(rows):
        for slot, each in enumerate(row):
            index[slot, i, 0] = place[id(each.function)]
    return Functions(
        members=tuple(each.function for each in members.values()),
        positions=tuple(
            np.array([position[name] for name in each.arguments])
            for each in members.values()
        ),
        arguments=np.arange(len(position), dtype=np.int32),
        output_of=index,
    )
