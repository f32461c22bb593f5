"""How well the model describes the data at all."""

from collections.abc import Mapping
from functools import partial
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
from jax.scipy.special import gammaincc
from jaxtyping import Array, ArrayLike, Float, Int, PRNGKeyArray

from .._numerics.compiled import compiled
from .._fit.minimise import minimise
from .._hypotest.toys import Toys, for_each_toy, tail_error, tail_of
from .._model.model import AbstractModel, Data
from .profile_fits import BestFit, best_fit


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
        return jnp.sum(jnp.isnan(self.toys))

    def __repr__(self) -> str:
        if isinstance(self.statistic, jax.core.Tracer):
            return "GoodnessOfFit(traced)"
        said = (
            f"goodness of fit (saturated model): {float(self.statistic):.6g} for "
            f"{int(self.degrees_of_freedom)} degrees of freedom, p = "
            f"{float(self.p_value):.4g}"
        )
        if not self.toys.size:
            return said
        failed = f", {int(self.failed)} of which failed" if int(self.failed) else ""
        return (
            f"{said} ± {float(self.p_value_error):.2g} "
            f"({self.toys.size} pseudo-experiments{failed})"
        )


def goodness_of_fit(
    model: AbstractModel,
    data: Data,
    *,
    toys: Toys | None = None,
    init: Mapping[str, ArrayLike] | None = None,
    fixed: Mapping[str, ArrayLike] | None = None,
    bounds: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None,
    solver: optx.AbstractMinimiser | None = None,
) -> GoodnessOfFit:
    r"""Compare the best fit with the saturated model, which describes every bin.

    The statistic is the deviance of all bins and of all constraint terms, which follows
    a \(\chi^2\) for large counts. A constrained parameter brings one term and costs one
    degree of freedom. A free parameter that is often at its bound costs less than one,
    and the \(\chi^2\) then gives too small a p-value: half of a degree of freedom for a
    signal strength that ends at 0 where there is no signal. Use `toys` there, or widen
    the bound.

    Args:
        model: a model whose likelihood knows its saturated value, such as `Model`.
        data: observed data.
        toys: pseudo-experiments at the best fit, each fitted again, for the p-value;
            by default it is that of the \(\chi^2\).
        init, fixed, bounds, solver: of the fit; see `fit`.

    Returns:
        Statistic, degrees of freedom and p-value.

    Raises:
        FitError: where the fit finds no minimum.
        ValueError: where no degree of freedom is left.

    Example:
        >>> import jax
        >>> jax.config.update("jax_enable_x64", True)
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
    best = best_fit(model, data, init, fixed, bounds, solver, "goodness_of_fit")
    constrained = np.concatenate(
        [
            np.full(parameter.init.size, parameter.constraint is not None)
            for parameter in map(model.parameters.__getitem__, model.parameter_names)
        ]
    )
    bins = best.likelihood.bins()
    if bins is None:
        raise ValueError(
            f"`goodness_of_fit`: {type(model).__name__} does not tell what its "
            "saturated model is. Compare with one of your own by two calls of `fit`."
        )
    # What only masked channels need is not fitted, whatever it is called.
    depends = best.minimum.curvature.diagonal() != 0
    free = jnp.sum(best.movable & ~constrained & depends)
    left = bins - free
    if not isinstance(left, jax.core.Tracer) and int(left) <= 0:
        raise ValueError(
            f"`goodness_of_fit`: {int(bins)} bins and {int(free)} fitted parameters "
            "without a constraint leave no degree of freedom: any data agree."
        )
    statistic = 2 * best.minimum.value
    if toys is None:
        p_value = gammaincc(left / 2, statistic / 2)
        return GoodnessOfFit(statistic, left, p_value, jnp.zeros(()), jnp.zeros(0))
    refitted = for_each_toy(partial(_statistics, best, toys.key), toys)
    p_value = tail_of(refitted, statistic)
    error = tail_error(refitted, p_value)
    return GoodnessOfFit(statistic, left, p_value, error, refitted)


@compiled
def _statistics(
    best: BestFit, key: PRNGKeyArray, numbers: Int[Array, " toys"]
) -> Float[Array, " toys"]:
    likelihood, truth = best.likelihood.prepared(), best.minimum.y
    options = best.options.starting_at(truth)

    def one(number: Array) -> Array:
        toy = likelihood.at(likelihood.sample(jax.random.fold_in(key, number), truth))
        found = minimise(toy, options, best.solver)
        return jnp.where(found.converged, 2 * found.value, jnp.nan)

    return jax.vmap(one)(numbers)
