"""What a modifier declares: its parameters, and where they act in the flat tables."""

import abc
import dataclasses
import enum
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, TypeVar, dataclass_transform

import jax.tree_util as jtu
import numpy as np
from jaxtyping import Array, ArrayLike

from ..._model.constraints import Normal
from ..._numerics.namespace import xp
from ..functions import AbstractFunction
from ..histograms import is_histogram, values_of
from ..problem import SpecificationError

T = TypeVar("T")


class ParameterKind(enum.IntEnum):
    """How the auxiliary data of a parameter constrain it."""

    FREE = 0
    NORMAL = 1
    """Unit normal constraint at 0, or one whose width the settings give."""
    MC_STAT = 2
    """Normal constraint at 1, with the relative uncertainty of the samples' total."""
    POISSON = 3
    """Poisson constraint, from the relative uncertainty of one sample."""
    POISSON_STAT = 4
    """Poisson constraint, with the relative uncertainty of the samples' total."""
    COUNT = 5
    """Poisson constraint of a count that is given, as is what it expects at 1."""
    SHIFT = 6
    """Unit normal constraint at 0, of the number of errors by which a bin is off."""


POISSON_KINDS = (ParameterKind.POISSON, ParameterKind.POISSON_STAT, ParameterKind.COUNT)
"""Those whose auxiliary data are counts."""


class ParameterDeclaration(NamedTuple):
    """A parameter as one of its modifiers sees it, before any settings."""

    size: int
    scalar: bool
    kind: ParameterKind
    init: float
    lower: float
    upper: float
    aux: float = 0.0
    sigma: ArrayLike | None = None


class Place(NamedTuple):
    """Where a sample lies in the tables: its row, its channel, its bins."""

    channel: str
    sample: str
    row: int
    channel_index: int
    bins: slice
    yields: Array | np.ndarray

    @property
    def size(self) -> int:
        """The number of bins."""
        return self.bins.stop - self.bins.start


class Tables(Protocol):
    """The tables that modifiers fill; see `Collector`."""

    def parameter(
        self, name: str, place: Place, declaration: ParameterDeclaration
    ) -> int: ...

    def factor(
        self,
        name: str,
        place: Place,
        entries: np.ndarray | int,
        uncertainty: Any = None,
    ) -> None: ...

    def normsys(
        self, name: str, place: Place, lo: Any, hi: Any, code: str | None
    ) -> None: ...

    def histosys(
        self, name: str, place: Place, lo: Any, hi: Any, code: str | None
    ) -> None: ...

    def function(
        self, place: Place, function: AbstractFunction, arguments: tuple[str, ...]
    ) -> None: ...

    def floor(self, place: Place, least: float) -> None: ...


class AbstractModifier(abc.ABC):
    """How one parameter changes the yields of one sample.

    A document has thousands of modifiers; see `record`.

    Attributes:
        name: the name of its parameter; modifiers of one name share it.
    """

    name: str

    @abc.abstractmethod
    def declare(self, tables: Tables, place: Place) -> None:
        """Enter this modifier of the sample at `place` into the tables."""


# Fields of records that are no numbers: compiled programs are for one value of these.
_STATIC = ("name", "code", "constraint", "arguments")


@dataclass_transform(frozen_default=True)
def record(cls: type[T]) -> type[T]:
    """Make a class a frozen dataclass and a pytree, whose numbers are the leaves.

    For what a document has by the thousand: an `eqx.Module` takes twenty times as long
    to make and to read. An `__init__` of its own fills `vars(self)`, for a frozen
    dataclass has no setters.
    """
    made: Any = dataclasses.dataclass(frozen=True, eq=False)(cls)
    fields = tuple(f.name for f in dataclasses.fields(made))
    static = tuple(name for name in fields if name in _STATIC)
    leaves = tuple(name for name in fields if name not in _STATIC)

    def static_of(self):
        return tuple(getattr(self, name) for name in static)

    def flatten(self):
        return [getattr(self, leaf) for leaf in leaves], static_of(self)

    def flatten_with_keys(self):
        keyed = [(jtu.GetAttrKey(leaf), getattr(self, leaf)) for leaf in leaves]
        return keyed, static_of(self)

    def unflatten(constants, values):
        new = object.__new__(made)  # leaves need not be arrays here: no conversion
        new.__dict__.update(zip(leaves, values, strict=True))
        new.__dict__.update(zip(static, constants, strict=True))
        return new

    jtu.register_pytree_with_keys(made, flatten_with_keys, unflatten, flatten)
    return made


def check_code(modifier: str, name: str, code: str | None, codes: Sequence[str]) -> Any:
    """Return an interpolation code, or None for the model's own.

    Raises:
        ValueError: for a code that the modifier does not have.
    """
    if code is not None and code not in codes:
        raise ValueError(
            f"{modifier} {name!r}: interpolation code {code!r} is not one of {codes}."
        )
    return code


_FLOAT = np.dtype(float)


def as_values(value: Any, field: str, kind: str, name: str = "") -> Any:
    """Floating-point numbers: traced as they are, anything else in NumPy's float64.

    Args:
        value: a number, an array, a list of either, or a histogram.
        field, kind, name: what they are, for the message.

    Raises:
        TypeError: for what is no number.
    """
    kind_of = type(value)
    # All of a document are of these two types, thousands of them.
    if kind_of is np.float64 or (kind_of is np.ndarray and value.dtype is _FLOAT):
        return value
    owner = f"{kind} {name!r}" if name else kind
    if is_histogram(value):
        return values_of(value, owner)
    try:
        return xp.asarray(value, dtype=float)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"{owner}: `{field}` must be a number or an array of numbers; got "
            f"{value!r:.60}."
        ) from error


def check_bins(modifier: AbstractModifier, place: Place, field: str) -> Any:
    """Return a field of the modifier, checked to have one value for each bin.

    Raises:
        SpecificationError: naming the field.
    """
    value = getattr(modifier, field)
    if value.shape != (place.size,):
        raise SpecificationError(
            f"has shape {value.shape}, but the channel has {place.size} bins. Give one "
            "number for each.",
            (f"`{field}`",),
            (field,),
        )
    return value


def check_number(modifier: AbstractModifier, field: str) -> Any:
    """Return a field of the modifier, checked to be a single number.

    Raises:
        SpecificationError: naming the field.
    """
    value = getattr(modifier, field)
    if value.shape != ():
        raise SpecificationError(
            f"has shape {value.shape}, but it is a single number.",
            (f"`{field}`",),
            (field,),
        )
    return value


# The interpolation parameter of normsys and histosys, in standard deviations.
INTERPOLATION = ParameterDeclaration(
    1, True, ParameterKind.NORMAL, init=0.0, lower=-5.0, upper=5.0, aux=0.0, sigma=1.0
)
_UNCONSTRAINED = INTERPOLATION._replace(kind=ParameterKind.FREE, sigma=None)


def interpolation_of(constraint: type[Normal] | None) -> ParameterDeclaration:
    """The parameter of a modifier that interpolates."""
    # One object for all systematics: see `Collector.parameter`.
    return _UNCONSTRAINED if constraint is None else INTERPOLATION


def check_constraint(modifier: str, name: str, constraint: Any) -> None:
    """Check that a constraint is normal, or none.

    Raises:
        ValueError: for anything else.
    """
    if constraint is not None and constraint is not Normal:
        raise ValueError(
            f"{modifier} {name!r}: `constraint` must be the class `fitkit.Normal`, or "
            f"None for a free parameter; got {constraint!r:.60}."
        )
