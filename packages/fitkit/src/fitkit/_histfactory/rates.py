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

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from .._custom_types import Matrix, Vector
from .._interpolation import additive_bend, multiplicative_factor
from .assemble import Arrays


class Elements(NamedTuple):
    """The ingredients of every rate at one parameter point.

    Attributes:
        additive: \\(A\\), and its first two derivatives by histosys parameter.
        norm: \\(N\\) spread over bins, and the relative derivatives of each factor.
        factors: \\(F\\) apart, one table for each slot.
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


def elements(
    arrays: Arrays,
    y: Vector,
    side: Array | float,
    normsys_code: str,
    histosys_code: str,
) -> Elements:
    """Evaluate all ingredients of the rates at the flat parameter vector `y`.

    Args:
        arrays: the model's numbers.
        y: parameters, `[params]`.
        side: the derivative of |alpha| at a kink, scalar or `[params]`.
        normsys_code: "1" or "4".
        histosys_code: "0", "2" or "4p".
    """
    side = jnp.broadcast_to(side, y.shape)
    with_one = jnp.concatenate([y, jnp.ones(1, y.dtype)])

    alpha = y[arrays.histosys_index]
    bend, bend_1, bend_2 = additive_bend(
        histosys_code, alpha, side[arrays.histosys_index]
    )
    slope = (arrays.histosys_hi - arrays.histosys_lo) / 2
    curve = (arrays.histosys_hi + arrays.histosys_lo) / 2 - arrays.nominal
    curve = jnp.where(arrays.histosys_present, curve, 0.0)
    additive = (
        arrays.nominal
        + jnp.tensordot(alpha, slope, axes=1)
        + jnp.tensordot(bend, curve, axes=1)
    )

    factor, factor_1, factor_2 = multiplicative_factor(
        normsys_code,
        y[arrays.normsys_index][:, None, None],
        arrays.normsys_lo,
        arrays.normsys_hi,
        side[arrays.normsys_index][:, None, None],
    )
    # An interpolated factor is positive for positive lo and hi but for absurd variations;
    # where it is 0 the sample is 0, and a relative derivative has no meaning.
    safe = jnp.where(factor == 0, 1.0, factor)
    return Elements(
        additive=additive,
        additive_1=slope + bend_1[:, None, None] * curve,
        additive_2=bend_2[:, None, None] * curve,
        norm=jnp.prod(factor, axis=0) @ arrays.bin_channel,
        norm_1=factor_1 / safe,
        norm_2=factor_2 / safe,
        factors=with_one[arrays.factor_index],
    )


def _without(factors: Float[Array, "slots rows bins"], *slots: int) -> Array:
    """The product of all factors but those of the given slots."""
    kept = [factors[m] for m in range(factors.shape[0]) if m not in slots]
    product = jnp.ones(factors.shape[1:], factors.dtype)
    for factor in kept:
        product = product * factor
    return product


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
    by_histosys = jnp.einsum("pkb,kb->pb", el.additive_1, scale)
    rates = el.additive * scale
    by_normsys = jnp.einsum("pkb,kb->pb", el.norm_1 @ arrays.bin_channel, rates)
    jac = jnp.zeros((params + 1, bins), el.additive.dtype)
    jac = jac.at[arrays.histosys_index].add(by_histosys)
    jac = jac.at[arrays.normsys_index].add(by_normsys)
    bare = el.additive * el.norm
    columns = jnp.arange(bins)
    for m in range(el.factors.shape[0]):
        jac = jac.at[arrays.factor_index[m], columns].add(
            bare * _without(el.factors, m)
        )
    return jac[:params]


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
    scale = el.norm * el.product
    bare = weights * el.additive * el.norm
    histosys, normsys = arrays.histosys_index, arrays.normsys_index
    n = params + 1
    upper = jnp.zeros((n, n), el.additive.dtype)
    diagonal = jnp.zeros(n, el.additive.dtype)

    diagonal = diagonal.at[histosys].add(
        jnp.einsum("pkb,kb->p", el.additive_2, weights * scale)
    )
    # Rates and their derivatives by histosys, summed over the bins of each channel.
    by_channel = (bare * el.product) @ to_channel  # [rows, channels]
    histosys_by_channel = (el.additive_1 * (weights * scale)) @ to_channel
    relative = el.norm_1
    # Spelled out: a reshape to -1 cannot tell the size of an array without rows.
    flat = relative.reshape(-1, by_channel.size)
    diagonal = diagonal.at[normsys].add(
        jnp.einsum("pkc,kc->p", el.norm_2 - relative**2, by_channel)
    )
    normsys_pairs = (relative * by_channel).reshape(flat.shape) @ flat.T
    upper = upper.at[normsys[:, None], normsys].add(normsys_pairs / 2)
    pairs = histosys_by_channel.reshape(-1, by_channel.size) @ flat.T
    upper = upper.at[histosys[:, None], normsys].add(pairs)

    spread = relative @ arrays.bin_channel  # [normsys, rows, bins]
    for m in range(el.factors.shape[0]):
        others = _without(el.factors, m)
        index = arrays.factor_index[m]
        upper = upper.at[index[..., None], histosys].add(
            jnp.moveaxis(el.additive_1 * (weights * el.norm * others), 0, -1)
        )
        upper = upper.at[index[..., None], normsys].add(
            jnp.moveaxis(spread * (bare * others), 0, -1)
        )
        for k in range(m):
            upper = upper.at[index, arrays.factor_index[k]].add(
                bare * _without(el.factors, m, k)
            )
    return (upper + upper.T + jnp.diag(diagonal))[:params, :params]
