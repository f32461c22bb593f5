r"""Expected rates of a HistFactory model and their structured derivatives.

An element (sample, bin) has the rate \(A\,N\,F\): \(A\) the nominal yield plus the
additive variations, \(N\) the product of its normsys factors, \(F\) the product of the
parameters that scale it. With all samples in one table (`assemble.py`), every derivative
is a product of a few small tables, and no loop runs over modifiers:

- rows of the Jacobian: \(\partial A\,N F\) for histosys, \(A\,\partial N\,F\) for
  normsys, \(A N\) times the product of the *other* factors for factors, which is exact
  also where a factor is 0;
- second derivatives, summed over bins with given weights, in the same blocks.

Autodiff would need one pass for each parameter (16 ms for 181 of them where this takes
0.2).
"""

from itertools import combinations
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._custom_types import Matrix, Vector
from .._interpolation import (
    Exponential,
    additive_bend,
    exponential,
    exponential_factor,
)
from .assemble import Arrays


class Interpolation(NamedTuple):
    """What interpolation needs of the templates, worked out once for all points.

    Attributes:
        slope, curve: the two numbers of each additive variation.
        norm: the same of each normsys factor.
    """

    slope: Float[Array, "histosys rows bins"]
    curve: Float[Array, "histosys rows bins"]
    norm: Exponential


def interpolation(arrays: Arrays, normsys_code: str) -> Interpolation:
    """Prepare the interpolation of a model's templates."""
    curve = (arrays.histosys_hi + arrays.histosys_lo) / 2 - arrays.nominal
    return Interpolation(
        slope=jnp.asarray(arrays.histosys_hi - arrays.histosys_lo) / 2,
        curve=jnp.where(arrays.histosys_present, curve, 0.0),
        norm=exponential(normsys_code, arrays.normsys_lo, arrays.normsys_hi),
    )


def _selectors(arrays: Arrays, params: int) -> tuple[Array, Array]:
    """One-hot matrices from histosys and normsys rows to entries of the vector.

    Products with them compile and run faster than gathers and scatters on a CPU.
    """
    entries = jnp.arange(params)
    return (
        (jnp.asarray(arrays.histosys_index)[:, None] == entries).astype(float),
        (jnp.asarray(arrays.normsys_index)[:, None] == entries).astype(float),
    )


class Elements(NamedTuple):
    """The ingredients of every rate at one parameter point.

    Attributes:
        additive, additive_1, additive_2: A, and its derivatives by histosys parameter.
        norm: N, spread over bins.
        norm_1, norm_2: relative derivatives of each normsys factor.
        factors: F apart, one table for each slot.
    """

    additive: Float[Array, "rows bins"]
    additive_1: Float[Array, "histosys rows bins"]
    additive_2: Float[Array, "histosys rows bins"]
    norm: Float[Array, "rows bins"]
    norm_1: Float[Array, "normsys rows channels"]
    norm_2: Float[Array, "normsys rows channels"]
    factors: Float[Array, "slots rows bins"]

    @property
    def product(self) -> Float[Array, "rows bins"]:
        """The product of the factors, without normsys."""
        return jnp.prod(self.factors, axis=0)

    @property
    def rates(self) -> Float[Array, "rows bins"]:
        """The expected counts of each sample in each bin."""
        return self.additive * self.norm * self.product

    def without(self, *slots: int) -> Float[Array, "rows bins"]:
        """The product of all factors but those of the given slots."""
        product = jnp.ones_like(self.additive)
        for m in range(self.factors.shape[0]):
            if m not in slots:
                product = product * self.factors[m]
        return product

    @property
    def leave_one_out(self) -> Float[Array, "slots rows bins"]:
        """For each slot, the product of the other factors: exact also where one is 0."""
        slots = range(self.factors.shape[0])
        parts = [self.without(m) for m in slots]
        return jnp.stack(parts) if parts else self.factors


def elements(
    arrays: Arrays,
    shapes: Interpolation,
    y: Vector,
    side: Array | float,
    histosys_code: str,
) -> Elements:
    """Evaluate all ingredients of the rates at the flat parameter vector `y`.

    Args:
        arrays: the model's numbers.
        shapes: their prepared interpolation.
        y: parameters, `[params]`.
        side: the derivative of |alpha| at a kink, scalar or `[params]`.
        histosys_code: "0", "2" or "4p".
    """
    with_one = jnp.concatenate([y, jnp.ones(1, y.dtype)])
    to_histosys, to_normsys = _selectors(arrays, y.shape[0])
    side = jnp.broadcast_to(side, y.shape)
    alpha = to_histosys @ y
    bend, bend_1, bend_2 = additive_bend(histosys_code, alpha, to_histosys @ side)
    additive = (
        arrays.nominal
        + jnp.tensordot(alpha, shapes.slope, axes=1)
        + jnp.tensordot(bend, shapes.curve, axes=1)
    )
    factor, factor_1, factor_2 = exponential_factor(
        shapes.norm,
        (to_normsys @ y)[:, None, None],
        (to_normsys @ side)[:, None, None],
    )
    # An interpolated factor is positive for positive lo and hi but for absurd variations;
    # where it is 0 the sample is 0, and a relative derivative has no meaning.
    safe = jnp.where(factor == 0, 1.0, factor)
    return Elements(
        additive=additive,
        additive_1=shapes.slope + bend_1[:, None, None] * shapes.curve,
        additive_2=bend_2[:, None, None] * shapes.curve,
        norm=jnp.prod(factor, axis=0) @ arrays.bin_channel,
        norm_1=factor_1 / safe,
        norm_2=factor_2 / safe,
        factors=with_one.at[arrays.factor_index].get(mode="promise_in_bounds"),
    )


