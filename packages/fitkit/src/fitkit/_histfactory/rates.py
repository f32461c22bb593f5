r"""Expected rates of a HistFactory model and their structured derivatives.

An element (sample, bin) has the rate \(A\,N\,F\): \(A\) the nominal yield plus the
additive variations, \(N\) the product of its normsys factors, \(F\) the product of the
parameters that scale it. With all samples in one table (`assemble.py`), every
derivative is a product of a few small tables, and no loop runs over modifiers:

- rows of the Jacobian: \(\partial A\,N F\) for histosys, \(A\,\partial N\,F\) for
  normsys, \(A N\) times the product of the *other* factors for factors, which is exact
  also where a factor is 0;
- second derivatives, summed over bins with given weights, in the same blocks.

All parameters that are interpolated, those of histosys and then those of normsys, form
one axis, and one selector carries it to the flat parameter vector: each product or
fusion less is tens of milliseconds of compilation less.

Autodiff would need one pass for each parameter (16 ms for 181 of them where this takes
0.2).
"""

from itertools import combinations
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from .._custom_types import Matrix, Vector
from .._interpolation import (
    Exponential,
    additive_bends,
    exponential,
    exponential_factor,
)
from .assemble import Arrays


class Interpolation(NamedTuple):
    """What interpolation needs of the templates, worked out once for all points.

    Attributes:
        slope, curve: the two numbers of each additive variation.
        norm: the same of each normsys factor.
        places: place of each interpolated parameter in the flat vector.
        rows: the inverse, `Arrays.interpolated_rows`.
    """

    slope: Float[Array, "histosys rows bins"]
    curve: Float[Array, "histosys rows bins"]
    norm: Exponential
    places: Int[Array, " interpolated"]
    rows: Int[Array, "copies params"]


def interpolation(arrays: Arrays) -> Interpolation:
    """Prepare the interpolation of a model's templates."""
    curve = (arrays.histosys_hi + arrays.histosys_lo) / 2 - arrays.nominal
    xp = arrays.xp
    return Interpolation(
        slope=(arrays.histosys_hi - arrays.histosys_lo) / 2,
        curve=xp.where(arrays.histosys_present, curve, 0.0),
        norm=exponential(arrays.codes.normsys, arrays.normsys_lo, arrays.normsys_hi),
        places=xp.append(arrays.histosys_index, arrays.normsys_index),
        rows=xp.asarray(arrays.interpolated_rows),
    )


class Elements(NamedTuple):
    """The ingredients of every rate at one parameter point.

    Attributes:
        bare: A N, the rate without its factors.
        bare_1: its derivatives by interpolated parameter, one at a time.
        additive_2: second derivatives of A by histosys parameter.
        norm: N, spread over bins.
        norm_1, norm_2: relative derivatives of each normsys factor.
        factors: F apart, one table for each slot.
    """

    bare: Float[Array, "rows bins"]
    bare_1: Float[Array, "interpolated rows bins"]
    additive_2: Float[Array, "histosys rows bins"]
    norm: Float[Array, "rows bins"]
    norm_1: Float[Array, "normsys rows channels"]
    norm_2: Float[Array, "normsys rows channels"]
    factors: Float[Array, "slots rows bins"]

    @property
    def product(self) -> Float[Array, "rows bins"]:
        """The product of the factors, without normsys."""
        return self.without()

    @property
    def rates(self) -> Float[Array, "rows bins"]:
        """The expected counts of each sample in each bin."""
        return self.bare * self.product

    def without(self, *slots: int) -> Float[Array, "rows bins"]:
        """The product of all factors but those of the given slots."""
        product = jnp.ones_like(self.bare)
        for m in range(self.factors.shape[0]):
            if m not in slots:
                product = product * self.factors[m]
        return product

    @property
    def leave_one_out(self) -> Float[Array, "slots rows bins"]:
        """For each slot, the product of the other factors, exact also at 0."""
        return jnp.stack([self.without(m) for m in range(self.factors.shape[0])])


