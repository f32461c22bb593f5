"""A HistFactory model of thousands of parameters and bins."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal, final

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
from .._numerics.namespace import add_block, as_numpy, take, traced, xp
from .block_likelihood import BlockLikelihood, Observations, Part
from .block_places import (
    PartPlace,
    Whole,
    place_of,
    settings_of_piece,
    shapes_of,
    sizes_of,
)
from .constraint_terms import ConstraintTerms
from .likelihood import derived
from .model import Model
from .poi import checked_poi
from .problem import SpecificationError, unique
from .spec import Channel, ParameterSettings
from .split import pieces

# More bins in one piece cost time where systematics touch few, fewer cost overhead.
_BINS = 128


@final
class BlockModel(AbstractModel):
    """A HistFactory model of thousands of parameters and bins.

    The same likelihood as `Model` from the same specification, in pieces of a hundred
    bins, each with the parameters that it depends on: a systematic costs the bins that
    it changes. Templates are never put into one table, and the Hessian is assembled
    piece by piece; a fit of 7000 parameters takes a few minutes and 5 GB, nearly all
    of both for that matrix.

    For a model of hundreds of parameters, or of few channels in which all of them act,
    `Model` is as fast, and can be written as a document. Fits, covariances, tests,
    limits, profiles and yields are those of any model.

    Args:
        channels, poi, settings, normsys_code, histosys_code, mc_statistics: as of
            `Model`.
        bins: how many a piece has at most.

    Raises:
        ValueError: as `Model`.

    Example:
        >>> from fitkit import BlockModel, Channel, NormFactor, NormSys, Sample, fit
        >>> channels = [
        ...     Channel(
        ...         f"SR{i}",
        ...         [
        ...             Sample("signal", [5.0] * 20, (NormFactor("mu"),)),
        ...             Sample("other", [50.0] * 20, (NormSys(f"xs{i}", 0.9, 1.1),)),
        ...         ],
        ...     )
        ...     for i in range(20)
        ... ]
        >>> model = BlockModel(channels)
        >>> data = model.expected_data({**model.init, "mu": 1.5})
        >>> round(float(fit(model, data).params["mu"]), 6)
        1.5
    """

    whole: Whole = eqx.field(static=True)
    poi: str | tuple[str, ...] | None = eqx.field(static=True)
    parts: tuple[Model, ...]
    constraints: ConstraintTerms
    vectors: ParameterVectors

    def __init__(
        self,
        channels: Sequence[Channel],
        poi: str | Sequence[str] | None = "mu",
        settings: Mapping[str, ParameterSettings] | None = None,
        *,
        normsys_code: str = "4",
        histosys_code: str = "4p",
        mc_statistics: Literal["parameters", "profiled"] = "profiled",
        bins: int = _BINS,
    ):
        unique([channel.name for channel in channels], "channel", ("channels",))
        given, per_bin = dict(settings or {}), sizes_of(channels)
        cut = list(pieces(channels, bins))
        self.parts = tuple(
            Model(
                [piece.channel],
                poi=None,
                settings=settings_of_piece(given, piece, per_bin),
                normsys_code=normsys_code,
                histosys_code=histosys_code,
                mc_statistics=mc_statistics,
            )
            for piece in cut
        )
        shapes, factors = shapes_of(cut, self.parts, per_bin)
        self.poi = checked_poi(poi, shapes)
        if unknown := [n for n in given if n not in shapes and n not in factors]:
            raise SpecificationError(
                f"`settings` names {unknown[0]!r}, which is no parameter of the model.",
                keys=("settings", unknown[0]),
            )
        of_parameters = ParameterShapes(shapes)
        self.whole = Whole(
            of_parameters,
            tuple(
                (c.name, c.bins, tuple(sample.name for sample in c.samples))
                for c in channels
            ),
            factors,
            tuple(
                place_of(piece, part, of_parameters, per_bin)
                for piece, part in zip(cut, self.parts, strict=True)
            ),
        )
        terms = [derived(part.arrays)[0]._replace(bins=None) for part in self.parts]
        self.constraints = self._together(terms)
        self.vectors = self._together([part.parameter_vectors() for part in self.parts])

    def _together(self, of_parts: Sequence[Any]) -> Any:
        """Vectors of all parameters out of those of the parts, which agree."""
        size, whole = self.parameter_shapes.size, {}
        # Of each entry the first part that has it.
        first = np.full(size, -1)
        takes = []
        for place in self.whole.places:
            new = first[place.entries] < 0
            first[place.entries[new]] = 1
            takes.append((place.entries[new], new))
        kind = type(of_parts[0])
        for field in kind._fields:
            values = [getattr(each, field) for each in of_parts]
            if values[0] is None:
                continue
            if traced(values):
                total = xp.zeros(size)
                for (entries, new), value in zip(takes, values, strict=True):
                    total = add_block(total, (entries,), 1.0 * value[new])
                whole[field] = total
                continue
            total = np.zeros(size, np.asarray(values[0]).dtype)
            for (entries, new), value in zip(takes, values, strict=True):
                total[entries] = np.asarray(value)[new]
            whole[field] = total
        return kind(**whole)

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """The names of the parameters, in the order of the channels."""
        return tuple(self.whole.shapes)

    @property
    def parameter_shapes(self) -> ParameterShapes:
        """The shape of each parameter: `()` for a scalar, `(n,)` for one per bin."""
        return self.whole.shapes

    @property
    def channel_names(self) -> tuple[str, ...]:
        """The names of the channels, in order."""
        return tuple(name for name, _, _ in self.whole.channels)

    @property
    def sample_names(self) -> dict[str, tuple[str, ...]]:
        """The names of the samples of each channel, in order."""
        return {name: samples for name, _, samples in self.whole.channels}

    @property
    def profiled_names(self) -> tuple[str, ...]:
        """The names of the statistical factors that are profiled, no parameters."""
        return tuple(self.whole.factors)

    @property
    def init(self) -> Params:
        """The nominal parameter values, at which a fit starts."""
        return unflatten(self.vectors.init, self.parameter_shapes)

    @property
    def parameters(self) -> dict[str, Parameter]:
        """Start, bounds, fixed entries and constraint of each parameter."""
        terms, shapes = self.constraints, self.parameter_shapes
        of = {
            field: unflatten(values, shapes)
            for field, values in (terms._asdict() | self.vectors._asdict()).items()
            if values is not None
        }

        def constraint(name: str) -> Normal | Poisson | None:
            aux = of["nominal_aux"][name]
            if of["poisson"][name].any():
                return Poisson(aux, of["tau"][name])
            return Normal(aux, of["sigma"][name]) if of["normal"][name].any() else None

        return {
            name: Parameter(
                *(of[f][name] for f in ("init", "lower", "upper", "fixed")),
                constraint(name),
            )
            for name in self.parameter_names
        }

    def parameter_vectors(self) -> ParameterVectors:
        return self.vectors

    def with_parameter_vectors(self, vectors: ParameterVectors) -> "BlockModel":
        new = object.__new__(BlockModel)
        for field in dataclasses.fields(self):
            object.__setattr__(new, field.name, getattr(self, field.name))
        object.__setattr__(new, "vectors", vectors)
        return new

    def with_masked(self, *channels: str) -> "BlockModel":
        """The same model, blind to the counts of some channels; as of `Model`."""
        names = self.channel_names
        masked = {
            each
            for pattern in channels
            for each in matching(pattern, names, "with_masked", "channel")
        }
        new = self.with_parameter_vectors(self.vectors)
        parts = tuple(
            part.with_masked(*part.channel_names)
            if names[place.channel] in masked
            else part
            for place, part in zip(self.whole.places, self.parts, strict=True)
        )
        object.__setattr__(new, "parts", parts)
        return new

    @property
    def masked_channels(self) -> tuple[str, ...]:
        """The names of the channels that `with_masked` took out of the likelihood."""
        names = self.channel_names
        masked = {
            place.channel
            for place, part in zip(self.whole.places, self.parts, strict=True)
            if part.masked_channels
        }
        return tuple(name for c, name in enumerate(names) if c in masked)

    @property
    def nominal_aux(self) -> dict[str, Array]:
        """The auxiliary data that the specification states."""
        aux = [part.nominal_aux for part in self.parts]
        return self._aux_by_name(self.constraints.nominal_aux, aux)

    def _aux_by_name(
        self, of_parameters: Array, of_parts: Sequence[Mapping[str, Array]]
    ) -> dict[str, Array]:
        """Auxiliary data by name; those of profiled factors out of the parts."""
        measured = self.constraints.normal | self.constraints.poisson
        values = unflatten(of_parameters, self.parameter_shapes)
        where = unflatten(measured, self.parameter_shapes)
        aux = {name: values[name] for name in self.parameter_names if where[name].any()}
        return aux | self._factors_by_name(of_parts)

    def _factors_by_name(self, of_parts: Sequence[Mapping[str, Array]]) -> Params:
        """Profiled factors, or their auxiliary data, put together."""
        whole: dict[str, Array] = {
            name: np.zeros(size) for name, size in self.whole.factors.items()
        }
        for place, own in zip(self.whole.places, of_parts, strict=True):
            for name, bins in place.factors.items():
                whole[name] = add_block(whole[name], (bins,), as_numpy(own[name]))
        return whole

    def data(self, main: Mapping[str, ArrayLike]) -> Data:
        """Observed counts together with the nominal auxiliary data; as of `Model`."""
        known, masked = self.channel_names, self.masked_channels
        data = Data({n: np.asarray(main[n], float) for n in main if n not in masked})
        for name in (*known, *main):
            if name not in masked and (name not in main or name not in known):
                raise SpecificationError(
                    f"the data have channels {', '.join(main)}, and the model has "
                    f"{', '.join(known)}: {name!r} is in one of them only.",
                    keys=("main", name),
                )
        for name, bins, _ in self.whole.channels:
            if name not in masked and data.main[name].shape != (bins,):
                raise SpecificationError(
                    f"have shape {data.main[name].shape}, but the channel has {bins} "
                    "bins. Give one count for each.",
                    (f"data of channel {name!r}",),
                    ("main", name),
                )
        return Data(data.main, self.nominal_aux)

    def _own(self, params: Params, place: PartPlace, part: Model) -> Params:
        """The parameters of a part, and its factors where they are given."""
        own = part.unravel(take(self.ravel(params), place.entries))
        given = {n: params[n] for n in place.factors if n in params}
        return own | {n: take(v, place.factors[n]) for n, v in given.items()}

    def ravel(self, params: Mapping[str, ArrayLike]) -> Array:
        """Parameter values by name as one flat vector; profiled factors are left out.

        Raises:
            ValueError: where a parameter is missing, unknown or of the wrong shape.
        """
        factors = self.whole.factors
        return super().ravel({n: v for n, v in params.items() if n not in factors})

    def expected_yields(
        self, params: Params
    ) -> dict[str, Float[Array, "samples bins"]]:
        """Expected counts by channel, one row for each of its samples; as `Model`."""
        rows: dict[str, list[Array]] = {name: [] for name in self.channel_names}
        for place, part in zip(self.whole.places, self.parts, strict=True):
            (own,) = part.expected_yields(self._own(params, place, part)).values()
            rows[self.whole.channels[place.channel][0]].append(own)
        return {name: xp.concatenate(each, axis=1) for name, each in rows.items()}

    def expected_data(self, params: Params) -> Data:
        """The data that the model expects at `params`; as of `Model`."""
        of_parts = [
            part.expected_data(self._own(params, place, part))
            for place, part in zip(self.whole.places, self.parts, strict=True)
        ]
        aux = self.constraints.expected(self.ravel(params))
        return Data(
            self._by_channel([next(iter(each.main.values())) for each in of_parts]),
            self._aux_by_name(aux, [each.aux for each in of_parts]),
        )

    def _by_channel(self, of_parts: Sequence[Array]) -> dict[str, Array]:
        names = self.channel_names
        counts: dict[str, list[Array]] = {name: [] for name in names}
        for place, own in zip(self.whole.places, of_parts, strict=True):
            counts[names[place.channel]].append(own)
        return {name: xp.concatenate(each) for name, each in counts.items()}

    def sample(self, key: PRNGKeyArray, params: Params) -> Data:
        """Random data at `params`, auxiliary data included."""
        nominal = self.expected_data(params)
        observed = self.negative_log_likelihood(nominal).sample(key, self.ravel(params))
        return self._data_of(observed)

    def _data_of(self, observed: Observations) -> Data:
        factors = self._factors_of_parts(observed.factors)
        return Data(
            self._by_channel(observed.counts), self._aux_by_name(observed.aux, factors)
        )

    def _factors_of_parts(self, of_bins: Sequence[Array | None]) -> list[Params]:
        """Numbers of each bin of the parts by the names of profiled factors."""
        return [
            {name: take(own, np.array(at)) for name, at, _ in part.layout.profiled}
            for part, own in zip(self.parts, of_bins, strict=True)
        ]

    def logpdf(self, params: Params, data: Data) -> Float[Array, ""]:
        """The log-probability of main and auxiliary data; as of `Model`.

        Factors that are profiled have their best values, whatever `params` say.
        """
        likelihood = self.negative_log_likelihood(data)
        return -likelihood.value(self.ravel(params)) - likelihood.saturated()

    def profiled_factors(self, params: Params, data: Data) -> Params:
        """The best values of the factors that are profiled; as of `Model`."""
        likelihood = self.negative_log_likelihood(data)
        gamma = likelihood.factors(self.ravel(params))
        return self._factors_by_name(self._factors_of_parts(gamma))

    def negative_log_likelihood(self, data: Data) -> BlockLikelihood:
        """Minus the log-likelihood of `data`, with its derivatives part by part."""
        parts = []
        for place, part in zip(self.whole.places, self.parts, strict=True):
            name, _, _ = self.whole.channels[place.channel]
            (piece,) = part.channel_names
            aux = dict(part.nominal_aux)
            aux |= {n: take(data.aux[n], bins) for n, bins in place.factors.items()}
            # Of a masked channel there need be none.
            main = {piece: data.main[name][place.bins]} if name in data.main else {}
            own = Data(main, aux)
            parts.append(Part(place.entries, part.negative_log_likelihood(own)))
        shapes = self.parameter_shapes
        flat = [np.zeros(0)]
        for name, shape in shapes.items():
            value = data.aux.get(name)
            flat.append(np.zeros(int(np.prod(shape))) if value is None else value)
        aux = xp.concatenate([xp.reshape(each, -1) for each in flat])
        return BlockLikelihood(tuple(parts), aux, self.constraints)
