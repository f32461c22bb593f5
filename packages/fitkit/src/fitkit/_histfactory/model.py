"""The HistFactory model: channels of samples with modifiers, as a probability."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, final

import equinox as eqx
import numpy as np
from jaxtyping import Array, ArrayLike, Float, PRNGKeyArray

from .._custom_types import Params
from .._model.constraints import Normal, Poisson
from .._model.model import AbstractModel, Data
from .._model.parameters import (
    Parameter,
    ParameterShapes,
    ParameterVectors,
    matching,
    unflatten,
)
from .._numerics.namespace import xp
from .arrays import Arrays, Layout
from .assemble import assemble
from .constraint_terms import ConstraintTerms
from .data import (
    aux_by_name,
    bins_by_channel,
    flat_aux,
    flat_counts,
    masked_channels,
)
from .interpolation import ADDITIVE_CODES, MULTIPLICATIVE_CODES
from .likelihood import HistFactoryLikelihood, derived
from .modifiers import ParameterKind
from .rates import Interpolation, elements
from .spec import Channel, ParameterSettings


@final
class Model(AbstractModel):
    """A HistFactory model.

    Args:
        channels: what the model is made of; yields, variations and uncertainties may be
            traced arrays, and gradients flow through this construction.
        poi: the parameter of interest, a scalar parameter of the model, or None.
        settings: starts, bounds, fixed flags, auxiliary data and constraint widths by
            parameter name, where the defaults are not wanted.
        normsys_code: interpolation of each normsys that names none of its own, "4"
            (default, as pyhf) or "1".
        histosys_code: likewise of histosys, "4p" (default, as pyhf), "2" or "0".

    Raises:
        ValueError: naming the channel, sample, modifier or parameter that is wrong.

    Example:
        >>> from fitkit import Channel, Model, NormFactor, Sample, ShapeSys
        >>> signal = Sample("signal", [12.0, 11.0], (NormFactor("mu"),))
        >>> background = Sample(
        ...     "background", [50.0, 52.0], (ShapeSys("error", [3.0, 7.0]),)
        ... )
        >>> model = Model([Channel("SR", [signal, background])], poi="mu")
        >>> model.parameter_names
        ('mu', 'error')
        >>> data = model.data({"SR": [51.0, 48.0]})
        >>> round(float(model.logpdf(model.init, data)), 4)
        -15.3876

    References:
        CERN-OPEN-2012-016 (HistFactory).
    """

    layout: Layout = eqx.field(static=True)
    arrays: Arrays
    normsys_code: str = eqx.field(static=True)
    histosys_code: str = eqx.field(static=True)

    def __init__(
        self,
        channels: Sequence[Channel],
        poi: str | None = "mu",
        settings: Mapping[str, ParameterSettings] | None = None,
        *,
        normsys_code: str = "4",
        histosys_code: str = "4p",
    ):
        if normsys_code not in MULTIPLICATIVE_CODES:
            raise ValueError(
                f"`normsys_code` {normsys_code!r} is not one of {MULTIPLICATIVE_CODES}."
            )
        if histosys_code not in ADDITIVE_CODES:
            raise ValueError(
                f"`histosys_code` {histosys_code!r} is not one of {ADDITIVE_CODES}."
            )
        self.layout, self.arrays = assemble(
            channels, poi, dict(settings or {}), normsys_code, histosys_code
        )
        self.normsys_code = normsys_code
        self.histosys_code = histosys_code

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """The names of the parameters, in the order of their first modifier."""
        return tuple(self.layout.shapes)

    @property
    def parameter_shapes(self) -> ParameterShapes:
        """The shape of each parameter: `()` for a scalar, `(n,)` for one per bin."""
        return self.layout.shapes

    @property
    def poi(self) -> str | None:
        """The name of the parameter of interest, or None."""
        return self.layout.poi

    @property
    def channel_names(self) -> tuple[str, ...]:
        """The names of the channels, in the order of the specification."""
        return tuple(name for name, _, _ in self.layout.channels)

    @property
    def masked_channels(self) -> tuple[str, ...]:
        """The names of the channels that `with_masked` took out of the likelihood."""
        return masked_channels(self.layout, self.arrays.counted)

    @property
    def sample_names(self) -> dict[str, tuple[str, ...]]:
        """The names of the samples of each channel."""
        return {name: samples for name, _, samples in self.layout.channels}

    @property
    def init(self) -> Params:
        """The nominal parameter values, at which a fit starts."""
        return unflatten(self.arrays.init, self.parameter_shapes)

    @property
    def nominal_aux(self) -> dict[str, Array]:
        """The auxiliary data that the specification states."""
        return aux_by_name(self.layout, self._derived[0].nominal_aux)

    @property
    def _derived(self) -> tuple[ConstraintTerms, Interpolation]:
        """Constraint terms and interpolation, worked out once for each model."""
        return derived(self.arrays)

    def parameter_vectors(self) -> ParameterVectors:
        arrays = self.arrays
        fields = {name: getattr(arrays, name) for name in ParameterVectors._fields}
        return ParameterVectors(**fields | {"fixed": self._derived[0].fixed})

    def with_parameter_vectors(self, vectors: ParameterVectors) -> "Model":
        changed = vectors._asdict()
        changed["fixed_given"] = np.ones(vectors.init.shape, dtype=bool)
        return self._with_arrays(**changed)

    def _with_arrays(self, **changed: Any) -> "Model":
        """The same model with other numbers of the same shapes."""
        arrays = dataclasses.replace(self.arrays, **changed)
        # As `__init__` would, without going through the specification again.
        new = object.__new__(Model)
        for field in dataclasses.fields(self):
            object.__setattr__(new, field.name, getattr(self, field.name))
        object.__setattr__(new, "arrays", arrays)
        return new

    @property
    def parameters(self) -> dict[str, Parameter]:
        """Start, bounds, fixed entries and constraint of each parameter."""
        arrays, terms = self.arrays, self._derived[0]
        shapes = self.parameter_shapes
        by_field = {
            field: unflatten(values, shapes)
            for field, values in {
                "init": arrays.init,
                "lower": arrays.lower,
                "upper": arrays.upper,
                "fixed": terms.fixed,
                "aux": terms.nominal_aux,
                "sigma": terms.sigma,
                "tau": terms.tau,
            }.items()
        }

        def constraint(name: str, kind: ParameterKind) -> Normal | Poisson | None:
            aux = by_field["aux"][name]
            if kind == ParameterKind.FREE:
                return None
            if kind in (ParameterKind.POISSON, ParameterKind.POISSON_STAT):
                return Poisson(aux, by_field["tau"][name])
            return Normal(aux, by_field["sigma"][name])

        return {
            name: Parameter(
                *(by_field[f][name] for f in ("init", "lower", "upper", "fixed")),
                constraint(name, kind),
            )
            for name, _, kind in self.layout.parameters
        }

    def with_masked(self, *channels: str) -> "Model":
        """The same model, blind to the counts of some channels.

        Masked channels are predicted as before, but what was counted there is never
        looked at: it may be NaN, or not given at all. Everything else stays, the
        constraints of parameters that only they need included, so that one compilation
        serves a model with and without masks.

        Args:
            channels: names, or shell patterns such as `"SR*"`.

        Returns:
            A model of the same shape and parameters.

        Raises:
            ValueError: for a name or pattern that no channel has.

        Example:
            What the signal region may hold, from the data of the control region alone:

            >>> from fitkit import Channel, Model, NormFactor, Sample, asimov_data
            >>> norm, mu = NormFactor("norm"), NormFactor("mu")
            >>> background = Sample("background", [5.0], (norm,))
            >>> signal = Sample("signal", [4.0], (mu,))
            >>> control = Channel("CR", [Sample("background", [50.0], (norm,))])
            >>> model = Model([Channel("SR", [signal, background]), control])
            >>> blind = model.with_masked("SR")
            >>> expected = asimov_data(blind, 0.0, blind.data({"CR": [60.0]}))
            >>> [round(float(n), 6) for n in expected.main["SR"]]
            [6.0]
        """
        counted = np.array(self.arrays.counted)
        for pattern in channels:
            bins = bins_by_channel(self.layout, counted)
            for name in matching(pattern, self.channel_names, "with_masked", "channel"):
                bins[name][:] = False  # a view
        return self._with_arrays(counted=counted)

    def data(self, main: Mapping[str, ArrayLike]) -> Data:
        """Observed counts together with the nominal auxiliary data.

        Args:
            main: counts by channel, each `[bins]`; those of masked channels are
                neither needed nor kept.

        Returns:
            The data that the model's likelihood takes.

        Raises:
            ValueError: naming a channel that is missing, unknown or of the wrong size.
        """
        counts, masked = (
            bins_by_channel(
                self.layout, flat_counts(self.layout, self.arrays.counted, main)
            ),
            self.masked_channels,
        )
        return Data(
            {name: counts[name] for name in counts if name not in masked},
            self.nominal_aux,
        )

    @np.errstate(all="ignore")
    def expected_data(self, params: Params) -> Data:
        """The data that the model expects at `params`, auxiliary data included."""
        y = self.ravel(params)
        main = {
            name: xp.sum(yields, axis=0)
            for name, yields in self.expected_yields(params).items()
        }
        return Data(main, aux_by_name(self.layout, self._derived[0].expected(y)))

    @np.errstate(all="ignore")
    def expected_yields(
        self, params: Params
    ) -> dict[str, Float[Array, "samples bins"]]:
        """Expected counts by channel, one row for each of its samples.

        Args:
            params: parameter values by name.

        Returns:
            By channel, `[samples, bins]`; rows in the order of `sample_names`.
        """
        y = self.ravel(params)
        el = elements(self.arrays, self._derived[1], y, 0.0)
        rates, start, split = el.rates, 0, {}
        for name, bins, samples in self.layout.channels:
            split[name] = rates[: len(samples), start : start + bins]
            start += bins
        return split

    def sample(self, key: PRNGKeyArray, params: Params) -> Data:
        """Random data at `params`: counts and auxiliary data fluctuate.

        Args:
            key: random key.
            params: parameter values by name.

        Returns:
            A pseudo-experiment.
        """
        y = self.ravel(params)
        nominal = self.expected_data(self.init)
        counts, aux = self.negative_log_likelihood(nominal).sample(key, y)
        return Data(bins_by_channel(self.layout, counts), aux_by_name(self.layout, aux))

    @np.errstate(all="ignore")
    def logpdf(self, params: Params, data: Data) -> Float[Array, ""]:
        """The log-probability of main and auxiliary data, normalised.

        Args:
            params: parameter values by name.
            data: observed data, from `model.data(...)` or `model.expected_data(...)`.

        Returns:
            A scalar; `-inf` where a bin with counts has no rate or a rate is negative.
        """
        likelihood = self.negative_log_likelihood(data)
        return -likelihood.value(self.ravel(params)) - likelihood.saturated()

    @np.errstate(all="ignore")
    def constraint_logpdf(self, params: Params, data: Data) -> Float[Array, ""]:
        """The part of `logpdf` that the auxiliary data make, normalised.

        For a model of your own that takes yields and constraints from this one and
        makes something else of them.

        Args:
            params: parameter values by name.
            data: of which only `aux` is used.

        Returns:
            A scalar; 0 for a model without constraints.
        """
        terms, aux = self._derived[0], flat_aux(self.layout, data.aux)
        return -terms.value(self.ravel(params), aux) - terms.saturated(aux)

    def negative_log_likelihood(self, data: Data) -> HistFactoryLikelihood:
        """Minus the log-likelihood of `data`, with its structured derivatives."""
        arrays = self.arrays
        return HistFactoryLikelihood(
            arrays,
            flat_counts(self.layout, arrays.counted, data.main),
            flat_aux(self.layout, data.aux),
            *derived(arrays),
        )
