"""From the channels of an HS3 likelihood to the model that a user would write."""

from collections.abc import Sequence
from typing import Any, Literal, final

from ..._histfactory.model import Model
from ..._histfactory.modifiers import (
    AbstractModifier,
    HistoSys,
    Lumi,
    NormFactor,
    NormSys,
    ShapeFactor,
    ShapeSys,
    StatError,
)
from ..._histfactory.problem import SpecificationError, written
from ..._histfactory.spec import Channel, ParameterSettings, Sample
from ..._model.constraints import Normal, Poisson
from ..._workspace.error import WorkspaceError
from .codes import code_of
from .document import Chosen, Hs3Document
from .errors import Meaning, absolute_errors
from .parameters import Parameters, parameter_of
from .repeated import without_repeats
from .schema import (
    HistoSysPart,
    NormFactorPart,
    NormSysPart,
    ShapeFactorPart,
    ShapeSysPart,
    StatErrorPart,
)
from .settings import Settings
from .terms import Terms


@final
class Reading:
    """A likelihood on its way to a model."""

    def __init__(
        self,
        document: Hs3Document,
        about: Chosen,
        parameters: Parameters,
        terms: Terms,
        shapesys: Meaning | None,
    ):
        """Put together what is known.

        Args:
            document, about: the likelihood in its document.
            parameters, terms: of it.
            shapesys: what the errors of a shapesys mean; None to find out.
        """
        self._document, self._about, self._shapesys = document, about, shapesys
        self._parameters, self._settings = parameters, Settings(about, parameters)
        self._scalars = {n: terms.of_scalar(n) for n in parameters.scalars}
        self._vectors = {n: terms.of_vector(v) for n, v in parameters.vectors.items()}

    def model(
        self,
        poi: str | Sequence[str] | None,
        mc_statistics: Literal["parameters", "profiled"],
    ) -> Model:
        """The model of all channels.

        Raises:
            WorkspaceError: naming the place, or the channel, sample and modifier.
        """
        try:
            channels = [self._channel(c) for c in range(len(self._parameters.channels))]
            settings = self._all_settings()
            return Model(channels, poi, settings, mc_statistics=mc_statistics)
        except SpecificationError as error:
            match error.keys:
                case ("channels", int(c), *keys):
                    where = written(*self._parameters.channels[c].where, *keys)
                    words = [w for w in error.words if not w.startswith(("`", "bin "))]
                    inside = f" ({', '.join(words)})" if words else ""
                    raise WorkspaceError(f"{where}{inside}: {error.reason}") from None
            raise WorkspaceError(str(error)) from None

    def _all_settings(self) -> dict[str, ParameterSettings]:
        settings = {}
        for name, (word, explicit) in self._scalars.items():
            kind = self._parameters.scalars[name][0]
            if kind == "normfactor" and word == "Gauss":
                kind = "lumi"
            settings[name] = self._settings.of_scalar(name, kind, word, explicit)
        for name, (word, of_bins) in self._vectors.items():
            vector = self._parameters.vectors[name]
            settings[name] = self._settings.of_vector(vector, word, of_bins)
        return settings

    def _channel(self, c: int) -> Channel:
        content = self._parameters.channels[c].content
        try:
            samples = [self._sample(c, s) for s in range(len(content.samples))]
            return Channel(self._parameters.channels[c].name, samples)
        except SpecificationError as error:
            raise error.inside(keys=("channels", c)) from None

    def _sample(self, c: int, s: int) -> Sample:
        sample = self._parameters.channels[c].content.samples[s]
        bins = self._parameters.channels[c].bins
        contents = sample.data.contents
        if len(contents) != bins:
            of_channel = self._parameters.channels[c].where
            raise WorkspaceError(
                f"{written(*of_channel, 'samples', s, 'data', 'contents')}: has "
                f"{len(contents)} numbers, but the channel has {bins} bins by its "
                "first sample. Give one for each."
            )
        modifiers: list[AbstractModifier] = []
        for m, part in enumerate(sample.modifiers):
            where = self._parameters.place(c, s, m)
            match part:
                case NormFactorPart():
                    name = parameter_of(part, where)
                    word, explicit = self._scalars[name]
                    if word == "Gauss":
                        modifiers.append(
                            Lumi(name, explicit.sigma if explicit else 1.0)
                        )
                    else:
                        modifiers.append(NormFactor(name))
                case NormSysPart():
                    name = parameter_of(part, where)
                    said = _first(part.interpolation, part.data.interpolation)
                    code = code_of("normsys", said, where)
                    modifiers.append(NormSys(name, part.data.lo, part.data.hi, code))
                case HistoSysPart():
                    name = parameter_of(part, where)
                    said = _first(part.interpolation, part.data.interpolation)
                    code = code_of("histosys", said, where)
                    sides = part.data.lo.contents, part.data.hi.contents
                    modifiers.append(HistoSys(name, *sides, code))
                case ShapeFactorPart() | ShapeSysPart() | StatErrorPart():
                    name = self._parameters.names[self._parameters.entries_at[c, s, m]]
                    word, _ = self._vectors[name]
                    modifiers.append(self._per_bin(part, name, word, c, s, m))
        modifiers = without_repeats(modifiers, contents)
        return Sample(sample.name, contents, modifiers)

    def _per_bin(
        self, part: Any, name: str, word: str, c: int, s: int, m: int
    ) -> AbstractModifier:
        data = self._parameters.channels[c].content.samples[s].data
        where = self._parameters.place(c, s, m)
        if isinstance(part, ShapeFactorPart):
            return ShapeFactor(name)
        constraint = Normal if word == "Gauss" else Poisson
        if isinstance(part, StatErrorPart):
            given = part.errors(data)
            if given is None or len(given) != len(data.contents):
                sample = written(
                    *self._parameters.channels[c].where, "samples", s, "data"
                )
                raise WorkspaceError(
                    f"{sample}: a staterror needs `errors`, one for each bin. Add them."
                )
            return StatError(name, given, constraint)
        if len(part.data.vals) != len(data.contents):
            raise WorkspaceError(
                f"{where}.data.vals: has {len(part.data.vals)} numbers, but the "
                f"channel has {len(data.contents)} bins. Give one for each."
            )
        errors = absolute_errors(
            part,
            word,
            data.contents,
            self._parameters.entries_at[c, s, m],
            self._about,
            self._document.by_root,
            self._shapesys,
        )
        # With a normal constraint it is the staterror of this sample alone.
        if word == "Gauss":
            return StatError(name, errors, Normal)
        return ShapeSys(name, errors)


def _first(*said: Any) -> Any:
    return next((each for each in said if each is not None), None)
