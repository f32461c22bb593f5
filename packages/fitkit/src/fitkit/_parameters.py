"""Parameters: where a fit starts, how far it may go, what else measures them."""

from collections.abc import Mapping
from typing import final

import equinox as eqx
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
        Array(inf, dtype=float64, weak_type=True)
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


def flatten(
    values: Mapping[str, ArrayLike],
    shapes: Mapping[str, tuple[int, ...]],
    default: Vector,
    what: str,
) -> Vector:
    """Put values given by name into a copy of the flat vector `default`.

    Args:
        values: by parameter name; a scalar is broadcast to the parameter's shape.
        shapes: the shape of each parameter, in the order of the flat vector.
        default: what the parameters that are not named keep, `[params]`.
        what: the name of the argument, for messages.

    Returns:
        The flat vector, `[params]`.

    Raises:
        ValueError: for an unknown name or a wrong shape.
    """
    if not values:
        return default
    unknown = [name for name in values if name not in shapes]
    if unknown:
        raise ValueError(
            f"`{what}` names {unknown[0]!r}, which is no parameter of the model. "
            f"It has: {', '.join(shapes)}."
        )
    parts, start = [], 0
    for name, shape in shapes.items():
        size = int(np.prod(shape, dtype=int))
        if name in values:
            given = jnp.asarray(values[name], dtype=default.dtype)
            if given.shape not in ((), shape):
                raise ValueError(
                    f"`{what}[{name!r}]` has shape {given.shape}; the parameter has "
                    f"shape {shape}."
                )
            parts.append(jnp.broadcast_to(given, shape).reshape(size))
        else:
            parts.append(default[start : start + size])
        start += size
    return jnp.concatenate(parts)


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
