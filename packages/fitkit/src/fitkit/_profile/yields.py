"""Expected yields before and after a fit, with correlated uncertainties."""

from collections.abc import Mapping
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
from jaxtyping import Array, ArrayLike, Float

from .._numerics.compiled import compiled
from .._custom_types import Matrix, Params
from .._histfactory.model import Model
from .._model.model import AbstractModel, Data
from .._numerics.precision import require_float64
from .profile_fits import best_fit, require_covariance
from .constraint_widths import prior_widths


@final
class Yields(eqx.Module):
    """What a model expects, bin by bin and channel by channel.

    Attributes:
        total: expected counts by channel, each `[bins]`.
        error: their uncertainties, likewise.
        channel_total, channel_error: sums over the bins of each channel, with all
            correlations.
        samples: by channel and sample, `[bins]`; empty for a model without samples.
        params: where they are evaluated.
    """

    total: dict[str, Float[Array, " bins"]]
    error: dict[str, Float[Array, " bins"]]
    channel_total: dict[str, Float[Array, ""]]
    channel_error: dict[str, Float[Array, ""]]
    samples: dict[str, dict[str, Float[Array, " bins"]]]
    params: Params

    def __repr__(self) -> str:
        if isinstance(jax.tree.leaves(self.total)[0], jax.core.Tracer):
            return f"Yields({', '.join(self.total)})"
        lines = []
        for channel, total in self.total.items():
            rows = dict(self.samples.get(channel, {}))
            width = max(map(len, [*rows, "total"]))
            lines.append(
                f"{channel}: {float(self.channel_total[channel]):.6g} "
                f"± {float(self.channel_error[channel]):.3g}"
            )
            for name, counts in rows.items():
                values = "  ".join(f"{x:>9.4g}" for x in np.asarray(counts))
                lines.append(f"  {name:<{width}}  {values}")
            for name, counts in (("total", total), ("±", self.error[channel])):
                values = "  ".join(f"{x:>9.4g}" for x in np.asarray(counts))
                lines.append(f"  {name:<{width}}  {values}")
        return "\n".join(lines)


def predicted_yields(
    model: AbstractModel,
    data: Data | None = None,
    *,
    init: Mapping[str, ArrayLike] | None = None,
    fixed: Mapping[str, ArrayLike] | None = None,
    bounds: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None,
    solver: optx.AbstractMinimiser | None = None,
) -> Yields:
    r"""The yields that a model expects before a fit, or after one.

    Uncertainties are \(\sqrt{J C J^T}\), with \(J\) the derivatives of the yields and
    \(C\) the covariance of the parameters: after a fit the inverse Hessian, before it
    the widths of the constraints. A parameter without a constraint adds nothing before
    the fit.

    Args:
        model: any model whose expected data are counts by channel.
        data: fitted if given; if not, the yields are those before a fit.
        init, fixed, bounds, solver: of the fit; see `fit`.

    Returns:
        Yields and uncertainties by channel.

    Raises:
        FitError: where the fit finds no minimum, or does not determine all parameters:
            in a masked model hold those of which only masked channels know.

    Example:
        >>> import jax
        >>> jax.config.update("jax_enable_x64", True)
        >>> from fitkit import predicted_yields, uncorrelated_background
        >>> model = uncorrelated_background([5.0, 5.0], [50.0, 60.0], [3.0, 4.0])
        >>> before = predicted_yields(model)
        >>> [round(float(x), 6) for x in before.error["singlechannel"]]
        [3.0, 4.0]
        >>> round(float(before.channel_error["singlechannel"]), 6)
        5.0
    """
    require_float64()
    if data is None:
        y = model.ravel({**model.init, **dict(init or {})})
        covariance = jnp.diag(prior_widths(model) ** 2)
    else:
        best = best_fit(model, data, init, fixed, bounds, solver, "predicted_yields")
        require_covariance(best, model, "predicted_yields")
        y, covariance = best.minimum.y, best.covariance
    totals, errors, channel_errors = _propagated(model, y, covariance)
    params = model.unravel(y)
    samples: dict[str, dict[str, Array]] = {}
    if isinstance(model, Model):
        by_channel = model.expected_yields(params)
        samples = {
            channel: dict(zip(names, by_channel[channel], strict=True))
            for channel, names in model.sample_names.items()
        }
    order = tuple(samples) or tuple(totals)
    return Yields(
        {name: totals[name] for name in order},
        {name: errors[name] for name in order},
        {name: jnp.sum(totals[name]) for name in order},
        {name: channel_errors[name] for name in order},
        samples,
        params,
    )


@compiled
def _propagated(
    model: AbstractModel, y: Array, covariance: Matrix
) -> tuple[dict[str, Array], dict[str, Array], dict[str, Array]]:
    def counts(y):
        return model.expected_data(model.unravel(y)).main

    totals, slopes = counts(y), jax.jacfwd(counts)(y)

    def error(slope: Array) -> Array:
        variance = jnp.einsum("...i,ij,...j->...", slope, covariance, slope)
        return jnp.sqrt(variance)

    errors = {name: error(slope) for name, slope in slopes.items()}
    channels = {name: error(jnp.sum(slope, axis=0)) for name, slope in slopes.items()}
    return totals, errors, channels
