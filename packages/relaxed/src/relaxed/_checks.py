"""What arguments must fulfil, and what to say when they do not.

A rule on shapes raises at once. A rule on values raises `ValueError` where the values
are known, and `equinox.error_if` at run time where they are traced; both say the same.
"""

import dataclasses
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Int, Num, PyTree

#: Where a rule is broken, and the sentence about it: `{count}` entries, `{first}` of
#: them.
Rule = tuple[Bool[Array, "..."], str]


def enforce(x: PyTree, *rules: Rule) -> PyTree:
    """Return `x`, or raise about the first rule that is broken anywhere.

    The result must be used: under `jit` an unused check is never made.
    """
    unknown = not_yet_known(*rules)
    return _at_run_time(x, _code_of(unknown), unknown) if unknown else x


def enforce_with_data(
    x: PyTree,
    data: Num[Array, "events ..."],
    call: str,
    *rules: Rule,
) -> PyTree:
    """Return `x`, or raise about a rule, or about NaN in the data.

    NaN shows in the sum of the data: they are searched only to say which of them it is.
    Give as `x` what the derivative uses, too: a check of what only the value needs is
    no part of a gradient's program.
    """
    data = jax.lax.stop_gradient(jnp.asarray(data))
    unknown = not_yet_known(*rules)
    searched = [*unknown, *not_yet_known(no_nan(data, call))]
    if not searched:
        return x
    suspect = [jnp.isnan(jnp.sum(data)), *(jnp.any(broken) for broken, _ in unknown)]
    code = jax.lax.cond(
        jnp.any(jnp.stack(suspect)),
        lambda: _code_of([*unknown, *not_yet_known(no_nan(data, call))]),
        lambda: _code_of([(jnp.zeros(1, bool), "")]),
    )
    return _at_run_time(x, code, searched)


def not_yet_known(*rules: Rule) -> list[Rule]:
    """Return the rules on traced values, or raise about another that is broken."""
    unknown: list[Rule] = []
    for broken, message in rules:
        if broken.size == 0:  # no events, nothing wrong with them
            continue
        if isinstance(broken, jax.core.Tracer):
            unknown.append((broken, message))
        elif np.any(broken):
            where = np.flatnonzero(broken)
            raise ValueError(_say(message, where.size, where[0]))
    return unknown


def _at_run_time(x: PyTree, code: Num[Array, ""], rules: Sequence[Rule]) -> PyTree:
    messages = _Messages(tuple(message for _, message in rules))
    return eqx.branched_error_if(x, code > 0, code, messages)


# --- the rules -----------------------------------------------------------------------
def increasing(edges: Num[Array, " edges"], call: str) -> Rule:
    rule = f"`{call}(edges=...)` must increase; got edges[{{next}}]"
    falls = ~(edges[1:] > edges[:-1])
    if not isinstance(falls, jax.core.Tracer) and np.any(falls):
        i = int(np.flatnonzero(falls)[0])
        rule = (
            f"`{call}(edges=...)` must increase; got edges[{i + 1}]={edges[i + 1]:g} "
            f"<= edges[{i}]={edges[i]:g}"
        )
    else:
        rule += " <= edges[{first}]"
    return falls, f"{rule}. For learned edges use `monotone_edges`."


def positive(value: Num[Array, "..."], call: str, name: str) -> Rule:
    message = f"`{call}({name}=...)` must be positive"
    broken = ~(value > 0)
    if not isinstance(broken, jax.core.Tracer) and np.any(broken):
        message += f"; got {np.asarray(value)[np.asarray(broken)].flat[0]:g}"
    way_out = "To learn it pass `jnp.exp(raw)`; unsmoothed counts are `hard_hist`."
    return broken, f"{message}. {way_out}"


def no_nan(data: Num[Array, "..."], call: str, name: str = "data") -> Rule:
    message = (
        f"`{call}({name}=...)` has {{count}} NaN, the first at index {{first}}. "
        "Select or impute these events before."
    )
    return jnp.isnan(data), message


