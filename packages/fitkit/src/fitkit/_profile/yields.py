"""Expected yields before and after a fit, with correlated uncertainties."""

from typing import final

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float

from .._custom_types import Params, Vector
from .._fit.result import FitResult
from .._fit.uncertainty import Covariance
from .._histfactory.block_model import BlockModel
from .._histfactory.data import bins_by_channel
from .._histfactory.likelihood import HistFactoryLikelihood
from .._histfactory.model import Model
from .._model.model import AbstractModel, Data
from .._numerics.compiled import numpy_or_compiled
from .._numerics.namespace import add_block, take, traced, xp
from .._numerics.precision import require_float64
from .best_fit import best_fit, covariance_at
from .constraint_widths import prior_covariance, prior_widths


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
        if traced(self.total):
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
    best: FitResult | None = None,
) -> Yields:
    r"""The yields that a model expects before a fit, or after one.

    Uncertainties are \(\sqrt{J C J^T}\), with \(J\) the derivatives of the yields and
    \(C\) the covariance of the parameters: after a fit the inverse Hessian, before it
    the widths of the constraints. A parameter without a constraint adds nothing before
    the fit, one on its bound nothing after it.

    Args:
        model: any model whose expected data are counts by channel. Before a fit its
            starts count: `model.with_init(...)` and `model.with_fixed(...)` move them.
        data: fitted if given; if not, the yields are those before a fit.
        best: the fit, where there is one, as of `fit` or `FitResult.load`; by default
            it is made.

    Returns:
        Yields and uncertainties by channel, in events. An uncertainty is NaN where the
        data do not determine the yield, as that of a signal of which only masked
        channels know; the others do not suffer.

    Raises:
        ValueError: where `best` is no fit of this model to these data.
        FitError: where the fit finds no minimum.
        RuntimeError: traced, where float64 is off.

    Example:
        >>> from fitkit import predicted_yields, uncorrelated_background
        >>> model = uncorrelated_background([5.0, 5.0], [50.0, 60.0], [3.0, 4.0])
        >>> before = predicted_yields(model)
        >>> [round(float(x), 6) for x in before.error["singlechannel"]]
        [3.0, 4.0]
        >>> round(float(before.channel_error["singlechannel"]), 6)
        5.0
    """
    if data is None and best is not None:
        raise ValueError(
            "`predicted_yields(best=...)` needs the data that were fitted: give both."
        )
    if data is None:
        # Before any data constraints are all that is known.
        y, width = model.ravel(model.init), prior_widths(model)
        require_float64(y, width)
        known = width > 0
        scale = 1 / xp.where(known, width, 1.0)
        size = (*width.shape, *width.shape)
        table = prior_covariance(model)
        covariance = Covariance(table, np.zeros(size), scale, known)
        params = model.init
    else:
        fitted = best_fit(model, data, "predicted_yields", made=best)
        y, covariance = fitted.minimum.y, covariance_at(fitted)
        params = model.unravel(y)
        params |= model.profiled_factors(params, data)
    totals, errors, channel_errors = _propagated(
        model.underlying, params, data, covariance
    )
    samples: dict[str, dict[str, Array]] = {}
    structure = model.underlying
    if isinstance(structure, Model | BlockModel):
        by_channel = structure.expected_yields(params)
        samples = {
            channel: dict(zip(names, by_channel[channel], strict=True))
            for channel, names in structure.sample_names.items()
        }
    # A program returns dicts in the order of the alphabet.
    order = tuple(samples) or tuple(totals)
    return Yields(
        {name: totals[name] for name in order},
        {name: errors[name] for name in order},
        {name: xp.sum(totals[name]) for name in order},
        {name: channel_errors[name] for name in order},
        samples,
        params,
    )


def _part_slopes(
    likelihood: HistFactoryLikelihood, y: Vector, *, fitted: bool
) -> tuple[Float[Array, "bins params"], Float[Array, " bins"]]:
    """Derivatives of expected counts, and the variances of factors of one bin each."""
    _, own = likelihood.factor_variances(y, fitted=fitted)
    factors = likelihood.arrays.profiled
    if not fitted and factors is not None:
        # No data make them follow.
        held = np.ones(factors.kind.shape, dtype=bool)
        likelihood = likelihood.with_factors(factors.init, held)
    return likelihood.slopes(y).T, own


def _slopes(
    model: AbstractModel, params: Params, data: Data | None
) -> tuple[dict[str, Float[Array, "bins params"]], dict[str, Float[Array, " bins"]]]:
    """Derivatives of the expected counts of each channel, and variances beside.

    The latter are those of factors that are profiled, each of one bin.
    """
    y = model.ravel(params)
    # The structured Jacobian takes one pass, automatic differentiation one for each
    # parameter, and a compilation.
    if isinstance(model, Model):
        at = data if data is not None else model.expected_data(params)
        likelihood = model.negative_log_likelihood(at)
        slopes, own = _part_slopes(likelihood, y, fitted=data is not None)
        return tuple(bins_by_channel(model.layout, each) for each in (slopes, own))
    slopes = jax.jacfwd(lambda y: model.expected_data(model.unravel(y)).main)(y)
    return slopes, {name: xp.zeros(each.shape[0]) for name, each in slopes.items()}


def _errors_of_parts(
    model: BlockModel, params: Params, data: Data | None, covariance: Covariance
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Uncertainties by bin and by channel of a model in pieces, a piece at a time."""
    y = model.ravel(params)
    at = data if data is not None else model.expected_data(params)
    likelihood = model.negative_log_likelihood(at)
    bins: dict[str, list[Array]] = {name: [] for name in model.channel_names}
    along = {name: xp.zeros(y.shape) for name in bins}
    beside: dict[str, Array] = {name: xp.zeros(()) for name in bins}
    for place, part in zip(model.whole.places, likelihood.parts, strict=True):
        name, entries = model.channel_names[place.channel], part.entries
        slopes, own = _part_slopes(
            part.likelihood, take(y, entries), fitted=data is not None
        )
        variance = covariance.among(entries).variance_along(slopes) + own
        bins[name].append(xp.sqrt(variance))
        along[name] = add_block(along[name], (entries,), xp.sum(slopes, axis=0))
        beside[name] = beside[name] + xp.sum(own)
    rows = xp.stack([along[name] for name in bins])
    variances = covariance.variance_along(rows)
    return (
        {name: xp.concatenate(each) for name, each in bins.items()},
        {n: xp.sqrt(v + beside[n]) for n, v in zip(bins, variances, strict=True)},
    )


@numpy_or_compiled
def _propagated(
    model: AbstractModel, params: Params, data: Data | None, covariance: Covariance
) -> tuple[dict[str, Array], dict[str, Array], dict[str, Array]]:
    totals = model.expected_data(params).main
    if isinstance(model, BlockModel):
        return totals, *_errors_of_parts(model, params, data, covariance)

    def error(slope: Array, own: Array) -> Array:
        # Of a sum of bins as well: correlations are in the table.
        return xp.sqrt(covariance.variance_along(slope) + own)

    slopes, own = _slopes(model, params, data)
    errors = {name: error(slope, own[name]) for name, slope in slopes.items()}
    channels = {
        name: error(xp.sum(slope, axis=0), xp.sum(own[name]))
        for name, slope in slopes.items()
    }
    return totals, errors, channels
