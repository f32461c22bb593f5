"""From what a user wrote to flat arrays, once."""

import collections
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from .._numerics.namespace import traced, xp
from .arrays import Arrays, Codes, Layout
from .blocks import partition
from .check import errors_left_out, first_broken, guarded
from .declare import Collected, Collector, Variation, declare
from .interpolation import Runs
from .locate import located
from .modifiers.base import Place
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
    poi: str | None,
    settings: Mapping[str, ParameterSettings],
    normsys_code: str,
    histosys_code: str,
) -> tuple[Layout, Arrays]:
    """Return the layout and the arrays of a specification.

    Args:
        channels: at least one, with different names.
        poi: the parameter of interest, a scalar parameter of the model, or None.
        settings: by parameter name.
        normsys_code, histosys_code: of modifiers that name none of their own.

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
    parameters = collector.parameters
    _check_poi(poi, parameters)
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
        poi=poi,
        modifiers=tuple(declared),
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
    interpolated_rows = _rows_of(
        [start[name] for _, name in (*histosys, *normsys)],
        size,
        least=2 if histosys and normsys else 1,
    )
    channel_of_bin = np.repeat(np.arange(len(channels)), [c.bins for c in channels])
    kinds = [[int(p.declaration.kind)] * p.size for p in parameters.values()]
    arrays = Arrays(
        codes=Codes(_runs(normsys), _runs(histosys)),
        **tables,
        histosys_present=present,
        factor_index=factor_index,
        normsys_index=np.array([start[name] for _, name in normsys], dtype=np.int32),
        histosys_index=np.array([start[name] for _, name in histosys], dtype=np.int32),
        interpolated_rows=interpolated_rows,
        partition=partition(
            factor_index,
            interpolated_rows,
            (len(histosys), len(normsys)),
            len(channels),
        ),
        bin_channel=(np.arange(len(channels))[:, None] == channel_of_bin).astype(float),
        counted=np.ones(bins, dtype=bool),
        kind=np.array(list(itertools.chain.from_iterable(kinds)), dtype=np.int32),
        **parameter_vectors(parameters, settings),
    )
    # After all else, for a wrong name is the better message.
    if broken := first_broken({name: getattr(arrays, name) for name in tables}):
        raise located(broken, channels, layout, arrays)
    if lost := errors_left_out(layout, arrays):
        warn(lost)
    return layout, arrays


def _check_poi(poi: str | None, parameters: Mapping[str, Collected]) -> None:
    scalars = [name for name, p in parameters.items() if p.declaration.scalar]
    if poi is None or poi in scalars:
        return
    what = f"the parameter of interest {poi!r}"
    if poi in parameters:
        per_bin = f"{parameters[poi].modifier} at {parameters[poi].where}"
        reason = f"{what} must be a single number, but has one for each bin ({per_bin})"
    else:
        reason = f"{what} is no parameter of the model"
    known = f", or one of: {', '.join(scalars)}" if scalars else ""
    raise SpecificationError(
        f"{reason}. Give `poi=None` for a model without one{known}.", keys=("poi",)
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
