r"""From what a user wrote to flat arrays, once: static structure apart from leaves.

Samples lie in a table of `rows` × `bins`: the bins of all channels side by side, and in
each channel one row for each of its samples (channels with fewer samples have empty
rows). The rate of an element is \((nominal + additive)\times\prod factors\).

- *factors* are parameters themselves (normfactor, lumi, shapefactor, shapesys,
  staterror): `factor_index[slot, row, bin]` is the entry of the flat parameter vector,
  or `params` (a constant 1) where there is none;
- *normsys*: factors by interpolation, `[normsys, rows, channels]`;
- *histosys*: additive by interpolation, `[histosys, rows, bins]`.

Only the shapes of these tables are static. Values, index maps and masks are leaves, and
names live in `Layout`, so that models of the same shapes share a compilation.
"""

import collections
import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from .._custom_types import Mask, Vector
from .._interpolation import Runs
from .._parameters import ParameterShapes
from .modifiers import ParameterKind
from .modifiers._base import ParameterDeclaration, Place
from .partition import Interpolated, OneBinEach, partition
from .spec import Channel, ParameterSettings


@final
@dataclasses.dataclass(frozen=True)
class Layout:
    """The names and shapes of a model: everything about it that is not a number.

    Attributes:
        channels: (name, bins, sample names) of each channel, in order.
        parameters: (name, shape, kind) of each parameter, in the order of the vector.
        poi: the parameter of interest, or None.
        modifiers: (channel, sample, type, name) in the order of declaration.
    """

    channels: tuple[tuple[str, int, tuple[str, ...]], ...]
    parameters: tuple[tuple[str, tuple[int, ...], ParameterKind], ...]
    poi: str | None
    modifiers: tuple[tuple[str, str, str, str], ...]

    # Worked out once: a small fit takes no longer than a loop over 200 names.
    @functools.cached_property
    def shapes(self) -> ParameterShapes:
        """The shape of each parameter."""
        return ParameterShapes({name: shape for name, shape, _ in self.parameters})

    @functools.cached_property
    def sizes(self) -> tuple[tuple[str, tuple[int, ...], int], ...]:
        """(name, shape, number of entries) of each parameter."""
        return tuple((n, shape, math.prod(shape)) for n, shape in self.shapes.items())

    @functools.cached_property
    def constrained(self) -> frozenset[str]:
        """The parameters that have auxiliary data."""
        free = ParameterKind.FREE
        return frozenset(name for name, _, kind in self.parameters if kind != free)


Variation: TypeAlias = tuple[str, str]
"""An interpolation code and the parameter that has it; one may have several codes."""


class Codes(NamedTuple):
    """The interpolation codes along the first axes of the tables.

    Attributes:
        normsys, histosys: how many have which code; as a rule, all the same.
    """

    normsys: Runs
    histosys: Runs


@final
class Arrays(eqx.Module):
    """The numbers of a HistFactory model, without names.

    Attributes:
        codes: interpolation codes; not a number, but as little a name.
        nominal: yields before any modifier.
        histosys_lo, histosys_hi: yields at -1 and +1, where `histosys_present`.
        normsys_lo, normsys_hi: factors at -1 and +1, 1 where absent.
        uncertainty: absolute errors for the factors of shapesys and staterror.
        factor_index, normsys_index, histosys_index: entries of the parameter vector.
        interpolated_rows: for each entry of that vector its rows in the histosys table
            followed by the normsys table; one past the last where it has fewer.
        bin_channel: the channel of each bin, one-hot.
        partition: the parameters that are easy to solve for, None where none are.
        counted: bins whose counts enter the likelihood; the others are masked.
        kind: `ParameterKind` of each entry of the parameter vector.
        init, lower, upper: start and bounds.
        fixed, fixed_given: what the settings say about fixed entries, and where they
        do. aux, aux_given: nominal auxiliary data, and where the settings gave them.
        sigma, sigma_given: widths of normal constraints, and where they were given.
    """

    codes: Codes = eqx.field(static=True)
    nominal: Float[Array, "rows bins"]
    histosys_lo: Float[Array, "histosys rows bins"]
    histosys_hi: Float[Array, "histosys rows bins"]
    histosys_present: Bool[Array, "histosys rows bins"]
    normsys_lo: Float[Array, "normsys rows channels"]
    normsys_hi: Float[Array, "normsys rows channels"]
    uncertainty: Float[Array, "slots rows bins"]
    factor_index: Int[Array, "slots rows bins"]
    normsys_index: Int[Array, " normsys"]
    histosys_index: Int[Array, " histosys"]
    interpolated_rows: Int[Array, "copies params"]
    bin_channel: Float[Array, "channels bins"]
    counted: Bool[Array, " bins"]
    partition: OneBinEach | Interpolated | None
    kind: Int[Array, " params"]
    init: Vector
    lower: Vector
    upper: Vector
    fixed: Mask
    fixed_given: Mask
    aux: Vector
    aux_given: Mask
    sigma: Vector
    sigma_given: Mask

    @property
    def xp(self) -> Any:
        """`jax.numpy` where any number is a jax array, else numpy.

        Outside `jit` each new shape of each operation would be compiled: numpy reads a
        document in milliseconds where jax takes seconds.
        """
        traced = any(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(self))
        return jnp if traced else np


@dataclasses.dataclass
class _Collected:
    """One parameter while modifiers declare themselves."""

    declaration: ParameterDeclaration
    size: int
    channel_start: dict[str, int]
    modifier: str


