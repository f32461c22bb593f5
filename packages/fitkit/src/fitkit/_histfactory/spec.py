"""What a user writes: channels of samples with modifiers, and settings of parameters.

All yields, variations and uncertainties may be traced arrays: the gradient flows
through the construction of the model.
"""

from collections.abc import Sequence
from typing import final

import jax
import numpy as np
from jaxtyping import Array, ArrayLike

from .modifiers import AbstractModifier
from .modifiers.base import as_values, record


@final
@record
class Sample:
    """One process in one channel.

    Attributes:
        name: the same in every channel where the process contributes.
        yields: expected counts before any modifier, `[bins]`; may be traced.
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
        vars(self).update(
            name=name, yields=as_values(yields), modifiers=tuple(modifiers)
        )
        if self.yields.ndim != 1:
            raise ValueError(
                f"sample {self.name!r}: `yields` must have shape (bins,); got "
                f"{self.yields.shape}."
            )
        for modifier in self.modifiers:
            if not isinstance(modifier, AbstractModifier):
                raise TypeError(
                    f"sample {self.name!r}: {modifier!r} is no modifier. Give objects "
                    "such as `NormFactor(name)`, in a tuple."
                )


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
        vars(self).update(name=name, samples=tuple(samples))
        if not self.samples:
            raise ValueError(f"channel {self.name!r} has no samples.")
        names = [sample.name for sample in self.samples]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"channel {self.name!r} has sample {name!r} twice.")
        for sample in self.samples:
            if len(sample.yields) != self.bins:
                raise ValueError(
                    f"channel {self.name!r}: sample {sample.name!r} has "
                    f"{len(sample.yields)} bins, sample {names[0]!r} has {self.bins}."
                )

    @property
    def bins(self) -> int:
        """The number of bins."""
        return len(self.samples[0].yields)


@final
@record
class ParameterSettings:
    """What a measurement says about one parameter; None keeps the modifier's default.

    Attributes:
        init: start value, scalar or of the parameter's shape.
        bounds: `(lower, upper)`, each scalar or of the parameter's shape.
        fixed: kept at `init` by fits, scalar or of the parameter's shape.
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
        pair = None if bounds is None else (as_values(bounds[0]), as_values(bounds[1]))
        traced = isinstance(fixed, jax.core.Tracer)
        vars(self).update(
            init=None if init is None else as_values(init),
            bounds=pair,
            fixed=fixed if fixed is None or traced else np.asarray(fixed),
            aux=None if aux is None else as_values(aux),
            sigma=None if sigma is None else as_values(sigma),
        )
