r"""The flat arrays of a model: static structure apart from leaves.

Samples lie in a table of `rows` × `bins`: the bins of all channels side by side, and in
each channel one row for each of its samples (channels with fewer samples have empty
rows). The rate of an element is \((nominal + additive)\times\prod factors\).

- *factors* are parameters themselves (normfactor, lumi, shapefactor, shapesys,
  staterror): `factor_index[slot, row, bin]` is the entry of the flat parameter vector,
  or `params` (a constant 1) where there is none;
- *normsys*: factors by interpolation, `[normsys, rows, channels]`;
- *histosys*: additive by interpolation, `[histosys, rows, bins]`;
- *functions* of parameters: factors again, `functions.py`.

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
from .functions import Functions
from .interpolation import Runs
from .modifiers import ParameterKind


@final
@dataclasses.dataclass(frozen=True)
class Layout:
    """The names and shapes of a model: everything about it that is not a number.

    Attributes:
        channels: (name, bins, sample names) of each channel, in order.
        parameters: (name, shape, kind) of each parameter, in the order of the vector.
        poi: the parameter of interest, several of them, or None.
        modifiers: (channel, sample, type, name) in the order of declaration.
        profiled: (name, bins, kind) of each statistical factor that is no parameter.
    """

    channels: tuple[tuple[str, int, tuple[str, ...]], ...]
    parameters: tuple[tuple[str, tuple[int, ...], ParameterKind], ...]
    poi: str | tuple[str, ...] | None
    modifiers: tuple[tuple[str, str, str, str], ...]
    profiled: tuple[tuple[str, tuple[int, ...], ParameterKind], ...] = ()

    # Worked out once: a small fit takes no longer than a loop over 200 names.
    @functools.cached_property
    def shapes(self) -> ParameterShapes:
        """The shape of each parameter."""
        return ParameterShapes({name: shape for name, shape, _ in self.parameters})

    @functools.cached_property
    def measured(self) -> dict[str, tuple[int, ...]]:
        """The shape of what has auxiliary data: parameters, then profiled factors."""
        free = ParameterKind.FREE
        shapes = {name: shape for name, shape, kind in self.parameters if kind != free}
        return shapes | {name: (len(bins),) for name, bins, _ in self.profiled}

    @functools.cached_property
    def places_of_factors(self) -> dict[str, Int[np.ndarray, " entries"]]:
        """Where the auxiliary data of profiled factors stand in their vector.

        That has an entry for each of the parameter vector; where factors are profiled,
        one for each bin follows.
        """
        size = self.shapes.size
        return {name: size + np.array(bins) for name, bins, _ in self.profiled}

    @functools.cached_property
    def places_of_measured(self) -> Int[np.ndarray, " measured"]:
        """Where all auxiliary data stand in that vector, in the order of `measured`."""
        free = ParameterKind.FREE
        of = [
            self.shapes.places[name]
            for name, _, kind in self.parameters
            if kind != free
        ]
        places = [np.r_[place] for place in of]
        return np.concatenate(
            [np.zeros(0, int), *places, *self.places_of_factors.values()]
        )

    @functools.cached_property
    def size_of_aux(self) -> int:
        """The length of the vector of auxiliary data."""
        bins = sum(bins for _, bins, _ in self.channels)
        return self.shapes.size + (bins if self.profiled else 0)


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
class ProfiledFactors:
    """Statistical factors that are profiled in closed form, at most one for each bin.

    Attributes:
        complete: whether each bin's factor scales all of its samples; not a number, for
            the derivatives are then made of less.
        normal, poisson: whether any has such a constraint; likewise no numbers.
        covered: the elements that the factor of their bin scales; all of them in bins
            without one.
        uncertainty: absolute errors of the yields.
        kind: `ParameterKind` of each bin's factor, `FREE` where there is none.
        init, lower, upper, fixed, fixed_given, aux, aux_given, sigma, sigma_given: as
            in `Arrays`, one for each bin.
    """

    complete: bool = dataclasses.field(metadata={"static": True})
    normal: bool = dataclasses.field(metadata={"static": True})
    poisson: bool = dataclasses.field(metadata={"static": True})
    covered: Bool[Array, "rows bins"]
    uncertainty: Float[Array, "rows bins"]
    kind: Int[Array, " bins"]
    init: Float[Array, " bins"]
    lower: Float[Array, " bins"]
    upper: Float[Array, " bins"]
    fixed: Bool[Array, " bins"]
    fixed_given: Bool[Array, " bins"]
    aux: Float[Array, " bins"]
    aux_given: Bool[Array, " bins"]
    sigma: Float[Array, " bins"]
    sigma_given: Bool[Array, " bins"]


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
            followed by the arguments of functions and the normsys table; one past the
            last where it has fewer.
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
        profiled: statistical factors that are no parameters, None without any.
        functions: factors that are functions of parameters, None without any.
        floor: what yields with their variations are at least, None for no such rule.
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
    profiled: ProfiledFactors | None = None
    functions: Functions | None = None
    floor: Float[Array, "rows bins"] | None = None
