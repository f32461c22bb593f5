"""What values must fulfil, and what to say when they do not."""

import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Int, Num

from ._checks import Rule


def increasing(edges: Num[Array, " edges"], call: str) -> Rule:
    def complaint(edges, where):
        i = where[0]
        return (
            f"`{call}(edges=...)` must increase; got edges[{i + 1}]={edges[i + 1]:g} "
            f"<= edges[{i}]={edges[i]:g}. For learned edges use `monotone_edges`."
        )

    return Rule(edges, does_not_increase, complaint)


def does_not_increase(edges: Num[Array, " edges"]) -> Bool[Array, " bins"]:
    """Return which bins have no width; those between NaN neither."""
    return ~(edges[1:] > edges[:-1])


def positive(
    value: Num[Array, "..."],
    call: str,
    name: str,
    way_out: str = "unsmoothed counts are `hard_hist`",
) -> Rule:
    def complaint(value, where):
        return (
            f"`{call}({name}=...)` must be positive and finite; got "
            f"{value.flat[where[0]]:g}. To learn it pass `jnp.exp(raw)`; {way_out}."
        )

    # NaN, which is neither, is the minimum where it occurs.
    return Rule(
        value,
        lambda v: ~((v > 0) & (v < np.inf)),
        complaint,
        lambda v: ~((jnp.min(v) > 0) & (jnp.max(v) < jnp.inf)),
    )


def ordered(low: Num[ArrayLike, "..."], high: Num[ArrayLike, "..."], call: str) -> Rule:
    def complaint(ends, where):
        low, high = ends.reshape(2, -1)[:, where[0]]
        return (
            f"`{call}(low=..., high=...)` must have low < high; got low={low:g}, "
            f"high={high:g}. To learn them take `monotone_edges`: it keeps the order."
        )

    ends = jnp.stack(jnp.broadcast_arrays(low, high))
    return Rule(ends, lambda ends: ~(ends[0] < ends[1]), complaint)


def no_nan(data: Num[Array, "..."], call: str, name: str = "data") -> Rule:
    def complaint(data, where):
        if not data.ndim:
            return f"`{call}({name}=...)` must be a number; got {data:g}."
        return (
            f"`{call}({name}=...)` has {where.size} NaN, the first at index "
            f"{_row(data, where)}. Select or impute these before."
        )

    # NaN is the maximum where it occurs.
    return Rule(data, lambda x: x != x, complaint, lambda x: jnp.isnan(_largest(x)))


def finite(
    values: Num[Array, "..."],
    call: str,
    name: str = "data",
    way_out: str = "Select or impute these before.",
) -> Rule:
    def complaint(values, where):
        if not values.ndim:
            return f"`{call}({name}=...)` must be finite; got {values:g}."
        what = "NaN" if np.all(np.isnan(values.flat[where])) else "NaN or infinite"
        return (
            f"`{call}({name}=...)` must be finite; got {where.size} {what}, the first "
            f"at index {_row(values, where)}. {way_out}"
        )

    return Rule(
        values,
        lambda x: ~(abs(x) < np.inf),
        complaint,
        lambda x: ~(_largest(jnp.abs(x)) < jnp.inf),
    )


def _row(values: Num[np.ndarray, "..."], where: Int[np.ndarray, " broken"]) -> int:
    """Return the index of the first event that is broken in any of its numbers."""
    return where[0] // max(1, math.prod(values.shape[1:]))


def _largest(x: Num[Array, "..."]) -> Num[Array, ""]:
    # By rows, so that XLA holds a few numbers and not the events; and of so few rows
    # that it does not compile one more step to come from all to one.
    rows = next((n for n in range(32, 7, -1) if x.size % n == 0), 1)
    return jnp.max(jnp.max(x.reshape(rows, -1), axis=1))


def not_negative(weights: Num[Array, " events"], call: str, name: str) -> Rule:
    def complaint(weights, where):
        return (
            f"`{call}({name}=...)` must not be negative; got {where.size} that are, "
            f"the first {name}[{where[0]}]={weights[where[0]]:g}. Take "
            f"`jnp.abs({name})`, or only events of positive weight."
        )

    return Rule(weights, lambda w: ~(w >= 0), complaint)


def not_zero(total: Num[Array, ""], call: str, what: str, way_out: str) -> Rule:
    def complaint(total, where):
        return f"`{call}` divides by {what}, which is {total:g}. {way_out}"

    return Rule(total, lambda total: ~(abs(total) > 0), complaint)


def has_winner(scores: Num[Array, "*batch bins"], call: str, name: str) -> Rule:
    """A largest score that is finite; minus infinity excludes a bin."""

    def complaint(largest, where):
        first = largest.flat[where[0]]
        what = "NaN" if np.isnan(first) else f"one whose largest is {first:g}"
        return (
            f"`{call}({name}=...)` must have a finite largest score in each row; got "
            f"{what}, the first at index {where[0]}. Only `-jnp.inf`, which excludes a "
            "bin, may stand beside it."
        )

    largest = jnp.max(scores, axis=-1)
    return Rule(largest, lambda largest: ~(abs(largest) < np.inf), complaint)


def with_ends(edges: Num[Array, " edges"], call: str) -> Rule:
    def complaint(edges, where):
        return (
            f'`{call}(flow="reflect")` needs finite outer edges to mirror at; got '
            f"edges[{-where[0]}]={edges[-where[0]]:g}. For a variable without end take "
            '`flow="clip"`.'
        )

    def infinite(edges):
        ends = edges[:: edges.shape[0] - 1]
        return ~(abs(ends) < np.inf)

    return Rule(edges, infinite, complaint)


def whole_in_float32(values: Int[Array, "..."], call: str, name: str) -> Rule:
    def complaint(values, where):
        return (
            f"`{call}({name}=...)` has whole numbers beyond 2**24, which float32 "
            f"rounds; got {values.flat[where[0]]}. Turn on `jax_enable_x64`, or "
            "subtract a number that all have in common."
        )

    return Rule(values, lambda x: (x > 2**24) | (x < -(2**24)), complaint)
