"""Bandwidths: from the sample, or from the bins."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Num

from ._arguments import as_edges, as_vector, as_weights, known_or_traced, require_scalar
from ._checks import Rule, enforce
from ._rules import finite, increasing, not_negative, not_zero, positive


def scott_bandwidth(
    data: Num[Array, " events"], *, weights: Num[Array, " events"] | None = None
) -> Float[Array, ""]:
    r"""Return Scott's rule, $\sigma \, (4 / 3N)^{1/5} \approx 1.06\,\sigma N^{-1/5}$.

    It minimises the integrated square error of a Gaussian kernel *density* if the data
    are normal. For the content of bins, which average over their width, it is an upper
    limit: expect a visible bias and use less.

    Args:
        data: the sample, finite and not all at one value.
        weights: with weights, $N = (\sum w)^2 / \sum w^2$.

    Returns:
        The bandwidth, in the units of `data`.

    Raises:
        ValueError: less than two events, no spread, NaN or infinite numbers, weights of
            another shape or that add up to nothing.

    Example:
        >>> float(relaxed.scott_bandwidth(jnp.linspace(-1.0, 1.0, 101)).round(3))
        0.245

    References:
        Scott, Multivariate Density Estimation (1992), equation 6.17.
    """
    call = "scott_bandwidth"
    data, weights = _sample(data, weights, call)
    deviation, events = _moments(data, weights, call)
    return deviation * (4 / (3 * events)) ** 0.2


def silverman_bandwidth(
    data: Num[Array, " events"], *, weights: Num[Array, " events"] | None = None
) -> Float[Array, ""]:
    r"""Return Silverman's rule, $0.9 \min(\sigma, \mathrm{IQR} / 1.34) \, N^{-1/5}$.

    As `scott_bandwidth`, but robust against long tails and several peaks.

    Args:
        data: the sample, finite, with no more than half of it at one value.
        weights: not negative; with weights, $N = (\sum w)^2 / \sum w^2$.

    Returns:
        The bandwidth, in the units of `data`.

    Raises:
        ValueError: as `scott_bandwidth`, and a negative weight or an interquartile
            range of zero.

    Example:
        >>> float(relaxed.silverman_bandwidth(jnp.linspace(-1.0, 1.0, 101)).round(3))
        0.209

    References:
        Silverman, Density Estimation (1986), equation 3.31.
    """
    call = "silverman_bandwidth"
    data, weights = _sample(data, weights, call)
    # No order of events makes a quantile of weights of either sign.
    weights = enforce(weights, not_negative(weights, call, "weights"))
    deviation, events = _moments(data, weights, call)
    lower, upper = _quartiles(data, weights)
    between = enforce(upper - lower, Rule(upper - lower, lambda d: ~(d > 0), _one_half))
    return 0.9 * jnp.minimum(deviation, between / 1.34) * events**-0.2


def bin_bandwidth(
    edges: Num[Array, " edges"], fraction: ArrayLike = 0.25
) -> Float[Array, ""]:
    r"""Return a fraction of the narrowest bin's width.

    The rule for trained observables, where bins and not the sample set the scale. The
    bias of a bin is $\frac{h^2}{2} [f']$, f' taken between its edges. For a normal
    sample in bins of one σ a quarter of the width moves the bins of the core by 3 %
    and those between 2 and 3 σ by 14 %: see `smoothing_bias` for your own.

    Args:
        edges: increasing bin edges; infinite bins do not count.
        fraction: of the width, positive. Beyond one half a bin is mostly its
            neighbours' events; below a tenth few events have a gradient.

    Returns:
        The bandwidth, in the units of `edges`; NumPy's number where all is known, so
        that it stays known inside `jit`.

    Raises:
        ValueError: edges that do not increase, no finite bin, a fraction that is not
            positive.

    Example:
        >>> relaxed.bin_bandwidth(jnp.array([0.0, 1.0, 3.0])).tolist()
        0.25
    """
    call = "bin_bandwidth"
    vector = as_edges(edges, call)
    part = known_or_traced(fraction, call, "fraction")
    require_scalar(part, call, "fraction")
    # NumPy's number of known edges stays known: windows then compile in half the time.
    xp = np if isinstance(vector, np.ndarray) else jnp
    narrowest = xp.min(xp.diff(vector))
    narrowest = enforce(
        narrowest,
        increasing(vector, call),
        positive(part, call, "fraction", "a quarter, 0.25, is where to start"),
        Rule(narrowest, lambda width: ~(width < np.inf), _no_finite_bin),
    )
    return fraction * narrowest


def _sample(
    data: Array, weights: Array | None, call: str
) -> tuple[Float[Array, " events"], Float[Array, " events"]]:
    data = as_vector(data, call)
    if data.shape[0] < 2:
        raise ValueError(f"`{call}(data=...)` needs two events; got {data.shape[0]}.")
    return data, as_weights(weights, data, call).astype(float)


def _moments(
    data: Float[Array, " events"], weights: Float[Array, " events"], call: str
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Return standard deviation and effective number of events."""

    def no_spread(spread, where):
        return (
            f"`{call}(data=...)` must have two different values with a weight. Set the "
            "bandwidth by the bins: `bin_bandwidth(edges)`."
        )

    def cancels(variance, where):
        return (
            f"`{call}(weights=...)` of both signs leave a variance of {variance:g}. "
            "Take `jnp.abs(weights)`."
        )

    total = jnp.sum(weights)
    mean = jnp.sum(weights * data) / total
    variance = jnp.sum(weights * (data - mean) ** 2) / total
    # Asked of the values themselves, as rounding gives equal ones a variance.
    counted = weights != 0
    spread = jnp.max(jnp.where(counted, data, -jnp.inf)) - jnp.min(
        jnp.where(counted, data, jnp.inf)
    )
    variance = enforce(
        variance,
        finite(data, call),
        finite(weights, call, "weights"),
        not_zero(total, call, "the sum of `weights`", "Some event needs a weight."),
        Rule(spread, lambda spread: ~(spread > 0), no_spread),
        Rule(variance, lambda variance: ~(variance > 0), cancels),
    )
    return jnp.sqrt(variance), total**2 / jnp.sum(weights**2)


def _quartiles(
    data: Float[Array, " events"], weights: Float[Array, " events"]
) -> Float[Array, "2"]:
    order = jnp.argsort(data)
    middle = jnp.cumsum(weights[order]) - 0.5 * weights[order]
    wanted = jnp.array([0.25, 0.75]) * jnp.sum(weights)
    return jnp.interp(wanted, middle, data[order].astype(float))


def _one_half(between, where):
    return (
        "`silverman_bandwidth(data=...)` has half of its weight at one value: an "
        f"interquartile range of {between:g}. Take `scott_bandwidth`."
    )


def _no_finite_bin(width, where):
    return (
        "`bin_bandwidth(edges=...)` must have a finite bin; got none. Take "
        "`scott_bandwidth(data)`, or add an edge."
    )
