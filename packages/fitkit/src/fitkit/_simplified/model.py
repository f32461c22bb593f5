"""A simplified likelihood as a model: moments of a background, and a signal."""

from collections.abc import Mapping, Sequence
from typing import Any, final

import equinox as eqx
import numpy as np
from jaxtyping import Array, ArrayLike, Float, PRNGKeyArray

from .._custom_types import Params
from .._model.constraints import Normal
from .._model.model import AbstractModel, Data
from .._model.parameters import Parameter, ParameterShapes, matching
from .._numerics.namespace import as_floats, xp
from .coefficients import Coefficients, coefficients
from .likelihood import Expectation, Observed, SimplifiedNLL


@final
class SimplifiedLikelihood(AbstractModel):
    r"""Counts over a background of which moments alone are known.

    \[ \prod_I \mathrm{Pois}\bigl(n_I \,\big|\, \mu s_I + a_I + b_I\theta_I +
    c_I\theta_I^2\bigr)\, N(\theta\,|\,0, \rho) \]

    with \(a, b, c\) and \(\rho\) such that the background has the mean, the covariance
    and the third moments that are given. Without third moments \(c = 0\): the
    likelihood of CMS-NOTE-2017-001. The parameters are the strength `mu` and `theta`:
    independent standard normal numbers, of which the \(\theta_I\) are the combinations
    that have the correlation \(\rho\), the direction of most variation first. So the
    covariance may be singular.

    Args:
        signal: expected signal at `mu` = 1, events per bin; may be traced.
        background: expected background, events per bin.
        covariance: of the background, `[bins, bins]`, events squared.
        third_moment: third central moment of each bin, events cubed; None for 0.
        channels: the number of bins by name of channel, in this order; by default all
            are of one, `"bins"`.
        poi: the name of the strength.

    Raises:
        ValueError: for sizes that do not fit, or moments that no such background has.

    Example:
        >>> import fitkit
        >>> model = fitkit.SimplifiedLikelihood(
        ...     [10.0, 5.0], [50.0, 40.0], [[25.0, 10.0], [10.0, 16.0]]
        ... )
        >>> data = model.data({"bins": [62.0, 44.0]})
        >>> round(float(fitkit.upper_limit(model, data).observed), 4)
        2.5802

    References:
        CMS Collaboration, CMS-NOTE-2017-001; A. Buckley et al., JHEP 04 (2019) 064,
        arXiv:1809.05548, eqs. 2.4 and 2.6 to 2.12.
    """

    layout: tuple[tuple[str, int], ...] = eqx.field(static=True)
    poi: str = eqx.field(static=True)
    moments: tuple[np.ndarray, np.ndarray, np.ndarray | None]
    expectation: Expectation
    counted: np.ndarray

    def __init__(
        self,
        signal: Float[ArrayLike, " bins"],
        background: Float[ArrayLike, " bins"],
        covariance: Float[ArrayLike, "bins bins"],
        third_moment: Float[ArrayLike, " bins"] | None = None,
        *,
        channels: Mapping[str, int] | None = None,
        poi: str = "mu",
    ):
        mean, table = (np.asarray(each, float) for each in (background, covariance))
        third = None if third_moment is None else np.asarray(third_moment, float)
        size = mean.size
        own = as_floats(signal)
        _check_shapes(size, own, mean, table, third)
        self.layout = tuple((channels or {"bins": size}).items())
        if sum(bins for _, bins in self.layout) != size:
            raise ValueError(
                f"`SimplifiedLikelihood(channels=...)` has "
                f"{sum(bins for _, bins in self.layout)} bins; there are {size}."
            )
        if poi == "theta":
            raise ValueError('`poi` cannot be "theta", the name of the nuisances.')
        self.poi = poi
        self.moments = (mean, table, third)
        known = coefficients(mean, table, third)
        self.expectation = Expectation(own, *known)
        self.counted = np.ones(size, dtype=bool)

    @property
    def signal(self) -> Float[Array, " bins"]:
        """The signal at a strength of 1, all channels side by side."""
        return self.expectation.signal

    @property
    def coefficients(self) -> Coefficients:
        """What the background is made of."""
        e = self.expectation
        return Coefficients(e.constant, e.linear, e.quadratic, e.root)

    @property
    def channel_names(self) -> tuple[str, ...]:
        """The names of the channels."""
        return tuple(name for name, _ in self.layout)

    @property
    def parameter_names(self) -> tuple[str, ...]:
        return (self.poi, "theta")

    @property
    def parameter_shapes(self) -> ParameterShapes:
        directions = self.expectation.root.shape[1]
        return ParameterShapes({self.poi: (), "theta": (directions,)})

    @property
    def parameters(self) -> dict[str, Parameter]:
        """Start, bounds and constraint of strength and directions."""
        zeros = np.zeros(self.expectation.root.shape[1])
        unit = Normal(zeros, np.ones_like(zeros))
        return {
            self.poi: Parameter(1.0, lower=0.0),
            "theta": Parameter(zeros, constraint=unit),
        }

    def with_signal(self, signal: Float[ArrayLike, " bins"]) -> "SimplifiedLikelihood":
        """The same background with another signal; may be traced."""
        own = as_floats(signal)
        if own.shape != self.signal.shape:
            raise ValueError(
                f"`with_signal`: the signal has shape {own.shape}; there are "
                f"{self.signal.shape[0]} bins."
            )
        return eqx.tree_at(lambda model: model.expectation.signal, self, own)

    def with_masked(self, *channels: str) -> "SimplifiedLikelihood":
        """The same model, blind to the counts of some channels; as of `Model`."""
        counted, start = self.counted.copy(), 0
        masked = {
            each
            for pattern in channels
            for each in matching(pattern, self.channel_names, "with_masked", "channel")
        }
        for name, bins in self.layout:
            counted[start : start + bins] &= name not in masked
            start += bins
        return eqx.tree_at(lambda model: model.counted, self, counted)

    def data(self, main: Mapping[str, ArrayLike]) -> Data:
        """Observed counts by channel together with the nominal auxiliary data.

        Raises:
            ValueError: for channels or numbers of bins that do not fit.
        """
        sizes = {name: np.shape(counts) for name, counts in main.items()}
        known = {name: (bins,) for name, bins in self.layout}
        if sizes != known:
            raise ValueError(f"the data have shapes {sizes}; the model has {known}.")
        counts = {name: as_floats(main[name]) for name, _ in self.layout}
        return Data(counts, self.nominal_aux)

    @property
    def nominal_aux(self) -> dict[str, Any]:
        """The auxiliary data of the directions: 0."""
        return {"theta": np.zeros(self.expectation.root.shape[1])}

    def _by_channel(self, counts: Array) -> dict[str, Array]:
        found, start = {}, 0
        for name, bins in self.layout:
            found[name] = counts[start : start + bins]
            start += bins
        return found

    def _data_of(self, observed: Observed) -> Data:
        return Data(self._by_channel(observed.counts), {"theta": observed.aux[1:]})

    def expected_data(self, params: Params) -> Data:
        """The data that the model expects at `params`."""
        y = self.ravel(params)
        return self._data_of(Observed(self.expectation.counts(y), y))

    def sample(self, key: PRNGKeyArray, params: Params) -> Data:
        """Random data at `params`, auxiliary data included."""
        likelihood = self.negative_log_likelihood(self.expected_data(params))
        return self._data_of(likelihood.sample(key, self.ravel(params)))

    def logpdf(self, params: Params, data: Data) -> Float[Array, ""]:
        """The log-probability of counts and auxiliary data."""
        likelihood = self.negative_log_likelihood(data)
        return -likelihood.value(self.ravel(params)) - likelihood.saturated()

    def negative_log_likelihood(self, data: Data) -> SimplifiedNLL:
        """Minus the log-likelihood of `data`, with its derivatives in closed form."""
        start, parts = 0, []
        for name, bins in self.layout:
            seen = self.counted[start : start + bins].any()
            start += bins
            # Of a masked channel there need be no counts.
            parts.append(data.main[name] if seen else np.zeros(bins))
        counts = xp.concatenate([as_floats(each) for each in parts])
        aux = xp.concatenate([np.zeros(1), as_floats(data.aux["theta"])])
        observed = Observed(counts, aux)
        return SimplifiedNLL(self.expectation, observed, self.counted)


