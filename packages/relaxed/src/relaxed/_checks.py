"""What arguments must fulfil, and what to say when they do not."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Num


def as_edges(edges: ArrayLike, call: str) -> Num[Array, " edges"]:
    """Return `edges` as an array, refusing fewer than two and non-increasing ones."""
    edges = jnp.asarray(edges)
    if edges.ndim != 1 or edges.shape[0] < 2:
        raise ValueError(
            f"`{call}(edges=...)` must be a vector of at least two numbers; got shape "
            f"{edges.shape}. For equal bins use `regular_edges(low, high, bins)`."
        )
    rule = f"`{call}(edges=...)` must increase"
    way_out = "For learned edges use `monotone_edges`."
    increases = edges[1:] > edges[:-1]
    if _is_known(increases):
        falls = np.flatnonzero(~np.asarray(increases))
        if falls.size:
            i = int(falls[0])
            raise ValueError(
                f"{rule}; got edges[{i + 1}]={edges[i + 1]:g} after "
                f"edges[{i}]={edges[i]:g}. {way_out}"
            )
        return edges
    return eqx.error_if(edges, ~increases, f"{rule}. {way_out}")


def as_positive(value: ArrayLike, call: str, name: str) -> Num[Array, "..."]:
    """Return `value` as an array, refusing zero, negative and NaN."""
    value = jnp.asarray(value)
    positive = value > 0
    rule = f"`{call}({name}=...)` must be positive"
    way_out = f"For no smoothing at all use `hard_hist`; to learn a {name}, pass `jnp.exp(raw)`."
    if _is_known(positive):
        if not np.all(positive):
            worst = np.asarray(value)[~np.asarray(positive)].ravel()[0]
            raise ValueError(f"{rule}; got {worst:g}. {way_out}")
        return value
    return eqx.error_if(value, ~positive, f"{rule}. {way_out}")


def as_events(data: ArrayLike, call: str, name: str = "data") -> Num[Array, " events"]:
    """Return `data` as a vector, refusing other shapes and NaN."""
    data = jnp.asarray(data)
    if data.ndim != 1:
        raise ValueError(
            f"`{call}({name}=...)` must have one axis, events; got shape {data.shape}. "
            "For a batch of data sets use `jax.vmap`."
        )
    missing = jnp.isnan(data)
    if _is_known(missing):
        where = np.flatnonzero(np.asarray(missing))
        if where.size:
            raise ValueError(
                f"`{call}({name}=...)` has {where.size} NaN, the first at index "
                f"{where[0]}. Select or impute these events first."
            )
        return data
    return eqx.error_if(
        data, missing, f"`{call}({name}=...)` has NaN. Select or impute these events."
    )


def as_weights(
    weights: ArrayLike | None, data: Num[Array, " events"], call: str
) -> Num[Array, " events"]:
    """Return the weights, one each where there are none."""
    if weights is None:
        return jnp.ones(data.shape[:1], jnp.result_type(data, jnp.float32))
    weights = jnp.asarray(weights)
    if weights.shape != data.shape[:1]:
        raise ValueError(
            f"`{call}(weights=...)` must have one weight per event, shape "
            f"{data.shape[:1]}; got shape {weights.shape}. For one common factor "
            "multiply the result."
        )
    return weights


def one_of(value: str, allowed: tuple[str, ...], call: str, name: str) -> str:
    if value not in allowed:
        raise ValueError(
            f"`{call}({name}=...)` must be one of {', '.join(allowed)}; got {value!r}."
        )
    return value


def _is_known(x: Array) -> bool:
    return not isinstance(x, jax.core.Tracer)
