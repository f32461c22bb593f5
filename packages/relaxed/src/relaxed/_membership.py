"""Events that belong to every bin a little: soft assignment, and its histogram."""

from typing import Self

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, PRNGKeyArray

from ._checks import as_weights, enforce, no_nan, positive
from ._straight_through import straight_through as _straight_through


def soft_assign(
    scores: Float[Array, "events bins"],
    *,
    temperature: ArrayLike = 1.0,
    straight_through: bool = False,
) -> Float[Array, "events bins"]:
    r"""Return each event's membership of each bin, softmax(scores / temperature).

    The memberships of an event add up to one. The scores may come from a network with
    one output per bin, from `GaussianMixture`, or from anything that ranks bins.

    Args:
        scores: one per event and bin; the largest wins as `temperature` goes to zero.
        temperature: one by default, which lets the scores set their own scale.
        straight_through: return 1 for the largest and 0 for the others, with the
            derivative of the soft membership.

    Raises:
        ValueError: `temperature` is not positive, scores of another shape, or NaN.

    Example:
        >>> relaxed.soft_assign(jnp.array([[0.0, 0.0], [9.0, 0.0]])).round(3).tolist()
        [[0.5, 0.5], [1.0, 0.0]]

    References:
        The bins of INFERNO, arXiv:1806.04743, equation 9.
    """
    call = "soft_assign"
    if jnp.ndim(scores) != 2:
        raise ValueError(
            f"`{call}(scores=...)` must have shape (events, bins); got "
            f"{jnp.shape(scores)}. `GaussianMixture.scores` returns such an array."
        )
    scores, temperature = jnp.asarray(scores), jnp.asarray(temperature)
    way_out = "the hard assignment is `straight_through=True`"
    temperature = enforce(
        temperature,
        positive(temperature, call, "temperature", way_out),
        no_nan(scores, call, "scores"),
    )
    soft = jax.nn.softmax(scores / temperature, axis=-1)
    if not straight_through:
        return soft
    winner = jnp.argmax(scores, axis=-1)
    return _straight_through(jax.nn.one_hot(winner, scores.shape[-1]), soft)


def hist_from_membership(
    membership: Float[Array, "events bins"],
    weights: Float[Array, " events"] | None = None,
) -> Float[Array, " bins"]:
    """Return the content of each bin, the weighted sum of memberships.

    The variance, Σ w² p², is `hist_from_membership(membership**2, weights**2)`.

    Args:
        membership: from `soft_assign`.
        weights: one per event; one each by default.

    Raises:
        ValueError: shapes that do not fit.

    Example:
        >>> membership = jnp.array([[0.5, 0.5], [1.0, 0.0]])
        >>> relaxed.hist_from_membership(membership).tolist()
        [1.5, 0.5]
    """
    if membership.ndim != 2:
        raise ValueError(
            "`hist_from_membership(membership=...)` must have shape (events, bins); "
            f"got {membership.shape}. `soft_assign` returns such an array."
        )
    weights = as_weights(weights, membership, "hist_from_membership")
    return jnp.sum((weights[:, None] * membership).astype(float), axis=0)


class GaussianMixture(eqx.Module):
    r"""Learnable categories in several dimensions: one normal density per bin.

    The score of a bin is $\log \pi_b \mathcal N(x; \mu_b, \Sigma_b)$ up to a constant;
    with `soft_assign` at temperature one the membership is the posterior probability of
    the component. Any values of the fields are a valid mixture, so that an optimiser
    may move them freely.

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

    @classmethod
    def around(cls, means: Float[Array, "bins dims"], width: ArrayLike = 1.0) -> Self:
        """Return equal round components of standard deviation `width` at `means`."""
        bins, dims = means.shape
        roots = -jnp.log(width) * jnp.broadcast_to(jnp.eye(dims), (bins, dims, dims))
        return cls(jnp.zeros(bins), jnp.asarray(means), roots)

    @classmethod
    def from_sample(
        cls, data: Float[Array, "events dims"], bins: int, key: PRNGKeyArray
    ) -> Self:
        """Return components at random events, as wide as the sample in each dimension.

        A start for training. The widths shrink with `bins`, so that components touch.
        """
        if data.ndim != 2 or data.shape[0] < bins:
            raise ValueError(
                "`GaussianMixture.from_sample(data=...)` must have shape (events, "
                f"dims), with an event for each of {bins} bins; got {data.shape}."
            )
        bins_per_dim = bins ** (1 / data.shape[1])
        deviation = jnp.std(data, axis=0) / bins_per_dim
        means = jax.random.choice(key, data, (bins,), replace=False)
        roots = jnp.broadcast_to(
            -jnp.diag(jnp.log(deviation)), (bins, *2 * data.shape[1:])
        )
        return cls(jnp.zeros(bins), means, roots)

    def scores(self, data: Float[Array, "events dims"]) -> Float[Array, "events bins"]:
        """Return the logarithm of each component's density times its fraction.

        Raises:
            ValueError: data with another number of dimensions than the mixture.
        """
        dims = self.means.shape[1]
        if data.ndim != 2 or data.shape[1] != dims:
            raise ValueError(
                f"`GaussianMixture.scores(data=...)` must have shape (events, {dims}), "
                f"as the mixture has {dims} dimensions; got {data.shape}. Columns are "
                "joined by `jnp.stack(columns, axis=1)`."
            )
        diagonal = jnp.diagonal(self.precision_roots, axis1=-2, axis2=-1)
        roots = jnp.tril(self.precision_roots, -1) + jax.vmap(jnp.diag)(
            jnp.exp(diagonal)
        )
        distance = data[:, None, :] - self.means  # [events, bins, dims]
        # Σ⁻¹ = L Lᵀ, so that the distance is |Lᵀ (x - μ)|.
        z = jnp.einsum("bij,nbi->nbj", roots, distance)
        log_norm = jnp.sum(diagonal, axis=-1) + jax.nn.log_softmax(self.log_fractions)
        return log_norm - 0.5 * jnp.sum(z**2, axis=-1)