def elements(
    arrays: Arrays,
    shapes: Interpolation,
    y: Vector,
    side: Array | float,
) -> Elements:
    """Evaluate all ingredients of the rates at the flat parameter vector `y`.

    Args:
        arrays: the model's numbers.
        shapes: their prepared interpolation.
        y: parameters, `[params]`.
        side: the derivative of |alpha| at a kink, scalar or `[params]`.
    """
    histosys = shapes.slope.shape[0]
    alpha = y[shapes.places]
    if jnp.ndim(side):
        side = jnp.asarray(side)[shapes.places]
    side = jnp.broadcast_to(side, alpha.shape)
    bend, bend_1, bend_2 = additive_bends(
        arrays.codes.histosys, alpha[:histosys], side[:histosys]
    )
    additive = arrays.nominal + jnp.tensordot(
        jnp.append(alpha[:histosys], bend),
        jnp.concatenate([shapes.slope, shapes.curve]),
        axes=1,
    )
    factor, factor_1, factor_2 = exponential_factor(
        shapes.norm, alpha[histosys:, None, None], side[histosys:, None, None]
    )
    norm = jnp.prod(factor, axis=0) @ arrays.bin_channel
    # An interpolated factor is positive for positive lo and hi but for absurd
    # variations; where it is 0 the sample is 0, and a relative derivative has no
    # meaning.
    safe = jnp.where(factor == 0, 1.0, factor)
    relative = factor_1 / safe
    additive_1 = shapes.slope + bend_1[:, None, None] * shapes.curve
    bare = additive * norm
    with_one = jnp.append(y, 1.0)
    return Elements(
        bare=bare,
        bare_1=jnp.concatenate(
            [additive_1 * norm, (relative @ arrays.bin_channel) * bare]
        ),
        additive_2=bend_2[:, None, None] * shapes.curve,
        norm=norm,
        norm_1=relative,
        norm_2=factor_2 / safe,
        factors=with_one.at[arrays.factor_index].get(mode="promise_in_bounds"),
    )


def _to_params(
    shapes: Interpolation, rows: Float[Array, "interpolated n"]
) -> Float[Array, "params n"]:
    """Rows of interpolated parameters, summed into rows of the flat vector.

    A gather; a product with a one-hot matrix takes the third power of their number, and
    a scatter is slow on CPUs.
    """
    padded = jnp.pad(rows, ((0, 1), (0, 0)))
    return jnp.sum(padded.at[shapes.rows].get(mode="promise_in_bounds"), axis=0)


def jacobian(
    arrays: Arrays, shapes: Interpolation, el: Elements
) -> Float[Array, "params bins"]:
    """Derivatives of the total rate in each bin with respect to each parameter.

    Args:
        arrays: the model's numbers.
        shapes: their prepared interpolation.
        el: the ingredients at the point.

    Returns:
        `[params, bins]`.
    """
    jac = _to_params(shapes, jnp.sum(el.bare_1 * el.product, axis=1))
    if not el.factors.shape[0]:
        return jac
    params, bins = jac.shape
    scattered = jnp.zeros((params + 1, bins), jac.dtype)
    at = scattered.at[arrays.factor_index, jnp.arange(bins)]
    scattered = at.add(el.bare * el.leave_one_out, mode="promise_in_bounds")
    return jac + scattered[:params]


def weighted_curvature(
    arrays: Arrays,
    shapes: Interpolation,
    el: Elements,
    weights: Float[Array, " bins"],
) -> Matrix:
    """Second derivatives of the rates, summed over bins with `weights`.

    Args:
        arrays: the model's numbers.
        shapes: their prepared interpolation.
        el: the ingredients at the point.
        weights: one for each bin.

    Returns:
        `[params, params]`, symmetric.
    """
    to_channel = arrays.bin_channel.T
    interpolated, params = shapes.places.shape[0], shapes.rows.shape[1]
    normsys, rows, channels = el.norm_1.shape
    weighted = weights * el.product
    # Among interpolated parameters: only normsys multiply others. Half of what is
    # symmetric, because the transpose is added in the end.
    by_channel = (el.bare_1 * weighted) @ to_channel
    pairs = by_channel.reshape(interpolated, rows * channels) @ (
        el.norm_1.reshape(normsys, rows * channels).T
    )
    rates = (el.bare * weighted) @ to_channel
    diagonal = jnp.append(
        jnp.sum(el.additive_2 * (el.norm * weighted), axis=(1, 2)),
        jnp.sum((el.norm_2 - el.norm_1**2) * rates, axis=(1, 2)),
    )
    is_normsys = np.arange(interpolated) >= interpolated - normsys
    block = jnp.pad(
        jnp.where(is_normsys[:, None], pairs / 2, pairs),
        ((0, 0), (interpolated - normsys, 0)),
    )
    rows_done = _to_params(shapes, block + jnp.diag(diagonal / 2))
    half = _to_params(shapes, rows_done.T).T

    slots = el.factors.shape[0]
    index = jnp.asarray(arrays.factor_index)
    if slots:
        # Each factor with every interpolated parameter of its element.
        both = el.bare_1[:, None] * (weights * el.leave_one_out)
        values = both.reshape(interpolated, index.size).T
        scattered = jnp.zeros((params + 1, interpolated), half.dtype)
        at = scattered.at[index.reshape(-1)]
        crossed = at.add(values, mode="promise_in_bounds")[:params]
        half = half + _to_params(shapes, crossed.T).T
    if slots > 1:
        # Each pair of factors of one element.
        of = list(combinations(range(slots), 2))
        first, second = (np.array(i) for i in zip(*of, strict=True))
        values = jnp.stack([weights * el.bare * el.without(m, k) for m, k in of])
        scattered = jnp.zeros((params + 1, params + 1), half.dtype)
        at = scattered.at[index[first], index[second]]
        half = half + at.add(values, mode="promise_in_bounds")[:params, :params]
    return half + half.T
