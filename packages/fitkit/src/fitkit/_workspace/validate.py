"""What an experienced analyst would catch in a document that is formally correct."""

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, final

import numpy as np

from .document import load
from .parse import parse
from .patching import patched
from .schema import (
    ChannelDocument,
    HistoSysDocument,
    NormSysDocument,
    SampleDocument,
    WorkspaceDocument,
)
from .to_model import check

Severity = Literal["problem", "warning", "note"]
_ORDER = ("problem", "warning", "note")

# n log n of a larger auxiliary count is spaced by more than 1e-6 in float64: a program
# that sums such terms loses the digits that fits and tests need.
_LARGEST_COUNT = 2e8
# Relative changes below this are rounding, as in templates written with seven digits.
_ROUNDING = 1e-7


@final
@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing to look at.

    Attributes:
        severity: "problem" (the likelihood is not what it should be), "warning" (likely
            a mistake, or trouble for a fit) or "note" (harmless).
        message: what is odd, with numbers.
        channel, sample, modifier: where, as far as it applies.
        bins: the bins that it concerns.
    """

    severity: Severity
    message: str
    channel: str | None = None
    sample: str | None = None
    modifier: str | None = None
    bins: tuple[int, ...] = ()

    def __str__(self) -> str:
        names = [each for each in (self.channel, self.sample, self.modifier) if each]
        where = " / ".join(names)
        if self.bins:
            where += f" [bin {', '.join(map(str, self.bins))}]"
        return f"{self.severity}: {where}: {self.message}"


@final
@dataclasses.dataclass(frozen=True)
class _Bounds:
    normalisation: float
    mc_error: float


def validate(
    source: str | Path | Mapping[str, Any],
    *,
    patch: Any = None,
    largest_normalisation: float = 0.5,
    largest_mc_error: float = 0.3,
) -> tuple[Finding, ...]:
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
        Findings, problems first; empty where there is nothing to report. `str` of one
        is a line with its place.

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
    bounds = _Bounds(largest_normalisation, largest_mc_error)
    observed = {each.name: np.asarray(each.data) for each in workspace.observations}
    findings = [
        finding
        for channel in workspace.channels
        for finding in _channel(channel, observed[channel.name], bounds)
    ]
    pois = {each.config.poi for each in workspace.measurements}
    for channel in workspace.channels:
        findings += _without_signal(channel, observed[channel.name], pois)
    findings += _parameters(workspace)
    return tuple(sorted(findings, key=lambda each: _ORDER.index(each.severity)))


def _channel(
    channel: ChannelDocument, observed: np.ndarray, bounds: _Bounds
) -> Iterator[Finding]:
    total = np.sum([sample.data for sample in channel.samples], axis=0)
    if (bins := _where((total <= 0) & (observed > 0))) != ():
        yield Finding(
            "problem",
            "data where nothing is expected: the likelihood is zero unless a parameter "
            "adds to an empty bin",
            channel.name,
            bins=bins,
        )
    if (bins := _where((total <= 0) & (observed == 0))) != ():
        yield Finding("note", "nothing expected, nothing seen", channel.name, bins=bins)
    yield from _mc_errors(channel, bounds)
    for sample in channel.samples:
        for finding in _sample(sample, total, bounds):
            yield dataclasses.replace(finding, channel=channel.name, sample=sample.name)


def _without_signal(
    channel: ChannelDocument, observed: np.ndarray, pois: set[str]
) -> Iterator[Finding]:
    """Bins in which only what a parameter of interest scales can make the data."""
    background = [
        sample.data
        for sample in channel.samples
        if not any(m.type == "normfactor" and m.name in pois for m in sample.modifiers)
    ]
    total = np.sum([sample.data for sample in channel.samples], axis=0)
    rest = np.sum(background, axis=0) if background else np.zeros_like(total)
    if (bins := _where((total > 0) & (rest <= 0) & (observed > 0))) != ():
        yield Finding(
            "warning",
            "data and no background: without signal the likelihood is zero",
            channel.name,
            bins=bins,
        )


def _mc_errors(channel: ChannelDocument, bounds: _Bounds) -> Iterator[Finding]:
    sums: dict[str, np.ndarray] = {}
    for sample in channel.samples:
        for modifier in sample.modifiers:
            if modifier.type == "staterror":
                pair = np.array([sample.data, np.square(modifier.data)])
                sums[modifier.name] = sums.get(modifier.name, 0) + pair
    for name, (nominal, variance) in sums.items():
        relative = np.sqrt(variance) / np.where(nominal > 0, nominal, np.inf)
        if (bins := _where(relative > bounds.mc_error)) != ():
            yield Finding(
                "warning",
                f"statistical error of the simulation up to {relative.max():.0%}: "
                "merge bins or simulate more",
                channel.name,
                modifier=name,
                bins=bins,
            )


def _sample(
    sample: SampleDocument, total: np.ndarray, bounds: _Bounds
) -> Iterator[Finding]:
    nominal = np.asarray(sample.data)
    if not nominal.any():
        yield Finding("note", "an empty template")
    if (bins := _where(nominal < 0)) != ():
        yield Finding(
            "warning", f"negative yields, down to {nominal.min():.3g}", bins=bins
        )
    for modifier in sample.modifiers:
        match modifier.type:
            case "histosys":
                found = _histosys(modifier, nominal, total, bounds)
            case "normsys":
                found = _normsys(modifier, nominal, total, bounds)
            case "shapesys":
                found = _shapesys(nominal, np.asarray(modifier.data))
            case _:
                continue
        for finding in found:
            yield dataclasses.replace(finding, modifier=modifier.name)


def _histosys(
    modifier: HistoSysDocument,
    nominal: np.ndarray,
    total: np.ndarray,
    bounds: _Bounds,
) -> Iterator[Finding]:
    lo, hi = np.asarray(modifier.data.lo_data), np.asarray(modifier.data.hi_data)
    down, up = lo - nominal, hi - nominal
    small = _ROUNDING * np.abs(nominal)
    if np.all(np.abs(down) <= small) and np.all(np.abs(up) <= small):
        yield Finding("note", "no effect: both variations are the nominal template")
        return
    if np.array_equal(lo, hi):
        yield Finding(
            "warning", "up and down are identical: a one-sided variation taken twice?"
        )
    else:
        shift = np.where(
            (down * up > 0) & (np.minimum(np.abs(down), np.abs(up)) > small),
            np.sign(up) * np.minimum(np.abs(down), np.abs(up)),
            0.0,
        )
        # what matters for a fit is the shift against the bin's statistical error
        strong = np.abs(shift) > np.sqrt(np.maximum(total, 1.0))
        for side, sign in (("above", 1), ("below", -1)):
            if (bins := _where(strong & (shift * sign > 0))) != ():
                yield Finding(
                    "warning",
                    f"both variations are {side} nominal by more than the bin's "
                    "statistical error: the likelihood may have two minima",
                    bins=bins,
                )
            if (bins := _where(~strong & (shift * sign > 0))) != ():
                yield Finding("note", f"both variations are {side} nominal", bins=bins)
    if (bins := _where((nominal >= 0) & ((lo < 0) | (hi < 0)))) != ():
        yield Finding("warning", "a variation is negative", bins=bins)
    if (scale := nominal.sum()) > 0:
        change = max(abs(down.sum()), abs(up.sum())) / scale
        if change > bounds.normalisation:
            yield Finding("warning", f"changes the sample's total by {change:.0%}")


def _normsys(
    modifier: NormSysDocument,
    nominal: np.ndarray,
    total: np.ndarray,
    bounds: _Bounds,
) -> Iterator[Finding]:
    lo, hi = modifier.data.lo - 1, modifier.data.hi - 1
    if max(abs(lo), abs(hi)) <= _ROUNDING:
        yield Finding("note", "no effect: both factors are 1")
    elif lo == hi:
        yield Finding(
            "warning", "up and down are identical: a one-sided variation taken twice?"
        )
    elif lo * hi > 0:
        side = "above" if hi > 0 else "below"
        what = f"both factors are {side} 1: {1 + lo:.4g}, {1 + hi:.4g}"
        shift = min(abs(lo), abs(hi)) * np.abs(nominal)
        if (bins := _where(shift > np.sqrt(np.maximum(total, 1.0)))) != ():
            yield Finding(
                "warning",
                f"{what}, which shifts more than the bin's statistical error: the "
                "likelihood may have two minima",
                bins=bins,
            )
        else:
            yield Finding("note", what)
    if max(abs(lo), abs(hi)) > bounds.normalisation:
        yield Finding(
            "warning",
            f"changes the sample's total by {max(abs(lo), abs(hi)):.0%}",
        )


def _shapesys(nominal: np.ndarray, uncertainty: np.ndarray) -> Iterator[Finding]:
    used = (nominal > 0) & (uncertainty > 0)
    count = np.square(nominal / np.where(used, uncertainty, np.inf))
    if (bins := _where(count > _LARGEST_COUNT)) != ():
        yield Finding(
            "warning",
            f"an auxiliary count of {count.max():.2g}: programs that sum n log n lose "
            "digits of the likelihood. fitkit does not; a fixed factor says the same",
            bins=bins,
        )
    if (bins := _where((nominal > 0) & (uncertainty > nominal))) != ():
        yield Finding(
            "warning",
            "an uncertainty above 100 %: the constraint is that of less than one count",
            bins=bins,
        )


def _parameters(workspace: WorkspaceDocument) -> Iterator[Finding]:
    """Parameters that change nothing, wherever they occur."""
    acts: dict[str, bool] = {}
    for channel in workspace.channels:
        for sample in channel.samples:
            empty = not np.any(sample.data)
            for modifier in sample.modifiers:
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


def _where(mask: np.ndarray) -> tuple[int, ...]:
    return tuple(np.flatnonzero(mask).tolist())
