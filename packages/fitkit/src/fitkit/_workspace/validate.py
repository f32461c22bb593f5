"""What an experienced analyst would catch in a document that is formally correct."""

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .document import load
from .findings import Finding, Findings
from .modifier_findings import of_modifier, where
from .parse import parse
from .patching import patched
from .schema import (
    ChannelDocument,
    MeasurementDocument,
    SampleDocument,
    WorkspaceDocument,
)
from .settings import parameter_types
from .to_model import check


def validate(
    source: str | Path | Mapping[str, Any],
    *,
    patch: Any = None,
    largest_normalisation: float = 0.5,
    largest_mc_error: float = 0.3,
) -> Findings:
    """Look for what is formally correct but likely wrong, or hard to fit.

    Args:
        source: path of a document, or the decoded document.
        patch: to apply first, as for `read_workspace`.
        largest_normalisation: relative change of a sample's total by one systematic
            above which it is reported.
        largest_mc_error: relative statistical error of a bin's simulated total above
            which it is reported; with fewer events the normal constraint is a poor
            approximation.

    Returns:
        Findings, problems first; empty where there is nothing to report. Printed, they
        are grouped by kind with the worst few of each; `str` of one is a line with its
        place.

    Raises:
        WorkspaceError: for a document that is not formally correct.

    Example:
        >>> import fitkit
        >>> document = {
        ...     "channels": [{"name": "SR", "samples": [
        ...         {"name": "background", "data": [50.0], "modifiers": [
        ...             {"name": "jes", "type": "histosys",
        ...              "data": {"lo_data": [35.0], "hi_data": [42.0]}}]}]}],
        ...     "observations": [{"name": "SR", "data": [48]}],
        ...     "measurements": [
        ...         {"name": "m", "config": {"poi": "", "parameters": []}}],
        ...     "version": "1.0.0"}
        >>> (finding,) = fitkit.validate(document)
        >>> print(finding)  # doctest: +ELLIPSIS
        warning: SR / background / jes [bin 0]: both variations are below nominal ...
    """
    document = load(source)
    if patch is not None:
        document = patched(document, patch)
    workspace = parse(document)
    check(workspace)
    observed = {each.name: np.asarray(each.data) for each in workspace.observations}
    # Whichever measurement is used: signal is what any of them tests.
    pois = {each.config.poi for each in workspace.measurements}
    findings: list[Finding] = []
    for channel in workspace.channels:
        total = np.sum([sample.data for sample in channel.samples], axis=0)
        own = [
            *_yields(channel, total, observed[channel.name], pois),
            *_simulation(channel, largest_mc_error),
        ]
        for sample in channel.samples:
            for each in _sample(sample, total, largest_normalisation):
                own.append(dataclasses.replace(each, sample=sample.name))
        findings += [dataclasses.replace(each, channel=channel.name) for each in own]
    findings += _parameters(workspace)
    types = parameter_types(workspace)
    for measurement in workspace.measurements:
        findings += _measurement(measurement, types)
    return Findings(findings)


def _yields(
    channel: ChannelDocument, total: np.ndarray, observed: np.ndarray, pois: set[str]
) -> Iterator[Finding]:
    """Bins in which nothing, or only what a POI scales, can make the data."""
    if (bins := where((total <= 0) & (observed > 0))) != ():
        events = observed[list(bins)].sum()
        yield Finding(
            "problem",
            "data where nothing is expected: the likelihood is zero unless a parameter "
            "adds to an empty bin",
            f"{events:g} events",
            bins=bins,
            size=events,
        )
    if (bins := where((total <= 0) & (observed == 0))) != ():
        yield Finding("note", "nothing expected, nothing seen", bins=bins)
    background = [
        sample.data
        for sample in channel.samples
        if not any(m.type == "normfactor" and m.name in pois for m in sample.modifiers)
    ]
    rest = np.sum(background, axis=0) if background else np.zeros_like(total)
    if (bins := where((total > 0) & (rest <= 0) & (observed > 0))) != ():
        events = observed[list(bins)].sum()
        yield Finding(
            "warning",
            "data and no background: without signal the likelihood is zero",
            f"{events:g} events",
            bins=bins,
            size=events,
        )


