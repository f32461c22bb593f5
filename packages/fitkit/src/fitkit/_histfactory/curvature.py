r"""First and second derivatives of the likelihood of the counts, block by block.

\(J\) being the Jacobian of the rates, \(w_b = n_b/\nu_b^2\) and
\(c_b = 1 - n_b/\nu_b\), the gradient is \(J c\) and the Hessian
\(J\,\mathrm{diag}(w)\,J^T + \sum_b c_b \nabla^2\nu_b\).
With the elements' structure (`rates.py`) each block is a product of a
few small tables. `partition.py` chooses the blocks:

- *a border only*: all parameters in one table;
- *one bin each*: the inner block is diagonal,
  \(w_b (\partial\nu_b/\partial\gamma_b)^2\), for a factor is linear and no two of them
  meet;
- *interpolated*: two normsys \(j, k\) meet as \(\nu_{je}\nu_{ke} R_e\) with their
  relative derivatives \(\nu\), two histosys not at all, and one of each as
  \(\partial_h(A N)_e F_e\,\nu_{ke}\). So W has the rows \(\nu_e\) where there are no
  histosys, for the Jacobian then is a sum of those too; and else the Jacobian, the
  \(\partial_h\), and the \(\nu\).
"""

from itertools import combinations, permutations
from typing import NamedTuple, final

import numpy as np
from jaxtyping import Array, Float, Int

from .._custom_types import Vector
from .._numerics.bordered_matrix import Blocks, Bordered, Frame, plain
from .._numerics.namespace import scatter_add, take, xp
from .arrays import Arrays
from .blocks import Interpolated, OneBinEach
from .rates import Elements, Interpolation, OfFunctions, scattered, sum_of_rows

PerBin = Float[Array, " bins"]


@final
class Weights(NamedTuple):
    """What the likelihood is in each bin, as far as derivatives need it.

    Attributes:
        pull: c, the first derivative by the rate.
        exact: w, the second.
        convex: the part of it that is not negative, None where that is w.
    """

    pull: PerBin
    exact: PerBin
    convex: PerBin | None = None


def derivatives_of_counts(
    arrays: Arrays,
    shapes: Interpolation,
    el: Elements,
    weights: Weights,
) -> tuple[Vector, Bordered, Bordered]:
    """Gradient, Hessian and its positive semi-definite part.

    Args:
        arrays: the model's numbers.
        shapes: their prepared interpolation.
        el: the ingredients of the rates at the point.
        weights: c and w.
    """
    match arrays.partition:
        case OneBinEach() as one_bin:
            return _one_bin_each(one_bin, el, arrays.bin_channel, weights)
        case Interpolated() as inner:
            return _interpolated(inner, el, arrays.bin_channel, weights)
    border = _Border(el, arrays.factor_index, shapes.rows, arrays.init.shape[0])
    jac, hessian, convex = border.derivatives(arrays.bin_channel, weights)
    pull = weights.pull
    return jac @ pull, plain(hessian), plain(convex)


def no_blocks(arrays: Arrays) -> tuple[Blocks, Frame | None]:
    """The blocks of either matrix, all zero, and how they lie."""
    if arrays.partition is None:
        return Blocks(np.zeros((arrays.init.shape[0],) * 2)), None
    order = arrays.partition.order
    inner, border = len(order.inner), len(order.border)
    blocks = Blocks(
        np.zeros((border, border)), np.zeros(inner), None, np.zeros((inner, border))
    )
    if isinstance(arrays.partition, OneBinEach):
        return blocks, Frame(order, None)
    rows, bins = arrays.nominal.shape
    rank = rows * arrays.bin_channel.shape[0]
    if arrays.histosys_lo.shape[0]:
        rank = bins + 2 * rank
    wide = np.zeros((rank, inner))
    return blocks._replace(middle=np.zeros((rank, rank))), Frame(order, wide)


