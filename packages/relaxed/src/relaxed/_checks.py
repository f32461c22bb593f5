"""How a rule on values is enforced, whether they are known or traced.

It raises `ValueError` where the values are known, and by `equinox` at run time where
they are traced; both say the same.
"""

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import equinox as eqx
import equinox.internal as eqxi
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Int, Num, PyTree

# A part of jax's key for what is traced: a function has a program with errors and one
# without.
_as_nan = jax.make_user_context(False)


@contextlib.contextmanager
def errors_as_nan() -> Iterator[None]:
    """Trace programs that return NaN where they would raise.

    An error in a compiled program is raised by Python, which the program calls back.
    Such a program waits for Python where others run beside it, and is not stored in
    jax's persistent compilation cache. For the inner loop of a training, which looks at
    its loss anyway. Values that are known when a function is called raise as ever.

    Whether the context is entered where a function is traced decides; `jax.jit` keeps
    programs with errors and with NaN apart. The environment variable
    `EQX_ON_ERROR=nan` does the same everywhere.

    Example:
        >>> @jax.jit
        ... def loss(bandwidth):
        ...     return relaxed.hist(jnp.ones(3), jnp.array([0.0, 1.0]),
        ...                         bandwidth=bandwidth)
        >>> with relaxed.errors_as_nan():
        ...     print(loss(-0.1))
        [nan]
    """
    with _as_nan(True):
        yield


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
    if gives_nan():
        return _nan_if_broken(x, unknown)
    off = os.environ.get("EQX_ON_ERROR") == "off"
    return x if off else _raise_if_broken(x, unknown)


def gives_nan() -> bool:
    """Return whether a program that is traced now has NaN in the place of errors."""
    return _as_nan.value or os.environ.get("EQX_ON_ERROR") == "nan"


def _nan_if_broken(x: PyTree, rules: list[Rule]) -> PyTree:
    broken = jnp.any(jnp.stack([rule.may_be_broken() for rule in rules]))

    def with_nan(leaf: Any) -> Any:
        if not jnp.issubdtype(jnp.result_type(leaf), jnp.inexact):
            return leaf
        # A factor: its derivative is NaN, too, and not that of a constant.
        return leaf * jnp.where(broken, jnp.nan, 1.0).astype(jnp.result_type(leaf))

    return jax.tree.map(with_nan, x)


def _raise_if_broken(x: PyTree, rules: list[Rule]) -> PyTree:
    said = _Said()

    def search(*values: Num[np.ndarray, "..."]) -> np.ndarray:
        each = zip(rules, values, strict=True)
        complaints = (rule.what_is_wrong(value) for rule, value in each)
        complaint = next(filter(None, complaints), None)
        said.complaint = complaint or said.complaint  # of the last bad one of a batch
        return np.array(complaint is not None)

    def look(values: list[Num[Array, "..."]]) -> Bool[Array, ""]:
        answer = jax.ShapeDtypeStruct((), bool)
        return jax.pure_callback(search, answer, *values, vmap_method="sequential")

    values = [jax.lax.stop_gradient(rule.values) for rule in rules]
    # Of a batch, too, one condition: else `vmap` would look each time.
    suspect = jnp.stack([eqxi.unvmap_any(rule.may_be_broken()) for rule in rules])
    broken = jax.lax.cond(
        jnp.any(suspect), look, lambda values: jnp.array(False), values
    )
    return eqx.branched_error_if(x, broken, 0, said)


class _Said(Sequence):
    """The one message of a check, which is put together when it fails."""

    complaint: str | None = None

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> str | None:
        return self.complaint
