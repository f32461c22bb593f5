"""Parameters: where a fit starts, how far it may go, what else measures them."""

from collections.abc import Mapping
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike

from ._constraints import Normal, Poisson
from ._custom_types import Mask, Params, Vector


@final
class Parameter(eqx.Module):
    """One parameter of a model, scalar or one value for each bin.

    All fields are arrays of the parameter's shape and may be traced.

    Attributes:
        init: the value at which a fit starts, and the nominal one.
        lower: lower bound (`-inf` where there is none).
        upper: upper bound (`inf` where there is none).
        fixed: entries that a fit keeps at `init`.
        constraint: the auxiliary measurement, or None for a free parameter.

    Example:
        >>> Parameter(0.5, lower=0.0).upper
        Array(inf, dtype=float64)
    """

    init: Array
    lower: Array
    upper: Array
    fixed: Array
    constraint: Normal | Poisson | None

    def __init__(
        self,
        init: ArrayLike,
        lower: ArrayLike = -np.inf,
        upper: ArrayLike = np.inf,
        fixed: ArrayLike = False,
        constraint: Normal | Poisson | None = None,
    ):
        self.init = jnp.asarray(init, dtype=float)
        shape = self.init.shape
        self.lower = jnp.broadcast_to(jnp.asarray(lower, dtype=float), shape)
        self.upper = jnp.broadcast_to(jnp.asarray(upper, dtype=float), shape)
        self.fixed = jnp.broadcast_to(jnp.asarray(fixed, dtype=bool), shape)
        self.constraint = constraint


@final
class ParameterVectors(eqx.Module):
    """The settings of all parameters as flat vectors, without any name.

    Attributes:
        init, lower, upper: start and bounds, `[params]`.
        fixed: entries that are not fitted, `[params]`.
    """

    init: Vector
    lower: Vector
    upper: Vector
    fixed: Mask


@final
class Override(eqx.Module):
    """Values for some entries of the flat parameter vector.

    Attributes:
        values: `[params]`, without meaning where not given.
        given: the entries that have one, `[params]`.
    """

    values: Array | np.ndarray
    given: Array | np.ndarray

    def over(self, default: Array) -> Array:
        """The values where given, `default` elsewhere."""
        return jnp.where(self.given, self.values, default)


def flatten(
    values: Mapping[str, ArrayLike] | None,
    shapes: Mapping[str, tuple[int, ...]],
    what: str,
    dtype: type = float,
) -> Override:
    """Put values given by name into a flat vector.

    Args:
        values: by parameter name; a scalar is broadcast to the parameter's shape.
        shapes: the shape of each parameter, in the order of the flat vector.
        what: the name of the argument, for messages.
        dtype: float or bool.

    Returns:
        The flat vector and which entries were given: numpy arrays where no value is a
        jax array.

    Raises:
        ValueError: for an unknown name or a wrong shape.
    """
    values = values or {}
    unknown = [name for name in values if name not in shapes]
    if unknown:
        raise ValueError(
            f"`{what}` names {unknown[0]!r}, which is no parameter of the model. "
            f"It has: {', '.join(shapes)}."
        )
    xp = jnp if any(isinstance(v, jax.Array) for v in values.values()) else np
    parts, given = [], []
    for name, shape in shapes.items():
        size = int(np.prod(shape, dtype=int))
        given.append(np.full(size, name in values))
        if name not in values:
            parts.append(np.zeros(size, dtype=dtype))
            continue
        value = xp.asarray(values[name], dtype=dtype)
        if value.shape not in ((), shape):
            raise ValueError(
                f"`{what}[{name!r}]` has shape {value.shape}; the parameter has shape "
                f"{shape}."
            )
        parts.append(xp.broadcast_to(value, shape).reshape(size))
    if not parts:
        return Override(np.zeros(0, dtype=dtype), np.zeros(0, dtype=bool))
    return Override(xp.concatenate(parts), np.concatenate(given))


def unflatten(vector: Array, shapes: Mapping[str, tuple[int, ...]]) -> Params:
    """The inverse of `flatten`: values by name from the flat vector.

    Args:
        vector: `[params]`.
        shapes: the shape of each parameter, in the order of the flat vector.

    Returns:
        A dict with one array of the parameter's shape for each name.
    """
    params, start = {}, 0
    for name, shape in shapes.items():
        size = int(np.prod(shape, dtype=int))
        params[name] = vector[start : start + size].reshape(shape)
        start += size
    return params
