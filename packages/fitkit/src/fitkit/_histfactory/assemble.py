"""From what a user wrote to flat arrays, once."""

import collections
import dataclasses
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from .._numerics.namespace import take, traced, xp
from .arrays import Arrays, Codes, Layout, ProfiledFactors
from .blocks import partition
from .check import errors_left_out, first_broken, guarded
from .declare import Collected, Collector, Variation, declare, declare_arguments
from .functions import AbstractFunction, Functions
from .interpolation import Runs
from .locate import located
from .modifiers import ParameterKind
from .modifiers.base import POISSON_KINDS, Place
from .poi import checked_poi
from .problem import SpecificationError, unique, warn
from .settings import parameter_vectors
from .spec import Channel, ParameterSettings, tuple_of


def _by_code(
    entries: Sequence[tuple[Variation, *tuple[Any, ...]]],
) -> dict[Variation, int]:
    """The row of each variation; those of one code together, else in their order."""
    # Rates take each code's rows as one slice of the table.
    once = dict.fromkeys(entry[0] for entry in entries)
    return {key: row for row, key in enumerate(sorted(once, key=lambda key: key[0]))}


def _runs(variations: Iterable[Variation]) -> Runs:
    return tuple(collections.Counter(code for code, _ in variations).items())


def _table(
    shape: tuple[int, ...],
    positions: list[np.ndarray],
    values: list[Any],
    background: float = 0.0,
) -> Array | np.ndarray:
    """A table with `values` at flat `positions`: numpy where no value is traced."""
    size = math.prod(shape)
    if not positions:
        return np.full(shape, background)
    index = np.concatenate(positions)
    # One scatter for all: a table filled piece by piece is an operation for each of
    # thousands of modifiers where numbers are traced.
    flat = xp.concatenate([v if v.ndim else v[None] for v in values])
    if traced(flat):
        return jnp.full(size, background).at[index].set(flat).reshape(shape)
    plain = np.full(size, background)
    plain[index] = flat
    return plain.reshape(shape)


def _positions(shape: tuple[int, ...], *index: Any) -> np.ndarray:
    """Flat positions in a table, from a number for each axis; the last may be a slice.

    Plain arithmetic: numpy's index functions take longer than all else together where
    a model has thousands of modifiers.
    """
    *outer, last = index
    first = 0
    for axis, number in enumerate(outer):
        first = (first + number) * shape[axis + 1]
    if isinstance(last, slice):
        return np.arange(first + last.start, first + last.stop)
    return np.array([first + last])


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
            (name, _bins_of(factors), collector.parameters[name].declaration.kind)
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
        _positions((len(histosys), rows, bins), histosys[key], row, where)
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
        vectors, of_bins = _apart(collector.parameters, layout, vectors, bins)
        profiled = _profiled_factors(taken, rows, samples[channel_of_bin], of_bins)
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


def _bins_of(factors: Sequence[tuple]) -> tuple[int, ...]:
    """The bin of each value of a statistical factor."""
    bins: dict[int, int] = {}
    for _, _, where, _, entries, _ in factors:
        bins |= dict(zip(entries.tolist(), range(where.start, where.stop), strict=True))
    return tuple(bins[entry] for entry in sorted(bins))


def _apart(
    parameters: Mapping[str, Collected],
    layout: Layout,
    vectors: Mapping[str, Any],
    bins: int,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The vectors of the parameters, and those of the profiled factors of each bin.

    Args:
        parameters: all, profiled factors included.
        layout: which of them are profiled.
        vectors: of all, by the names of the fields of `Arrays`.
        bins: how many there are.
    """
    of_profiled = {name: places for name, places, _ in layout.profiled}
    kept, entry_of, kind, end = [], np.full(bins, -1), np.zeros(bins, np.int32), 0
    for name, parameter in parameters.items():
        entries = np.arange(end, end := end + parameter.size)
        if name not in of_profiled:
            kept.append(entries)
            continue
        here = list(of_profiled[name])
        entry_of[here], kind[here] = entries, int(parameter.declaration.kind)
    index = np.concatenate([np.zeros(0, int), *kept])
    has = entry_of >= 0
    # Without a factor a bin has one that is fixed at 1.
    nothing = {"init": 1.0, "lower": -np.inf, "upper": np.inf, "sigma": 1.0}
    nothing |= {"fixed": True, "fixed_given": True}
    of_bins: dict[str, Any] = {"kind": kind}
    for field in dataclasses.fields(ProfiledFactors):
        if (vector := vectors.get(field.name)) is not None:
            value = take(vector, np.where(has, entry_of, 0))
            of_bins[field.name] = xp.where(has, value, nothing.get(field.name, 0))
    return {name: take(vector, index) for name, vector in vectors.items()}, of_bins


def _profiled_factors(
    taken: Mapping[str, Sequence[tuple]],
    rows: int,
    samples: np.ndarray,
    of_bins: Mapping[str, Any],
) -> ProfiledFactors:
    """The statistical factors that are profiled.

    Args:
        taken: where each acts, as `Collector.take_statistical_factors` gives them.
        rows: of the tables.
        samples: how many each bin has, `[bins]`.
        of_bins: what is known of the factor of each bin.
    """
    shape = rows, samples.size
    factors = [factor for several in taken.values() for factor in several]
    covered = np.zeros(shape, dtype=bool)
    for _, row, where, *_ in factors:
        covered[row, where] = True
    covered |= of_bins["kind"] == int(ParameterKind.FREE)
    covered |= np.arange(rows)[:, None] >= samples
    places = [_positions(shape, *factor[1:3]) for factor in factors]
    uncertainty = _table(shape, places, [factor[5] for factor in factors])
    kinds = {int(kind) for kind in of_bins["kind"]}
    return ProfiledFactors(
        bool(covered.all()),
        bool(kinds & {int(ParameterKind.MC_STAT), int(ParameterKind.SHIFT)}),
        bool(kinds & {int(kind) for kind in POISSON_KINDS}),
        covered,
        uncertainty,
        **of_bins,
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
        _positions(factors, normsys[key], row, c)
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
            "nominal": _table(
                (rows, bins),
                [_positions((rows, bins), p.row, p.bins) for p in places],
                [p.yields for p in places],
            ),
            "histosys_lo": _table(histosys, histosys_at, histosys_lo),
            "histosys_hi": _table(histosys, histosys_at, histosys_hi),
            "normsys_lo": _table(factors, factors_at, normsys_lo, 1.0),
            "normsys_hi": _table(factors, factors_at, normsys_hi, 1.0),
            "uncertainty": _table(
                slots,
                [_positions(slots, *each[:3]) for each in with_error],
                [each[5] for each in with_error],
            ),
        }
    )
