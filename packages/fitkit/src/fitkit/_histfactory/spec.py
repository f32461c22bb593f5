"""What a user writes: channels of samples with modifiers, and settings of parameters.

All yields, variations and uncertainties may be traced arrays: the gradient flows
through the construction of the model.
"""

from collections.abc import Iterable, Sequence
from typing import Any, final

import numpy as np
from jaxtyping import Array, ArrayLike

from .._numerics.namespace import xp
from .histograms import errors_of, is_histogram
from .modifiers import AbstractModifier, StatError
from .modifiers.base import as_values, record
from .problem import SpecificationError, unique


@final
@record
class Sample:
    """One process in one channel.

    Attributes:
        name: the same in every channel where the process contributes.
        yields: expected counts before any modifier, `[bins]`, finite; may be negative
            (interference) and may be traced. Or a histogram of `hist`,
            boost-histogram, uproot, …: its contents without under- and overflow. A
            `StatError` without `uncertainty` then takes the root of its variances.
        modifiers: what scales or shifts them; names shared between samples or channels
            are shared parameters.

    Example:
        >>> from fitkit import NormFactor
        >>> Sample("signal", [5.0, 11.0], (NormFactor("mu"),)).yields
        array([ 5., 11.])
    """

    name: str
    yields: Array | np.ndarray
    modifiers: tuple[AbstractModifier, ...]

    def __init__(
        self,
        name: str,
        yields: ArrayLike,
        modifiers: Sequence[AbstractModifier] = (),
    ):
        listed = tuple_of(
            modifiers,
            AbstractModifier,
            f"sample {name!r}: `modifiers`",
            "modifiers such as `NormFactor(name)`",
        )
        # A frozen dataclass has no setters; `record` says why it is one.
        vars(self).update(
            name=name,
            yields=as_values(yields, "yields", "sample", name),
            modifiers=tuple(_with_errors(each, yields, name) for each in listed),
        )
        if self.yields.ndim != 1:
            raise SpecificationError(
                f"has shape {self.yields.shape}, but yields have shape (bins,). Give a "
                "list, also for one bin.",
                (f"sample {self.name!r}", "`yields`"),
                ("yields",),
            )


def _with_errors(
    modifier: AbstractModifier, yields: Any, sample: str
) -> AbstractModifier:
    """A modifier, a `StatError` without errors with those of its sample's histogram."""
    if not isinstance(modifier, StatError) or modifier.uncertainty is not None:
        return modifier
    if not is_histogram(yields):
        raise SpecificationError(
            "has none, and the sample's yields are no histogram. Give the absolute "
            "error of each bin.",
            (f"sample {sample!r}", f"StatError {modifier.name!r}", "`uncertainty`"),
            ("yields",),
        )
    errors = errors_of(yields, f"StatError {modifier.name!r} of sample {sample!r}")
    return StatError(modifier.name, errors, modifier.constraint)


@final
@record
class Channel:
    """One region of the data, with its bins and the samples that populate it.

    Attributes:
        name: the channel's name.
        samples: at least one, all with the same number of bins.
    """

    name: str
    samples: tuple[Sample, ...]

    def __init__(self, name: str, samples: Sequence[Sample]):
        samples = tuple_of(
            samples, Sample, f"channel {name!r}: `samples`", "`Sample` objects"
        )
        vars(self).update(name=name, samples=samples)
        words = (f"channel {name!r}",)
        if not samples:
            raise SpecificationError("has no samples.", words, ("samples",))
        unique([sample.name for sample in samples], "sample", ("samples",), words)
        for number, sample in enumerate(samples):
            if len(sample.yields) != self.bins:
                raise SpecificationError(
                    f"has {len(sample.yields)} numbers, but the channel has "
                    f"{self.bins} bins by its first sample, {samples[0].name!r}. Give "
                    "one number for each.",
                    (*words, f"sample {sample.name!r}"),
                    ("samples", number, "yields"),
                )

    @property
    def bins(self) -> int:
        """The number of bins."""
        return len(self.samples[0].yields)


@final
@record
class ParameterSettings:
    """What a measurement says about one parameter; None for the modifier's default.

    Attributes:
        init: start value, scalar or of the parameter's shape.
        bounds: `(lower, upper)`, each scalar or of the parameter's shape.
        fixed: True where fits leave it at `init`, scalar or of the parameter's shape.
        aux: nominal auxiliary measurement.
        sigma: standard deviation of the constraint (Poisson: 1/sqrt(tau)).
    """

    init: Array | np.ndarray | None
    bounds: tuple[Array | np.ndarray, Array | np.ndarray] | None
    fixed: Array | np.ndarray | None
    aux: Array | np.ndarray | None
    sigma: Array | np.ndarray | None

    def __init__(
        self,
        init: ArrayLike | None = None,
        bounds: tuple[ArrayLike, ArrayLike] | None = None,
        fixed: ArrayLike | None = None,
        aux: ArrayLike | None = None,
        sigma: ArrayLike | None = None,
    ):
        def values(given: Any, field: str) -> Any:
            if given is None:
                return None
            return as_values(given, field, "ParameterSettings")

        if bounds is not None:
            try:
                lower, upper = bounds
            except (TypeError, ValueError):
                raise TypeError(
                    f"ParameterSettings: `bounds` must be a pair (lower, upper); got "
                    f"{bounds!r:.60}."
                ) from None
            bounds = values(lower, "bounds"), values(upper, "bounds")
        mask = None if fixed is None else xp.asarray(fixed)
        # A number, as in fixed=2.0, may be meant as the value to fix at: it would count
        # as True, and the parameter stay at another value.
        if mask is not None and mask.dtype != bool:
            raise TypeError(
                "ParameterSettings: `fixed` must be True or False, or an array of "
                f"these; got {fixed!r:.60}. A value belongs to `init`."
            )
        vars(self).update(
            init=values(init, "init"),
            bounds=bounds,
            fixed=mask,
            aux=values(aux, "aux"),
            sigma=values(sigma, "sigma"),
        )


def tuple_of(given: Any, kind: type, what: str, wanted: str) -> tuple[Any, ...]:
    """What is given as a tuple, whose entries are checked to be of one type.

    Args:
        given: any iterable.
        kind: the type.
        what: takes it, for the message.
        wanted: its entries, for the message.

    Raises:
        TypeError: for anything else, such as one of them outside of a list.
    """
    if not isinstance(given, Iterable) or isinstance(given, str):
        raise TypeError(f"{what} must be a list of {wanted}; got {given!r:.60}.")
    entries = tuple(given)
    for each in entries:
        if not isinstance(each, kind):
            raise TypeError(f"{what} must be a list of {wanted}; it has {each!r:.60}.")
    return entries
