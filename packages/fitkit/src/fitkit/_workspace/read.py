"""From a HistFactory JSON document to a model and its data."""

import enum
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, final

import numpy as np

from .._constraints import Normal, Poisson
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
from .._model import Data
from .document import load, patched
from .references import Declared, check_references, listed_order
from .schema import (
    ChannelDocument,
    MeasurementDocument,
    ModifierDocument,
    ParameterDocument,
    WorkspaceDocument,
    WorkspaceError,
    parse,
)


@final
class Unset(enum.Enum):
    """The type of `UNSET`: an argument that was not given, where None has a meaning."""

    UNSET = "UNSET"

    def __repr__(self) -> str:
        return "UNSET"


UNSET = Unset.UNSET


def read_workspace(
    source: str | Path | Mapping[str, Any],
    *,
    measurement: str | int | None = None,
    patch: Any = None,
    poi: str | Literal[Unset.UNSET] | None = UNSET,
    normsys_code: str | Mapping[str, str] = "4",
    histosys_code: str | Mapping[str, str] = "4p",
    staterror_constraint: type[Normal] | type[Poisson] = Normal,
) -> tuple[Model, Data]:
    r"""The model and the observed data of a HistFactory JSON document.

    Reads what pyhf reads (its schema 1.0.0), and gives the likelihood that pyhf gives.

    Args:
        source: path of the file, or the decoded document.
        measurement: name or index of the measurement whose parameter settings and
            parameter of interest apply; by default the first.
        patch: a JSON Patch (RFC 6902) to apply first: its operations, the path of
            a file with them, or a list of several, applied in turn.
        poi: the parameter of interest: by default the measurement's own, a name for
            another, None for none. Where the measurement's own is not in the
            model, as in background-only documents, the model has none
            and one warning says so.
        normsys_code: interpolation of `normsys`, "1" or "4"; or by modifier name, the
            default for others. The format does not hold this choice; the default is
            pyhf's.
        histosys_code: interpolation of `histosys`, "0", "2" or "4p"; likewise.
        staterror_constraint: the class `Normal` (as pyhf) or `Poisson`; likewise.

    Returns:
        `(model, data)`: a `Model`, and `Data` with the document's observations and
        the nominal auxiliary measurements.

    Raises:
        WorkspaceError: for a document that cannot be used, whatever the reason; the
            message names the place in the document and the way out.

    Example:
        >>> import fitkit
        >>> document = {
        ...     "channels": [{"name": "SR", "samples": [
        ...         {"name": "signal", "data": [5.0], "modifiers": [
        ...             {"name": "mu", "type": "normfactor", "data": None}]},
        ...         {"name": "background", "data": [50.0], "modifiers": [
        ...             {"name": "xs", "type": "normsys",
        ...              "data": {"lo": 0.9, "hi": 1.1}}]}]}],
        ...     "observations": [{"name": "SR", "data": [55.0]}],
        ...     "measurements": [
        ...         {"name": "m", "config": {"poi": "mu", "parameters": []}}],
        ...     "version": "1.0.0"}
        >>> model, data = fitkit.read_workspace(document)
        >>> sorted(model.parameter_names), model.poi
        (['mu', 'xs'], 'mu')
    """
    owned = isinstance(source, (str, Path))
    name = f"{source}: " if owned else ""
    document = load(source)
    try:
        if patch is not None:
            document = patched(document, patch, owned=owned)
        workspace = parse(document)
        declared = check_references(workspace)
        chosen = _choose(workspace, measurement)
        where = f"measurements[{chosen}].config"
        config = workspace.measurements[chosen].config
        model_poi = _poi(where, config.poi, poi, declared)
        settings = _settings(workspace.measurements[chosen], declared, where)
        _check_named("normsys", normsys_code, workspace)
        _check_named("histosys", histosys_code, workspace)
        choices = _Choices(normsys_code, histosys_code, staterror_constraint)
        try:
            model = Model(
                [_channel(channel, choices) for channel in workspace.channels],
                poi=model_poi,
                settings=settings,
                normsys_code="4" if isinstance(normsys_code, Mapping) else normsys_code,
                histosys_code=(
                    "4p" if isinstance(histosys_code, Mapping) else histosys_code
                ),
            )
        except ValueError as error:
            raise WorkspaceError(str(error)) from error
        observed = {each.name: each.data for each in workspace.observations}
        data = model.data(
            {c.name: np.asarray(observed[c.name]) for c in workspace.channels}
        )
    except WorkspaceError as error:
        if name and not str(error).startswith(name):
            raise WorkspaceError(f"{name}{error}") from error.__cause__
        raise
    return model, data


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
) -> str | None:
    poi = documented if wanted is UNSET else wanted
    if poi is None or poi == "":  # pyhf writes "" for none
        return None
    if poi not in declared:
        if wanted is UNSET:
            warnings.warn(
                f"{where}.poi: {poi!r} is no parameter of the model, which is "
                "therefore read without one. Apply the signal's patch, or choose with "
                "`poi=...` (None: no warning).",
                stacklevel=3,
            )
            return None
        raise WorkspaceError(
            f"`poi={poi!r}` is no parameter of the model. It has: "
            f"{', '.join(sorted(declared))}."
        )
    if declared[poi].kind not in ("normfactor", "normal", "lumi"):
        raise WorkspaceError(
            f"{where}.poi: {poi!r} has one value per bin ({declared[poi].where}). "
            "A parameter of interest must be a single number."
        )
    return poi


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


class _Choices(NamedTuple):
    """What the format does not hold."""

    normsys: str | Mapping[str, str]
    histosys: str | Mapping[str, str]
    constraint: type[Normal] | type[Poisson]


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


def _channel(document: ChannelDocument, choices: _Choices) -> Channel:
    return Channel(
        document.name,
        [
            Sample(
                sample.name,
                np.asarray(sample.data),
                [_modifier(modifier, choices) for modifier in sample.modifiers],
            )
            for sample in document.samples
        ],
    )


def _modifier(document: ModifierDocument, choices: _Choices) -> AbstractModifier:
    match document.type:
        case "histosys":
            return HistoSys(
                document.name,
                np.asarray(document.data.lo_data),
                np.asarray(document.data.hi_data),
                _own_code(choices.histosys, document.name),
            )
        case "normsys":
            data, code = document.data, _own_code(choices.normsys, document.name)
            return NormSys(document.name, data.lo, data.hi, code)
        case "staterror":
            error = np.asarray(document.data)
            return StatError(document.name, error, choices.constraint)
        case "shapesys":
            return ShapeSys(document.name, np.asarray(document.data))
        case "normfactor":
            return NormFactor(document.name)
        case "shapefactor":
            return ShapeFactor(document.name)
        case "lumi":
            return Lumi(document.name)