class _Collector:
    """Fills the tables as modifiers declare themselves (`modifiers._base.Tables`)."""

    def __init__(self, normsys_code: str, histosys_code: str) -> None:
        self.parameters: dict[str, _Collected] = {}
        # (slot, row, bins, parameter, entries of the parameter, uncertainty)
        self.factors: list[tuple[int, int, slice, str, np.ndarray | int, Any]] = []
        self.factors_of: dict[tuple[int, int], int] = {}
        # (code, parameter), row, place in the row, lo, hi
        self.normsys_entries: list[tuple[Variation, int, int, Any, Any]] = []
        self.histosys_entries: list[tuple[Variation, int, slice, Any, Any]] = []
        self.modifier = ""
        self.normsys_code, self.histosys_code = normsys_code, histosys_code

    def parameter(
        self, name: str, place: Place, declaration: ParameterDeclaration
    ) -> int:
        known = self.parameters.get(name)
        if known is None:
            self.parameters[name] = _Collected(
                declaration, declaration.size, {place.channel: 0}, self.modifier
            )
            return 0
        same = (
            known.declaration.kind == declaration.kind
            and known.declaration.scalar == declaration.scalar
            and known.declaration.init == declaration.init
        )
        if not same:
            raise ValueError(
                f"channel {place.channel!r}, sample {place.sample!r}: {self.modifier} "
                f"{name!r} and an earlier {known.modifier} of that name cannot share "
                "one parameter. Rename one of them."
            )
        stat = declaration.kind in (ParameterKind.MC_STAT, ParameterKind.POISSON_STAT)
        per_bin = stat or declaration.kind == ParameterKind.POISSON
        if not per_bin:
            if known.size != declaration.size:
                raise ValueError(
                    f"channel {place.channel!r}, sample {place.sample!r}: "
                    f"{self.modifier} {name!r} needs {declaration.size} bins, but the "
                    f"parameter already has {known.size}. Rename one of them."
                )
            if declaration.sigma is not None and known.declaration.sigma is None:
                known.declaration = declaration
            return 0
        if stat and place.channel in known.channel_start:
            return known.channel_start[place.channel]
        start = known.size
        known.channel_start[place.channel] = start
        known.size += declaration.size
        return start

    def factor(
        self,
        name: str,
        place: Place,
        entries: np.ndarray | int,
        uncertainty: Any = None,
    ) -> None:
        element = (place.row, place.channel_index)
        slot = self.factors_of.get(element, 0)
        self.factors_of[element] = slot + 1
        self.factors.append((slot, place.row, place.bins, name, entries, uncertainty))

    def normsys(
        self, name: str, place: Place, lo: Any, hi: Any, code: str | None
    ) -> None:
        key = (code or self.normsys_code, name)
        self.normsys_entries.append((key, place.row, place.channel_index, lo, hi))

    def histosys(
        self, name: str, place: Place, lo: Any, hi: Any, code: str | None
    ) -> None:
        key = (code or self.histosys_code, name)
        self.histosys_entries.append((key, place.row, place.bins, lo, hi))


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
    if any(isinstance(value, jax.Array) for value in values):
        flat = jnp.concatenate(
            [jnp.atleast_1d(jnp.asarray(v, dtype=float)) for v in values]
        )
        table = jnp.full(size, background, dtype=flat.dtype).at[index].set(flat)
        return table.reshape(shape)
    plain = np.full(size, background)
    plain[index] = np.concatenate([v if v.ndim else v[None] for v in values])
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


def _declare(
    collector: _Collector, channels: Sequence[Channel]
) -> tuple[list[Place], list[tuple[str, str, str, str]]]:
    """Walk over the specification; every modifier enters itself into the tables."""
    places: list[Place] = []
    declared: list[tuple[str, str, str, str]] = []
    start = 0
    for c, channel in enumerate(channels):
        bins = slice(start, start + channel.bins)
        start = bins.stop
        for row, sample in enumerate(channel.samples):
            place = Place(channel.name, sample.name, row, c, bins, sample.yields)
            places.append(place)
            seen = set()
            for modifier in sample.modifiers:
                key = (type(modifier).__name__, modifier.name)
                if key in seen:
                    raise ValueError(
                        f"channel {channel.name!r}, sample {sample.name!r} has "
                        f"{key[0]} {key[1]!r} twice."
                    )
                seen.add(key)
                declared.append((channel.name, sample.name, *key))
                collector.modifier = key[0]
                modifier.declare(collector, place)
    return places, declared


def _setting(name: str, field: str, given: Any, size: int) -> Any:
    """What the settings say of a parameter as `[size]`, or None where not given."""
    if given is None:
        return None
    if jnp.size(given) not in (1, size):
        raise ValueError(
            f"settings of parameter {name!r}: `{field}` has {jnp.size(given)} values; "
            f"the parameter has {size}."
        )
    xp = jnp if isinstance(given, jax.Array) else np
    return xp.broadcast_to(xp.reshape(given, (-1,)), (size,))


def _vector(parts: list[Any], dtype: Any = float) -> Array | np.ndarray:
    """Parts of a flat parameter vector put together: numpy where nothing is traced."""
    if not parts:
        return np.zeros(0, dtype=dtype)
    xp = jnp if any(isinstance(part, jax.Array) for part in parts) else np
    return xp.concatenate([xp.asarray(part, dtype=dtype) for part in parts])


def _parameter_vectors(
    parameters: Mapping[str, _Collected], settings: Mapping[str, ParameterSettings]
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
                traced = isinstance(default, jax.Array)
                value = (
                    jnp.broadcast_to(default, (size,)) if traced else [default] * size
                )
            values[field].append(value)
    vectors = {
        field: _vector(parts, bool if field == "fixed" else float)
        for field, parts in values.items()
    }
    for field in ("fixed", "aux", "sigma"):
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
    collector = _Collector(normsys_code, histosys_code)
    places, declared = _declare(collector, channels)
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
    kinds = [
        np.full(p.size, int(p.declaration.kind), np.int32) for p in parameters.values()
    ]
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
