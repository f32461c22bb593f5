r"""The flat arrays of a model: static structure apart from leaves.

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

import dataclasses
import functools
from typing import NamedTuple, final

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from .._custom_types import Mask, Vector
from .._model.parameters import ParameterShapes
from .blocks import Interpolated, OneBinEach
from .interpolation import Runs
from .modifiers import ParameterKind


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
    def constrained(self) -> frozenset[str]:
        """The parameters that have auxiliary data."""
        free = ParameterKind.FREE
        return frozenset(name for name, _, kind in self.parameters if kind != free)

    @functools.cached_property
    def measured(self) -> dict[str, tuple[int, ...]]:
        """Their shapes, in the order of the vector."""
        return {n: shape for n, shape in self.shapes.items() if n in self.constrained}

    @functools.cached_property
    def places_of_measured(self) -> Int[np.ndarray, " measured"]:
        """Where their entries stand in the vector."""
        places = [np.r_[self.shapes.places[name]] for name in self.measured]
        return np.concatenate([np.zeros(0, int), *places])


class Codes(NamedTuple):
    """The interpolation codes along the first axes of the tables.

    Attributes:
        normsys, histosys: how many have which code; as a rule, all the same.
    """

    normsys: Runs
    histosys: Runs


@final
@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class Arrays:
    """The numbers of a HistFactory model, without names.

    A plain dataclass and no `equinox.Module`: one of so many fields takes ten times as
    long to make, and every model of a grid, every call of a fit makes some.

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
        declared_init: the start before anybody chose another by `with_init` and others.
        lower_given, upper_given: where somebody chose the bounds.
        fixed, fixed_given: what the settings say about fixed entries, and where they
        do. aux, aux_given: nominal auxiliary data, and where the settings gave them.
        sigma, sigma_given: widths of normal constraints, and where they were given.
    """

    codes: Codes = dataclasses.field(metadata={"static": True})
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
    declared_init: Vector
    lower: Vector
    lower_given: Mask
    upper: Vector
    upper_given: Mask
    fixed: Mask
    fixed_given: Mask
    aux: Vector
    aux_given: Mask
    sigma: Vector
    sigma_given: Mask
