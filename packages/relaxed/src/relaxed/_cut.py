"""Soft selections, a kernel's cdf in place of the step; and their logic."""

import functools as ft
from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Num

from ._arguments import as_floats, common_shape, floats, one_of, require_kernel
from ._checks import Rule, enforce
from ._kernel import AbstractKernel, LogisticKernel, interval, standardise
from ._rules import no_nan, ordered, positive

#: A soft selection may lie this far beyond 0 and 1: a window is a difference of tails,
#: which in float32 are right to 2e-7.
_ROUNDING = 1e-6


def cut(
    data: Num[Array, "*shape"],
    threshold: ArrayLike,
    *,
    width: ArrayLike,
    keep: Literal["above", "below"] = "above",
    kernel: AbstractKernel = LogisticKernel(),
) -> Float[Array, "*shape"]:
    r"""Return one selection weight in (0, 1) per event: $K((x - threshold) / width)$.

    The weight is the part of the smeared event that passes. It tends to the step as
    `width` goes to zero, has a gradient in `threshold`, and none that is not finite.
    For decisions with this gradient see `straight_through`.

    Args:
        data: the variable that is cut on; may be infinite.
        threshold: where the weight is one half, in the units of `data`; may be
            infinite.
        width: the smearing, positive, in the units of `data`. With the logistic kernel
            an event three widths from the threshold has a weight within 5 % of 0 or 1.
        keep: the side that passes.
        kernel: logistic by default, which makes the weight the usual sigmoid. With the
            kernel and bandwidth of a `hist` the cut is that histogram's edge.

    Returns:
        One weight for each of `data`.

    Raises:
        ValueError: `width` is not positive, NaN in `data` or `threshold`, shapes that
            do not go together, `keep` neither word, or no kernel.

    Example:
        >>> relaxed.cut(jnp.array([-1.0, 0.0, 1.0]), 0.0, width=0.1).round(3).tolist()
        [0.0, 0.5, 1.0]
    """
    call = "cut"
    one_of(keep, ("above", "below"), call, "keep")
    require_kernel(kernel, call)
    data, threshold, width = _together(
        call, data=data, threshold=threshold, width=width
    )
    way_out = "the hard cut is `data >= threshold`"
    width = enforce(
        width,
        positive(width, call, "width", way_out),
        no_nan(threshold, call, "threshold"),
        no_nan(data, call),
    )
    z = standardise(threshold, data, width)
    return kernel.cdf(-z if keep == "above" else z)


def window(
    data: Num[Array, "*shape"],
    low: ArrayLike,
    high: ArrayLike,
    *,
    width: ArrayLike,
    kernel: AbstractKernel = LogisticKernel(),
) -> Float[Array, "*shape"]:
    r"""Return the weight of being between: $K((high - x)/width) - K((low - x)/width)$.

    Equals what the event gives to the soft bin from `low` to `high`, so that windows
    side by side share an event and count it once. For decisions with this gradient see
    `straight_through`.

    Args:
        data: the variable that is selected on; may be infinite.
        low: lower end, in the units of `data`; may be infinite.
        high: upper end, above `low`; may be infinite.
        width: the smearing of both ends, positive, in the units of `data`.
        kernel: logistic by default, as in `cut`.

    Returns:
        One weight in (0, 1) for each of `data`.

    Raises:
        ValueError: `width` is not positive, `low` not below `high`, NaN in `data`,
            shapes that do not go together, or no kernel.

    Example:
        >>> relaxed.window(jnp.array([-1.0, 0.5]), 0, 1, width=0.1).round(3).tolist()
        [0.0, 0.987]
    """
    call = "window"
    require_kernel(kernel, call)
    data, low, high, width = _together(call, data=data, low=low, high=high, width=width)
    way_out = "the hard window is `(low <= data) & (data < high)`"
    width = enforce(
        width,
        positive(width, call, "width", way_out),
        ordered(low, high, call),
        no_nan(data, call),
    )
    ends = jnp.stack(jnp.broadcast_arrays(low, high, data)[:2])
    return interval(kernel, standardise(ends, data, width))[0]


def all_of(*selections: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Return the weight of passing every selection: the product.

    Exact for weights of 0 and 1. In between selections count as independent, so that
    one selection taken twice passes less than once.

    Args:
        selections: weights between 0 and 1, of `cut` and `window`, or decisions.

    Raises:
        ValueError: none at all, weights beyond 0 and 1, NaN, or shapes that do not go
            together.

    Example:
        >>> relaxed.all_of(jnp.array(0.5), jnp.array(0.5)).tolist()
        0.25
    """
    return ft.reduce(jnp.multiply, _weights(selections, "all_of"))


def any_of(*selections: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Return the weight of passing at least one selection: a + b - a b.

    Args:
        selections: weights between 0 and 1, of `cut` and `window`, or decisions.

    Raises:
        ValueError: as `all_of`.

    Example:
        >>> relaxed.any_of(jnp.array(0.5), jnp.array(0.5)).tolist()
        0.75
    """
    # Not 1 - Π (1 - w), which loses small weights.
    return ft.reduce(lambda a, b: a + b * (1 - a), _weights(selections, "any_of"))


def none_of(*selections: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Return the weight of failing every selection: the product of 1 - w.

    Args:
        selections: weights between 0 and 1, of `cut` and `window`, or decisions.

    Raises:
        ValueError: as `all_of`.

    Example:
        >>> relaxed.none_of(jnp.array(0.5), jnp.array(0.5)).tolist()
        0.25
    """
    return ft.reduce(jnp.multiply, [1 - w for w in _weights(selections, "none_of")])


def _weights(selections: tuple[Array, ...], call: str) -> list[Float[Array, "*shape"]]:
    """Return the weights of the selections, which are checked."""
    if not selections:
        raise ValueError(f"`{call}` needs at least one selection, such as `cut(...)`.")
    weights = [as_floats(w, call, "selections") for w in selections]
    common_shape(call, **{f"selections[{n}]": w for n, w in enumerate(weights)})

    def beyond(weights, where):
        return (
            f"`{call}` combines selection weights between 0 and 1; got "
            f"{weights.flat[where[0]]:g}. Weights of events multiply its result."
        )

    def broken(w):
        return ~((w >= -_ROUNDING) & (w <= 1 + _ROUNDING))

    return enforce(weights, *(Rule(w, broken, beyond) for w in weights))


def _together(call: str, **arguments: ArrayLike) -> list[Float[Array, "..."]]:
    """Return the arguments in their common precision, once their shapes fit."""
    # Python's numbers take the precision of the arrays.
    values = [
        float(x) if isinstance(x, (int, float)) else floats(x, call, name)
        for name, x in arguments.items()
    ]
    dtype = jnp.result_type(*values)
    arrays = [jnp.asarray(x, dtype) for x in values]
    common_shape(call, **dict(zip(arguments, arrays, strict=True)))
    return arrays
