r"""Expected rates of a HistFactory model and their first derivatives.

An element (sample, bin) has the rate \(A\,N\,\Phi\,F\): \(A\) the nominal yield plus
the additive variations, \(N\) the product of its normsys factors, \(\Phi\) that of
functions of parameters (`functions.py`), \(F\) the product of the parameters that scale
it. With all samples in one table (`arrays.py`), every
derivative is a product of a few small tables, and no loop runs over modifiers:

- rows of the Jacobian: \(\partial A\,N F\) for histosys, \(A\,\partial N\,F\) for
  normsys, \(A N\) times the product of the *other* factors for factors, which is exact
  also where a factor is 0;
- second derivatives, summed over bins with given weights, in the same blocks.

All parameters that are interpolated, those of histosys and then those of normsys, form
one axis, with the arguments of functions between them, and one selector carries it to
the flat parameter vector: each product or fusion less is tens of milliseconds of
compilation less.

Autodiff would need one pass for each parameter (16 ms for 181 of them where this takes
0.2).
"""

from typing import NamedTuple

from jaxtyping import Array, Float, Int

from .._custom_types import Vector
from .._numerics.namespace import custom_jvp, scatter_add, take, take_rows, xp
from .arrays import Arrays
from .functions import Evaluated
from .interpolation import (
    Exponential,
    additive_bends,
    exponential,
    exponential_factor,
)


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
    places = [arrays.histosys_index, arrays.normsys_index]
    if arrays.functions is not None:
        places.insert(1, arrays.functions.arguments)
    return Interpolation(
        slope=(arrays.histosys_hi - arrays.histosys_lo) / 2,
        curve=xp.where(arrays.histosys_present, curve, 0.0),
        norm=exponential(arrays.codes.normsys, arrays.normsys_lo, arrays.normsys_hi),
        places=xp.concatenate(places),
        rows=xp.asarray(arrays.interpolated_rows),
    )


class OfFunctions(NamedTuple):
    """What second derivatives need where there are functions of parameters.

    Attributes:
        at: the functions at the point.
        base: A N, the rate without them and without factors.
        base_1: its derivatives by histosys parameter.
    """

    at: Evaluated
    base: Float[Array, "rows bins"]
    base_1: Float[Array, "histosys rows bins"]


