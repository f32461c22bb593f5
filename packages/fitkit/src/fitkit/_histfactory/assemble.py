"""From what a user wrote to flat arrays, once."""

import collections
import dataclasses
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from .._numerics.namespace import xp
from .arrays import Arrays, Codes, Layout
from .blocks import partition
from .check import errors_left_out, first_broken, guarded
from .declare import Collector, Variation, declare, declare_arguments
from .functions import AbstractFunction, Functions
from .interpolation import Runs
from .locate import located
from .modifiers.base import Place
from .poi import checked_poi
from .problem import SpecificationError, unique, warn
from .profiled_factors import bins_of, profiled_factors, vectors_apart
from .settings import parameter_vectors
from .spec import Channel, ParameterSettings, tuple_of
from .tables import positions_in, table


def _by_code(
    entries: Sequence[tuple[Variation, *tuple[Any, ...]]],
) -> dict[Variation, int]:
    """The row of each variation; those of one code together, else in their order."""
    # Rates take each code's rows as one slice of the table.
    once = dict.fromkeys(entry[0] for entry in entries)
    return {key: row for row, key in enumerate(sorted(once, key=lambda key: key[0]))}


def _runs(variations: Iterable[Variation]) -> Runs:
    return tuple(collections.Counter(code for code, _ in variations).items())


def _rows_of(index: list[int], params: int, least: int) -> np.ndarray:
    """For each of `params` entries where it stands in `index`.

    Args:
        index: entries.
        params: how many there are.
        least: at least so many places for each, so that models that differ only in
            whether a parameter is in both tables have one shape.

    Returns:
        `[copies, params]`, filled up with the length of `index`.
    """
    places: list[list[int]] = [[] for _ in range(params)]
    for row, entry in enumerate(index):
        places[entry].append(row)
    copies = max([least, *map(len, places)])
    none = [len(index)] * copies
    return (
        np.array([(p + none)[:copies] for p in places], np.int32).reshape(-1, copies).T
    )


def assemble(
    channels: Sequence[Channel],
    poi: str | Sequence[str] | None,
    settings: Mapping[str, ParameterSettings],
    normsys_code: str,
    histosys_code: str,
    *,
    profile_statistics: bool = False,
) -> tuple[Layout, Arrays]:
    """Return the layout and the arrays of a specification.

    Args:
        channels: at least one, with different names.
        poi: the parameter of interest, a scalar parameter of the model; several; None.
        settings: by parameter name.
        normsys_code, histosys_code: of modifiers that name none of their own.
        profile_statistics: whether statistical factors, at most one for each bin, are
            profiled in closed form and no parameters.

    Returns:
        Names and shapes, and the flat arrays, in NumPy but for those of traced numbers.

    Raises:
        SpecificationError: naming channel, sample, modifier, parameter and bin.
    """
    channels = tuple_of(channels, Channel, "`Model`", "`Channel` objects")
    if not channels:
        raise SpecificationError(
            "a model needs at least one channel.", keys=("channels",)
        )
    unique([channel.name for channel in channels], "channel", ("channels",))
    collector = Collector(normsys_code, histosys_code)
    places, declared = declare(collector, channels)
    declare_arguments(collector, settings, poi)
    shapes = {
        name: () if p.declaration.scalar else (p.size,)
        for name, p in collector.parameters.items()
    }
    of_interest = checked_poi(poi, shapes)
    vectors = parameter_vectors(collector.parameters, settings)
    taken = collector.take_statistical_factors() if profile_statistics else {}
    parameters = {k: p for k, p in collector.parameters.items() if k not in taken}
    # Names go no further: what is compiled for a model serves all of its shapes.
    layout = Layout(
        channels=tuple(
            (channel.name, channel.bins, tuple(s.name for s in channel.samples))
            for channel in channels
        ),
        parameters=tuple(
            (name, () if p.declaration.scalar else (p.size,), p.declaration.kind)
            for name, p in parameters.items()
        ),
        poi=of_interest,
        modifiers=tuple(declared),
        profiled=tuple(
            (name, bins_of(factors), collector.parameters[name].declaration.kind)
            for name, factors in taken.items()
        ),
    )
    start = {name: place.start for name, place in layout.shapes.places.items()}
    size, bins = layout.shapes.size, sum(channel.bins for channel in channels)
    rows = max(len(channel.samples) for channel in channels)
    normsys = _by_code(collector.normsys_entries)
    histosys = _by_code(collector.histosys_entries)
    slots = max(collector.factors_of.values(), default=0)

    # Where an element has fewer factors, it takes the constant 1 behind the parameters.
    factor_index = np.full((slots, rows, bins), size, dtype=np.int32)
    for slot, row, where, name, entries, _ in collector.factors:
        factor_index[slot, row, where] = start[name] + entries
    histosys_at = [
        positions_in((len(histosys), rows, bins), histosys[key], row, where)
        for key, row, where, _, _ in collector.histosys_entries
    ]
    # Elsewhere the tables of variations have 0, which is far from the nominal yield.
    present = np.zeros((len(histosys), rows, bins), dtype=bool)
    if histosys_at:
        present.reshape(-1)[np.concatenate(histosys_at)] = True
    tables = _tables(collector, places, normsys, histosys_at, factor_index.shape)
    functions = _functions(collector, start, (rows, bins))
    arguments = [] if functions is None else functions.arguments.tolist()
    interpolated_rows = _rows_of(
        [
            *(start[name] for _, name in histosys),
            *arguments,
            *(start[name] for _, name in normsys),
        ],
        size,
        least=2 if histosys and normsys else 1,
    )
    channel_of_bin = np.repeat(np.arange(len(channels)), [c.bins for c in channels])
    kinds = [[int(p.declaration.kind)] * p.size for p in parameters.values()]
    profiled = None
    if taken:
        samples = np.array([len(channel.samples) for channel in channels])
        vectors, of_bins = vectors_apart(collector.parameters, layout, vectors, bins)
        profiled = profiled_factors(taken, rows, samples[channel_of_bin], of_bins)
        own = {"nominal": tables["nominal"], "uncertainty": profiled.uncertainty[None]}
        own = guarded(own)
        tables["nominal"] = own["nominal"]
        profiled = dataclasses.replace(profiled, uncertainty=own["uncertainty"][0])
    arrays = Arrays(
        codes=Codes(_runs(normsys), _runs(histosys)),
        **tables,
        histosys_present=present,
        factor_index=factor_index,
        normsys_index=np.array([start[name] for _, name in normsys], dtype=np.int32),
        histosys_index=np.array([start[name] for _, name in histosys], dtype=np.int32),
        interpolated_rows=interpolated_rows,
        # Where factors do not scale whole bins, the Hessian has no blocks to speak of.
        partition=partition(
            factor_index,
            interpolated_rows,
            (len(histosys), len(normsys)),
            len(channels),
            arguments,
        )
        if profiled is None or profiled.complete
        else None,
        bin_channel=(np.arange(len(channels))[:, None] == channel_of_bin).astype(float),
        counted=np.ones(bins, dtype=bool),
        kind=np.array(list(itertools.chain.from_iterable(kinds)), dtype=np.int32),
        **vectors,
        profiled=profiled,
        functions=functions,
        floor=_floor(collector, (rows, bins)),
    )
    # After all else, for a wrong name is the better message.
    checked = {name: getattr(arrays, name) for name in tables}
    if profiled is not None:  # as one slot more
        errors = arrays.uncertainty, profiled.uncertainty[None]
        checked["uncertainty"] = xp.concatenate(errors)
    if broken := first_broken(checked):
        raise located(broken, channels, layout, arrays)
    if lost := errors_left_out(layout, arrays):
        warn(lost)
    return layout, arrays


