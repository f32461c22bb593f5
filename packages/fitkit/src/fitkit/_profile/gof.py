"""How well the model describes the data at all."""

from typing import Any, final

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float, Int

from .._custom_types import Mask
from .._hypotest.pseudo_experiments import (
    Chunk,
    Toys,
    drawn,
    for_each_chunk,
    tail_error,
    tail_of,
)
from .._model.model import AbstractModel, Data
from .._numerics.batch import Batched
from .._numerics.namespace import traced, xp
from .best_fit import (
    BestFit,
    best_fit,
    constrained_entries,
    covariance_at,
    fit_beyond_default_bounds,
)


@final
class GoodnessOfFit(eqx.Module):
    """The saturated-model test.

    Attributes:
        statistic: twice the negative log-likelihood above that of the saturated model.
        degrees_of_freedom: bins less fitted parameters without a constraint.
        p_value: the probability of a worse agreement if the model is right.
        p_value_error: its statistical error; 0 without pseudo-experiments.
        toys: the statistic of each pseudo-experiment, NaN where its fit found no
            minimum and it is left out; empty where there are none.
    """

    statistic: Float[Array, ""]
    degrees_of_freedom: Int[Array, ""]
    p_value: Float[Array, ""]
    p_value_error: Float[Array, ""]
    toys: Float[Array, " toys"]

    @property
    def failed(self) -> Int[Array, ""]:
        """How many pseudo-experiments are left out."""
        return xp.sum(xp.isnan(self.toys))

    def __repr__(self) -> str:
        if traced(self.statistic):
            return "GoodnessOfFit(traced)"
        text = (
            f"goodness of fit (saturated model): {float(self.statistic):.6g} for "
            f"{int(self.degrees_of_freedom)} degrees of freedom, p = "
            f"{float(self.p_value):.4g}"
        )
        if not self.toys.size:
            return text
        failed = f", {int(self.failed)} of which failed" if int(self.failed) else ""
        return (
            f"{text} ± {float(self.p_value_error):.2g} "
            f"({self.toys.size} pseudo-experiments{failed})"
        )


def goodness_of_fit(
    model: AbstractModel, data: Data, *, toys: Toys | None = None
) -> GoodnessOfFit:
    r"""Compare the best fit with the saturated model, which describes every bin.

    The statistic is the deviance of all bins and of all constraint terms, which follows
    a \(\chi^2\) for large counts. A constrained parameter brings one term and costs one
    degree of freedom. A free parameter that is often at its bound costs less than one,
    and the \(\chi^2\) then gives too small a p-value: half of a degree of freedom for a
    signal strength that ends at 0 where there is no signal. Use `toys` there, or widen
    the bound. A bound that nobody gave, as the 0 of a normfactor, limits nothing.

    Args:
        model: a model whose likelihood knows its saturated value, such as `Model`.
        data: observed data.
        toys: pseudo-experiments at the best fit, each fitted again, for the p-value;
            by default it is that of the \(\chi^2\).

    Returns:
        Statistic, degrees of freedom and p-value.

    Raises:
        FitError: where the fit finds no minimum.
        ValueError: where no degree of freedom is left, or the saturated model is not
            known.
        RuntimeError: traced, where float64 is off.

    Example:
        >>> from fitkit import Channel, Model, NormFactor, Sample, goodness_of_fit
        >>> sample = Sample("signal", [100.0, 100.0], (NormFactor("mu"),))
        >>> model = Model([Channel("SR", [sample])], poi="mu")
        >>> result = goodness_of_fit(model, model.data({"SR": [90.0, 110.0]}))
        >>> round(float(result.p_value), 4)
        0.1571

    References:
        R. Cousins, "Generalization of chisquare goodness-of-fit test for binned data
        using saturated models" (2013); S. Baker, R. Cousins, NIM 221 (1984) 437.
    """
    # Any bound makes the statistic larger than the chi-square expects: one of a factor
    # that nobody asked for is none.
    constrained = constrained_entries(model)
    best = best_fit(model, data, "goodness_of_fit", ~constrained)
    bins = best.likelihood.bins()
    if bins is None:
        raise ValueError(
            f"`goodness_of_fit`: {type(model).__name__} does not tell what its "
            "saturated model is. Compare with one of your own by two calls of `fit`."
        )
    # What the data do not determine is not fitted, whatever it is called: a factor that
    # only masked channels need, or of two factors one.
    fitted = xp.sum(best.movable & ~constrained)
    flat = xp.sum(xp.diagonal(covariance_at(best).flat))
    free = fitted - xp.asarray(xp.round(flat), int)
    left = bins - free
    if not traced(left) and int(left) <= 0:
        raise ValueError(
            f"`goodness_of_fit`: {int(bins)} bins and {int(free)} fitted parameters "
            "without a constraint leave no degree of freedom: any data agree."
        )
    statistic = 2 * best.minimum.value
    if toys is None:
        p_value = xp.gammaincc(left / 2, statistic / 2)
        return GoodnessOfFit(statistic, left, p_value, np.zeros(()), np.zeros(0))
    refitted = 2 * _refitted(best, ~constrained, toys)
    p_value = tail_of(refitted, statistic)
    error = tail_error(refitted, p_value)
    return GoodnessOfFit(statistic, left, p_value, error, refitted)


def _refitted(best: BestFit, factors: Mask, toys: Toys) -> Float[Array, " toys"]:
    """The value at the best fit of each pseudo-experiment, NaN where there is none."""
    truth = best.minimum.y
    parameters = best.parameters.starting_at(truth)
    common = best.likelihood, parameters, factors, truth
    return for_each_chunk(toys, _chunk_of_values, common)


def _chunk_of_values(
    common: tuple, chunk: Chunk, progress: Any = None, ahead: int = 0
) -> Float[Array, " some"]:
    *fit, truth = common
    data = drawn(fit[0], truth, chunk.key, chunk.numbers)
    return _values(tuple(fit), data, truth.shape[0], progress, ahead)


def _value(common: tuple, observations: Any) -> Float[Array, ""]:
    likelihood, parameters, factors = common
    # The rule of the fit to the data, or both statistics would not be of one kind.
    minimum, _ = fit_beyond_default_bounds(
        likelihood.at(observations), parameters, factors
    )
    return xp.where(minimum.converged, minimum.value, np.nan)


_values = Batched(_value)
