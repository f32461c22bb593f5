"""Fits from many starts at once: whether a likelihood has more than one minimum."""

import warnings
from typing import final

import equinox as eqx
import jax
import numpy as np

from .._custom_types import Vector
from .._model.likelihood import AbstractNegativeLogLikelihood
from .._model.model import AbstractModel, Data
from .._model.parameters import ParameterVectors, entry_names
from .._numerics.batch import Batched
from .._numerics.bordered_matrix import scale_of
from .._numerics.compiled import numpy_or_compiled
from .._numerics.namespace import concrete
from .._numerics.precision import require_float64
from .diagnose import FitError
from .minimise import Minimum, minimise
from .result import FitResult, result_of
from .scatter import even_directions, natural_widths, possible_start

# How far starts scatter, in natural widths at the nominal start: a parameter that a
# unit normal distribution constrains is tried to three of its standard deviations.
_REACH = 3.0
# Minima are the same where -2 log L agrees to this and no entry differs by more than
# this part of its width.
_SAME_VALUE, _SAME_PLACE = 1e-5, 1e-2


class AnotherMinimumWarning(UserWarning):
    """A likelihood has more than one minimum."""


@final
class Minima(eqx.Module):
    """All minima that fits from many starts found.

    Attributes:
        best: the lowest.
        nominal: the one that the nominal start leads to, as `fit` finds it.
        others: the lowest and all others that differ from each other, the lowest first.
        starts: how many starts there were, and how many of them converged.
        converged: how many of them converged.
    """

    best: FitResult
    nominal: FitResult
    others: tuple[FitResult, ...]
    starts: int = eqx.field(static=True)
    converged: int = eqx.field(static=True)

    def __repr__(self) -> str:
        count = 1 + len(self.others)
        lines = [
            f"{count} {'minimum' if count == 1 else 'minima'} from {self.starts} "
            f"starts, of which {self.converged} converged; the lowest:",
            repr(self.best),
        ]
        lines += [f"another: {_difference(self.best, each)}" for each in self.others]
        return "\n".join(lines)


def fit_from_many_starts(
    model: AbstractModel,
    data: Data,
    *,
    starts: int = 32,
) -> Minima:
    """Maximise the likelihood from the nominal start and from scattered ones.

    The starts spread evenly (they are no random numbers)
    over three natural widths of each parameter about its nominal start, inside its
    bounds. A hint of a second minimum is a variation that shifts a bin to the same side
    up and down; `validate` reports those. This finds what is there, with no guarantee.

    Args:
        model: any model.
        data: observed or expected data.
        starts: how many, the nominal one included.

    Returns:
        The lowest minimum and the others. Not differentiable: to differentiate, call
        `fit` with `model.with_init(minima.best.params)`.

    Raises:
        FitError: where no start leads to a minimum.
        ValueError: for fewer than one start; else as `fit`.

    Warns:
        AnotherMinimumWarning: where the lowest minimum is not the only one; says
            where the others are, and whether `fit` finds the lowest.

    Example:
        >>> import fitkit
        >>> model = fitkit.uncorrelated_background([12.0], [50.0], [3.0])
        >>> data = model.data({"singlechannel": [51.0]})
        >>> len(fitkit.fit_from_many_starts(model, data, starts=8).others)
        0
    """
    if starts < 1:
        raise ValueError(f"`starts` must be 1 or more; got {starts}.")
    likelihood, parameters = (
        model.negative_log_likelihood(data),
        model.parameter_vectors(),
    )
    require_float64(likelihood, parameters)
    common = likelihood, parameters, _reach(likelihood, parameters)
    directions = even_directions(starts, model.parameter_shapes.size)
    minima = concrete(_minima_from(common, directions, directions.shape[1]))
    found = [
        result_of(jax.tree.map(lambda x, i=i: x[i], minima), model)
        for i in range(starts)
    ]
    good = [each for each in found if bool(each.converged)]
    if not good:
        raise FitError(
            f"none of {starts} starts leads to a minimum. `fit` says why for the "
            "nominal one."
        )
    distinct: list[FitResult] = []
    for each in sorted(good, key=lambda result: float(result.twice_nll)):
        if not any(_same(each, known) for known in distinct):
            distinct.append(each)
    best, *others = distinct
    minima = Minima(best, found[0], tuple(others), starts, len(good))
    if minima.others:
        warnings.warn(_message(minima), AnotherMinimumWarning, stacklevel=2)
    return minima


@numpy_or_compiled
def _reach(
    likelihood: AbstractNegativeLogLikelihood, parameters: ParameterVectors
) -> Vector:
    """How far starts scatter from the nominal one, `[params]`."""
    return _REACH * natural_widths(likelihood, parameters)


def _minimise_from(
    common: tuple[AbstractNegativeLogLikelihood, ParameterVectors, Vector],
    direction: Vector,
) -> Minimum:
    """The fit from a start in some direction from the nominal one."""
    likelihood, parameters, reach = common
    start = possible_start(likelihood, parameters, reach * direction)
    return minimise(likelihood, parameters.starting_at(start))


_minima_from = Batched(_minimise_from)


def _widths(result: FitResult) -> np.ndarray:
    """Natural widths of the free entries; infinite for the others."""
    free = np.asarray(result.stationarity.free)
    return np.where(free, 1 / np.asarray(scale_of(result.curvature)), np.inf)


def _same(a: FitResult, b: FitResult) -> bool:
    """Whether two fits found one minimum; a flat direction makes no second one."""
    if abs(float(a.twice_nll - b.twice_nll)) > _SAME_VALUE:
        return False
    apart = np.abs(np.asarray(a.y - b.y)) / np.minimum(_widths(a), _widths(b))
    return bool(np.max(apart, initial=0.0) < _SAME_PLACE) or not (
        bool(a.unique) and bool(b.unique)
    )


def _difference(best: FitResult, other: FitResult) -> str:
    """How much higher another minimum is, and where it lies."""
    names = entry_names(best.shapes)
    apart = np.abs(np.asarray(other.y - best.y)) / _widths(best)
    order = np.argsort(-apart, kind="stable")[:3]
    places = ", ".join(
        f"{names[i]} {float(other.y[i]):.4g} for {float(best.y[i]):.4g}"
        for i in order
        if apart[i] > _SAME_PLACE
    )
    return f"-2 log L higher by {float(other.twice_nll - best.twice_nll):.4g}, {places}"


def _message(minima: Minima) -> str:
    others = "; ".join(_difference(minima.best, each) for each in minima.others[:3])
    local = not _same(minima.best, minima.nominal)
    return f"the likelihood has {1 + len(minima.others)} minima: {others}. " + (
        "The nominal start, and so `fit`, does not lead to the lowest: fit "
        "`model.with_init(minima.best.params)`."
        if local
        else "`fit` finds the lowest; check that other data and scans do."
    )
