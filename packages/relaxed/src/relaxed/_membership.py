"""Events that belong to every bin a little: soft assignment, and its histogram."""

from typing import Self

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, PRNGKeyArray

from ._arguments import as_floats, as_scalar, as_weights, require_bins
from ._checks import Rule, enforce
from ._rules import finite, has_winner, positive


def soft_assign(
    scores: Float[Array, "events bins"],
    *,
    temperature: ArrayLike = 1.0,
) -> Float[Array, "events bins"]:
    r"""Return each event's membership of each bin, softmax(scores / temperature).

    The memberships of an event add up to one. The scores may come from a network with
    one output per bin, from `GaussianMixture`, or from anything that ranks bins.

    Args:
        scores: one per event and bin; the largest wins as `temperature` goes to zero.
            Minus infinity excludes an event from a bin, but not from all.
        temperature: positive, in the units of the scores; one by default, which lets
            the scores set their own scale.

    Returns:
        Memberships in (0, 1). For decisions with this gradient see `straight_through`.

    Raises:
        ValueError: `temperature` is not positive, scores of another shape, NaN, or an
            event whose largest score is infinite.

    Example:
        >>> relaxed.soft_assign(jnp.array([[0.0, 0.0], [9.0, 0.0]])).round(3).tolist()
        [[0.5, 0.5], [1.0, 0.0]]

    References:
        The bins of INFERNO, arXiv:1806.04743, equation 9.
    """
    call = "soft_assign"
    scores = as_floats(scores, call, "scores")
    if scores.ndim != 2 or scores.shape[1] < 1:
        raise ValueError(
            f"`{call}(scores=...)` must have shape (events, bins); got "
            f"{scores.shape}. `GaussianMixture.scores` returns such an array."
        )
    temperature = as_scalar(temperature, call, "temperature")
    way_out = "the hard assignment is `jnp.argmax(scores, axis=-1)`"
    one = enforce(
        jnp.ones((), scores.dtype),
        positive(temperature, call, "temperature", way_out),
        has_winner(scores, call, "scores"),
    )
    # With minus infinity the derivative in the temperature would be 0 · inf.
    allowed = scores > -jnp.inf
    scaled = jnp.where(allowed, scores, 0.0) / temperature
    return one * jax.nn.softmax(scaled, axis=-1, where=allowed)


def hist_from_membership(
    membership: Float[Array, "events bins"],
    *,
    weights: Float[Array, " events"] | None = None,
) -> Float[Array, " bins"]:
    """Return the content of each bin, the weighted sum of memberships.

    The variance, Σ w² p², is
    `hist_from_membership(membership**2, weights=weights**2)`.

    Args:
        membership: from `soft_assign`, finite.
        weights: one per event, finite, of either sign; one each by default.

    Returns:
        The content of each bin.

    Raises:
        ValueError: shapes that do not fit, NaN or infinite numbers.

    Example:
        >>> membership = jnp.array([[0.5, 0.5], [1.0, 0.0]])
        >>> relaxed.hist_from_membership(membership).tolist()
        [1.5, 0.5]
    """
    call = "hist_from_membership"
    membership = as_floats(membership, call, "membership")
    if membership.ndim != 2:
        raise ValueError(
            f"`{call}(membership=...)` must have shape (events, bins); got "
            f"{membership.shape}. `soft_assign` returns such an array."
        )
    weights = as_weights(weights, membership, call)
    membership, weights = enforce(
        (membership, weights),
        finite(membership, call, "membership"),
        finite(weights, call, "weights"),
    )
    return jnp.sum((weights[:, None] * membership).astype(float), axis=0)