def _floor(collector: Collector, shape: tuple[int, int]) -> np.ndarray | None:
    """What yields with their variations are at least, `[rows, bins]`."""
    if not collector.floors:
        return None
    table = np.full(shape, -np.inf)
    for place, least in collector.floors:
        table[place.row, place.bins] = least
    return table


def _functions(
    collector: Collector, start: Mapping[str, int], shape: tuple[int, int]
) -> Functions | None:
    """The functions of parameters that scale samples, each of them once.

    Args:
        collector: what the modifiers have declared.
        start: where each parameter begins in the flat vector.
        shape: the shape `[rows, bins]`.
    """
    if not collector.functions:
        return None
    names = dict.fromkeys(name for _, _, own, _ in collector.functions for name in own)
    position = {name: i for i, name in enumerate(names)}
    # A formula that scales many samples is one object, and worked out once.
    members: dict[tuple[int, tuple[str, ...]], AbstractFunction] = {}
    first: dict[tuple[int, tuple[str, ...]], int] = {}
    outputs, slots_of, placed = 0, collections.Counter[tuple[int, int]](), []
    for place, function, own, _ in collector.functions:
        key = id(function), own
        if key not in members:
            members[key], first[key] = function, outputs
            outputs += function.outputs
        element = place.row, place.bins.start
        entries = first[key] + np.arange(function.outputs)
        placed.append((slots_of[element], place.row, place.bins, entries))
        slots_of[element] += 1
    index = np.full((max(slots_of.values()), *shape), outputs, dtype=np.int32)
    for slot, row, where, entries in placed:
        index[slot, row, where] = entries
    return Functions(
        members=tuple(members.values()),
        positions=tuple(np.array([position[n] for n in own]) for _, own in members),
        arguments=np.array([start[name] for name in names], dtype=np.int32),
        output_of=index,
    )


def _tables(
    collector: Collector,
    places: Sequence[Place],
    normsys: Mapping[Variation, int],
    histosys_at: list[np.ndarray],
    slots: tuple[int, int, int],
) -> dict[str, Any]:
    """The tables of yields, variations, factors and errors, by the names of `RULES`.

    Args:
        collector, places: what the modifiers have declared.
        normsys: the row of each variation.
        histosys_at: flat positions of the entries of `[histosys, rows, bins]`.
        slots: the shape `[slots, rows, bins]`.
    """
    _, rows, bins = slots
    histosys = len({key for key, *_ in collector.histosys_entries}), rows, bins
    factors = len(normsys), rows, places[-1].channel_index + 1
    factors_at = [
        positions_in(factors, normsys[key], row, c)
        for key, row, c, _, _ in collector.normsys_entries
    ]
    with_error = [each for each in collector.factors if each[5] is not None]
    histosys_lo, histosys_hi, normsys_lo, normsys_hi = (
        [entry[side] for entry in entries]
        for entries in (collector.histosys_entries, collector.normsys_entries)
        for side in (3, 4)
    )
    return guarded(
        {
            "nominal": table(
                (rows, bins),
                [positions_in((rows, bins), p.row, p.bins) for p in places],
                [p.yields for p in places],
            ),
            "histosys_lo": table(histosys, histosys_at, histosys_lo),
            "histosys_hi": table(histosys, histosys_at, histosys_hi),
            "normsys_lo": table(factors, factors_at, normsys_lo, 1.0),
            "normsys_hi": table(factors, factors_at, normsys_hi, 1.0),
            "uncertainty": table(
                slots,
                [positions_in(slots, *each[:3]) for each in with_error],
                [each[5] for each in with_error],
            ),
        }
    )
