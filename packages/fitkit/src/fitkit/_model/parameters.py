"""Parameters: where a fit starts, how far it may go, what else measures them."""

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike

from .constraints import Normal, Poisson
from .._custom_types import Mask, Params, Vector


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
class ParameterVectors(NamedTuple):
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
class Override(NamedTuple):
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


@final
class ParameterShapes(Mapping[str, tuple[int, ...]]):
    """The shape of each parameter by name, in the order of every flat vector.

    `()` for a scalar, `(n,)` for one value for each bin. It cannot be changed and has a
    hash, so that results may carry it through `jax.jit`.

    Attributes:
        places: where each parameter stands in the flat vector.
        size: the length of that vector.
    """

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]):
        self._shapes = dict(shapes)
        self.places: dict[str, slice] = {}
        self.size = 0
        for name, shape in self._shapes.items():
            start, self.size = self.size, self.size + math.prod(shape)
            self.places[name] = slice(start, self.size)
        self._hash = hash(tuple(self._shapes.items()))

    def __getitem__(self, name: str) -> tuple[int, ...]:
        return self._shapes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._shapes)

    def __len__(self) -> int:
        return len(self._shapes)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, ParameterShapes):
            # The order counts.
            return self is other or (
                self._hash == other._hash
                and list(self._shapes.items()) == list(other._shapes.items())
            )
        return self._shapes == other

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return repr(self._shapes)


def flatten(
    values: Mapping[str, ArrayLike] | None,
    shapes: ParameterShapes,
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
        The flat vector and which entries were given: numpy arrays where no value is
        traced, so that a call outside `jax.jit` compiles and dispatches nothing.

    Raises:
        ValueError: for an unknown name or a wrong shape.
    """
    places = shapes.places
    given = np.zeros(shapes.size, dtype=bool)
    flat: np.ndarray = np.zeros(shapes.size, dtype=dtype)
    traced = {}
    for name, value in (values or {}).items():
        if name not in shapes:
            raise ValueError(
                f"`{what}` names {name!r}, which is no parameter of the model. "
                f"It has: {', '.join(shapes)}."
            )
        xp = jnp if isinstance(value, jax.core.Tracer) else np
        value, shape, place = xp.asarray(value, dtype=dtype), shapes[name], places[name]
        if value.shape not in ((), shape):
            raise ValueError(
                f"`{what}[{name!r}]` has shape {value.shape}; the parameter has shape "
                f"{shape}."
            )
        given[place] = True
        if xp is np:
            flat[place] = value.reshape(-1)
        else:
            traced[name] = jnp.broadcast_to(value, shape).reshape(-1)
    if traced:
        parts = [traced.get(name, flat[place]) for name, place in places.items()]
        return Override(jnp.concatenate(parts), given)
    return Override(flat, given)


def unflatten(
    vector: Array | np.ndarray, shapes: ParameterShapes, on_device: bool = True
) -> Params:
    """The inverse of `flatten`: values by name from the flat vector.

    Args:
        vector: `[..., params]`; leading axes, as `jax.vmap` leaves them, are kept.
        shapes: the shape of each parameter, in the order of the flat vector.
        on_device: whether parts of a plain vector become jax arrays.

    Returns:
        A dict with one array of the parameter's shape for each name.
    """
    lead = vector.shape[:-1]
    # Slices of a jax array are compiled one by one; numpy's are free.
    traced = isinstance(vector, jax.core.Tracer)
    whole = vector if traced else np.asarray(vector)
    parts: dict[str, Any] = {
        name: whole[..., place].reshape(lead + shapes[name])
        for name, place in shapes.places.items()
    }
    return jax.device_put(parts) if on_device and not traced else parts
