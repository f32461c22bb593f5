"""How well a score separates two samples: smooth rank statistics."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Bool, Float, Num, PyTree

from ._arguments import as_scalar, as_vector, as_weights, require_kernel
from ._checks import Rule, enforce
from ._chunked import sum_over_events
from ._kernel import AbstractKernel, GaussianKernel, finite_data, standardise
from ._rules import finite, no_nan, not_zero, positive

#: Background events that are compared with a chunk of signal at a time.
_TILE = 256

_WAY_OUT = "a small one gives the unsmoothed statistic"


def soft_roc_auc(
    signal: Num[Array, " signal"],
    background: Num[Array, " background"],
    *,
    bandwidth: ArrayLike,
    signal_weights: Num[Array, " signal"] | None = None,
    background_weights: Num[Array, " background"] | None = None,
    kernel: AbstractKernel = GaussianKernel(),
) -> Float[Array, ""]:
    r"""Return the smoothed probability that a signal event outscores a background one.

    $$\mathrm{AUC} = \frac{\sum_{ij} w_i v_j K((s_i - b_j)/h)}{\sum_{ij} w_i v_j}$$

    Tends to the area under the ROC curve, the Mann-Whitney statistic, as the bandwidth
    goes to zero (a tie counts one half). Larger is better. Compares every pair, in
    constant memory.

    Args:
        signal: scores of the signal; may be infinite.
        background: scores of the background; may be infinite.
        bandwidth: the smearing of a score difference, positive, in the units of the
            scores.
        signal_weights: one each by default; finite, of either sign.
        background_weights: one each by default; finite, of either sign.
        kernel: the smearing's shape.

    Returns:
        A number between 0 and 1.

    Raises:
        ValueError: NaN in the scores, a bandwidth that is not positive, weights of
            another shape or not finite, a sample without events.

    Example:
        >>> signal, background = jnp.array([1.0, 3.0]), jnp.array([0.0, 2.0])
        >>> relaxed.soft_roc_auc(signal, background, bandwidth=0.01).tolist()
        0.75

    References:
        Hanley and McNeil, Radiology 143 (1982) 29: the area is the Mann-Whitney
        statistic.
    """
    require_kernel(kernel, "soft_roc_auc")
    weights = signal_weights, background_weights
    signal, background, w, v, bandwidth = _checked(
        "soft_roc_auc", signal, background, *weights, bandwidth
    )
    shared = {"background": _tiles(background, v), "bandwidth": bandwidth}
    events = {"signal": signal, "weights": w}

    def wins(
        shared: PyTree, chunk: PyTree, new: Bool[Array, " events"], k: int
    ) -> Float[Array, ""]:
        lost = _fraction_above(kernel, chunk["signal"], **shared)
        return jnp.sum(new * chunk["weights"] * (1.0 - lost))

    return sum_over_events(wins, shared, events, ()) / jnp.sum(w)


def soft_efficiency(
    signal: Num[Array, " signal"],
    background: Num[Array, " background"],
    *,
    background_efficiency: ArrayLike,
    bandwidth: ArrayLike,
    width: ArrayLike | None = None,
    signal_weights: Num[Array, " signal"] | None = None,
    background_weights: Num[Array, " background"] | None = None,
    kernel: AbstractKernel = GaussianKernel(),
) -> Float[Array, ""]:
    r"""Return the signal efficiency at a working point of given background efficiency.

    By ranks, without a search for the threshold: with $r_i$ the smoothed fraction of
    background that scores above signal event i, the event passes if $r_i < \beta$,

    $$\varepsilon = \frac{\sum_i w_i K((\beta - r_i) / width)}{\sum_i w_i}.$$

    Args:
        signal: scores of the signal; may be infinite.
        background: scores of the background; may be infinite.
        background_efficiency: β, the working point, between 0 and 1.
        bandwidth: the smearing of a score difference, positive, in the units of the
            scores.
        width: the smearing of the ranks, positive; a tenth of β by default, so that an
            event of rank 0 passes.
        signal_weights: one each by default; finite, of either sign.
        background_weights: one each by default; finite, of either sign.
        kernel: the shape of both smearings.

    Returns:
        A number between 0 and 1.

    Raises:
        ValueError: NaN in the scores, a bandwidth or width that is not positive, an
            efficiency beyond 0 and 1, weights of another shape or not finite, a sample
            without events.

    Example:
        >>> signal, background = jnp.array([1.0, 3.0]), jnp.array([0.0, 2.0])
        >>> relaxed.soft_efficiency(
        ...     signal, background, background_efficiency=0.25, bandwidth=0.01
        ... ).tolist()
        0.5
    """
    call = "soft_efficiency"
    require_kernel(kernel, call)
    weights = signal_weights, background_weights
    signal, background, w, v, h = _checked(
        call, signal, background, *weights, bandwidth
    )
    beta = as_scalar(background_efficiency, call, "background_efficiency")
    of_ranks = beta / 10 if width is None else as_scalar(width, call, "width")
    beta, of_ranks = enforce(
        (beta.astype(h.dtype), of_ranks.astype(h.dtype)),
        Rule(beta, lambda b: ~((b > 0) & (b < 1)), _no_efficiency),
        positive(of_ranks, call, "width", _WAY_OUT),
    )
    shared = {
        "background": _tiles(background, v),
        "bandwidth": h,
        "beta": beta,
        "width": of_ranks,
    }
    events = {"signal": signal, "weights": w}

    def passes(
        shared: PyTree, chunk: PyTree, new: Bool[Array, " events"], k: int
    ) -> Float[Array, ""]:
        rank = _fraction_above(
            kernel, chunk["signal"], shared["background"], shared["bandwidth"]
        )
        z = standardise(shared["beta"], rank, shared["width"])
        return jnp.sum(new * chunk["weights"] * kernel.cdf(z))

    return sum_over_events(passes, shared, events, ()) / jnp.sum(w)


def _checked(call, signal, background, signal_weights, background_weights, bandwidth):
    """Return samples, their weights and the bandwidth in one precision."""
    signal = as_vector(signal, call, "signal")
    background = as_vector(background, call, "background")
    w = as_weights(signal_weights, signal, call, "signal_weights")
    v = as_weights(background_weights, background, call, "background_weights")
    dtype = jnp.result_type(signal, background)
    bandwidth = as_scalar(bandwidth, call, "bandwidth").astype(dtype)
    way_out = "Each sample needs an event, and weights that do not cancel."
    bandwidth = enforce(
        bandwidth,
        positive(bandwidth, call, "bandwidth", _WAY_OUT),
        no_nan(signal, call, "signal"),
        no_nan(background, call, "background"),
        finite(w, call, "signal_weights"),
        finite(v, call, "background_weights"),
        not_zero(jnp.sum(w), call, "the sum of the signal's weights", way_out),
        not_zero(jnp.sum(v), call, "the sum of the background's weights", way_out),
    )
    return *(x.astype(dtype) for x in (signal, background, w, v)), bandwidth


def _no_efficiency(beta, where):
    return (
        "`soft_efficiency(background_efficiency=...)` must lie between 0 and 1; got "
        f"{beta.flat[where[0]]:g}. To learn it pass `jax.nn.sigmoid(raw)`."
    )


def _tiles(
    background: Float[Array, " background"], weights: Float[Array, " background"]
) -> tuple[Float[Array, "tiles _"], Float[Array, "tiles _"]]:
    """Return scores and fractions of the total weight, in tiles."""
    # Divided before they are summed, so that ranks are fractions in every precision;
    # what fills the last tile has no weight.
    missing = -background.shape[0] % _TILE
    fractions = weights / jnp.sum(weights)

    def tiled(x):
        return jnp.pad(x, (0, missing)).reshape(-1, _TILE)

    return tiled(background), tiled(fractions)


def _fraction_above(
    kernel: AbstractKernel,
    signal: Float[Array, " signal"],
    background: tuple[Float[Array, "tiles _"], Float[Array, "tiles _"]],
    bandwidth: Float[Array, ""],
) -> Float[Array, " signal"]:
    """Return the smoothed fraction of the background above each signal event."""
    # Moved inwards alike, so that infinite scores of one sign are a tie.
    signal = finite_data(signal)

    @jax.checkpoint
    def add(total, tile):
        scores, fractions = tile
        z = standardise(finite_data(scores)[:, None], signal, bandwidth)
        return total + jnp.sum(fractions[:, None] * kernel.cdf(z), axis=0), None

    return jax.lax.scan(add, jnp.zeros_like(signal), background)[0]