class GaussianMixture(eqx.Module):
    r"""Learnable categories in several dimensions: one normal density per bin.

    The score of a bin is $\log \pi_b \mathcal N(x; \mu_b, \Sigma_b)$ up to a constant;
    with `soft_assign` at temperature one the membership is the posterior probability of
    the component. Any finite values of the fields are a valid mixture, so that an
    optimiser may move them freely.

    Raises:
        ValueError: fields whose shapes do not fit each other.

    Example:
        >>> means = jnp.array([[0.0, 0.0], [4.0, 0.0]])
        >>> mixture = relaxed.GaussianMixture.around(means)
        >>> data = jnp.array([[0.1, 0.2], [3.0, 0.0]])
        >>> relaxed.soft_assign(mixture.scores(data)).round(2).tolist()
        [[1.0, 0.0], [0.02, 0.98]]

    References:
        The categories of gato-hep, arXiv:2601.07756, section 2.
    """

    log_fractions: Float[Array, " bins"]
    means: Float[Array, "bins dims"]
    #: Lower triangle of the precision's Cholesky factor; its diagonal is a logarithm.
    precision_roots: Float[Array, "bins dims dims"]

    def __check_init__(self):
        """Refuse fields that do not fit each other."""
        bins, dims = jnp.shape(self.log_fractions), jnp.shape(self.means)[1:]
        got = [jnp.shape(x) for x in (self.means, self.precision_roots)]
        if len(bins) != 1 or got != [bins + dims, bins + dims + dims]:
            raise ValueError(
                "`GaussianMixture(log_fractions, means, precision_roots)` must have "
                f"shapes (bins,), (bins, dims), (bins, dims, dims); got {bins}, "
                f"{got[0]}, {got[1]}. `GaussianMixture.around(means)` fits them."
            )

    @classmethod
    def around(cls, means: Float[Array, "bins dims"], width: ArrayLike = 1.0) -> Self:
        """Return equal round components at `means`.

        Args:
            means: one row per component, finite.
            width: the standard deviation in every dimension, positive, in the units of
                `means`.

        Raises:
            ValueError: means of another shape or not finite, a width that is not
                positive.
        """
        call = "GaussianMixture.around"
        means = as_floats(means, call, "means")
        if means.ndim != 2:
            raise ValueError(
                f"`{call}(means=...)` must have shape (bins, dims); got {means.shape}."
            )
        width = as_scalar(width, call, "width")
        width = enforce(
            width,
            positive(width, call, "width", "no component is a point"),
            finite(means, call, "means"),
        )
        bins, dims = means.shape
        roots = -jnp.log(width) * jnp.broadcast_to(jnp.eye(dims), (bins, dims, dims))
        return cls(jnp.zeros(bins), means, roots)

    @classmethod
    def from_sample(
        cls, data: Float[Array, "events dims"], bins: int, key: PRNGKeyArray
    ) -> Self:
        """Return components at random events, as wide as the sample in each dimension.

        A start for training. The widths shrink with `bins`, so that components touch.

        Args:
            data: one row per event, finite, with two values at least in each column.
            bins: how many components, at least one and at most the events.
            key: for the choice of events.

        Raises:
            ValueError: data of another shape, NaN or infinite, fewer events than bins,
                a column of one value.
        """
        call = "GaussianMixture.from_sample"
        require_bins(bins, call)
        data = as_floats(data, call, "data")
        if data.ndim != 2 or data.shape[0] < bins:
            raise ValueError(
                f"`{call}(data=...)` must have shape (events, dims), with an event for "
                f"each of {bins} bins; got {data.shape}."
            )
        spread = jnp.max(data, axis=0) - jnp.min(data, axis=0)
        data = enforce(
            data, finite(data, call), Rule(spread, lambda s: ~(s > 0), _constant)
        )
        # The volume is shared among the components, its sides are their widths.
        bins_per_dim = bins ** (1 / data.shape[1])
        deviation = jnp.std(data, axis=0) / bins_per_dim
        means = jax.random.choice(key, data, (bins,), replace=False)
        roots = jnp.broadcast_to(
            -jnp.diag(jnp.log(deviation)), (bins, *2 * data.shape[1:])
        )
        return cls(jnp.zeros(bins), means, roots)

    def scores(self, data: Float[Array, "events dims"]) -> Float[Array, "events bins"]:
        """Return the logarithm of each component's density times its fraction.

        Args:
            data: one row per event, finite.

        Raises:
            ValueError: data with another number of dimensions than the mixture, NaN or
                infinite; fields that training has made so.
        """
        call = "GaussianMixture.scores"
        data = as_floats(data, call, "data")
        shares, means, roots = (
            as_floats(getattr(self, name), call, name)
            for name in ("log_fractions", "means", "precision_roots")
        )
        dims = means.shape[1]
        if data.ndim != 2 or data.shape[1] != dims:
            raise ValueError(
                f"`{call}(data=...)` must have shape (events, {dims}), as the mixture "
                f"has {dims} dimensions; got {data.shape}. Columns are joined by "
                "`jnp.stack(columns, axis=1)`."
            )
        # Training may have left the finite numbers, which no later message would tell.
        too_far = "A training step that is too long leads there."
        data = enforce(
            data,
            finite(data, call),
            finite(means, call, "means", too_far),
            finite(roots, call, "precision_roots", too_far),
            has_winner(shares, call, "log_fractions"),
        )
        diagonal = jnp.diagonal(roots, axis1=-2, axis2=-1)
        roots = jnp.tril(roots, -1) + jax.vmap(jnp.diag)(jnp.exp(diagonal))
        distance = data[:, None, :] - means  # [events, bins, dims]
        # Σ⁻¹ = L Lᵀ, so that the distance is |Lᵀ (x - μ)|.
        z = jnp.einsum("bij,nbi->nbj", roots, distance)
        log_norm = jnp.sum(diagonal, axis=-1) + jax.nn.log_softmax(shares)
        return log_norm - 0.5 * jnp.sum(z**2, axis=-1)


def _constant(spread, where):
    return (
        f"`GaussianMixture.from_sample(data=...)` has one value only in column "
        f"{where[0]}, of which no component can have a width. Leave this column out."
    )
