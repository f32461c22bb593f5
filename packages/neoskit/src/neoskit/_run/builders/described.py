"""Whether the events have what the description names."""

from collections.abc import Iterator

from ..._events import Dataset
from ..config import (
    LUMI,
    ConfigError,
    MeasurementTable,
    ResidualTable,
    RunConfig,
    SelectionTable,
)
from .nearest import hint
from .plan import plans


def check_described(config: RunConfig, dataset: Dataset) -> None:
    """Whether the events have what the description names: known before a training.

    Raises:
        ConfigError: Naming each key, what there is, and what may be meant.
    """
    problems = [
        *_unknown_processes(config.measurement, dataset),
        *_taken_parameters(config.measurement, dataset),
        *_wrong_features(config, dataset),
        *dict.fromkeys(_taken_by_systematics(config)),
    ]
    if problems:
        raise ConfigError("\n".join(problems))


def _unknown_processes(table: MeasurementTable, dataset: Dataset) -> Iterator[str]:
    known = list(dict.fromkeys(key.process for key, _ in dataset.samples()))
    named = {"signals": table.signals, "free": tuple(table.free)}
    for i, norm in enumerate(table.normalisations):
        named[f"normalisations.{i}.processes"] = norm.processes
    if table.lumi is not None:
        named["lumi.processes"] = table.lumi.processes
    if not isinstance(table.mc_statistics, bool):
        named["mc_statistics"] = table.mc_statistics
    for key, names in named.items():
        for name in names:
            if name not in known:
                yield (
                    f"`measurement.{key}` names the process {name!r}, which no channel "
                    f"has.{hint(name, known)}"
                )


def _taken_parameters(table: MeasurementTable, dataset: Dataset) -> Iterator[str]:
    # A shape and a normalisation of one name are one systematic with two effects; a
    # parameter that scales freely, and the luminosity's, are none.
    systematics = {
        name
        for processes in dataset.channels.values()
        for process in processes.values()
        for name in process.variations
    }
    named = {"poi": table.poi}
    named |= {f"free.{process}": name for process, name in table.free.items()}
    if table.lumi is not None:
        named["lumi"] = LUMI
    for key, name in named.items():
        if name in systematics:
            yield (
                f"`measurement.{key}` is {name!r}, which is the name of a shape "
                "systematic of the events. Give one of them another."
            )


def _taken_by_systematics(config: RunConfig) -> Iterator[str]:
    table = config.measurement
    taken = {table.poi: "`measurement.poi`"}
    taken |= {name: f"`measurement.free.{of}`" for of, name in table.free.items()}
    if table.lumi is not None:
        taken[LUMI] = "`measurement.lumi`"
    for plan in plans(config):
        # Each bin of a channel has a factor of this name for its finite samples.
        statistics = {f"staterror_{plan.region.name}": "`measurement.mc_statistics`"}
        for name, of in plan.shifts.items():
            key = f"`systematics.{next(iter(of.values())).number}`"
            place = (taken | statistics).get(name)
            if place is not None:
                yield (
                    f"{key} acts by the parameter {name!r}, which is that of {place}. "
                    "Give one of them another name."
                )
            for i, norm in enumerate(table.normalisations):
                if norm.name == name and plan.process in norm.processes:
                    yield (
                        f"{key} and `measurement.normalisations.{i}` both act on "
                        f"{plan.process!r} by the parameter {name!r}. Leave one out."
                    )


def _wrong_features(config: RunConfig, dataset: Dataset) -> Iterator[str]:
    table, names = config.observable, dataset.feature_names
    if not dataset.scored:
        yield "`source`: all channels are counted, there is nothing to train."
    elif isinstance(table, ResidualTable) and table.score not in names:
        yield (
            f"`observable.score` is {table.score!r}, which is no feature."
            f"{hint(table.score, names)}"
        )
    elif isinstance(table, SelectionTable) and len(table.thresholds) != len(names):
        yield (
            f"`observable.thresholds` has {len(table.thresholds)} entries; the events "
            f"have {len(names)} features: {', '.join(names)}."
        )
