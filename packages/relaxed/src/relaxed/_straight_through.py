"""Hard forward, soft backward: a biased gradient, as an explicit choice."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Num

from ._arguments import as_floats


def straight_through(
    hard: Num[Array, "*shape"] | Bool[Array, "*shape"], soft: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    r"""Return exactly `hard`, with the derivative of `soft`.

    The value is what an analysis would count, so that an objective sees no smoothing.
    The gradient belongs to another function: of a loss L it is
    $L'(hard) \, \partial soft$, where that of the smooth loss is
    $L'(soft) \, \partial soft$. It is biased by what the smoothing moves,
    `smoothing_bias`, twice: the slope is that of the smeared density and not of the
    density itself, and it vanishes where the smooth function is extremal and not where
    the counts are. A larger bandwidth has more of the first and less noise. Whether it
    still leads downhill is for the user to check, on `hard` of events that were not
    trained on.

    What can stand on either side:

    ===============  ==================================  =========================
    of               hard                                soft
    ===============  ==================================  =========================
    a histogram      `hard_hist(data, edges, ...)`       `hist(...)`
    its variance     `hard_hist(..., weights=w**2)`      `hist_variance(...)`
    a cut            `data >= threshold`                 `cut(...)`
    a window         `(low <= data) & (data < high)`     `window(...)`
    categories       `one_hot(argmax(scores, -1), n)`    `soft_assign(scores)`
    ===============  ==================================  =========================

    Half-open ends, as above, count an event on the common end of two windows once.

    Args:
        hard: the value, numbers or a decision; it gets no gradient.
        soft: the smooth stand-in, of the same shape. Its value plays no part.

    Returns:
        `hard`; in the precision of `soft` where it is a decision or whole numbers.

    Raises:
        ValueError: two shapes, or no numbers.

    Example:
        >>> data, edges = jnp.array([0.2, 0.9]), jnp.array([0.0, 0.5, 1.0])
        >>> def counts(shift):
        ...     hard = relaxed.hard_hist(data + shift, edges)
        ...     soft = relaxed.hist(data + shift, edges, bandwidth=0.2)
        ...     return relaxed.straight_through(hard, soft)
        >>> counts(0.0).tolist()
        [1.0, 1.0]
        >>> jax.jacobian(counts)(0.0).round(2).tolist()
        [0.29, -0.84]

    References:
        Bengio, Léonard, Courville, arXiv:1308.3432, section 4.
    """
    soft = as_floats(soft, "straight_through", "soft")
    hard = jnp.asarray(hard)
    if not jnp.issubdtype(hard.dtype, jnp.floating):
        hard = as_floats(hard, "straight_through", "hard").astype(soft.dtype)
    if hard.shape != soft.shape:
        raise ValueError(
            "`straight_through(hard, soft)` needs two arrays of one shape; got "
            f"{hard.shape} and {soft.shape}."
        )
    return _hard_forward(hard, soft)


# Not soft + stop_gradient(hard - soft), which is the usual way: it rounds, so that a
# count of 3 may become 2.9999998, and it evaluates the soft value for nothing.
@jax.custom_jvp
def _hard_forward(
    hard: Float[Array, "*shape"], soft: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    return hard


@_hard_forward.defjvp
def _hard_forward_jvp(primals, tangents):
    hard, soft = primals
    return _hard_forward(hard, soft), tangents[1].astype(hard.dtype)
