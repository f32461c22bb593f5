"""One namespace of array functions: NumPy for concrete arrays, `jax.numpy` for traced.

A formula that is written over `xp` runs at once where all its arguments are concrete,
and is traced inside `jax.jit`, `jax.grad` and `jax.vmap`. Each call looks at its own
arguments, so that what is known while a program is traced is worked out by NumPy and
enters the program as a constant.

This module alone tells the two apart. They differ in five things, which have functions
of their own here: adding at indices, loops, conditions, Cholesky factors with their
triangular solutions, and derivatives that are given by hand.
"""

import math
from collections.abc import Callable
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.scipy.special as jax_special
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Int
from scipy import special as scipy_special
from scipy.linalg import lapack

T = TypeVar("T")

# Types that are told to be concrete by one look-up: asking whether an object is a
# tracer takes as long as adding ten numbers.
_CONCRETE = {np.ndarray, np.float64, np.bool_, np.int64, np.int32, float, int, bool}
_CONCRETE |= {str, type(None), type, slice, np.dtype}


def traced(*trees: Any) -> bool:
    """Whether any leaf of some pytrees is traced."""
    return any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(trees))


def _traced_argument(x: Any) -> bool:
    kind = type(x)
    if kind in _CONCRETE:
        return False
    if kind is list or kind is tuple:
        return any(map(_traced_argument, x))
    return isinstance(x, Tracer)


def _either(in_numpy: Callable[..., Any], in_jax: Callable[..., Any]) -> Any:
    """A function that is one of two, by its arguments."""

    def call(*args: Any, **kwargs: Any) -> Any:
        for arg in args:
            if _traced_argument(arg):
                return in_jax(*args, **kwargs)
        if kwargs and any(map(_traced_argument, kwargs.values())):
            return in_jax(*args, **kwargs)
        return in_numpy(*args, **kwargs)

    return call


_SPECIAL = ("log_ndtr", "ndtr", "ndtri", "gammaln", "gammaincc", "digamma")


class _Namespace:
    """`xp.where(...)` is `numpy.where` or `jax.numpy.where`, and so on."""

    inf, nan, pi, newaxis = np.inf, np.nan, np.pi, None

    def __getattr__(self, name: str) -> Any:
        here, there = (scipy_special, jax_special) if name in _SPECIAL else (np, jnp)
        function = _either(getattr(here, name), getattr(there, name))
        setattr(self, name, function)  # made once
        return function


xp = _Namespace()


def concrete(tree: T) -> T:
    """The same pytree with NumPy arrays in place of jax's own, tracers as they are.

    Random keys stay: NumPy has none.
    """
    leaves, structure = jax.tree.flatten(tree)
    if not any(isinstance(leaf, jax.Array) for leaf in leaves):
        return tree
    return jax.tree.unflatten(structure, [as_numpy(leaf) for leaf in leaves])


def as_numpy(x: Any) -> Any:
    """A jax array as NumPy's; anything else, tracers and random keys, as it is."""
    if not isinstance(x, jax.Array) or isinstance(x, Tracer):
        return x
    if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
        return x
    return np.asarray(x)


def as_floats(x: Any) -> Any:
    """An array of floating-point numbers: traced as it is, else NumPy's in float64."""
    return jnp.asarray(x, float) if isinstance(x, Tracer) else np.asarray(x, float)


# --- what differs ---------------------------------------------------------------------
def take(values: Array, index: Int[Array, "..."]) -> Array:
    """The entries of the last axis at indices that are known to lie inside."""
    if _traced_argument(values) or _traced_argument(index):
        return jnp.asarray(values).at[..., index].get(mode="promise_in_bounds")
    return np.asarray(values)[..., np.asarray(index)]


def take_rows(table: Array, index: Int[Array, "..."]) -> Array:
    """The rows of a table at indices that are known to lie inside."""
    if _traced_argument(table) or _traced_argument(index):
        return jnp.asarray(table).at[index].get(mode="promise_in_bounds")
    return np.asarray(table)[np.asarray(index)]


def scatter_add(
    shape: tuple[int, ...], index: tuple[Int[Array, "..."], ...], values: Array
) -> Array:
    """Zeros of a shape, with values added at indices of the first axes.

    Args:
        shape: of the result.
        index: one array for each of the first axes, broadcast against each other.
        values: one for each place, with any further axes of the shape behind.
    """
    if _traced_argument(values) or any(map(_traced_argument, index)):
        into = jnp.zeros(shape, jnp.result_type(values)).at[index]
        return into.add(values, mode="promise_in_bounds")
    lead, rest = shape[: len(index)], shape[len(index) :]
    places = np.ravel_multi_index(np.broadcast_arrays(*index), lead).reshape(-1)
    size, columns = math.prod(lead), math.prod(rest)
    weights = np.asarray(values).reshape(places.size * columns)
    # `np.add.at` takes ten times as long.
    if columns != 1:
        places = (places[:, None] * columns + np.arange(columns)).reshape(-1)
    table = np.bincount(places, weights, size * columns)
    return table.reshape(*lead, *rest)


def add_block(
    table: Array, index: tuple[Int[Array, " entries"], ...], block: Array
) -> Array:
    """Add a block to the entries of a table that indices of each axis name.

    Each index names an entry once. A concrete table that can be written to is changed
    itself: sums of thousands of blocks would else copy it as often.
    """
    if any(map(_traced_argument, (table, block, *index))):
        places = jnp.ix_(*index) if len(index) > 1 else index
        return jnp.asarray(table).at[places].add(block)
    changed: Any = np.require(table, requirements="W")
    changed[np.ix_(*index)] += block
    return changed