def _check_shapes(
    size: int,
    signal: Any,
    mean: np.ndarray,
    table: np.ndarray,
    third: np.ndarray | None,
) -> None:
    moments = mean, table, third
    words = ("background", "covariance", "third_moment")
    shapes: Sequence[tuple[int, ...]] = ((size,), (size, size), (size,))
    if signal.shape != (size,):
        raise ValueError(
            f"`SimplifiedLikelihood(signal=...)` has shape {signal.shape}; the "
            f"background has {size} bins."
        )
    for word, value, shape in zip(words, moments, shapes, strict=True):
        if value is None:
            continue
        if value.shape != shape:
            raise ValueError(
                f"`SimplifiedLikelihood({word}=...)` has shape {value.shape}; {size} "
                f"bins of background need {shape}."
            )
        if not np.isfinite(value).all():
            raise ValueError(f"`SimplifiedLikelihood({word}=...)` is not finite.")
    variance = np.diagonal(table)
    if (variance < 0).any():
        bin = int(np.argmin(variance))
        raise ValueError(f"the variance of bin {bin} is negative: {variance[bin]:g}.")
    scale = np.sqrt(np.outer(variance, variance))
    if (np.abs(table - table.T) > 1e-9 * (scale + 1e-300)).any():
        raise ValueError("`SimplifiedLikelihood(covariance=...)` is not symmetric.")
