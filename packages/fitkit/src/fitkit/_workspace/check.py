"""What the format alone cannot say: unique names of one meaning, bins that agree."""

from collections.abc import Hashable, Iterable, Mapping
from typing import NamedTuple

import numpy as np

from .schema import (
    ChannelDocument,
    MeasurementDocument,
    ModifierDocument,
    ParameterDocument,
    SampleDocument,
    WorkspaceDocument,
    WorkspaceError,
)


class Declared(NamedTuple):
    """A parameter as the channels declare it.

    Attributes:
        kind: as in `_KINDS`.
        bins: its number of values in each channel. Only a staterror has values of its
            own in each; any other counts for the channel that declares it first.
        where: the modifier that declares it first.
    """

    kind: str
    bins: dict[str, int]
    where: str

    @property
    def size(self) -> int:
        """The number of values."""
        return sum(self.bins.values())


def listed_order(bins: Mapping[str, int]) -> np.ndarray:
    """The places of a parameter's values in the order in which documents list them.

    A model has the values of a staterror that spans several channels in the channels'
    own order; the settings of a measurement list them by the channels' sorted names.
    """
    channel_of = np.repeat(list(bins), list(bins.values()))
    return np.argsort(channel_of, kind="stable")


# The parameter behind a modifier: modifiers of one kind may share one by name.
_KINDS = {
    "normsys": "normal",
    "histosys": "normal",
    "normfactor": "normfactor",
    "lumi": "lumi",
    "shapefactor": "shapefactor",
    "staterror": "staterror",
    "shapesys": "shapesys",
}
_SCALAR = {"normal", "normfactor", "lumi"}
_CONSTRAINED = {"normal", "lumi", "staterror", "shapesys"}
# Which settings of a measurement speak of a constraint, and for which kinds.
_CONSTRAINT_SETTINGS = {
    "auxdata": _CONSTRAINED,
    "sigmas": {"lumi", "staterror"},
    "factors": {"shapesys"},
}


def check_references(workspace: WorkspaceDocument) -> dict[str, Declared]:
    """The parameters that the channels declare, after checking all names and sizes.

    Raises:
        WorkspaceError: names the first place that refers to what is not there, or
            contradicts another place.
    """
    _check_lists(workspace)
    parameters = _declared_parameters(workspace.channels)
    for number, measurement in enumerate(workspace.measurements):
        _check_settings(f"measurements[{number}].config", measurement, parameters)
    return parameters


def check_names(workspace: WorkspaceDocument) -> None:
    """Check what `form` leaves open: the names of samples, and the observations.

    Raises:
        WorkspaceError: as `check_references`, which says the same and more.
    """
    _check_observations(workspace)
    for c, channel in enumerate(workspace.channels):
        _unique(f"channels[{c}].samples", [sample.name for sample in channel.samples])


def form(workspace: WorkspaceDocument) -> Hashable:
    """All about a document but the names of samples, the observations, and numbers.

    Documents of one form declare the same parameters. Those of a measurement's settings
    are not numbers in this sense.
    """
    return (
        tuple(
            (channel.name, *(sample.content.form for sample in channel.samples))
            for channel in workspace.channels
        ),
        tuple(each.content for each in workspace.measurements),
    )


def _check_lists(workspace: WorkspaceDocument) -> None:
    _unique("channels", [channel.name for channel in workspace.channels])
    _unique("measurements", [each.name for each in workspace.measurements])
    _check_observations(workspace)


def _unique(where: str, names: list[str]) -> None:
    if len(set(names)) == len(names):
        return
    first: dict[str, int] = {}
    for number, name in enumerate(names):
        if name in first:
            raise WorkspaceError(
                f"{where}[{number}].name: {name!r} is already the name of "
                f"{where}[{first[name]}]. Rename or merge one of them."
            )
        first[name] = number


def _check_observations(workspace: WorkspaceDocument) -> None:
    _unique("observations", [each.name for each in workspace.observations])
    # Observations of channels that are not there are common (a patch removed the
    # channel) and harmless.
    observed = {each.name: n for n, each in enumerate(workspace.observations)}
    for number, channel in enumerate(workspace.channels):
        if channel.name not in observed:
            raise WorkspaceError(
                f"channels[{number}].name: {channel.name!r} has no entry in "
                "observations. Add its counts there."
            )
        place = observed[channel.name]
        _same_bins(
            f"observations[{place}].data",
            workspace.observations[place].data,
            channel,
            f"channels[{number}]",
        )