def with_ends(edges: Num[Array, " edges"], call: str) -> Rule:
    message = (
        f'`{call}(flow="reflect")` needs finite outer edges to mirror at; got '
        'edges[{end}] infinite. For a variable that does not end take `flow="clip"`.'
    )
    return ~jnp.isfinite(edges[jnp.array([0, -1])]), message


# --- shapes --------------------------------------------------------------------------
def as_edges(edges: ArrayLike, call: str) -> Num[Array, " edges"]:
    """Return `edges` as a vector; an axis of a histogram gives its `.edges`."""
    edges = jnp.asarray(getattr(edges, "edges", edges))
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
    weights: ArrayLike | None, data: Num[Array, "events ..."], call: str
) -> Num[Array, " events"]:
    """Return the weights, one each where there are none."""
    if weights is None:
        return jnp.ones(data.shape[0], jnp.result_type(data, jnp.float32))
    weights = jnp.asarray(weights)
    if weights.shape != data.shape[:1]:
        raise ValueError(
            f"`{call}(weights=...)` must have one weight per event, shape "
            f"{data.shape[:1]}; got shape {weights.shape}. For one common factor "
            "multiply the result."
        )
    return weights


def one_of(value: str, allowed: tuple[str, ...], call: str, name: str) -> None:
    if value not in allowed:
        raise ValueError(
            f"`{call}({name}=...)` must be one of {', '.join(allowed)}; got {value!r}."
        )


# --- a message that is put together at run time --------------------------------------
# `branched_error_if` picks one of several messages by an integer. Ours carries the
# rule (3 bits), how many entries break it (6), and the first of them (the rest).
_RULE_BITS, _COUNT_BITS = 3, 6
_MOST = 2**_COUNT_BITS - 1


def _code_of(rules: Sequence[Rule]) -> Num[Array, ""]:
    """Return the code of the first rule that is broken, 0 if none is."""
    codes = [_code(i, broken) for i, (broken, _) in enumerate(rules)]
    return jnp.max(jnp.stack(codes))


def _code(rule: int, broken: Bool[Array, "..."]) -> Num[Array, ""]:
    """Return 0 if nothing is broken; larger for an earlier rule."""
    broken = broken.ravel()
    wide = jnp.uint64 if jax.config.read("jax_enable_x64") else jnp.uint32
    bits = jnp.iinfo(wide).bits - _RULE_BITS - _COUNT_BITS
    count, first = _count_and_first(broken)
    count = jnp.minimum(count, _MOST).astype(wide)
    first = jnp.minimum(first.astype(wide), 2**bits - 1)
    number = jnp.array(2**_RULE_BITS - 1 - rule, wide)
    code = (((number << _COUNT_BITS) | count) << bits) | first
    return jnp.where(count > 0, code, jnp.zeros((), wide))


def _count_and_first(
    broken: Bool[Array, " entries"],
) -> tuple[Int[Array, ""], Int[Array, ""]]:
    """Return how many entries are true, and the index of the first.

    In one reduction of two numbers: for a sum alone XLA would hold the integers of all
    entries, a copy of the events in size.
    """
    size = jnp.array(broken.size, jnp.int32)
    index = jnp.where(broken, jnp.arange(broken.size, dtype=jnp.int32), size)
    return jax.lax.reduce(
        (broken.astype(jnp.int32), index),
        (jnp.zeros_like(size), size),
        lambda one, other: (one[0] + other[0], jnp.minimum(one[1], other[1])),
        (0,),
    )


@dataclasses.dataclass(frozen=True)
class _Messages(Sequence):
    """The sentences of some rules, looked up by `_code`."""

    sentences: tuple[str, ...]

    def __len__(self) -> int:
        return 2**64

    def __getitem__(self, code: int) -> str:
        bits = (64 if code >= 2**32 else 32) - _RULE_BITS - _COUNT_BITS
        code, first = divmod(code, 2**bits)
        number, count = divmod(code, 2**_COUNT_BITS)
        said = f"at least {count}" if count == _MOST else count
        sentence = self.sentences[2**_RULE_BITS - 1 - number]
        return _say(sentence, said, first)


def _say(sentence: str, count: int | str, first: int) -> str:
    return sentence.format(count=count, first=first, next=first + 1, end=-first)
