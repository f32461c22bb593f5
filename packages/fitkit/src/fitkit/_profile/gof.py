"""How well the model describes the data at all."""

from collections.abc import Mapping
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
from jax.scipy.special import gammaincc
from jaxtyping import Array, ArrayLike, Float, Int

from .._model import AbstractModel, Data
from .conditional import best_fit


@final
class GoodnessOfFit(eqx.Module):
    """The saturated-model test.

    Attributes:
        statistic: twice the negative log-likelihood above that of the saturated model.
        degrees_of_freedom: bins less fitted parameters without a constraint.
        p_value: the probability of a worse agreement if the model is right.
    """

    statistic: Float[Array, ""]
    degrees_of_freedom: Int[Array, ""]
    p_value: Float[Array, ""]

    def __repr__(self) -> str:
        if isinstance(self.statistic, jax.core.Tracer):
            return "GoodnessOfFit(traced)"
        return (
            f"goodness of fit (saturated model): {float(self.statistic):.6g} for "
            f"{int(self.degrees_of_freedom)} degrees of freedom, p = "
            f"{float(self.p_value):.4g}"
        )


def goodness_of_fit(
    model: AbstractModel,
    data: Data,
    *,
    init: Mapping[str, ArrayLike] | None = None,
    fixed: Mapping[str, ArrayLike] | None = None,
    bounds: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None,
    solver: optx.AbstractMinimiser | None = None,
) -> GoodnessOfFit:
    r"""Compare the best fit with the saturated model, which describes every bin.

    The statistic is the deviance of all bins and of all constraint terms, which follows
    a \(\chi^2\) for large counts. A constrained parameter brings one term and costs one
    degree of freedom.

    Args:
        model: a model whose likelihood knows its saturated value, such as `Model`.
        data: observed data.
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
    depends = jnp.diagonal(best.minimum.hessian) != 0
    free = jnp.sum(best.movable & ~constrained & depends)
    left = bins - free
    if not isinstance(left, jax.core.Tracer) and int(left) <= 0:
        raise ValueError(
            f"`goodness_of_fit`: {int(bins)} bins and {int(free)} fitted parameters "
            "without a constraint leave no degree of freedom: any data agree."
        )
    statistic = 2 * best.minimum.value
    return GoodnessOfFit(statistic, left, gammaincc(left / 2, statistic / 2))
