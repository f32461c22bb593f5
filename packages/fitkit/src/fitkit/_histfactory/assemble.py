"""From what a user wrote to flat arrays, once."""

import collections
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from .._numerics.namespace import traced, xp
from .arrays import Arrays, Codes, Layout
from .blocks import partition
from .declare import Collected, Collector, Variation, declare
from .interpolation import Runs
from .modifiers import ParameterKind
from .spec import Channel, ParameterSettings


def _by_code(entries: Sequence[tuple[Variation, *tuple[Any, ...]]]) -> list[Variation]:
    """Each variation once; those of one code together, else in their order."""
    return sorted(dict.fromkeys(entry[0] for entry in entries), key=lambda key: key[0])


def _runs(variations: Sequence[Variation]) -> Runs:
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


def _setting(name: str, field: str, given: Any, size: int) -> Any:
    """What the settings say of a parameter as `[size]`, or None where not given."""
    if given is None:
        return None
    if np.size(given) not in (1, size):
        raise ValueError(
            f"settings of parameter {name!r}: `{field}` has {np.size(given)} values; "
            f"the parameter has {size}."
        )
    flat = given.reshape(-1)
    if flat.shape == (size,):
        return flat
    return xp.broadcast_to(flat, (size,))


def _vector(parts: list[Any], dtype: Any = float) -> Array | np.ndarray:
    """Parts of a flat parameter vector put together: numpy where nothing is traced."""
    if any(map(traced, parts)):
        return xp.concatenate([xp.asarray(part, dtype=dtype) for part in parts])
    # Most parts are lists of one number: an array of each takes longer than all else.
    return np.array(list(itertools.chain.from_iterable(parts)), dtype=dtype)


def _parameter_vectors(
    parameters: Mapping[str, Collected], settings: Mapping[str, ParameterSettings]
) -> dict[str, Array | np.ndarray]:
    """Start, bounds and constraints of all parameters, settings over defaults."""
    names = ("init", "lower", "upper", "fixed", "aux", "sigma")
    values: dict[str, list[Any]] = {name: [] for name in names}
    given: dict[str, list[Any]] = {name: [] for name in names}
    none = ParameterSettings()
    for name, collected in parameters.items():
        size, declaration = collected.size, collected.declaration
        said = settings.get(name, none)
        needs_sigma = declaration.kind == ParameterKind.NORMAL
        if needs_sigma and said.sigma is None and declaration.sigma is None:
            raise ValueError(
                f"the constraint of parameter {name!r} has no width. Give "
                f"`Lumi({name!r}, sigma=...)` or "
                f"`settings={{{name!r}: ParameterSettings(sigma=...)}}`."
            )
        lower, upper = said.bounds or (None, None)
        width = 1.0 if declaration.sigma is None else declaration.sigma
        for field, own, default in (
            ("init", said.init, declaration.init),
            ("lower", lower, declaration.lower),
            ("upper", upper, declaration.upper),
            ("fixed", said.fixed, False),
            ("aux", said.aux, declaration.aux),
            ("sigma", said.sigma, width),
        ):
            value = _setting(name, field, own, size)
            given[field].append([value is not None] * size)
            if value is None:
                value = (
                    xp.broadcast_to(default, (size,))
                    if traced(default)
                    else [default] * size
                )
            values[field].append(value)
    vectors = {
        field: _vector(parts, bool if field == "fixed" else float)
        for field, parts in values.items()
    }
    for field in ("lower", "upper", "fixed", "aux", "sigma"):
        vectors[f"{field}_given"] = _vector(given[field], bool)
    return vectors


