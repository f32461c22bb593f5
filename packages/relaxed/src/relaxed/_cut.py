"""Soft selections: a kernel's cdf in place of the step."""

from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Num

from ._checks import as_positive, one_of
from ._kernel import AbstractKernel, LogisticKernel, interval


def cut(
    data: Num[Array, "*shape"],
    threshold: ArrayLike,
    *,
    width: ArrayLike,
    keep: Literal["above", "below"] = "above",
    kernel: AbstractKernel = LogisticKernel(),
) -> Float[Array, "*shape"]:
    r"""Return one selection weight in (0, 1) per event: $K((x - threshold) / width)$.

    The weight of an event is the part of its smeared self that passes. It tends to the
    step as `width` goes to zero, and has a gradient in `threshold`.

    Args:
        data: the variable that is cut on.
        threshold: where the weight is one half.
        width: the smearing, in the units of `data`; a weight is within 5 % of 0 or 1
            at three widths from the threshold (logistic kernel).
        keep: the side that passes.
        kernel: logistic by default, the usual sigmoid; with the kernel of a `hist`
            the cut is exactly that histogram's edge.

    Raises:
        ValueError: `width` is not positive.

    Example:
        >>> relaxed.cut(jnp.array([-1.0, 0.0, 1.0]), 0.0, width=0.1).round(3).tolist()
        [0.0, 0.5, 1.0]
    """
    width = as_positive(width, "cut", "width")
    one_of(keep, ("above", "below"), "cut", "keep")
    distance = (jnp.asarray(data) - threshold) / width
    return kernel.cdf(distance if keep == "above" else -distance)


def window(
    data: Num[Array, "*shape"],
    low: ArrayLike,
    high: ArrayLike,
    *,
    width: ArrayLike,
    kernel: AbstractKernel = LogisticKernel(),
) -> Float[Array, "*shape"]:
    r"""Return the weight of being between: $K((high - x)/width) - K((low - x)/width)$.

    Equals the content that the event gives to the soft bin from `low` to `high`.

    Args:
        data: the variable that is selected on.
        low: lower end.
        high: upper end.
        width: the smearing of both ends, in the units of `data`.
        kernel: logistic by default, as in `cut`.

    Raises:
        ValueError: `width` is not positive.

    Example:
        >>> relaxed.window(jnp.array([-1.0, 0.5]), 0, 1, width=0.1).round(3).tolist()
        [0.0, 0.987]
    """
    width = as_positive(width, "window", "width")
    data = jnp.asarray(data)
    ends = jnp.stack(jnp.broadcast_arrays(low - data, high - data)) / width
    return interval(kernel, ends)[0]
