"""How the bandwidth changes during a training. Any optax schedule will do, too."""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import ArrayLike

from .._custom_types import Scalar


def anneal(start: float, end: float, steps: int) -> Callable[[ArrayLike], Scalar]:
    """A bandwidth that falls by the same factor in each step, then stays.

    Wide at first, so that every event has a gradient; narrow in the end, so that the
    smooth templates are near the hard ones that the measurement will use.

    Args:
        start: bandwidth of the first step.
        end: bandwidth of step `steps − 1` and of all later ones.
        steps: over how many steps it moves.

    Raises:
        ValueError: for a bandwidth that is not positive, or no steps.

    Example:
        >>> schedule = anneal(0.4, 0.1, steps=3)
        >>> [round(float(schedule(step)), 3) for step in range(4)]
        [0.4, 0.2, 0.1, 0.1]
    """
    if not (start > 0 and end > 0):
        raise ValueError(
            f"`anneal` needs positive bandwidths; got start={start}, end={end}. For no "
            "smoothing at all there is `evaluate`."
        )
    if steps < 1:
        raise ValueError(f"`anneal(steps=...)` must be at least 1; got {steps}.")

    def bandwidth(step: ArrayLike) -> Scalar:
        # In jax's own operations, so that an optax schedule may be built of it.
        done = jnp.clip(jnp.asarray(step) / max(steps - 1, 1), 0.0, 1.0)
        return start * (end / start) ** done

    return bandwidth