def _one_bin_each(
    partition: OneBinEach,
    el: Elements,
    bin_channel: Float[Array, "channels bins"],
    weights: Weights,
) -> tuple[Vector, Bordered, Bordered]:
    order, (pull, weight, other) = partition.order, weights
    border = _Border(el, partition.factor_index, partition.rows, len(order.border))
    jac, hessian, convex = border.derivatives(bin_channel, weights)

    here = xp.where(partition.here, el.leave_one_out, 0.0)
    others = xp.sum(here, axis=0)
    own = xp.sum(el.bare * others, axis=0)
    mixed = sum_of_rows(xp.sum(el.bare_1 * others, axis=1), partition.rows)
    of = list(permutations(range(el.slots), 2))
    if of:
        first, second = (np.array(each) for each in zip(*of, strict=True))
        values = xp.stack([el.bare * el.without(m, k) for m, k in of])
        values = xp.where(xp.asarray(partition.here)[first], values, 0.0)
        index = xp.asarray(partition.factor_index)[second]
        mixed = mixed + scattered(index, values, border.size)

    # No shapes in annotations here: these are made anew in every call.
    def of_inner(values: Array) -> Array:
        return take(values, partition.bins)

    def of_product(weight: PerBin) -> tuple[Array, Array]:
        return of_inner(weight * own**2), jac * (weight * own)

    diagonal, met = of_product(weight)
    cross = of_inner(met + mixed * pull).T
    exact = Blocks(hessian, diagonal, None, cross)
    if other is not None:
        diagonal, met = of_product(other)
    frame = Frame(order, None)
    return (
        order.join(of_inner(own * pull), jac @ pull),
        Bordered(exact, frame),
        Bordered(Blocks(convex, diagonal, None, of_inner(met).T), frame),
    )


def _interpolated(
    partition: Interpolated,
    el: Elements,
    bin_channel: Float[Array, "channels bins"],
    weights: Weights,
) -> tuple[Vector, Bordered, Bordered]:
    order, (pull, weight, other) = partition.order, weights
    border = _Border(el, partition.factor_index, None, len(order.border))
    jac, hessian, convex = border.derivatives(bin_channel, weights)

    def to_inner(rows: Array) -> Array:
        return sum_of_rows(rows, partition.rows)

    own = xp.sum(el.bare_1 * el.product, axis=1)
    own_inner = to_inner(own)

    def met_of(weight: PerBin) -> Array:
        return own_inner @ (jac * weight).T

    met = met_of(weight)
    met_convex = met if other is None else met_of(other)
    mixed = to_inner(border.crossed(pull).T)

    normsys, rows, channels = el.norm_1.shape
    rank, histosys = rows * channels, own.shape[0] - normsys
    relative = el.norm_1.reshape(normsys, rank)
    spread = el.rates[:, None] * xp.asarray(bin_channel)
    by_element = spread.reshape(rank, spread.shape[-1])
    pulled = by_element @ pull
    if histosys:
        bent = el.bare_1[:histosys] * (el.product * pull)
        bent = (bent @ bin_channel.T).reshape(histosys, rank)
        wide = xp.concatenate(
            [
                own,
                xp.pad(bent, ((0, normsys), (0, 0))),
                xp.pad(relative, ((histosys, 0), (0, 0))),
            ],
            axis=1,
        )
        nothing, one = xp.zeros((rank, rank)), xp.eye(rank)
        meet = xp.block([[nothing, one], [one, xp.diag(pulled)]])
        meet = xp.pad(meet, (len(pull), 0))

        def middle_of(weight: PerBin) -> Array:
            return xp.pad(xp.diag(weight), (0, 2 * rank))
    else:
        wide, meet = relative, xp.diag(pulled)

        def middle_of(weight: PerBin) -> Array:
            return (by_element * weight) @ by_element.T

    middle = middle_of(weight)
    middle_convex = middle if other is None else middle_of(other)
    middle = middle + meet
    diagonal = to_inner(_own_curvature(el, bin_channel, pull)[:, None])[:, 0]
    frame = Frame(order, to_inner(wide).T)
    return (
        order.join(own_inner @ pull, jac @ pull),
        Bordered(Blocks(hessian, diagonal, middle, met + mixed), frame),
        Bordered(
            Blocks(convex, xp.zeros_like(diagonal), middle_convex, met_convex), frame
        ),
    )


def _own_curvature(
    el: Elements, bin_channel: Float[Array, "channels bins"], weights: PerBin
) -> Float[Array, " interpolated"]:
    """What a parameter adds to its own second derivative, beyond the products."""
    weighted = weights * el.product
    rates = (el.bare * weighted) @ bin_channel.T
    parts = [
        xp.sum(el.additive_2 * (el.norm * weighted), axis=(1, 2)),
        xp.sum((el.norm_2 - el.norm_1**2) * rates, axis=(1, 2)),
    ]
    if el.functions is not None:  # whose own part is no diagonal
        parts.insert(1, np.zeros(el.functions.at.slopes.shape[0]))
    return xp.concatenate(parts)


