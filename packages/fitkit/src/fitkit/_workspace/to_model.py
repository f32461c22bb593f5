"""From a document to the model that a user would write for it."""

import warnings
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from .._histfactory.declare import Collector, declare, declare_arguments
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
from .._histfactory.problem import SpecificationError
from .._histfactory.settings import parameter_vectors
from .._histfactory.spec import Channel, Sample
from .check import check_settings, observed_counts
from .choices import UNSET, Choices, check_codes, chosen_measurement, chosen_poi
from .custom import parameters_of
from .error import WorkspaceError
from .place import placed
from .schema import (
    ChannelDocument,
    ModifierDocument,
    SampleDocument,
    WorkspaceDocument,
)
from .settings import parameter_types, settings_of


def model_of(
    workspace: WorkspaceDocument,
    choices: Choices,
    numbers: Sequence[np.ndarray] | None = None,
    *,
    complete: bool = True,
) -> tuple[Model, str]:
    """The model of a document, which is checked on the way.

    Args:
        workspace: the document.
        choices: what it leaves open.
        numbers: for each sample what to put in the place of `SampleContent.numbers`;
            by default these.
        complete: whether the chosen measurement must be fit for use, see `settings_of`.

    Returns:
        The model, and why it has no parameter of interest where the document names
        one; empty otherwise.

    Raises:
        WorkspaceError: for a choice that does not fit the document, or where the
            document makes no model.
    """
    # What only a document can have wrong comes first, then what any model can.
    types = parameters_of(choices.extra or {}) | parameter_types(workspace)
    check_settings(workspace, types)
    chosen = chosen_measurement(workspace, choices.measurement)
    measurement = workspace.measurements[chosen]
    where = f"measurements[{chosen}].config.poi"
    poi, without = chosen_poi(measurement.config.poi, where, choices.poi, types)
    check_codes(choices, workspace)
    normsys, histosys = choices.normsys_code, choices.histosys_code
    try:
        channels = _channels(workspace, numbers, choices)
        model = Model(
            channels,
            poi=poi,
            settings=settings_of(measurement, workspace, types, complete=complete),
            normsys_code="4" if isinstance(normsys, Mapping) else normsys,
            histosys_code="4p" if isinstance(histosys, Mapping) else histosys,
            mc_statistics=choices.mc_statistics,
        )
    except SpecificationError as error:
        if error.keys == ("poi",) and choices.poi is not UNSET:
            raise WorkspaceError(str(error)) from None  # the caller's, not a place
        raise placed(error, workspace, chosen) from None
    except ValueError as error:  # a code that does not exist
        raise WorkspaceError(str(error)) from error
    _check_other_measurements(workspace, channels, chosen, types)
    return model, without


def check(workspace: WorkspaceDocument) -> None:
    """Check all of a document, whichever of its measurements is used.

    Raises:
        WorkspaceError: names the first place that refers to what is not there, or
            contradicts another place, or has a number that no model can have.
    """
    # No parameter of interest and no width is needed to be a good document.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # for those who use the model
        model, _ = model_of(workspace, Choices(poi=None), complete=False)
    observed_counts(workspace, model)


def _check_other_measurements(
    workspace: WorkspaceDocument,
    channels: Sequence[Channel],
    chosen: int,
    types: Mapping[str, str],
) -> None:
    """Check the settings of the measurements that are not used."""
    if len(workspace.measurements) == 1:  # as nearly all; the walk takes its time
        return
    collector = Collector("4", "4p")
    declare(collector, channels)
    for number, measurement in enumerate(workspace.measurements):
        if number == chosen:
            continue
        settings = settings_of(measurement, workspace, types, complete=False)
        try:
            declare_arguments(collector, settings, measurement.config.poi)
            parameter_vectors(collector.parameters, settings)
        except SpecificationError as error:
            raise placed(error, workspace, number) from None


def _channels(
    workspace: WorkspaceDocument,
    numbers: Sequence[np.ndarray] | None,
    choices: Choices,
) -> list[Channel]:
    samples = (sample for channel in workspace.channels for sample in channel.samples)
    given = iter([s.content.numbers for s in samples] if numbers is None else numbers)
    channels = []
    for c, channel in enumerate(workspace.channels):
        try:
            channels.append(_channel(c, channel, given, choices))
        except SpecificationError as error:
            raise error.inside(keys=("channels", c)) from None
    return channels


def _channel(
    c: int, document: ChannelDocument, numbers: Iterator[np.ndarray], choices: Choices
) -> Channel:
    samples = [_sample(sample, next(numbers), choices) for sample in document.samples]
    for s, sample in enumerate(samples):
        if more := (choices.extra or {}).get((c, s)):
            modifiers = [*sample.modifiers, *more]
            samples[s] = Sample(sample.name, sample.yields, modifiers)
    return Channel(document.name, samples)


def _sample(document: SampleDocument, numbers: np.ndarray, choices: Choices) -> Sample:
    bins = len(document.data)
    # Parts of one array: to make an array of each takes longer than all else.
    modifiers, start = [], bins
    for modifier, listed in document.content.arrays:
        arrays = []
        for array in listed:
            arrays.append(numbers[start : start + len(array)])
            start += len(array)
        modifiers.append(_modifier(modifier, arrays, choices))
    return Sample(document.name, numbers[:bins], modifiers)


def _own_code(code: str | Mapping[str, str], name: str) -> str | None:
    return code.get(name) if isinstance(code, Mapping) else None


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
