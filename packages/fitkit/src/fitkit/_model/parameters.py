"""Parameters: where a fit starts, how far it may go, what else measures them."""

import difflib
import fnmatch
import itertools
import math
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple, final

import equinox as eqx
import numpy as np
from jaxtyping import Array, ArrayLike

from .._custom_types import Mask, Params, Vector
from .._numerics.namespace import as_floats, as_numpy, traced, xp
from .constraints import Normal, Poisson

# So many names of a long list are told.
_LISTED = 10


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
        array(inf)
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
        self.init = as_floats(init)
        shape = self.init.shape
        self.lower = xp.broadcast_to(as_floats(lower), shape)
        self.upper = xp.broadcast_to(as_floats(upper), shape)
        self.fixed = xp.broadcast_to(xp.asarray(fixed, dtype=bool), shape)
        self.constraint = constraint


@final
class ParameterVectors(NamedTuple):
    """The settings of all parameters as flat vectors, without any name.

    Attributes:
        init, lower, upper: start and bounds, `[params]`.
        fixed: entries that are not fitted but stay at `init`, `[params]`.
        lower_given, upper_given: entries whose bound somebody chose; the others have
            the one that their modifier brings along.
        declared_init: the start that the model declares, whatever was chosen later:
            where a fit begins if the likelihood is zero at its own.
    """

    init: Vector
    lower: Vector
    upper: Vector
    fixed: Mask
    lower_given: Mask
    upper_given: Mask
    declared_init: Vector

    def fixed_at(self, mask: Mask, value: ArrayLike) -> "ParameterVectors":
        """The same, with the entries of `mask` fixed at `value`."""
        return self._replace(
            init=xp.where(mask, value, self.init), fixed=self.fixed | mask
        )

    def starting_at(self, start: Vector) -> "ParameterVectors":
        """The same, with another start."""
        return self._replace(init=start)

    def at_least(self, mask: Mask, value: ArrayLike) -> "ParameterVectors":
        """The same, with a lower bound on the entries of `mask`."""
        return self._replace(
            lower=xp.where(mask, value, self.lower),
            lower_given=self.lower_given | mask,
        )

    def without_default_bounds(self, mask: Mask) -> "ParameterVectors":
        """The same, without the bounds of `mask` that nobody chose."""
        return self._replace(
            lower=xp.where(mask & ~self.lower_given, -np.inf, self.lower),
            upper=xp.where(mask & ~self.upper_given, np.inf, self.upper),
        )

    def start(self) -> tuple[Vector, Mask]:
        """Where a search starts, and which entries it moves.

        Starts lie inside the bounds. A box without any width is a fixed parameter; a
        fixed one may lie outside its bounds.
        """
        movable = ~self.fixed & (self.lower < self.upper)
        inside = xp.clip(self.init, self.lower, self.upper)
        return xp.where(self.fixed, self.init, inside), movable


@final
class Override(NamedTuple):
    """Values for some entries of the flat parameter vector.

    Attributes:
        values: `[params]`, without meaning where not given.
        given: the entries that have one, `[params]`.
    """

    values: Array | np.ndarray
    given: Array | np.ndarray


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
    symbols = {}
    for name, value in (values or {}).items():
        if name not in shapes:
            raise ValueError(
                f"`{what}` names {name!r}, which is no parameter of the model. "
                + hint(name, shapes)
            )
        value = xp.asarray(value, dtype=dtype)
        shape, place = shapes[name], places[name]
        if value.shape not in ((), shape):
            raise ValueError(
                f"`{what}[{name!r}]` has shape {value.shape}; the parameter has shape "
                f"{shape}."
            )
        given[place] = True
        if traced(value):
            symbols[name] = xp.broadcast_to(value, shape).reshape(-1)
        else:
            flat[place] = value.reshape(-1)
    if symbols:
        parts = [symbols.get(name, flat[place]) for name, place in places.items()]
        return Override(xp.concatenate(parts), given)
    return Override(flat, given)


def unflatten(vector: Array | np.ndarray, shapes: ParameterShapes) -> Params:
    """The inverse of `flatten`: values by name from the flat vector.

    Args:
        vector: `[..., params]`; leading axes, as `jax.vmap` leaves them, are kept.
        shapes: the shape of each parameter, in the order of the flat vector.

    Returns:
        A dict with one array of the parameter's shape for each name.
    """
    lead = vector.shape[:-1]
    # Slices of a jax array are compiled one by one; NumPy's are free.
    whole = as_numpy(vector)
    return {
        name: whole[..., place].reshape(lead + shapes[name])
        for name, place in shapes.places.items()
    }


def entry_names(shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    """Return a name for each entry of the flat vector, such as `mu`, `gamma[0]`."""
    names = []
    for name, shape in shapes.items():
        size = math.prod(shape)
        names += [name] if shape == () else [f"{name}[{i}]" for i in range(size)]
    return names


def matching(
    pattern: str, names: Collection[str], call: str, what: str
) -> tuple[str, ...]:
    """The names that a name or a shell pattern means; an exact name comes first.

    A name may hold `[`, `*` or `?` itself: read as a pattern, `SR[1]` is `SR1`.

    Args:
        pattern: as somebody wrote it.
        names: those there are.
        call, what: for messages, such as "with_fixed" and "parameter".

    Raises:
        ValueError: where none is meant.
    """
    if pattern in names:
        return (pattern,)
    if meant := fnmatch.filter(names, pattern):
        return tuple(meant)
    raise ValueError(
        f"`{call}`: no {what} is called {pattern!r}. {hint(pattern, names)}"
    )


def hint(name: str, names: Collection[str]) -> str:
    """What a wrong name may have meant: the nearest ones, or a few there are."""
    near = difflib.get_close_matches(name, names, n=3)
    if near:
        return f"Did you mean {' or '.join(map(repr, near))}?"
    listed = list(itertools.islice(names, _LISTED))
    more = f" and {len(names) - len(listed)} more" if len(names) > len(listed) else ""
    return f"There are: {', '.join(listed)}{more}." if listed else "There are none."
