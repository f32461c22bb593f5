"""Hard forward, soft backward: a biased gradient, as an explicit choice."""

import jax
from jaxtyping import Array, Float


@jax.custom_jvp
def straight_through(
    hard: Float[Array, "*shape"], soft: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """Return exactly `hard`, with the derivative of `soft`.

    The value is what an analysis would count. The gradient belongs to another function
    and is biased; whether it still leads downhill is for the user to check.

    Args:
        hard: the value; it gets no gradient.
        soft: the smooth stand-in, of the same shape.

    Example:
        >>> data, edges = jnp.array([0.2, 0.9]), jnp.array([0.0, 0.5, 1.0])
        >>> counts = relaxed.straight_through(
        ...     relaxed.hard_hist(data, edges), relaxed.hist(data, edges, bandwidth=0.2)
        ... )
        >>> counts.tolist()
        [1.0, 1.0]

    References:
        Bengio, Léonard, Courville, arXiv:1308.3432, section 4.
    """
    if hard.shape != soft.shape:
        raise ValueError(
            "`straight_through(hard, soft)` needs two arrays of one shape; got "
            f"{hard.shape} and {soft.shape}."
        )
    return hard


@straight_through.defjvp
def _straight_through_jvp(primals, tangents):
    hard, soft = primals
    return straight_through(hard, soft), tangents[1].astype(hard.dtype)
