"""The HistFactory model: channels of samples with modifiers, as a probability."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal, final

import equinox as eqx
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, PRNGKeyArray

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
from .._numerics.namespace import as_floats, as_numpy, scatter_add, take, xp
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
from .likelihood import HistFactoryLikelihood, derived, element_factors
from .modifiers import ParameterKind
from .modifiers.base import POISSON_KINDS
from .poi import checked_poi
from .rates import Interpolation, elements
from .spec import Channel, ParameterSettings

MC_STATISTICS = ("parameters", "profiled")


@final
class Model(AbstractModel):
    """A HistFactory model.

    Args:
        channels: what the model is made of; yields, variations and uncertainties may be
            traced arrays, and gradients flow through this construction.
        poi: the parameter of interest, a scalar parameter of the model; several, as
            `("r_ggH", "r_qqH")`, for joint tests; or None.
        settings: starts, bounds, fixed flags, auxiliary data and constraint widths by
            parameter name, where the defaults are not wanted.
        normsys_code: interpolation of each normsys that names none of its own, "4"
            (default, as pyhf) or "1".
        histosys_code: likewise of histosys, "4p" (default, as pyhf), "2" or "0".
        mc_statistics: what becomes of the factors of `StatError` and `ShapeSys`:
            `"parameters"` (default, as pyhf), of which a fit has one for each bin, or
            `"profiled"`: at the best value for whatever the others are, in closed form.
            Best fits, likelihoods and uncertainties of the others are the same; see
            `profiled_factors`.

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
        poi: str | Sequence[str] | None = "mu",
        settings: Mapping[str, ParameterSettings] | None = None,
        *,
        normsys_code: str = "4",
        histosys_code: str = "4p",
        mc_statistics: Literal["parameters", "profiled"] = "parameters",
    ):
        if mc_statistics not in MC_STATISTICS:
            raise ValueError(
                f"`mc_statistics` {mc_statistics!r} is not one of {MC_STATISTICS}."
            )
        if normsys_code not in MULTIPLICATIVE_CODES:
            raise ValueError(
                f"`normsys_code` {normsys_code!r} is not one of {MULTIPLICATIVE_CODES}."
            )
        if histosys_code not in ADDITIVE_CODES:
            raise ValueError(
                f"`histosys_code` {histosys_code!r} is not one of {ADDITIVE_CODES}."
            )
        self.layout, self.arrays = assemble(
            channels,
            poi,
            dict(settings or {}),
            normsys_code,
            histosys_code,
            profile_statistics=mc_statistics == "profiled",
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
    def poi(self) -> str | tuple[str, ...] | None:
        """The name of the parameter of interest; those of several; or None."""
        return self.layout.poi

    def with_poi(self, poi: str | Sequence[str] | None) -> "Model":
        """The same model with another parameter of interest, with several or none.

        Args:
            poi: as in `Model`.

        Raises:
            ValueError: for a name that is no scalar parameter of the model.

        Example:
            >>> model = fitkit.uncorrelated_background([5.0], [50.0], [5.0])
            >>> model.with_poi(None).poi is None
            True
        """
        chosen = checked_poi(poi, self.parameter_shapes)
        new = self._with_arrays()
        object.__setattr__(new, "layout", dataclasses.replace(self.layout, poi=chosen))
        return new

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
        return aux_by_name(self.layout, self._derived[0].all_nominal_aux)

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

    def _settings(
        self, call: str, names: Sequence[Any], values: Mapping[str, Any]
    ) -> list[tuple[np.ndarray, Any]]:
        for each in (*names, values):
            of = each if isinstance(each, Mapping) else [each]
            if known := [name for name in of if name in self.profiled_names]:
                raise ValueError(
                    f"`{call}`: {known[0]!r} is profiled and no parameter. Build or "
                    'read the model with `mc_statistics="parameters"`, or use '
                    f"`with_factors({known[0]}=...)` for fixed values."
                )
        return super()._settings(call, names, values)

    def with_factors(
        self, *names: str | Mapping[str, ArrayLike], **values: ArrayLike
    ) -> "Model":
        """The same model, with factors that are profiled fixed instead.

        Args:
            names: factors to fix at their nominal values: names, or shell patterns such
                as `"staterror_*"`; or a mapping from these to values.
            values: by name, each of one value or one for each bin; traced.

        Returns:
            A model of the same shape: nothing is compiled anew.

        Raises:
            ValueError: for an unknown name or a wrong shape.

        Example:
            The uncertainty without that of the simulation's finite size:

            >>> from fitkit import Channel, Model, NormFactor, Sample, StatError
            >>> from fitkit import fit, uncertainties
            >>> sample = Sample("s", [25.0], (NormFactor("mu"), StatError("mc", [5.0])))
            >>> model = Model([Channel("SR", [sample])], mc_statistics="profiled")
            >>> data = model.data({"SR": [25.0]})
            >>> params = fit(model, data).params
            >>> for each in (model, model.with_factors("mc")):
            ...     print(round(float(uncertainties(each, params, data)["mu"]), 4))
            0.2828
            0.2
        """
        given: dict[str, Any] = {}
        for each in (*names, values):
            of = each if isinstance(each, Mapping) else {each: None}
            for name, value in of.items():
                known = matching(name, self.profiled_names, "with_factors", "factor")
                given |= dict.fromkeys(known, value)
        factors = self.arrays.profiled
        if factors is None:
            return self
        values = {name: each for name, each in given.items() if each is not None}
        init, _ = self._factors(values)
        here = np.zeros(init.shape, dtype=bool)
        for name, bins, _ in self.layout.profiled:
            here[list(bins)] |= name in given
        return self._with_arrays(
            profiled=dataclasses.replace(
                factors,
                init=init,
                fixed=factors.fixed | here,
                fixed_given=factors.fixed_given | here,
            )
        )

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
            if kind in POISSON_KINDS:
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

    @property
    def profiled_names(self) -> tuple[str, ...]:
        """The names of the statistical factors that are profiled, no parameters."""
        return tuple(name for name, _, _ in self.layout.profiled)

    @np.errstate(all="ignore")
    def profiled_factors(self, params: Params, data: Data) -> Params:
        """The best values of the factors that are profiled, given all parameters.

        Together with the parameters they are what `expected_data`, `expected_yields`
        and `logpdf` take: `{**params, **model.profiled_factors(params, data)}`.

        Args:
            params: parameter values by name, as a rule of a best fit.
            data: the data that were fitted.

        Returns:
            By name, each `[bins]`, for a staterror of several channels those of all;
            empty where none is profiled. Differentiable.

        Example:
            >>> from fitkit import Channel, Model, NormFactor, Sample, StatError, fit
            >>> sample = Sample(
            ...     "s", [50.0, 50.0], (NormFactor("mu"), StatError("mc", [5.0, 5.0]))
            ... )
            >>> model = Model([Channel("SR", [sample])], mc_statistics="profiled")
            >>> data = model.data({"SR": [40.0, 60.0]})
            >>> params = fit(model, data).params
            >>> list(params), [
            ...     round(float(x), 3)
            ...     for x in model.profiled_factors(params, data)["mc"]
            ... ]
            (['mu'], [0.929, 1.062])
        """
        if not self.layout.profiled:
            return {}
        likelihood = self.negative_log_likelihood(data)
        return self._factors_by_name(likelihood.factors(self.ravel(params)))

    def bins_of_factors(
        self, chosen: Bool[np.ndarray, "*masks factors"]
    ) -> Bool[np.ndarray, "*masks bins"]:
        """The bins of some profiled factors, all channels side by side.

        Args:
            chosen: which of `profiled_names`.
        """
        inside = np.zeros((len(self.layout.profiled), self.arrays.counted.size), bool)
        for row, (_, bins, _) in zip(inside, self.layout.profiled, strict=True):
            row[list(bins)] = True
        return chosen @ inside

    def _factors_by_name(self, gamma: Array) -> Params:
        values = as_numpy(gamma)
        return {
            name: take(values, np.array(bins)) for name, bins, _ in self.layout.profiled
        }

    def ravel(self, params: Mapping[str, ArrayLike]) -> Array:
        """Parameter values by name as one flat vector; profiled factors are left out.

        Raises:
            ValueError: where a parameter is missing, unknown or of the wrong shape.
        """
        profiled = self.profiled_names
        own = {name: value for name, value in params.items() if name not in profiled}
        return super().ravel(own)

    def _factors(self, params: Params) -> tuple[Array, np.ndarray]:
        """The factor of each bin, nominal if not among the parameters; where it is."""
        shape = self.arrays.counted.shape
        gamma = np.ones(shape) if (of := self.arrays.profiled) is None else of.init
        given = np.zeros(shape, dtype=bool)
        for name, bins, _ in self.layout.profiled:
            if name in params:
                index, values = np.array(bins), as_floats(params[name])
                if values.shape == ():
                    values = xp.broadcast_to(values, index.shape)
                if values.shape != index.shape:
                    raise ValueError(
                        f"`params[{name!r}]` has shape {values.shape}; the factors "
                        f"have shape {index.shape}."
                    )
                here = np.zeros_like(given)
                here[index] = True
                spread = scatter_add(here.shape, (index,), values)
                gamma, given = xp.where(here, spread, gamma), given | here
        return gamma, given

    def _likelihood(
        self, params: Params, data: Data, *, nominal: bool = False
    ) -> HistFactoryLikelihood:
        """That of data, with the factors among the parameters held at their values.

        Args:
            params: by name.
            data: observed or expected data.
            nominal: whether all other factors are held at their nominal values.
        """
        likelihood = self.negative_log_likelihood(data)
        if self.arrays.profiled is None:
            return likelihood
        gamma, given = self._factors(params)
        return likelihood.with_factors(gamma, given | nominal)

    @np.errstate(all="ignore")
    def expected_data(self, params: Params) -> Data:
        """The data that the model expects at `params`, auxiliary data included.

        Args:
            params: parameter values by name. Factors that are profiled may be among
                them, see `profiled_factors`; where not they are nominal.
        """
        y, terms = self.ravel(params), self._derived[0]
        main = {
            name: xp.sum(yields, axis=0)
            for name, yields in self.expected_yields(params).items()
        }
        aux = terms.expected(y)
        if self.arrays.profiled is not None:
            gamma, _ = self._factors(params)
            aux = xp.append(aux, terms.bins.expected(gamma))
        return Data(main, aux_by_name(self.layout, aux))

    @np.errstate(all="ignore")
    def expected_yields(
        self, params: Params
    ) -> dict[str, Float[Array, "samples bins"]]:
        """Expected counts by channel, one row for each of its samples.

        Args:
            params: as of `expected_data`.

        Returns:
            By channel, `[samples, bins]`; rows in the order of `sample_names`.
        """
        y = self.ravel(params)
        el = elements(self.arrays, self._derived[1], y, 0.0)
        if self.arrays.profiled is not None:
            gamma, _ = self._factors(params)
            el = el.scaled(element_factors(self.arrays, gamma))
        rates, start, split = el.rates, 0, {}
        for name, bins, samples in self.layout.channels:
            split[name] = rates[: len(samples), start : start + bins]
            start += bins
        return split

    def sample(self, key: PRNGKeyArray, params: Params) -> Data:
        """Random data at `params`: counts and auxiliary data fluctuate.

        Args:
            key: random key.
            params: as of `expected_data`.

        Returns:
            A pseudo-experiment.
        """
        nominal = self.expected_data(self.init)
        likelihood = self._likelihood(params, nominal, nominal=True)
        counts, aux = likelihood.sample(key, self.ravel(params))
        return Data(bins_by_channel(self.layout, counts), aux_by_name(self.layout, aux))

    @np.errstate(all="ignore")
    def logpdf(self, params: Params, data: Data) -> Float[Array, ""]:
        """The log-probability of main and auxiliary data, normalised.

        Args:
            params: parameter values by name. Factors that are profiled may be among
                them; where not they have their best values for these data.
            data: observed data, from `model.data(...)` or `model.expected_data(...)`.

        Returns:
            A scalar; `-inf` where a bin with counts has no rate or a rate is negative.
        """
        likelihood = self._likelihood(params, data)
        return -likelihood.value(self.ravel(params)) - likelihood.saturated()

    @np.errstate(all="ignore")
    def constraint_logpdf(self, params: Params, data: Data) -> Float[Array, ""]:
        """The part of `logpdf` that the auxiliary data make, normalised.

        For a model of your own that takes yields and constraints from this one and
        makes something else of them.

        Args:
            params: as of `expected_data`.
            data: of which only `aux` is used.

        Returns:
            A scalar; 0 for a model without constraints.
        """
        terms, aux = self._derived[0], flat_aux(self.layout, data.aux)
        aux, of_bins = xp.split(aux, [self.parameter_shapes.size])
        value = terms.value(self.ravel(params), aux) + terms.saturated(aux)
        if self.arrays.profiled is not None:
            gamma, _ = self._factors(params)
            bins = terms.bins
            value = value + bins.value(gamma, of_bins) + bins.saturated(of_bins)
        return -value

    def negative_log_likelihood(self, data: Data) -> HistFactoryLikelihood:
        """Minus the log-likelihood of `data`, with its structured derivatives."""
        arrays = self.arrays
        return HistFactoryLikelihood(
            arrays,
            flat_counts(self.layout, arrays.counted, data.main),
            flat_aux(self.layout, data.aux),
            *derived(arrays),
        )
