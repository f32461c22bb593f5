"""The fits behind a test: of the data and of Asimov data, free and conditional."""

import warnings
from typing import Any, NamedTuple, final

import jax
import numpy as np
from jaxtyping import Array, Bool, Float

from .._custom_types import Mask, Vector
from .._fit.minimise import Minimum, minimise
from .._fit.poi import free_poi_mask
from .._fit.search import IMPOSSIBLE
from .._model.likelihood import AbstractNegativeLogLikelihood
from .._model.model import AbstractModel, Data
from .._model.parameters import ParameterVectors
from .._numerics.bordered_matrix import factorise, substitute
from .._numerics.compiled import numpy_or_compiled
from .._numerics.namespace import as_floats, choose, freeze, scan, traced, xp
from .._numerics.precision import require_float64
from .asymptotics import Asymptotics
from .statistic import AbstractTestStatistic


@final
class Question(NamedTuple):
    """What is tested, and with which data.

    Attributes:
        likelihood: at the data.
        parameters: of every fit.
        poi: the entry of the parameter of interest.
    """

    likelihood: AbstractNegativeLogLikelihood
    parameters: ParameterVectors
    poi: Mask


def question(model: AbstractModel, data: Data, call: str, *others: Any) -> Question:
    """The question that a test puts to a model and its data.

    Args:
        model: any model with a parameter of interest.
        data: observed or expected data.
        call: for messages.
        others: what is computed with beside them, in double precision too.

    Raises:
        ValueError: where there is no parameter of interest, or it is fixed.
        RuntimeError: traced, where float64 is off.
    """
    poi = free_poi_mask(model, call)
    likelihood = model.negative_log_likelihood(data)
    parameters = model.parameter_vectors()
    require_float64(likelihood, parameters, *others)
    return Question(likelihood, parameters, poi)


@final
class FreeFits(NamedTuple):
    """What tests of every value of the parameter of interest have in common.

    Attributes:
        asimov: the Asimov data of the alternative, as `likelihood.observations`.
        best, at_best: best fit of the parameter of interest, and the value there.
        asimov_best, asimov_at_best: the same for the Asimov data.
        near, asimov_near: where both lie, from which conditional fits start.
        converged: whether the fits found their minima.
    """

    asimov: Any
    best: Float[Array, ""]
    at_best: Float[Array, ""]
    asimov_best: Float[Array, ""]
    asimov_at_best: Float[Array, ""]
    near: "Near"
    asimov_near: "Near"
    converged: Bool[Array, ""]

    def statistics(
        self,
        statistic: AbstractTestStatistic,
        tested: Array,
        data: Array,
        asimov: Array,
    ) -> tuple[Array, Array]:
        """The statistics of the data and of the Asimov data.

        Args:
            statistic: which statistic.
            tested: values of the parameter of interest.
            data, asimov: values at the conditional fits there.
        """
        return (
            statistic.ratio(self.best, tested, data, self.at_best),
            statistic.ratio(self.asimov_best, tested, asimov, self.asimov_at_best),
        )


@final
class Near(NamedTuple):
    """A minimum, and how the others follow the parameter of interest from there.

    Carries no derivative: it is where searches start.

    Attributes:
        y: the minimum.
        slope: the derivative of the profiled parameters, 1 for the one of interest.
    """

    y: Vector
    slope: Vector


def near(minimum: Minimum, poi: Mask) -> Near:
    """What a minimum says of those nearby: a column of its covariance."""
    free = minimum.stationarity.free | poi
    factor, _ = factorise(minimum.curvature, free, strict=True)
    unit = xp.where(poi, 1.0, 0.0)
    column = substitute(factor, free, unit)
    slope = column / pick(column, poi)
    known = xp.all(xp.isfinite(slope))
    return freeze(Near(minimum.y, xp.where(known, slope, unit)))


class ActiveBoundWarning(UserWarning):
    """A bound that was given decides a test: another statistic than its name says."""


def warn_of_active_bounds(
    model: AbstractModel,
    best: Float[Array, ""],
    statistic: AbstractTestStatistic,
    call: str,
) -> None:
    """Tell where the best fit of a test lies on a bound that somebody gave."""
    if traced(best) or len(model.pois) != 1:
        return
    (name,) = model.pois
    poi = model.parameters[name]
    at_zero = (statistic.physical or statistic.discovery) and best == 0
    for side, bound in (("lower", poi.lower), ("upper", poi.upper)):
        if not traced(bound) and best == bound and not at_zero:
            warnings.warn(
                f"`{call}`: the best fit of {name!r} is on its {side} bound "
                f"{float(bound):g}: with other bounds the answer would be another. "
                f"`model.with_bounds({name}=...)` widens them.",
                ActiveBoundWarning,
                stacklevel=3,
            )


