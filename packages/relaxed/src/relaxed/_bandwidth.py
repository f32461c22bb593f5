"""Bandwidths: from the sample, or from the bins."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num

from ._checks import as_edges, as_vector, as_weights, enforce, no_nan


def scott_bandwidth(
    data: Num[Array, " events"], weights: Num[Array, " events"] | None = None
) -> Float[Array, ""]:
    r"""Return Scott's rule, $\sigma \, (4 / 3N)^{1/5} \approx 1.06\,\sigma N^{-1/5}$.

    It minimises the integrated square error of a Gaussian kernel *density* if the data
    are normal. For the content of bins, which average over their width, it is an upper
    limit: expect a visible bias and use less.

    Args:
        data: the sample.
        weights: with weights, $N = (\sum w)^2 / \sum w^2$.

    Example:
        >>> float(relaxed.scott_bandwidth(jnp.linspace(-1.0, 1.0, 101)).round(3))
        0.245

    References:
        Scott, Multivariate Density Estimation (1992), equation 6.17.
    """
    deviation, events = _moments(data, weights, "scott_bandwidth")
    return deviation * (4 / (3 * events)) ** 0.2


def silverman_bandwidth(
    data: Num[Array, " events"], weights: Num[Array, " events"] | None = None
) -> Float[Array, ""]:
    r"""Return Silverman's rule, $0.9 \min(\sigma, \mathrm{IQR} / 1.34) \, N^{-1/5}$.

    As `scott_bandwidth`, but robust against long tails and several peaks.

    Args:
        data: the sample.
        weights: with weights, $N = (\sum w)^2 / \sum w^2$.

    Example:
        >>> float(relaxed.silverman_bandwidth(jnp.linspace(-1.0, 1.0, 101)).round(3))
        0.209

    References:
        Silverman, Density Estimation (1986), equation 3.31.
    """
    deviation, events = _moments(data, weights, "silverman_bandwidth")
    data = jnp.asarray(data)
    lower, upper = _quantiles(data, as_weights(weights, data, "silverman_bandwidth"))
    return 0.9 * jnp.minimum(deviation, (upper - lower) / 1.34) * events**-0.2


def bin_bandwidth(
    edges: Num[Array, " edges"], fraction: float = 0.25
) -> Float[Array, ""]:
    r"""Return a fraction of the narrowest bin's width.

    The rule for trained observables, where bins and not the sample set the scale. The
    bias of a bin is $\frac{h^2}{2} [f']$, f' taken between its edges. For a normal
    sample in bins of one σ a quarter of the width moves the bins of the core by 3 %
    and those between 2 and 3 σ by 14 %: see `smoothing_bias` for your own.

    Args:
        edges: bin edges; infinite bins do not count.
        fraction: of the width. Beyond one half a bin is mostly its neighbours' events;
            below a tenth few events have a gradient.

    Example:
        >>> relaxed.bin_bandwidth(jnp.array([0.0, 1.0, 3.0])).tolist()
        0.25
    """
    vector = as_edges(edges, "bin_bandwidth")
    xp = np if isinstance(vector, np.ndarray) else jnp
    return fraction * xp.min(xp.diff(vector))


def _moments(
    data: Array, weights: Array | None, call: str
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Return standard deviation and effective number of events."""
    data = as_vector(data, call)
    if data.shape[0] < 2:
        raise ValueError(f"`{call}(data=...)` needs two events; got {data.shape[0]}.")
    weights = as_weights(weights, data, call).astype(float)
    data = enforce(data, no_nan(data, call), no_nan(weights, call, "weights"))
    total = jnp.sum(weights)
    mean = jnp.sum(weights * data) / total
    variance = jnp.sum(weights * (data - mean) ** 2) / total
    return jnp.sqrt(variance), total**2 / jnp.sum(weights**2)


def _quantiles(
    data: Num[Array, " events"], weights: Num[Array, " events"]
) -> Float[Array, "2"]:
    order = jnp.argsort(data)
    middle = jnp.cumsum(weights[order].astype(float)) - 0.5 * weights[order]
    wanted = jnp.array([0.25, 0.75]) * jnp.sum(weights)
    return jnp.interp(wanted, middle, data[order].astype(float))