def _simulation(channel: ChannelDocument, largest: float) -> Iterator[Finding]:
    """Statistical errors of simulated yields that are large, or left out."""
    sums: dict[str, np.ndarray] = {}
    for sample in channel.samples:
        for modifier in sample.modifiers:
            if modifier.type not in ("staterror", "shapesys"):
                continue
            pair = np.array([sample.data, np.square(modifier.data)])
            if modifier.type == "staterror":
                sums[modifier.name] = sums.get(modifier.name, 0) + pair
            else:
                yield from _left_out(modifier.name, *pair)
    for name, (nominal, variance) in sums.items():
        yield from _left_out(name, nominal, variance)
        relative = np.sqrt(variance) / np.where(nominal > 0, nominal, np.inf)
        if (bins := where(relative > largest)) != ():
            yield Finding(
                "warning",
                "a large statistical error of the simulation: merge bins or simulate "
                "more",
                f"up to {relative.max():.0%}",
                modifier=name,
                bins=bins,
                size=relative.max(),
            )


def _left_out(
    name: str, nominal: np.ndarray, variance: np.ndarray
) -> Iterator[Finding]:
    # As `errors_left_out` of `_histfactory`, which warns whoever uses the model.
    lost = (nominal < 0) & (variance > 0)
    if (bins := where(lost)) != ():
        error = np.sqrt(variance[lost].max())
        yield Finding(
            "warning",
            "the statistical error of negative yields is left out: a relative error "
            "needs a positive sum. Merge bins, or put the error into a histosys",
            f"up to {error:.3g}",
            modifier=name,
            bins=bins,
            size=error,
        )


def _sample(
    sample: SampleDocument, total: np.ndarray, largest_normalisation: float
) -> Iterator[Finding]:
    nominal = np.asarray(sample.data)
    # Common where a process does not reach a region; the parameters that only scale it
    # are another matter, see `_parameters`.
    if not nominal.any():
        yield Finding("note", "an empty template")
    if (bins := where(nominal < 0)) != ():
        lowest = nominal.min()
        yield Finding(
            "warning",
            "negative yields",
            f"down to {lowest:.3g}",
            bins=bins,
            size=-lowest,
        )
    for modifier in sample.modifiers:
        for each in of_modifier(modifier, nominal, total, largest_normalisation):
            yield dataclasses.replace(each, modifier=modifier.name)


def _parameters(workspace: WorkspaceDocument) -> Iterator[Finding]:
    """Parameters that change nothing, wherever they occur."""
    acts: dict[str, bool] = {}
    for channel in workspace.channels:
        for sample in channel.samples:
            empty = not np.any(sample.data)
            for modifier in sample.modifiers:
                # All other modifiers are factors.
                idle = empty and modifier.type != "histosys"
                if modifier.type == "normsys":
                    idle |= modifier.data.lo == modifier.data.hi == 1.0
                elif modifier.type == "histosys":
                    data = modifier.data
                    idle = data.lo_data == data.hi_data == sample.data
                acts[modifier.name] = acts.get(modifier.name, False) or not idle
    for name, acting in acts.items():
        if not acting:
            yield Finding(
                "warning", "the parameter changes no yield: prune it", modifier=name
            )


def _measurement(
    measurement: MeasurementDocument, types: Mapping[str, str]
) -> Iterator[Finding]:
    """What a measurement sets that stands in the way of fits and tests."""
    here = f"measurement {measurement.name!r}"
    poi = measurement.config.poi
    if poi and poi not in types:
        yield Finding(
            "note",
            "the parameter of interest is not in the model: without a signal's patch "
            "there are no tests and limits",
            here,
            modifier=poi,
        )
    settings = {each.name: each for each in measurement.config.parameters}
    lumi = settings.get("lumi")
    if types.get("lumi") == "lumi" and (lumi is None or lumi.sigmas is None):
        yield Finding(
            "problem",
            "the luminosity has no width: the measurement cannot be used",
            f"{here} has no `sigmas`",
            modifier="lumi",
        )
    for name, setting in settings.items():
        if name not in types:
            continue
        if name == poi and setting.fixed:
            yield Finding(
                "problem",
                "the parameter of interest is fixed: there are no tests and limits "
                'until it is free. Remove `"fixed": true`',
                here,
                modifier=name,
            )
        pairs = zip(setting.inits or (), setting.bounds or (), strict=False)
        outside = [
            (start, low, high)
            for start, (low, high) in pairs
            if not low <= start <= high
        ]
        # A parameter may well be fixed at a value that no fit would try.
        if outside and not setting.fixed:
            start, low, high = outside[0]
            yield Finding(
                "warning",
                "a start outside the bounds: fits begin at the edge",
                f"{start:g} is not in [{low:g}, {high:g}], {here}",
                modifier=name,
            )
