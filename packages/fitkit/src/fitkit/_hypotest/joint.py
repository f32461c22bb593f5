r"""Tests of several parameters together, all others profiled, and confidence regions.

The statistic is \(t_\mu = 2\,[V(\mu) - V(\hat\mu)]\) with \(V\) minus the
log-likelihood profiled over all parameters but the \(k\) tested ones. If the tested
values are true it follows a \(\chi^2\) with \(k\) degrees of freedom (S. S. Wilks, Ann.
Math. Statist. 9 (1938) 60; arXiv:1007.1727, eq. 8 for \(k = 1\)).
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, final

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float

from .._custom_types import Mask, Vector
from .._fit.diagnose import checked
from .._fit.minimise import Minimum, minimise, minimised
from .._fit.poi import poi_masks
from .._model.likelihood import AbstractNegativeLogLikelihood
from .._model.model import AbstractModel, Data
from .._model.parameters import ParameterVectors
from .._numerics.batch import Batched
from .._numerics.compiled import numpy_or_compiled
from .._numerics.namespace import as_floats, traced, xp
from .._numerics.precision import require_float64
from .asymptotics import Asymptotics
from .fits import succeeded
from .pseudo_experiments import (
    Chunk,
    Toys,
    drawn,
    for_each_chunk,
    tail_error,
    tail_of,
)
from .toys import conditional_fits, free_fits


@final
class JointTest(eqx.Module):
    r"""The test of values of several parameters together.

    Attributes:
        tested: the values, `[..., parameters]`.
        statistic: \(t_\mu\) of the data, `[...]`.
        p_value: the probability of a larger one if the values are true, `[...]`.
        best: best fit of the parameters, `[parameters]`.
        converged: whether the fits found their minima, `[...]`.
        p_error: statistical error of pseudo-experiments; 0 for the formula, `[...]`.
        failed: how many pseudo-experiments have no statistic, `[...]`; left out.
        names: of the parameters.
    """

    tested: Float[Array, "... parameters"]
    statistic: Float[Array, "..."]
    p_value: Float[Array, "..."]
    best: Float[Array, " parameters"]
    converged: Bool[Array, "..."]
    p_error: Float[Array, "..."]
    failed: Float[Array, "..."]
    names: tuple[str, ...] = eqx.field(static=True)

    def inside(self, level: ArrayLike = 0.6827) -> Bool[Array, "*tested"]:
        """Whether the values are in the confidence region of a level.

        Args:
            level: probability content, such as 0.6827 or 0.95.
        """
        return self.p_value > 1 - as_floats(level)

    def __repr__(self) -> str:
        if traced(self.statistic) or np.ndim(self.statistic):
            shape = np.shape(self.statistic)
            return f"JointTest({', '.join(self.names)}, shape={shape})"
        values = ", ".join(
            f"{name} = {float(value):g}"
            for name, value in zip(self.names, self.tested, strict=True)
        )
        error = float(self.p_error)
        p = f"{float(self.p_value):.6g}"
        if error:
            p = f"{float(self.p_value):.4g} ± {error:.2g}"
        status = "" if bool(self.converged) else "  (a fit did not converge)"
        if lost := int(self.failed):
            status += f"  ({lost} pseudo-experiments failed and are left out)"
        best = ", ".join(f"{float(x):.6g}" for x in self.best)
        return (
            f"{values}: t = {float(self.statistic):.6g}, p = {p} (best fit {best})"
            + status
        )


def joint_test(
    model: AbstractModel,
    data: Data,
    values: Mapping[str, ArrayLike] | Float[ArrayLike, "*tested parameters"],
    parameters: Sequence[str] | None = None,
    *,
    calculator: Asymptotics | Toys = Asymptotics(),
    throw: bool = True,
) -> JointTest:
    r"""Test values of several parameters together, at one point or at many.

    All points whose p-value is above 5 % make the confidence region of 95 %:
    `joint_test(...).inside(0.95)`. For two parameters `contour` follows its border. Of
    one parameter alone, the others of interest profiled as well, `interval` has the
    ends, and a test of it here has one degree of freedom.

    Default bounds of the parameters do not limit their best fit; bounds that were given
    do, and the formula then is too cautious: pseudo-experiments know of them.

    Args:
        model: any model.
        data: observed or expected data.
        values: by name, each a number or all of one shape; or an array whose last axis
            runs over `parameters`. Traced.
        parameters: names of scalar parameters, where `values` is an array; by default
            the parameters of interest.
        calculator: `Asymptotics()`, the \(\chi^2\) with as many degrees of freedom as
            there are parameters, or `Toys(key, n)`: pseudo-experiments at each point
            with all other parameters at their conditional best fit there.
        throw: whether to raise where a fit finds no minimum; the result says so
            otherwise.

    Returns:
        A `JointTest`; with `Asymptotics` differentiable with respect to everything
        traced.

    Raises:
        ValueError: for a parameter that is unknown, fixed, or given twice.
        FitError: where a fit finds no minimum and `throw` is set.

    Example:
        >>> import fitkit
        >>> from fitkit import Channel, NormFactor, Sample
        >>> channels = [
        ...     Channel("A", [Sample("ggH", [25.0], [NormFactor("r_ggH")])]),
        ...     Channel("B", [Sample("qqH", [16.0], [NormFactor("r_qqH")])]),
        ... ]
        >>> model = fitkit.Model(channels, poi=("r_ggH", "r_qqH"))
        >>> data = model.data({"A": [25.0], "B": [16.0]})
        >>> test = fitkit.joint_test(model, data, {"r_ggH": 1.2, "r_qqH": 0.8})
        >>> round(float(test.statistic), 4), round(float(test.p_value), 4)
        (1.6245, 0.4439)

    References:
        arXiv:1007.1727, section 2; PDG review of statistics, 40.4.2.2.
    """
    names, tested = _tested(model, values, parameters)
    masks = poi_masks(model, names, "joint_test")
    vectors = model.parameter_vectors()
    if not traced(vectors.fixed):
        for name, mask in zip(names, masks, strict=True):
            if np.asarray(vectors.fixed)[mask].any():
                raise ValueError(
                    f"`joint_test`: {name!r} is fixed. `model.with_free({name!r})` "
                    "frees it."
                )
    likelihood = model.negative_log_likelihood(data)
    require_float64(likelihood, vectors, tested)
    free = vectors.without_default_bounds(masks.any(axis=0))
    best = minimised(likelihood, free)
    shape = np.shape(tested)[:-1]
    points = xp.reshape(tested, (-1, len(names)))
    common = _Common(likelihood, vectors, masks, best)
    if isinstance(calculator, Toys):
        found = _by_toys(common, points, calculator)
    else:
        found = _by_formula(common, points)
    of_data, p_value, converged, error, failed = (xp.reshape(x, shape) for x in found)
    result = JointTest(
        tested,
        of_data,
        p_value,
        masks @ best.y,
        converged & best.converged,
        error,
        failed,
        names=names,
    )
    return checked(result, result.converged, "joint_test") if throw else result


def _tested(
    model: AbstractModel, values: Any, parameters: Sequence[str] | None
) -> tuple[tuple[str, ...], Array]:
    """The names, and the tested values along the last axis."""
    if isinstance(values, Mapping):
        if parameters is not None:
            raise ValueError(
                "`joint_test` takes names with the values, or `parameters` for an "
                "array; got both."
            )
        numbers = xp.broadcast_arrays(*(as_floats(each) for each in values.values()))
        return tuple(values), xp.stack(numbers, axis=-1)
    names = tuple(model.pois if parameters is None else parameters)
    if len({*names}) < len(names):
        raise ValueError(f"`joint_test`: a parameter is given twice: {names}.")
    tested = as_floats(values)
    if not np.ndim(tested) or np.shape(tested)[-1] != len(names):
        raise ValueError(
            f"`joint_test`: the last axis of the values, of shape {np.shape(tested)}, "
            f"must run over the {len(names)} parameters ({', '.join(names)})."
        )
    return names, tested


@final
class _Common(NamedTuple):
    """What all points have in common.

    Attributes:
        likelihood: at the data.
        parameters: of every fit.
        masks: the entries of the tested parameters.
        best: the free fit to the data.
    """

    likelihood: AbstractNegativeLogLikelihood
    parameters: ParameterVectors
    masks: Bool[Array, "parameters params"]
    best: Minimum

    @property
    def mask(self) -> Mask:
        """All of them."""
        return xp.any(self.masks, axis=0)

    def fixed_at(self, point: Float[Array, " parameters"]) -> ParameterVectors:
        """The parameters of a conditional fit."""
        return self.parameters.fixed_at(self.mask, point @ self.masks)


def _conditional(
    common: _Common, point: Float[Array, " parameters"]
) -> tuple[Vector, Array, Array]:
    """A conditional fit: where it is, its value and whether it has its answer."""
    fixed = common.fixed_at(point)
    start = xp.where(fixed.fixed, fixed.init, common.best.y)
    found = minimise(common.likelihood, fixed.starting_at(start), common.best.y)
    return found.y, found.value, succeeded(found)


_conditional_fits = Batched(_conditional)


def _statistic(at_tested: Array, at_best: Array) -> Array:
    q = 2 * (at_tested - at_best)
    return xp.where(q <= 0, 0.0, q)  # rounding, where the point is the best fit


@numpy_or_compiled
def _tail(statistic: Array, parameters: Array) -> Array:
    return xp.gammaincc(parameters / 2, statistic / 2)


def _by_formula(common: _Common, points: Array) -> tuple[Array, ...]:
    size = common.masks.shape[1]
    _, values, answered = _conditional_fits(common, points, size)
    q = _statistic(values, common.best.value)
    p = _tail(q, as_floats(common.masks.shape[0]))
    nothing = xp.zeros_like(q)
    return q, p, answered, nothing, nothing


def _by_toys(common: _Common, points: Array, toys: Toys) -> tuple[Array, ...]:
    size = common.masks.shape[1]
    truths, values, answered = _conditional_fits(common, points, size)
    q = _statistic(values, common.best.value)
    rows = []
    for number in range(points.shape[0]):
        # A key of its own for each point: neighbours do not share their luck.
        key = jax.random.fold_in(toys.key, number)
        of_point = toys.with_key(key)
        ahead = (points.shape[0] - number - 1) * toys.n
        sample = _toys_at(common, points[number], truths[number], of_point, ahead)
        p = tail_of(sample, q[number])
        rows.append((p, tail_error(sample, p), 1.0 * xp.sum(xp.isnan(sample))))
    p, error, failed = (xp.stack(each) for each in zip(*rows, strict=True))
    return q, p, answered, error, failed


def _toys_at(
    common: _Common,
    point: Float[Array, " parameters"],
    truth: Vector,
    toys: Toys,
    later: int,
) -> Float[Array, " toys"]:
    """The statistic of pseudo-experiments at one point; NaN where a fit failed."""
    free = common.parameters.without_default_bounds(common.mask).starting_at(truth)
    fits = common.likelihood, free, common.fixed_at(point), truth
    return for_each_chunk(toys, _statistics, fits, later=later)


def _statistics(
    common: tuple, chunk: Chunk, progress: Any = None, ahead: int = 0
) -> Float[Array, " some"]:
    """The statistic of some pseudo-experiments, two fits each."""
    likelihood, free, fixed, truth = common
    data, size = drawn(likelihood, truth, chunk.key, chunk.numbers), truth.shape[0]
    y, at_best = free_fits((likelihood, free), data, size, None, ahead)
    members = data, y
    at_tested = conditional_fits((likelihood, fixed), members, size, progress, ahead)
    with np.errstate(invalid="ignore"):
        return _statistic(at_tested, at_best)