def _rows_of(index: list[int], params: int, least: int) -> np.ndarray:
    """For each of `params` entries where it stands in `index`.

    Args:
        index: entries.
        params: how many there are.
        least: room for so many places of each, so that models that differ only in
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
        Names and shapes, and the flat arrays. The arrays are numpy arrays where the
        specification holds no jax array.

    Raises:
        ValueError: naming channel, sample, modifier or parameter.
    """
    if not channels:
        raise ValueError("a model needs at least one channel.")
    names = [channel.name for channel in channels]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"channel {name!r} is given twice.")
    collector = Collector(normsys_code, histosys_code)
    places, declared = declare(collector, channels)
    parameters = collector.parameters
    for name in settings:
        if name not in parameters:
            raise ValueError(
                f"`settings` names {name!r}, which is no parameter of the model. "
                f"It has: {', '.join(parameters)}."
            )
    scalars = [n for n, p in parameters.items() if p.declaration.scalar]
    if poi is not None and poi not in scalars:
        raise ValueError(
            f"the parameter of interest {poi!r} is no scalar parameter of the model. "
            f"It has: {', '.join(scalars)}."
        )

    start, size = {}, 0
    for name, collected in parameters.items():
        start[name] = size
        size += collected.size
    rows = max(len(channel.samples) for channel in channels)
    bins = sum(channel.bins for channel in channels)
    table = (rows, bins)
    slots = (max(collector.factors_of.values(), default=0), *table)
    normsys = _by_code(collector.normsys_entries)
    histosys = _by_code(collector.histosys_entries)
    normsys_row = {key: i for i, key in enumerate(normsys)}
    histosys_row = {key: i for i, key in enumerate(histosys)}
    normsys_shape = (len(normsys), rows, len(channels))
    histosys_shape = (len(histosys), *table)

    factor_index = np.full(slots, size, dtype=np.int32)
    for slot, row, where, name, entries, _ in collector.factors:
        factor_index[slot, row, where] = start[name] + entries
    with_error = [f for f in collector.factors if f[5] is not None]
    normsys_at = [
        _positions(normsys_shape, normsys_row[key], row, c)
        for key, row, c, _, _ in collector.normsys_entries
    ]
    histosys_at = [
        _positions(histosys_shape, histosys_row[key], row, where)
        for key, row, where, _, _ in collector.histosys_entries
    ]
    present = np.zeros(histosys_shape, dtype=bool)
    if histosys_at:
        present.reshape(-1)[np.concatenate(histosys_at)] = True
    channel_of_bin = np.repeat(np.arange(len(channels)), [c.bins for c in channels])
    kinds = [[int(p.declaration.kind)] * p.size for p in parameters.values()]
    interpolated_rows = _rows_of(
        [start[name] for _, name in (*histosys, *normsys)],
        size,
        least=2 if histosys and normsys else 1,
    )
    arrays = Arrays(
        codes=Codes(_runs(normsys), _runs(histosys)),
        nominal=_table(
            table,
            [_positions(table, p.row, p.bins) for p in places],
            [p.yields for p in places],
        ),
        histosys_lo=_table(
            histosys_shape, histosys_at, [e[3] for e in collector.histosys_entries]
        ),
        histosys_hi=_table(
            histosys_shape, histosys_at, [e[4] for e in collector.histosys_entries]
        ),
        histosys_present=present,
        normsys_lo=_table(
            normsys_shape, normsys_at, [e[3] for e in collector.normsys_entries], 1.0
        ),
        normsys_hi=_table(
            normsys_shape, normsys_at, [e[4] for e in collector.normsys_entries], 1.0
        ),
        uncertainty=_table(
            slots,
            [_positions(slots, f[0], f[1], f[2]) for f in with_error],
            [f[5] for f in with_error],
        ),
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
        kind=_vector(kinds, np.int32),
        **_parameter_vectors(parameters, settings),
    )
    layout = Layout(
        channels=tuple(
            (channel.name, channel.bins, tuple(s.name for s in channel.samples))
            for channel in channels
        ),
        parameters=tuple(
            (
                name,
                () if p.declaration.scalar else (p.size,),
                p.declaration.kind,
            )
            for name, p in parameters.items()
        ),
        poi=poi,
        modifiers=tuple(declared),
    )
    return layout, arrays
