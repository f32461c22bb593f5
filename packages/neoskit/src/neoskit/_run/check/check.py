"""Everything that can be said of a description without training."""

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..._events import Dataset, Process
from ..._events.event_files import ROWS
from ..builders import build_dataset, check_described, stage_tables
from ..builders.files import check_data, entries, keys, parts
from ..builders.plan import plans, regions
from ..builders.views import source_of
from ..config import (
    FilesTable,
    RunConfig,
    SelectionTable,
    SystematicTable,
    of_missing,
)
from .features import FeatureRow, features, of_features
from .findings import Finding, of_events, of_variations, of_yields
from .summary import Summary, summary
from .yields import Samples, VariationRow, YieldRow, variations, yields


@dataclass(frozen=True)
class FileRow:
    """One file of a sample.

    Args:
        sample: which; `"data"` for recorded events.
        path: where it is.
        entries: its events; `None` where only reading it tells.
    """

    sample: str
    path: str
    entries: int | None


@dataclass(frozen=True)
class Check:
    """What there is, what will be done, and what is odd.

    Args:
        files: every file.
        yields: of every process in every channel.
        variations: of those with templates of their own.
        normalisations: (channel, process, parameter, down, up) of the others.
        features: of the scored channels.
        plan: what a training will do, in sentences.
        findings: what is worth a look, errors first.
    """

    files: tuple[FileRow, ...]
    yields: tuple[YieldRow, ...]
    variations: tuple[VariationRow, ...]
    normalisations: tuple[tuple[str, str, str, float, float], ...]
    features: tuple[FeatureRow, ...]
    plan: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Whether a training can start."""
        return all(finding.level != "error" for finding in self.findings)

    def document(self) -> dict[str, Any]:
        """The same as plain JSON values; what is no number is `null`."""
        return _plain(dataclasses.asdict(self) | {"passed": self.passed})


def check(config: RunConfig, base: Path) -> Check:
    """Reads everything that a training would read, and trains nothing.

    Files are read part by part: memory is that of `training.chunk` entries.
    Recorded events are not looked at; that their files are there and have what is
    asked of them is.

    Args:
        config: the description.
        base: the folder that paths in it are relative to.

    Raises:
        ConfigError: something cannot be read, or is described that is not there.
    """
    events, scored = _events(config, base)
    found = events.samples
    one_sided = [t.name for t in config.systematics if t.symmetrise == "one-sided"]
    tables = yields(found), variations(found, one_sided)
    known = _indicators(config)
    bins = _bins(config)
    findings = [
        *of_yields(config, tables[0], scored, bins),
        *of_variations(config, tables[1], tables[0]),
        *of_events(found, scored),
        *of_features(config, events.features, known),
    ]
    if isinstance(config.source, FilesTable):
        findings += _of_files(config, base)
    order = ("error", "warning", "note")
    return Check(
        tuple(_files(config, base)),
        *tables,
        tuple(_normalisations(config)),
        features(config, events.features, known),
        tuple(_plan(config, found, scored)),
        tuple(sorted(findings, key=lambda finding: order.index(finding.level))),
    )


def _events(config: RunConfig, base: Path) -> tuple[Summary, tuple[str, ...]]:
    """What is known of all events, and the channels that the observable scores."""
    if not isinstance(config.source, FilesTable):
        dataset = build_dataset(config, base)
        return summary(dataset.samples(), (), dataset.scored), dataset.scored
    scored = tuple(r.name for r in regions(config) if not r.counted)
    rows = config.training.largest_chunk or ROWS
    found = summary(parts(config, base, rows=rows), keys(config), scored)
    _check_names(config, found.samples)
    return found, scored


def _check_names(config: RunConfig, found: Samples) -> None:
    channels: dict[str, dict[str, Process]] = {}
    for (channel, process, shift), of in found.items():
        # An empty process is a finding; the rest can be said all the same.
        if not shift and of.first is not None:
            channels.setdefault(channel, {})[process] = Process(of.first)
    counted = tuple(r.name for r in regions(config) if r.counted and r.name in channels)
    check_described(config, Dataset(channels, counted))


def _bins(config: RunConfig) -> int:
    # What a selection passes is counted.
    if isinstance(config.observable, SelectionTable):
        return 1
    if config.binning.edges is not None:
        return len(config.binning.edges) - 1
    return config.binning.bins or 4


def _indicators(config: RunConfig) -> dict[str, str]:
    if not isinstance(config.source, FilesTable):
        return {}
    return {n: of_missing(n, table) for n, table in config.source.missing.items()}


def _files(config: RunConfig, base: Path) -> Iterator[FileRow]:
    if not isinstance(config.source, FilesTable):
        return
    for sample, path, count in entries(config, base):
        yield FileRow(sample, str(path), count)
    for path in check_data(config, base):
        yield FileRow("data", str(path), None)


def _of_files(config: RunConfig, base: Path) -> Iterator[Finding]:
    """Shifted files that have other numbers of events than the nominal ones."""
    if source_of(config).index:
        return
    counts: dict[str, list[int | None]] = {}
    for sample, _, count in entries(config, base):
        counts.setdefault(sample, []).append(count)
    for sample, of in counts.items():
        nominal, _, shift = sample.partition(", ")
        if shift and of != counts[nominal]:
            yield Finding(
                "warning",
                "other events",
                f"sample {sample}",
                f"Its files have {of} events, the nominal ones {counts[nominal]}: "
                "without `source.index`, which tells events apart by their columns, "
                "an event and its shifted copy may be on two sides of a split.",
            )


def _normalisations(config: RunConfig) -> Iterator[tuple[str, str, str, float, float]]:
    if not isinstance(config.source, FilesTable):
        return
    for plan in plans(config):
        for name, (lo, hi) in plan.normalised.items():
            yield plan.region.name, plan.process, name, lo, hi


def _plan(config: RunConfig, found: Samples, scored: Sequence[str]) -> Iterator[str]:
    channels = dict.fromkeys(key.channel for key in found)
    counted = [name for name in channels if name not in scored]
    bins = _bins(config)
    yield (
        f"The observable ({config.observable.kind}) scores {_listed(scored)}, in "
        f"{bins} bin{'s'[: bins != 1]}"
        + (f"; counted: {_listed(counted)}." if counted else ".")
    )
    for i, stage in enumerate(stage_tables(config)):
        much = "all events" if stage.batch is None else f"{stage.batch} events a sample"
        yield (
            f"Stage {i}: {stage.steps} steps on {stage.objective}, {much} at each, "
            f"{stage.optimiser} with a rate of {stage.learning_rate:g}."
        )
    split, seeds = config.split, config.training.seeds
    judged = (
        f"{split.held_out:.0%} of the events judge, the others train"
        if split.folds is None
        else f"{split.folds} folds: each event is judged by a network that has not "
        "seen it"
    )
    yield f"{judged}; {len(seeds)} training{'s'[: len(seeds) != 1]}."
    table = config.measurement
    yield f"{table.poi!r} scales {_listed(table.signals)}."
    for process, name in table.free.items():
        yield f"{name!r} scales {process!r} freely: the data determine it."
    if table.lumi is not None:
        yield (
            f"The luminosity is known to {table.lumi.uncertainty:.1%} and scales "
            f"{_listed(table.lumi.processes)}."
        )
    for norm in table.normalisations:
        yield (
            f"{norm.name!r} scales {_listed(norm.processes)} by {norm.down:g} and "
            f"{norm.up:g}."
        )
    for systematic in config.systematics:
        yield _treatment(systematic)
    yield f"A bin below {table.floor:g} is raised to it."


def _treatment(table: SystematicTable) -> str:
    done = [
        f"{table.symmetrise} symmetrised" if table.symmetrise else "",
        f"smoothed ({table.smooth})" if table.smooth else "",
        f"its {table.effect} used" if table.effect else "",
        f"norms below {table.prune.norm:g} left out" if table.prune.norm else "",
        f"shapes below {table.prune.shape:g} left out" if table.prune.shape else "",
        f"a parameter for each {' and '.join(table.decorrelate)}"
        if table.decorrelate
        else "",
    ]
    said = ", ".join(part for part in done if part) or "used as it is"
    return f"Systematic {table.name!r}: {said}."


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "nothing"


def _plain(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {name: _plain(branch) for name, branch in tree.items()}
    if isinstance(tree, list | tuple):
        return [_plain(branch) for branch in tree]
    return None if isinstance(tree, float) and not math.isfinite(tree) else tree
