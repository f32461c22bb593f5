"""What arguments must fulfil, and what to say when they do not.

A rule on shapes raises at once. A rule on values raises `ValueError` where the values
are known, and by `equinox` at run time where they are traced; both say the same.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence

import equinox as eqx
import equinox.internal as eqxi
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Int, Num, PyTree


@dataclasses.dataclass(frozen=True)
class Rule:
    """What some values must fulfil."""

    values: Num[Array, "..."]
    #: Which entries do not, in operators alone: it is asked of NumPy's arrays, too.
    broken: Callable[[Num[Array, "..."]], Bool[Array, "..."]]
    #: The sentence about values and the indices of the entries that do not.
    complaint: Callable[[Num[np.ndarray, "..."], Int[np.ndarray, " broken"]], str]
    #: Whether there may be any, where that is cheaper to say than for each.
    suspect: Callable[[Num[Array, "..."]], Bool[Array, ""]] | None = None

    def may_be_broken(self) -> Bool[Array, ""]:
        """Whether to look closer, at run time."""
        values = jax.lax.stop_gradient(self.values)
        if self.suspect is None:
            return jnp.any(self.broken(values))
        return self.suspect(values)

    def what_is_wrong(self, values: Num[ArrayLike, "..."]) -> str | None:
        """The complaint, if there is one about these values."""
        known = np.asarray(values)
        where = np.flatnonzero(self.broken(known))
        return self.complaint(known, where) if where.size else None


def enforce(x: PyTree, *rules: Rule) -> PyTree:
    """Return `x`, or raise about the first rule that is broken.

    Give as `x`, and use the result of, what the derivative needs, too: under `jit` an
    unused check is never made, and what only the value needs is no part of a
    gradient's program.

    A program only asks whether a rule may be broken. If so the host looks which, and
    where, so that the search costs neither time nor compilation before it is needed.
    """
    checked = [rule for rule in rules if rule.values.size]  # no events, nothing wrong
    unknown = [r for r in checked if isinstance(r.values, jax.core.Tracer)]
    for rule in (r for r in checked if not isinstance(r.values, jax.core.Tracer)):
        if complaint := rule.what_is_wrong(rule.values):
            raise ValueError(complaint)
    if not unknown:
        return x
    said = _Said()

    def search(*values: Num[np.ndarray, "..."]) -> np.ndarray:
        each = zip(unknown, values, strict=True)
        complaints = (rule.what_is_wrong(value) for rule, value in each)
        complaint = next(filter(None, complaints), None)
        said.complaint = complaint or said.complaint  # of the last bad one of a batch
        return np.array(complaint is not None)

    def look(values: list[Num[Array, "..."]]) -> Bool[Array, ""]:
        answer = jax.ShapeDtypeStruct((), bool)
        return jax.pure_callback(search, answer, *values, vmap_method="sequential")

    values = [jax.lax.stop_gradient(rule.values) for rule in unknown]
    # Of a batch, too, one condition: else `vmap` would look each time.
    suspect = [eqxi.unvmap_any(rule.may_be_broken()) for rule in unknown]
    broken = jax.lax.cond(
        jnp.any(jnp.stack(suspect)), look, lambda values: jnp.array(False), values
    )
    return eqx.branched_error_if(x, broken, 0, said)


class _Said(Sequence):
    """The one message of a check, which is put together when it fails."""

    complaint: str | None = None

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> str | None:  # type: ignore[override]
        return self.complaint


# --- the rules -----------------------------------------------------------------------
def increasing(edges: Num[Array, " edges"], call: str) -> Rule:
    def complaint(edges, where):
        i = where[0]
        return (
            f"`{call}(edges=...)` must increase; got edges[{i + 1}]={edges[i + 1]:g} "
            f"<= edges[{i}]={edges[i]:g}. For learned edges use `monotone_edges`."
        )

    return Rule(edges, lambda edges: ~(edges[1:] > edges[:-1]), complaint)


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
        first = where[0] // max(1, math.prod(data.shape[1:]))
        return (
            f"`{call}({name}=...)` has {where.size} NaN, the first at index {first}. "
            "Select or impute these before."
        )

    # NaN is the maximum where it occurs: a few numbers, from a search that holds none.
    # Of some rows, as XLA would compile one step more to come from all to one.
    rows = next((n for n in range(32, 7, -1) if data.size % n == 0), 1)

    def suspect(x):
        return jnp.any(jnp.isnan(jnp.max(x.reshape(rows, -1), axis=1)))

    return Rule(data, lambda x: x != x, complaint, suspect)


def not_zero(total: Num[Array, ""], call: str, what: str, way_out: str) -> Rule:
    def complaint(total, where):
        return f"`{call}` divides by {what}, which is {total:g}. {way_out}"

    return Rule(total, lambda total: ~(abs(total) > 0), complaint)


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


# --- shapes --------------------------------------------------------------------------
def known_or_traced(x: PyTree[ArrayLike]) -> Num[Array | np.ndarray, "..."]:
    """Return an array: NumPy's where the numbers are known, inside `jit`, too.

    What is derived of them is then known, and no part of a program.
    """
    if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(x)):
        return jnp.asarray(x)
    known = np.asarray(x)
    return known.astype(jax.dtypes.canonicalize_dtype(known.dtype), copy=False)


def as_edges(edges: ArrayLike, call: str) -> Num[Array | np.ndarray, " edges"]:
    """Return `edges` as a vector; an axis of a histogram gives its `.edges`."""
    edges = known_or_traced(getattr(edges, "edges", edges))
    if edges.ndim != 1 or edges.shape[0] < 2:
        raise ValueError(
            f"`{call}(edges=...)` must be a vector of at least two numbers; got shape "
            f"{edges.shape}. For equal bins use `regular_edges(low, high, bins)`."
        )
    return edges.astype(jnp.result_type(edges, jnp.float32))


def as_vector(data: ArrayLike, call: str, name: str = "data") -> Num[Array, " events"]:
    data = jnp.asarray(data)
    if data.ndim != 1:
        raise ValueError(
            f"`{call}({name}=...)` must have one axis, events; got shape {data.shape}. "
            "For a batch of data sets use `jax.vmap`."
        )
    return data


def as_weights(
    weights: ArrayLike | None,
    data: Num[Array, "events ..."],
    call: str,
    name: str = "weights",
) -> Num[Array, " events"]:
    """Return the weights, one each where there are none."""
    if weights is None:
        return jnp.ones(data.shape[0], jnp.result_type(data, jnp.float32))
    weights = jnp.asarray(weights)
    if weights.shape != data.shape[:1]:
        raise ValueError(
            f"`{call}({name}=...)` must have one weight per event, shape "
            f"{data.shape[:1]}; got shape {weights.shape}. For one common factor "
            "multiply the result."
        )
    return weights


def one_of(value: str, allowed: tuple[str, ...], call: str, name: str) -> None:
    if value not in allowed:
        raise ValueError(
            f"`{call}({name}=...)` must be one of {', '.join(allowed)}; got {value!r}."
        )