def _same_bins(
    where: str, values: list[float], channel: ChannelDocument, place: str
) -> None:
    bins = len(channel.samples[0].data)
    if len(values) != bins:
        raise WorkspaceError(
            f"{where} has {len(values)} numbers, but {place} ({channel.name}) has "
            f"{bins} bins by its first sample. Give one number per bin."
        )


def _declared_parameters(channels: Iterable[ChannelDocument]) -> dict[str, Declared]:
    parameters: dict[str, Declared] = {}
    for c, channel in enumerate(channels):
        place = f"channels[{c}]"
        _unique(f"{place}.samples", [sample.name for sample in channel.samples])
        for s, sample in enumerate(channel.samples):
            where = f"{place}.samples[{s}]"
            _same_bins(f"{where}.data", sample.data, channel, place)
            _check_modifiers(where, sample, channel, place, parameters)
    return parameters


def _check_modifiers(
    where: str,
    sample: SampleDocument,
    channel: ChannelDocument,
    place: str,
    parameters: dict[str, Declared],
) -> None:
    seen = set()
    bins = len(sample.data)
    for m, modifier in enumerate(sample.modifiers):
        here = f"{where}.modifiers[{m}]"
        if (key := (modifier.type, modifier.name)) in seen:
            raise WorkspaceError(
                f"{here}: a second {modifier.type} named {modifier.name!r} on the "
                "same sample. Remove one or rename it."
            )
        seen.add(key)
        for name, values in _per_bin(modifier):
            _same_bins(f"{here}.data{name}", values, channel, place)
        _declare(here, modifier, channel.name, bins, parameters)


def _per_bin(modifier: ModifierDocument) -> tuple[tuple[str, list[float]], ...]:
    match modifier.type:
        case "histosys":
            data = modifier.data
            return (".lo_data", data.lo_data), (".hi_data", data.hi_data)
        case "shapesys" | "staterror":
            return (("", modifier.data),)
        case _:
            return ()


def _declare(
    here: str,
    modifier: ModifierDocument,
    channel: str,
    bins: int,
    parameters: dict[str, Declared],
) -> None:
    kind = _KINDS[modifier.type]
    before = parameters.get(modifier.name)
    if before is None:
        size = 1 if kind in _SCALAR else bins
        parameters[modifier.name] = Declared(kind, {channel: size}, here)
        return
    if kind != before.kind:
        raise WorkspaceError(
            f"{here}.name: {modifier.name!r} is a {modifier.type} here, but "
            f"{before.where} uses the name for a parameter of another kind "
            f"({before.kind}). Rename one of them."
        )
    if kind == "shapesys":
        raise WorkspaceError(
            f"{here}.name: shapesys {modifier.name!r} exists already at "
            f"{before.where}, and its parameters cannot be shared. Rename one of them."
        )
    if kind == "staterror":
        before.bins[channel] = bins
    elif kind not in _SCALAR and before.size != bins:
        raise WorkspaceError(
            f"{here}.name: {modifier.type} {modifier.name!r} has {bins} bins here and "
            f"{before.size} at {before.where}; one parameter per bin is shared. "
            "Rename one of them."
        )


def _check_settings(
    where: str, measurement: MeasurementDocument, parameters: dict[str, Declared]
) -> None:
    settings = measurement.config.parameters
    _unique(f"{where}.parameters", [each.name for each in settings])
    for number, setting in enumerate(settings):
        # Settings of parameters that the channels do not declare are common in
        # background-only documents (they wait for the signal) and harmless.
        if (declared := parameters.get(setting.name)) is not None:
            _check_setting(f"{where}.parameters[{number}]", setting, declared)


def _check_setting(where: str, setting: ParameterDocument, declared: Declared) -> None:
    for key in ("inits", "bounds", "auxdata", "sigmas", "factors"):
        values = getattr(setting, key)
        if values is None:
            continue
        kinds = _CONSTRAINT_SETTINGS.get(key)
        if kinds is not None and declared.kind not in kinds:
            raise WorkspaceError(
                f"{where}.{key}: {setting.name!r} has no such setting, for it belongs "
                f"to a {declared.kind} ({declared.where}). Remove it."
            )
        if len(values) != declared.size:
            raise WorkspaceError(
                f"{where}.{key} has {len(values)} entries, but {setting.name!r} has "
                f"{declared.size} parameters. Give one entry for each."
            )
    for number, (low, high) in enumerate(setting.bounds or ()):
        if not low < high:
            raise WorkspaceError(
                f"{where}.bounds[{number}]: {low} is not below {high}. "
                "Write [lower, upper]."
            )