def _of_functions(
    functions: OfFunctions, weighted: Float[Array, "rows bins"], size: int
) -> Float[Array, "interpolated interpolated"]:
    """Half of what functions of parameters add to the block of interpolated ones."""
    at, base, base_1 = functions
    count, histosys = at.slopes.shape[0], base_1.shape[0]
    slopes = (at.product_1 * weighted).reshape(count, base.size)
    with_histosys = base_1.reshape(histosys, base.size) @ slopes.T
    rows = xp.concatenate([with_histosys, at.curvature(base * weighted) / 2])
    after = size - histosys - count
    return xp.pad(rows, ((0, after), (histosys, after)))


class _Border:
    """The block of the parameters that are not inner ones.

    Args:
        el: the ingredients of the rates.
        factor_index: entries of the border, or its length where there is none.
        rows: of each entry, its rows in the tables of interpolation; None where none
            of them is interpolated.
        size: how many entries the border has.
    """

    def __init__(
        self,
        el: Elements,
        factor_index: Int[Array, "slots rows bins"],
        rows: Int[Array, "copies border"] | None,
        size: int,
    ):
        self.el, self.rows, self.size = el, rows, size
        self.index = xp.asarray(factor_index)

    def derivatives(
        self, bin_channel: Float[Array, "channels bins"], weights: Weights
    ) -> tuple[Array, Array, Array]:
        """Jacobian of the rates, block of the Hessian, and its convex part."""
        jac = self.jacobian()
        product = (jac * weights.exact) @ jac.T
        convex = product
        if weights.convex is not None:
            convex = (jac * weights.convex) @ jac.T
        return jac, product + self.curvature(bin_channel, weights.pull), convex

    def jacobian(self) -> Float[Array, "border bins"]:
        """Derivatives of the total rate in each bin."""
        el = self.el
        jac = xp.zeros((self.size, el.bare.shape[1]))
        if self.rows is not None:
            jac = sum_of_rows(xp.sum(el.bare_1 * el.product, axis=1), self.rows)
        if el.slots:
            jac = jac + scattered(self.index, el.bare * el.leave_one_out, self.size)
        return jac

    def crossed(self, weights: PerBin) -> Float[Array, "border interpolated"]:
        """Each factor with every interpolated parameter of its elements."""
        el, interpolated = self.el, self.el.bare_1.shape[0]
        both = el.bare_1[:, None] * (weights * el.leave_one_out)
        values = both.reshape(interpolated, self.index.size).T
        shape = self.size + 1, interpolated
        return scatter_add(shape, (self.index.reshape(-1),), values)[: self.size]

    def curvature(
        self, bin_channel: Float[Array, "channels bins"], weights: PerBin
    ) -> Float[Array, "border border"]:
        """Second derivatives of the rates, summed over bins with `weights`."""
        half = xp.zeros((self.size, self.size))
        if self.rows is not None:
            half = self._interpolated(bin_channel, weights)
            if self.el.slots:
                crossed = self.crossed(weights)
                half = half + sum_of_rows(crossed.T, self.rows).T
        if self.el.slots > 1:
            half = half + self._pairs(weights)
        return half + half.T

    def _interpolated(
        self, bin_channel: Float[Array, "channels bins"], weights: PerBin
    ) -> Float[Array, "border border"]:
        """Half of the block of interpolated parameters; the transpose is the rest."""
        el, to_channel = self.el, xp.asarray(bin_channel).T
        normsys, rows, channels = el.norm_1.shape
        interpolated = el.bare_1.shape[0]
        # Only normsys and functions multiply others.
        by_channel = (el.bare_1 * (weights * el.product)) @ to_channel
        pairs = by_channel.reshape(interpolated, rows * channels) @ (
            el.norm_1.reshape(normsys, rows * channels).T
        )
        is_normsys = np.arange(interpolated) >= interpolated - normsys
        block = xp.pad(
            xp.where(is_normsys[:, None], pairs / 2, pairs),
            ((0, 0), (interpolated - normsys, 0)),
        )
        block = block + xp.diag(_own_curvature(el, bin_channel, weights) / 2)
        if el.functions is not None:
            weighted = weights * el.product
            block = block + _of_functions(el.functions, weighted, block.shape[0])
        rows_done = sum_of_rows(block, self.rows)
        return sum_of_rows(rows_done.T, self.rows).T

    def _pairs(self, weights: PerBin) -> Float[Array, "border border"]:
        """Each pair of factors of one element; the transpose is the other half."""
        el = self.el
        of = list(combinations(range(el.slots), 2))
        first, second = (np.array(each) for each in zip(*of, strict=True))
        values = xp.stack([weights * el.bare * el.without(m, k) for m, k in of])
        shape, index = (self.size + 1,) * 2, (self.index[first], self.index[second])
        return scatter_add(shape, index, values)[: self.size, : self.size]