class Elements(NamedTuple):
    """The ingredients of every rate at one parameter point.

    Attributes:
        bare: A N Phi, the rate without its factors.
        bare_1: its derivatives by interpolated parameter, one at a time.
        additive_2: second derivatives of A by histosys parameter.
        norm: N Phi, spread over bins.
        norm_1, norm_2: relative derivatives of each normsys factor.
        factors: F apart, one table for each slot.
        functions: what is particular to functions of parameters, None without any.
    """

    bare: Float[Array, "rows bins"]
    bare_1: Float[Array, "interpolated rows bins"]
    additive_2: Float[Array, "histosys rows bins"]
    norm: Float[Array, "rows bins"]
    norm_1: Float[Array, "normsys rows channels"]
    norm_2: Float[Array, "normsys rows channels"]
    factors: Float[Array, "slots rows bins"]
    functions: OfFunctions | None = None

    @property
    def slots(self) -> int:
        """The largest number of factors that an element has."""
        return self.factors.shape[0]

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
        product = xp.ones_like(self.bare)
        for m in range(self.slots):
            if m not in slots:
                product = product * self.factors[m]
        return product

    def scaled(self, factor: Float[Array, "rows bins"]) -> "Elements":
        """The same, each element times a number that no parameter changes."""
        functions = self.functions
        if functions is not None:
            at, base, base_1 = functions
            functions = OfFunctions(at, base * factor, base_1 * factor)
        return self._replace(
            bare=self.bare * factor,
            bare_1=self.bare_1 * factor,
            norm=self.norm * factor,
            functions=functions,
        )

    @property
    def leave_one_out(self) -> Float[Array, "slots rows bins"]:
        """For each slot, the product of the other factors, exact also at 0."""
        return xp.stack([self.without(m) for m in range(self.slots)])


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
    alpha = take(y, shapes.places)
    if xp.ndim(side):
        side = take(side, shapes.places)
    sides = xp.broadcast_to(side, alpha.shape)
    bend, bend_1, bend_2 = additive_bends(
        arrays.codes.histosys, alpha[:histosys], sides[:histosys]
    )
    additive = arrays.nominal + xp.tensordot(
        xp.append(alpha[:histosys], bend),
        xp.concatenate([shapes.slope, shapes.curve]),
        axes=1,
    )
    normsys = slice(alpha.shape[0] - shapes.norm.slope.shape[0], None)
    factor, factor_1, factor_2 = exponential_factor(
        shapes.norm, alpha[normsys, None, None], sides[normsys, None, None]
    )
    norm = _product(factor) @ arrays.bin_channel
    # An interpolated factor is positive for positive lo and hi but for absurd
    # variations; where it is 0 the sample is 0, and a relative derivative has no
    # meaning.
    safe = xp.where(factor == 0, 1.0, factor)
    relative = factor_1 / safe
    additive_1 = shapes.slope + bend_1[:, None, None] * shapes.curve
    additive_2 = bend_2[:, None, None] * shapes.curve
    if arrays.floor is not None:
        above = additive > arrays.floor
        additive = xp.where(above, additive, arrays.floor)
        additive_1 = xp.where(above, additive_1, 0.0)
        additive_2 = xp.where(above, additive_2, 0.0)
    bare, bare_1 = additive * norm, additive_1 * norm
    norm_1 = (relative @ arrays.bin_channel) * bare
    rows_1, functions = [bare_1, norm_1], None
    if arrays.functions is not None:
        at = arrays.functions.evaluate(y)
        functions, product = OfFunctions(at, bare, bare_1), at.product
        rows_1 = [bare_1 * product, bare * at.product_1, norm_1 * product]
        bare, norm = bare * product, norm * product
    with_one = xp.append(y, 1.0)
    return Elements(
        bare=bare,
        bare_1=xp.concatenate(rows_1),
        additive_2=additive_2,
        norm=norm,
        norm_1=relative,
        norm_2=factor_2 / safe,
        factors=take(with_one, arrays.factor_index),
        functions=functions,
    )


@custom_jvp
def _product(
    factor: Float[Array, "normsys rows channels"],
) -> Float[Array, "rows channels"]:
    """The product of all normsys factors."""
    return xp.prod(factor, axis=0)


@_product.def_jvp
def _product_jvp(primals, tangents):
    # JAX's own takes the product apart into a tree of halves, with kernels for each.
    (factor,), (factor_dot,) = primals, tangents
    product = _product(factor)
    safe = xp.where(factor == 0, 1.0, factor)
    return product, product * xp.sum(factor_dot / safe, axis=0)


def sum_of_rows(
    table: Float[Array, "interpolated n"], rows: Int[Array, "copies entries"]
) -> Float[Array, "entries n"]:
    """Rows of interpolated parameters, summed into rows of a parameter vector.

    A gather; a product with a one-hot matrix takes the third power of their number, and
    a scatter is slow on CPUs.

    Args:
        table: one row for each of the interpolated parameters.
        rows: for each entry of the vector its rows, or one past the last.
    """
    padded = xp.concatenate([table, xp.zeros((1, table.shape[1]))])
    return xp.sum(take_rows(padded, rows), axis=0)


def scattered(
    index: Int[Array, "slots rows bins"],
    values: Float[Array, "slots rows bins"],
    size: int,
) -> Float[Array, "entries bins"]:
    """Values of factors, summed into rows of a parameter vector of `size` entries."""
    bins = values.shape[-1]
    return scatter_add((size + 1, bins), (index, xp.arange(bins)), values)[:size]


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
    jac = sum_of_rows(xp.sum(el.bare_1 * el.product, axis=1), shapes.rows)
    if el.slots:
        values = el.bare * el.leave_one_out
        jac = jac + scattered(arrays.factor_index, values, jac.shape[0])
    return jac