def jacobian(arrays: Arrays, el: Elements, params: int) -> Float[Array, "params bins"]:
    """Derivatives of the total rate in each bin with respect to each parameter.

    Args:
        arrays: the model's numbers.
        el: the ingredients at the point.
        params: the length of the parameter vector.

    Returns:
        `[params, bins]`.
    """
    bins = el.additive.shape[1]
    scale = el.norm * el.product
    to_histosys, to_normsys = _selectors(arrays, params)
    by_histosys = jnp.einsum("pkb,kb->pb", el.additive_1, scale)
    spread = el.norm_1 @ arrays.bin_channel  # [normsys, rows, bins]
    by_normsys = jnp.einsum("pkb,kb->pb", spread, el.additive * scale)
    jac = to_histosys.T @ by_histosys + to_normsys.T @ by_normsys
    if not el.factors.shape[0]:
        return jac
    by_factor = el.additive * el.norm * el.leave_one_out
    scattered = jnp.zeros((params + 1, bins), jac.dtype)
    at = scattered.at[arrays.factor_index, jnp.arange(bins)]
    scattered = at.add(by_factor, mode="promise_in_bounds")
    return jac + scattered[:params]


def weighted_curvature(
    arrays: Arrays, el: Elements, weights: Float[Array, " bins"], params: int
) -> Matrix:
    """Second derivatives of the rates, summed over bins with `weights`.

    Args:
        arrays: the model's numbers.
        el: the ingredients at the point.
        weights: one for each bin.
        params: the length of the parameter vector.

    Returns:
        `[params, params]`, symmetric.
    """
    to_channel = arrays.bin_channel.T
    to_histosys, to_normsys = _selectors(arrays, params)
    weighted = weights * el.norm * el.product
    bare = weights * el.additive * el.norm
    # Rates, and their derivatives by histosys, summed over the bins of each channel.
    by_channel = (bare * el.product) @ to_channel  # [rows, channels]
    histosys = (el.additive_1 * weighted) @ to_channel  # [histosys, rows, channels]
    normsys, rows, channels = el.norm_1.shape
    flat = el.norm_1.reshape(normsys, rows * channels)

    normsys_diagonal = jnp.einsum("pkc,kc->p", el.norm_2 - el.norm_1**2, by_channel)
    histosys_diagonal = jnp.einsum("pkb,kb->p", el.additive_2, weighted)
    among_normsys = (el.norm_1 * by_channel).reshape(flat.shape) @ flat.T
    among_normsys = among_normsys + jnp.diag(normsys_diagonal)
    across = histosys.reshape(histosys.shape[0], rows * channels) @ flat.T
    half = to_normsys.T @ (among_normsys / 2) @ to_normsys
    half = half + to_histosys.T @ across @ to_normsys
    half = half + to_histosys.T @ (histosys_diagonal[:, None] / 2 * to_histosys)

    slots = el.factors.shape[0]
    if slots:
        # Each factor with every interpolated parameter of its element.
        others = el.leave_one_out
        spread = el.norm_1 @ arrays.bin_channel  # [normsys, rows, bins]
        with_histosys = el.additive_1[:, None] * (weights * el.norm * others)
        with_normsys = spread[:, None] * (bare * others)
        both = jnp.concatenate([with_histosys, with_normsys])  # [both, slots, rows, bins]
        index = jnp.asarray(arrays.factor_index).reshape(-1)
        scattered = jnp.zeros((params + 1, both.shape[0]), half.dtype)
        values = both.reshape(both.shape[0], index.size).T
        scattered = scattered.at[index].add(values, mode="promise_in_bounds")[:params]
        half = half + scattered @ jnp.concatenate([to_histosys, to_normsys])
    if slots > 1:
        # Each pair of factors of one element.
        pairs = list(combinations(range(slots), 2))
        first, second = (np.array(i) for i in zip(*pairs, strict=True))
        index = jnp.asarray(arrays.factor_index)
        values = jnp.stack([bare * el.without(m, k) for m, k in pairs])
        scattered = jnp.zeros((params + 1, params + 1), half.dtype)
        at = scattered.at[index[first], index[second]]
        scattered = at.add(values, mode="promise_in_bounds")
        half = half + scattered[:params, :params]
    return half + half.T