@final
class ConditionalFits(NamedTuple):
    """Fits with the parameter of interest fixed at tested values.

    Attributes:
        data, asimov: the values at the minima, one for each tested value.
        converged: whether both fits found their minima.
    """

    data: Float[Array, "*tested"]
    asimov: Float[Array, "*tested"]
    converged: Bool[Array, "*tested"]


def pick(y: Vector, mask: Mask) -> Float[Array, ""]:
    """The one entry of `y` that the mask names, also where others are infinite."""
    return xp.sum(xp.where(mask, y, 0.0))


def free_parameters(
    parameters: ParameterVectors, poi: Mask, statistic: AbstractTestStatistic
) -> ParameterVectors:
    """Settings of a free fit: where the best fit that a statistic means may lie.

    A bound that nobody chose is none: the answer would depend on it.
    """
    # Of a discovery a negative best fit says no more than one at 0, where no bin can
    # be left without expected events.
    if statistic.physical or statistic.discovery:
        lower = xp.maximum(0.0, xp.where(parameters.lower_given, parameters.lower, 0.0))
        parameters = parameters.at_least(poi, lower)
    return parameters.without_default_bounds(poi)


def conditional_fit(
    likelihood: AbstractNegativeLogLikelihood,
    parameters: ParameterVectors,
    poi: Mask,
    value: Float[Array, ""],
    start: Near,
) -> Minimum:
    """The fit with the parameter of interest fixed at a value.

    Args:
        likelihood: at the data.
        parameters: of every fit.
        poi: the entry of the parameter of interest.
        value: where to fix it.
        start: a minimum for another value.
    """
    return _fit_from(likelihood, parameters.fixed_at(poi, value), poi, start)


def _fit_from(
    likelihood: AbstractNegativeLogLikelihood,
    parameters: ParameterVectors,
    poi: Mask,
    start: Near,
) -> Minimum:
    """A fit from a minimum nearby, or from the model's own start if that leads nowhere.

    A minimum at walls, hundreds of standard deviations away, is a bad place to begin;
    traced, where each fit is compiled for itself, it is the only one that is tried.
    """
    near = _starting(likelihood, parameters, poi, start)
    found = minimise(likelihood, near, start.y)
    if traced(found.converged) or succeeded(found):
        return found
    again = minimise(likelihood, parameters)
    return again if succeeded(again) else found


def _starting(
    likelihood: AbstractNegativeLogLikelihood,
    parameters: ParameterVectors,
    poi: Mask,
    start: Near,
) -> ParameterVectors:
    """The same settings, with entries that are not fixed starting near a minimum.

    Those with a kink start at it: both sides are tried from there alone.
    """
    is_fixed = xp.any(parameters.fixed & poi)
    moved = xp.where(is_fixed, pick(parameters.init - start.y, poi), 0.0)
    y = start.y + start.slope * freeze(moved)
    if likelihood.has_kinks:
        y = xp.where(likelihood.kinks(), 0.0, y)
    return parameters.starting_at(xp.where(parameters.fixed, parameters.init, y))


def succeeded(minimum: Minimum) -> Bool[Array, ""]:
    """Whether a conditional fit has its answer.

    Also where the likelihood is zero whatever the other parameters are: the data then
    exclude the value, and the statistic is infinite.
    """
    return minimum.converged | (minimum.status == IMPOSSIBLE)


class _Stage(NamedTuple):
    """One of the fits, or all of them in the order in which they are made.

    Attributes:
        parameters: of the fit.
        asimov: whether it is one of the Asimov data.
        free: whether it is the free one, the first.
        alternative: whether the Asimov data are made at what it finds.
    """

    parameters: ParameterVectors
    asimov: Bool[np.ndarray, "*fits"]
    free: Bool[np.ndarray, "*fits"]
    alternative: Bool[np.ndarray, "*fits"]


