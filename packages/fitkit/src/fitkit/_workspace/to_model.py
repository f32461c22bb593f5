"""From a checked document to the model that a user would write for it."""

import enum
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, final

import numpy as np

from .._model.constraints import Normal, Poisson
from .._histfactory.model import Model
from .._histfactory.modifiers import (
    AbstractModifier,
    HistoSys,
    Lumi,
    NormFactor,
    NormSys,
    ShapeFactor,
    ShapeSys,
    StatError,
)
from .._histfactory.spec import Channel, ParameterSettings, Sample
from .check import Declared, listed_order
from .schema import (
    ChannelDocument,
    MeasurementDocument,
    ModifierDocument,
    ParameterDocument,
    SampleDocument,
    WorkspaceDocument,
    WorkspaceError,
)


@final
class Unset(enum.Enum):
    """The type of `UNSET`: an argument that was not given, where None has a meaning."""

    UNSET = "UNSET"

    def __repr__(self) -> str:
        return "UNSET"


UNSET = Unset.UNSET


class Choices(NamedTuple):
    """What the format does not hold; see `read_workspace`, which takes the same."""

    measurement: str | int | None = None
    poi: str | Literal[Unset.UNSET] | None = UNSET
    normsys_code: str | Mapping[str, str] = "4"
    histosys_code: str | Mapping[str, str] = "4p"
    staterror_constraint: type[Normal] | type[Poisson] = Normal


def model_of(
    workspace: WorkspaceDocument,
    declared: Mapping[str, Declared],
    choices: Choices,
    numbers: Sequence[np.ndarray] | None = None,
) -> tuple[Model, str]:
    """The model of a document.

    Args:
        workspace: the document.
        declared: what `check_references` says of it.
        choices: what it does not hold.
        numbers: for each sample what to put in the place of `SampleContent.numbers`;
            by default these.

    Returns:
        The model, and why it has no parameter of interest where the document names
        one; empty otherwise.

    Raises:
        WorkspaceError: for a choice that does not fit the document, or where the
            document makes no model.
    """
    chosen = _choose(workspace, choices.measurement)
    measurement, where = (
        workspace.measurements[chosen],
        f"measurements[{chosen}].config",
    )
    poi, without = _poi(where, measurement.config.poi, choices.poi, declared)
    settings = _settings(measurement, declared, where)
    normsys, histosys = choices.normsys_code, choices.histosys_code
    _check_named("normsys", normsys, workspace)
    _check_named("histosys", histosys, workspace)
    samples = (sample for channel in workspace.channels for sample in channel.samples)
    given = iter([s.content.numbers for s in samples] if numbers is None else numbers)
    try:
        model = Model(
            [_channel(channel, given, choices) for channel in workspace.channels],
            poi=poi,
            settings=settings,
            normsys_code="4" if isinstance(normsys, Mapping) else normsys,
            histosys_code="4p" if isinstance(histosys, Mapping) else histosys,
        )
    except ValueError as error:
        raise WorkspaceError(str(error)) from error
    return model, without


def observed_counts(workspace: WorkspaceDocument) -> dict[str, np.ndarray]:
    """The observed counts by channel, in the order of the channels."""
    observed = {each.name: each.data for each in workspace.observations}
    return {c.name: np.asarray(observed[c.name]) for c in workspace.channels}


def _choose(workspace: WorkspaceDocument, measurement: str | int | None) -> int:
    names = [each.name for each in workspace.measurements]
    if measurement is None:
        return 0
    if isinstance(measurement, str) and measurement in names:
        return names.index(measurement)
    if isinstance(measurement, int) and 0 <= measurement < len(names):
        return measurement
    raise WorkspaceError(
        f"measurements: there is none called {measurement!r}. Choose one of "
        f"{', '.join(map(repr, names))}, or an index from 0 to {len(names) - 1}."
    )