def while_loop(
    condition: Callable[[T], Any],
    body: Callable[[T], T],
    start: T,
    *operands: Any,
) -> T:
    """Apply `body` as long as `condition` holds.

    Args:
        condition, body: functions of what is carried.
        start: what is carried first.
        operands: what the functions use beside it: where any of it is traced, the loop
            is.
    """
    if traced(start, operands):
        return jax.lax.while_loop(condition, body, jax.tree.map(jnp.asarray, start))
    carry = start
    while condition(carry):
        carry = body(carry)
    return carry


def scan(
    step: Callable[[Any, Any], tuple[Any, Any]], start: Any, inputs: Any, *operands: Any
) -> tuple[Any, Any]:
    """Go through inputs in turn, as `jax.lax.scan`; operands as of `while_loop`."""
    if traced(start, inputs, operands):
        start, inputs = jax.tree.map(jnp.asarray, (start, inputs))
        return jax.lax.scan(step, start, inputs)
    carry, outputs = start, []
    for i in range(len(jax.tree.leaves(inputs)[0])):
        carry, output = step(carry, jax.tree.map(lambda x, i=i: x[i], inputs))
        outputs.append(output)
    return carry, jax.tree.map(lambda *x: np.stack(x), *outputs)


def cond(
    predicate: Bool[Array, ""], if_true: Callable[[], T], if_false: Callable[[], T]
) -> T:
    """One of two results; concrete, only that one is worked out."""
    if isinstance(predicate, Tracer):
        return jax.lax.cond(predicate, if_true, if_false)
    return if_true() if predicate else if_false()


def either(
    predicate: Bool[Array, ""], if_true: Callable[[], T], if_false: Callable[[], T]
) -> T:
    """As `cond`; traced, both are worked out, which is less to compile."""
    if not isinstance(predicate, Tracer):
        return if_true() if predicate else if_false()
    return jax.tree.map(lambda a, b: jnp.where(predicate, a, b), if_true(), if_false())


def choose(which: Bool[Array, ""], one: T, other: T) -> T:
    """One of two trees of numbers; indices, which are the same in both, stay."""
    if not isinstance(which, Tracer):
        return one if which else other

    def of_leaf(a: Any, b: Any) -> Any:
        index = jnp.issubdtype(a.dtype, jnp.integer) and jnp.ndim(a)
        return a if index else jnp.where(which, a, b)

    return jax.tree.map(of_leaf, one, other)


def cholesky(matrix: Float[Array, "n n"]) -> Float[Array, "n n"]:
    """The lower Cholesky factor of a symmetric matrix, NaN where it is not positive."""
    if isinstance(matrix, Tracer):
        return jax.lax.linalg.cholesky(matrix, symmetrize_input=False)
    # The upper factor in LAPACK's order is the lower one in C's: no copy is made.
    factor, info = lapack.dpotrf(matrix.T, lower=False, clean=True)
    return np.full_like(matrix, np.nan) if info else factor.T


def solve_triangular(
    lower: Float[Array, "n n"], rhs: Float[Array, "n columns"], *, transposed=False
) -> Float[Array, "n columns"]:
    """Solve with a lower triangular matrix, or with its transpose."""
    if _traced_argument(lower) or _traced_argument(rhs):
        return jax.lax.linalg.triangular_solve(
            lower, rhs, left_side=True, lower=True, transpose_a=transposed
        )
    trans = 0 if transposed else 1
    return lapack.dtrtrs(lower.T, rhs, lower=False, trans=trans)[0]


def inverse_of_product(lower: Float[Array, "n n"]) -> Float[Array, "n n"]:
    """The inverse of a matrix with this lower Cholesky factor."""
    if isinstance(lower, Tracer):
        half = solve_triangular(lower, jnp.eye(lower.shape[0]))
        return half.T @ half
    upper, _ = lapack.dpotri(lower.T, lower=False)
    return np.triu(upper) + np.triu(upper, 1).T


def eigh(matrix: Float[Array, "n n"]) -> tuple[Array, Array]:
    """Eigenvalues of a symmetric matrix, rising, and its eigenvectors."""
    return (jnp if isinstance(matrix, Tracer) else np).linalg.eigh(matrix)


def freeze(tree: T) -> T:
    """The same tree, through which no derivative flows."""
    if not traced(tree):
        return tree
    return jax.tree.map(
        lambda x: jax.lax.stop_gradient(x) if eqx.is_inexact_array(x) else x, tree
    )


class _CustomJVP:
    """A function whose derivative is given by hand; concrete calls run it as it is."""

    def __init__(self, function: Callable[..., Any], for_traced: Any):
        self._function, self._traced = function, for_traced

    def def_jvp(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """Give the rule of the derivative."""
        give = getattr(self._traced, "def_jvp", None) or self._traced.defjvp
        give(rule)
        return rule

    def __call__(self, *args: Any) -> Any:
        return (self._traced if traced(*args) else self._function)(*args)


def custom_jvp(function: Callable[..., Any]) -> _CustomJVP:
    """As `jax.custom_jvp`, for a function over `xp`."""
    return _CustomJVP(function, jax.custom_jvp(function))


def filter_custom_jvp(function: Callable[..., Any]) -> _CustomJVP:
    """As `equinox.filter_custom_jvp`, for a function over `xp`."""
    return _CustomJVP(function, eqx.filter_custom_jvp(function))