@numpy_or_compiled
def fits_of_test(
    likelihood: AbstractNegativeLogLikelihood,
    parameters: ParameterVectors,
    poi: Mask,
    tested: Float[Array, "*tested"],
    statistic: AbstractTestStatistic,
    calculator: Asymptotics,
) -> tuple[FreeFits, ConditionalFits]:
    """All fits of the tests of some values.

    In turn, each from the minimum that is nearest to its own; traced, one fit is in the
    program, for each copy would be compiled for itself. By definition the Asimov data's
    best fit is the point that they were made at, so they need no free fit, unless their
    auxiliary data are those of another point.

    Args:
        likelihood: at the data.
        parameters: of every fit.
        poi: the entry of the parameter of interest.
        tested: its tested values, of any shape; traced.
        statistic: which statistic.
        calculator: which auxiliary data the Asimov data have.

    Raises:
        ValueError: where the Asimov data have not the shapes of the data.
    """

    def made_at(y: Vector) -> Any:
        expected = likelihood.expected(y)
        if calculator.nominal_aux:
            return likelihood.with_nominal_aux(expected)
        return expected

    data = likelihood.observations()
    start, _ = parameters.start()
    nominal = made_at(start)
    _require_shapes(nominal, data)
    stages = _stages(parameters, poi, tested, statistic, calculator)

    def fit(so_far: tuple, stage: _Stage) -> tuple[tuple, tuple]:
        asimov, free, alternative = so_far
        from_ = choose(stage.asimov, alternative, free)
        found = _fit_from(
            likelihood.at(choose(stage.asimov, asimov, data)),
            stage.parameters,
            poi,
            from_,
        )
        here = near(found, poi)
        now = (
            choose(stage.alternative, made_at(found.y), asimov),
            choose(stage.free, here, free),
            choose(stage.alternative, here, alternative),
        )
        return now, (found.y, found.value, found.converged, succeeded(found))

    nowhere = freeze(Near(start, xp.where(poi, 1.0, 0.0)))
    begin = nominal, nowhere, nowhere
    (asimov, free, alternative), (y, values, converged, answered) = scan(
        fit, begin, stages, likelihood
    )
    if calculator.nominal_aux:
        asimov_best, asimov_at_best = pick(y[-1], poi), values[-1]
        common = converged[0] & answered[1] & converged[-1]
    else:
        asimov_best = as_floats(statistic.asimov_poi)
        asimov_at_best = likelihood.at(asimov).value(y[1])
        common = converged[0] & answered[1]
    shape = np.shape(tested)
    last = 2 + 2 * int(np.prod(shape))
    pairs, answered = (x[2:last].reshape(*shape, 2) for x in (values, answered))
    return (
        FreeFits(
            asimov,
            pick(y[0], poi),
            values[0],
            asimov_best,
            asimov_at_best,
            free,
            alternative,
            common,
        ),
        ConditionalFits(
            pairs[..., 0], pairs[..., 1], common & xp.all(answered, axis=-1)
        ),
    )


def _stages(
    parameters: ParameterVectors,
    poi: Mask,
    tested: Float[Array, "*tested"],
    statistic: AbstractTestStatistic,
    calculator: Asymptotics,
) -> _Stage:
    """The fits of tests: free, with the alternative's signal, two for each value."""
    free = free_parameters(parameters, poi, statistic)
    several = [free, parameters.fixed_at(poi, as_floats(statistic.asimov_poi))]
    asimov = [False, False]
    flat = xp.reshape(tested, -1)
    for i in range(np.size(tested)):
        several += [parameters.fixed_at(poi, flat[i])] * 2
        asimov += [False, True]
    if calculator.nominal_aux:
        several.append(free)
        asimov.append(True)
    order = np.arange(len(several))
    stacked = jax.tree.map(lambda *x: xp.stack(x), *several)
    return _Stage(stacked, np.array(asimov), order == 0, order == 1)


def _require_shapes(asimov: Any, data: Any) -> None:
    """Refuse Asimov data whose shapes are not those of the data."""
    shapes = [
        {jax.tree_util.keystr(path): np.shape(x) for path, x in leaves}
        for leaves in map(jax.tree.leaves_with_path, (asimov, data))
    ]
    if shapes[0] != shapes[1]:
        expected, given = shapes
        at = next(k for k in [*expected, *given] if expected.get(k) != given.get(k))
        raise ValueError(
            "A test needs Asimov data of the shapes of the data: `expected_data` gives "
            f"{expected.get(at, 'nothing')} at {at}, where the data have "
            f"{given.get(at, 'nothing')}. Let both have as many entries, those too "
            "many with weight 0."
        )