def _poi(
    where: str,
    documented: str,
    wanted: str | Literal[Unset.UNSET] | None,
    declared: Mapping[str, Declared],
) -> tuple[str | None, str]:
    """The parameter of interest, and why the document's own is none."""
    poi = documented if wanted is UNSET else wanted
    if poi is None or poi == "":  # pyhf writes "" for none
        return None, ""
    if poi not in declared:
        if wanted is UNSET:
            return None, (
                f"{where}.poi: {poi!r} is no parameter of the model, which is "
                "therefore read without one. Apply the signal's patch, or choose with "
                "`poi=...` (None: no warning)."
            )
        raise WorkspaceError(
            f"`poi={poi!r}` is no parameter of the model. It has: "
            f"{', '.join(sorted(declared))}."
        )
    if declared[poi].kind not in ("normfactor", "normal", "lumi"):
        raise WorkspaceError(
            f"{where}.poi: {poi!r} has one value per bin ({declared[poi].where}). "
            "A parameter of interest must be a single number."
        )
    return poi, ""


def _settings(
    measurement: MeasurementDocument, declared: Mapping[str, Declared], where: str
) -> dict[str, ParameterSettings]:
    settings = {
        each.name: _setting(each, declared[each.name])
        for each in measurement.config.parameters
        if each.name in declared
    }
    for name, parameter in declared.items():
        if parameter.kind == "lumi" and (
            name not in settings or settings[name].sigma is None
        ):
            raise WorkspaceError(
                f"{where}.parameters: {name!r}, which {parameter.where} uses, has no "
                "`sigmas`. Add its relative uncertainty, as in "
                f'{{"name": "{name}", "auxdata": [1.0], "sigmas": [0.02]}}.'
            )
    return settings


def _setting(document: ParameterDocument, parameter: Declared) -> ParameterSettings:
    scalar = parameter.kind in ("normfactor", "normal", "lumi")

    def array(values: Any) -> np.ndarray | None:
        if values is None:
            return None
        if scalar:
            return np.asarray(values[0])
        ours = np.empty(len(values))
        ours[listed_order(parameter.bins)] = values
        return ours

    bounds = document.bounds
    sigma: Any = document.sigmas
    if document.factors is not None:  # a Poisson constraint's width is 1/√factor
        sigma = 1 / np.sqrt(document.factors)
    return ParameterSettings(
        init=array(document.inits),
        bounds=bounds
        and (array([low for low, _ in bounds]), array([high for _, high in bounds])),
        fixed=document.fixed,
        aux=array(document.auxdata),
        sigma=array(sigma),
    )


def _check_named(
    kind: str, code: str | Mapping[str, str], workspace: WorkspaceDocument
) -> None:
    """Refuse codes for modifiers that the document does not have."""
    if isinstance(code, str):
        return
    names = {
        modifier.name
        for channel in workspace.channels
        for sample in channel.samples
        for modifier in sample.modifiers
        if modifier.type == kind
    }
    for name in code:
        if name not in names:
            raise WorkspaceError(
                f"`{kind}_code` names {name!r}, but the document has no {kind} of that "
                f"name. It has: {', '.join(sorted(names)) or 'none'}."
            )


def _own_code(code: str | Mapping[str, str], name: str) -> str | None:
    return code.get(name) if isinstance(code, Mapping) else None


def _channel(
    document: ChannelDocument, numbers: Iterator[np.ndarray], choices: Choices
) -> Channel:
    return Channel(
        document.name,
        [_sample(sample, next(numbers), choices) for sample in document.samples],
    )


def _sample(document: SampleDocument, numbers: np.ndarray, choices: Choices) -> Sample:
    bins = len(document.data)
    modifiers, start = [], bins
    for modifier, listed in document.content.arrays:
        arrays = []
        for array in listed:
            arrays.append(numbers[start : start + len(array)])
            start += len(array)
        modifiers.append(_modifier(modifier, arrays, choices))
    return Sample(document.name, numbers[:bins], modifiers)


def _modifier(
    document: ModifierDocument, arrays: Sequence[np.ndarray], choices: Choices
) -> AbstractModifier:
    name = document.name
    match document.type:
        case "histosys":
            return HistoSys(name, *arrays, _own_code(choices.histosys_code, name))
        case "normsys":
            (lo,), (hi,) = arrays
            return NormSys(name, lo, hi, _own_code(choices.normsys_code, name))
        case "staterror":
            return StatError(name, *arrays, choices.staterror_constraint)
        case "shapesys":
            return ShapeSys(name, *arrays)
        case "normfactor":
            return NormFactor(name)
        case "shapefactor":
            return ShapeFactor(name)
        case "lumi":
            return Lumi(name)
