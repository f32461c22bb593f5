"""Arguments as arrays: their precision and shape, and what to say of others.

What is wrong with them is known while tracing, and raises at once.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, PyTree

from ._checks import enforce
from ._kernel import AbstractKernel
from ._rules import whole_in_float32


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
    rules = []
    if jnp.issubdtype(x.dtype, jnp.floating):
        own = jax.dtypes.canonicalize_dtype(x.dtype)
        wanted = jnp.promote_types(own, jnp.float32)
    elif jnp.issubdtype(x.dtype, jnp.integer) or x.dtype == bool:
        wanted = default
        if whole and default == jnp.float32 and x.dtype.itemsize > 2:
            rules.append(whole_in_float32(x, call, name))
    else:
        raise ValueError(
            f"`{call}({name}=...)` must be real numbers; got an array of {x.dtype}."
        )
    if x.dtype == wanted:
        return x
    if traced:
        return enforce(x.astype(wanted), *rules)
    enforce(None, *rules)
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
    require_scalar(value, call, name)
    return value


def require_scalar(value: Float[Array | np.ndarray, "..."], call: str, name: str):
    if value.ndim:
        raise ValueError(
            f"`{call}({name}=...)` must be one number; got shape {value.shape}. For "
            "several use `jax.vmap`."
        )


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


def require_kernel(kernel: object, call: str) -> None:
    """Raise if this is no kernel."""
    if not isinstance(kernel, AbstractKernel):
        raise ValueError(
            f"`{call}(kernel=...)` must be a kernel, such as `GaussianKernel()`; got "
            f"{kernel!r}."
        )
