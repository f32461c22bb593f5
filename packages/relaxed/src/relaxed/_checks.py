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
from jaxtyping import Array, ArrayLike, Bool, Float, Int, Num, PyTree


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


def _kept_whole(values: Int[Array, "..."], call: str, name: str) -> Rule:
    def complaint(values, where):
        return (
            f"`{call}({name}=...)` has whole numbers beyond 2**24, which float32 "
            f"rounds; got {values.flat[where[0]]}. Turn on `jax_enable_x64`, or "
            "subtract a number that all have in common."
        )

    return Rule(values, lambda x: (x > 2**24) | (x < -(2**24)), complaint)


# --- precision -----------------------------------------------------------------------
def floats(
    x: PyTree[ArrayLike], call: str, name: str, *, whole: bool = True
) -> Float[Array | np.ndarray, "..."]:
    """Return the numbers in their own precision, whole ones in the default one.

    JAX would promote whole numbers to float32 even where x64 is on, and put run numbers
    and times, above 2**24, into their neighbours' bins. What is known stays known:
    NumPy's or jax's array, never a tracer.

    Args:
        x: numbers; also a list of traced ones.
        call: the public function.
        name: its argument.
        whole: refuse whole numbers that float32, where it is the default, would round.
    """
    traced = any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(x))
    if traced:
        x = jnp.asarray(x)
    elif not isinstance(x, jax.Array):
        x = np.asarray(x)
    default = jnp.result_type(float)
    if jnp.issubdtype(x.dtype, jnp.floating):
        own = jax.dtypes.canonicalize_dtype(x.dtype)
        wanted = jnp.promote_types(own, jnp.float32)
    elif jnp.issubdtype(x.dtype, jnp.integer) or x.dtype == bool:
        wanted = default
        if whole and default == jnp.float32 and x.dtype.itemsize > 2:
            x = enforce(x, _kept_whole(x, call, name))
    else:
        raise ValueError(
            f"`{call}({name}=...)` must be real numbers; got an array of {x.dtype}."
        )
    if x.dtype == wanted:
        return x
    if traced:
        return x.astype(wanted)
    with np.errstate(over="ignore"):  # beyond float32 lies infinity, as for JAX
        return np.asarray(x).astype(wanted)


def as_floats(x: ArrayLike, call: str, name: str) -> Float[Array, "..."]:
    return jnp.asarray(floats(x, call, name))


def known_or_traced(
    x: PyTree[ArrayLike], call: str, name: str
) -> Float[Array | np.ndarray, "..."]:
    """Return an array: NumPy's where the numbers are known, inside `jit`, too.

    What is derived of them is then known, and no part of a program.
    """
    x = floats(x, call, name)
    return x if isinstance(x, jax.core.Tracer) else np.asarray(x)


# --- shapes --------------------------------------------------------------------------
def as_edges(edges: ArrayLike, call: str) -> Float[Array | np.ndarray, " edges"]:
    """Return `edges` as a vector; an axis of a histogram gives its `.edges`."""
    edges = known_or_traced(getattr(edges, "edges", edges), call, "edges")
    if edges.ndim != 1 or edges.shape[0] < 2:
        raise ValueError(
            f"`{call}(edges=...)` must be a vector of at least two numbers; got shape "
            f"{edges.shape}. For equal bins use `regular_edges(low, high, bins)`."
        )
    return edges


def as_vector(
    data: ArrayLike, call: str, name: str = "data"
) -> Float[Array, " events"]:
    data = as_floats(data, call, name)
    if data.ndim != 1:
        raise ValueError(
            f"`{call}({name}=...)` must have one axis, events; got shape {data.shape}. "
            "For a batch of data sets use `jax.vmap`."
        )
    return data


def as_scalar(value: ArrayLike, call: str, name: str) -> Float[Array, ""]:
    if isinstance(value, (int, float)):  # which takes the precision of the others
        return jnp.asarray(float(value))
    value = as_floats(value, call, name)
    if value.ndim:
        raise ValueError(
            f"`{call}({name}=...)` must be one number; got shape {value.shape}. For "
            "several use `jax.vmap`."
        )
    return value


def as_weights(
    weights: ArrayLike | None,
    data: Float[Array, "events ..."],
    call: str,
    name: str = "weights",
) -> Float[Array, " events"]:
    """Return the weights, one each where there are none."""
    if weights is None:
        return jnp.ones(data.shape[0], data.dtype)
    # The rounding of a large whole weight is as small as that of any other.
    weights = jnp.asarray(floats(weights, call, name, whole=False))
    if weights.shape != data.shape[:1]:
        raise ValueError(
            f"`{call}({name}=...)` must have one weight per event, shape "
            f"{data.shape[:1]}; got shape {weights.shape}. For one common factor "
            "multiply the result."
        )
    return weights


def common_shape(call: str, **arguments: Float[Array, "..."]) -> tuple[int, ...]:
    """Return the shape that the arguments have together."""
    shapes = [x.shape for x in arguments.values()]
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        names = ", ".join(arguments)
        raise ValueError(
            f"`{call}({names})` must have shapes that go together; got "
            f"{', '.join(map(str, shapes))}."
        ) from None


def require_bins(bins: int, call: str) -> None:
    whole = isinstance(bins, (int, np.integer)) and not isinstance(bins, bool)
    if not whole or bins < 1:
        raise ValueError(
            f"`{call}(bins=...)` must be a whole number, at least 1; got {bins!r}."
        )


def one_of(value: str, allowed: tuple[str, ...], call: str, name: str) -> None:
    if value not in allowed:
        raise ValueError(
            f"`{call}({name}=...)` must be one of {', '.join(allowed)}; got {value!r}."
        )
