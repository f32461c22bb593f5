"""Soft selections, a kernel's cdf in place of the step; and their logic."""

import functools as ft
from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Num

from ._checks import enforce, no_nan, one_of, ordered, positive
from ._kernel import AbstractKernel, LogisticKernel, interval, standardise
from ._straight_through import straight_through as _straight_through


def cut(
    data: Num[Array, "*shape"],
    threshold: ArrayLike,
    *,
    width: ArrayLike,
    keep: Literal["above", "below"] = "above",
    kernel: AbstractKernel = LogisticKernel(),
    straight_through: bool = False,
) -> Float[Array, "*shape"]:
    r"""Return one selection weight in (0, 1) per event: $K((x - threshold) / width)$.

    The weight is the part of the smeared event that passes. It tends to the step as
    `width` goes to zero, has a gradient in `threshold`, and none that is not finite.

    Args:
        data: the variable that is cut on.
        threshold: where the weight is one half.
        width: the smearing, in the units of `data`. With the logistic kernel an event
            three widths from the threshold has a weight within 5 % of 0 or 1.
        keep: the side that passes.
        kernel: logistic by default, which makes the weight the usual sigmoid. With the
            kernel and bandwidth of a `hist` the cut is that histogram's edge.
        straight_through: return 0 or 1, with the derivative of the smooth weight.

    Raises:
        ValueError: `width` is not positive, NaN in `data`, or `keep` neither word.

    Example:
        >>> relaxed.cut(jnp.array([-1.0, 0.0, 1.0]), 0.0, width=0.1).round(3).tolist()
        [0.0, 0.5, 1.0]
    """
    one_of(keep, ("above", "below"), "cut", "keep")
    data, threshold, width = _floats(data, threshold, width)
    way_out = "the hard cut is `data > threshold`"
    width = enforce(
        width, positive(width, "cut", "width", way_out), no_nan(data, "cut")
    )
    z = standardise(threshold, data, width)
    soft = kernel.cdf(-z if keep == "above" else z)
    if not straight_through:
        return soft
    passes = data >= threshold if keep == "above" else data <= threshold
    return _straight_through(passes.astype(soft.dtype), soft)


def window(
    data: Num[Array, "*shape"],
    low: ArrayLike,
    high: ArrayLike,
    *,
    width: ArrayLike,
    kernel: AbstractKernel = LogisticKernel(),
    straight_through: bool = False,
) -> Float[Array, "*shape"]:
    r"""Return the weight of being between: $K((high - x)/width) - K((low - x)/width)$.

    Equals what the event gives to the soft bin from `low` to `high`.

    Args:
        data: the variable that is selected on.
        low: lower end.
        high: upper end.
        width: the smearing of both ends, in the units of `data`.
        kernel: logistic by default, as in `cut`.
        straight_through: return 0 or 1, with the derivative of the smooth weight.

    Raises:
        ValueError: `width` is not positive, `low` not below `high`, NaN in `data`.

    Example:
        >>> relaxed.window(jnp.array([-1.0, 0.5]), 0, 1, width=0.1).round(3).tolist()
        [0.0, 0.987]
    """
    data, low, high, width = _floats(data, low, high, width)
    way_out = "the hard window is `(low < data) & (data < high)`"
    width = enforce(
        width,
        positive(width, "window", "width", way_out),
        ordered(low, high, "window"),
        no_nan(data, "window"),
    )
    ends = jnp.stack(jnp.broadcast_arrays(low, high, data)[:2])
    soft = interval(kernel, standardise(ends, data, width))[0]
    if not straight_through:
        return soft
    return _straight_through(((low <= data) & (data <= high)).astype(soft.dtype), soft)


def all_of(*weights: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Return the weight of passing every selection: the product.

    Exact for weights of 0 and 1. In between selections count as independent, so that
    one selection taken twice passes less than once.

    Example:
        >>> relaxed.all_of(jnp.array(0.5), jnp.array(0.5)).tolist()
        0.25
    """
    return ft.reduce(jnp.multiply, _at_least_one(weights, "all_of"))


def any_of(*weights: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Return the weight of passing at least one selection: a + b - a b.

    Example:
        >>> relaxed.any_of(jnp.array(0.5), jnp.array(0.5)).tolist()
        0.75
    """
    # Not 1 - Π (1 - w), which loses small weights.
    return ft.reduce(lambda a, b: a + b * (1 - a), _at_least_one(weights, "any_of"))


def none_of(*weights: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Return the weight of failing every selection: the product of 1 - w.

    Example:
        >>> relaxed.none_of(jnp.array(0.5), jnp.array(0.5)).tolist()
        0.25
    """
    return all_of(*(1 - w for w in _at_least_one(weights, "none_of")))


def _at_least_one(weights: tuple[Array, ...], call: str) -> tuple[Array, ...]:
    if not weights:
        raise ValueError(f"`{call}` needs at least one selection, such as `cut(...)`.")
    return weights


def _floats(*values: ArrayLike) -> list[Float[Array, "..."]]:
    """Return the values in the common precision, at least float32."""
    arrays = [jnp.asarray(value) for value in values]
    dtype = jnp.result_type(*arrays, jnp.float32)
    return [array.astype(dtype) for array in arrays]
