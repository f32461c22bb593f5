"""A description's names → the objects that they stand for. Every such table is here."""

import difflib
import functools
import importlib.util
import inspect
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import optax

import fitkit
import relaxed

from .._events import Dataset, Events, gaussian_blobs, inferno_synthetic
from .._gradient import AbstractEventObjective, BinaryCrossEntropy
from .._objectives import (
    Objective,
    discovery_pvalue,
    expected_cls,
    generalised_variance,
    poi_variance,
)
from .._observable import (
    AbstractObservable,
    NeuralObservable,
    SoftSelection,
    standardisation,
)
from .._pipeline import Pipeline
from .._statmodel import Measurement
from .._templates import AbstractBinning, Binning, Counting, LearnedEdges
from .._train import anneal
from .config import (
    LUMI,
    AnnealedTable,
    BinningTable,
    BlobsTable,
    ConfigError,
    InfernoTable,
    MeasurementTable,
    NetworkTable,
    PythonTable,
    RunConfig,
    SelectionTable,
    TrainingTable,
)

OBJECTIVES: dict[str, Objective | AbstractEventObjective] = {
    "expected_cls": expected_cls,
    "discovery_pvalue": discovery_pvalue,
    "poi_variance": poi_variance,
    "generalised_variance": generalised_variance,
    "binary_cross_entropy": BinaryCrossEntropy(),
    "binary_cross_entropy_with_variations": BinaryCrossEntropy(variations=True),
}
_ACTIVATIONS = {
    "relu": jax.nn.relu,
    "tanh": jnp.tanh,
    "silu": jax.nn.silu,
    "gelu": jax.nn.gelu,
}
_DTYPES = {"float32": jnp.float32, "float64": jnp.float64}
_KERNELS = {
    "gaussian": relaxed.GaussianKernel,
    "logistic": relaxed.LogisticKernel,
}
_OPTIMISERS = {"adam": optax.adam, "sgd": optax.sgd}


def build_dataset(config: RunConfig, base: Path) -> Dataset:
    """All events that training and judgement may see.

    Args:
        config: The description.
        base: The folder that paths in it are relative to.

    Raises:
        ConfigError: Where a user's source cannot be had, or the description names what
            the events do not have.
    """
    match config.source:
        case BlobsTable(events=events, seed=seed):
            dataset = gaussian_blobs(events, seed=seed)
        case InfernoTable(events=events, seed=seed):
            dataset = inferno_synthetic(events, seed=seed)
        case PythonTable() as source:
            dataset = _called(source, base, source.function, Dataset)
            # Only looked up: to call it is to open the data.
            if source.observed is not None:
                _function(source, base, source.observed)
    check_described(config, dataset)
    return dataset


def check_described(config: RunConfig, dataset: Dataset) -> None:
    """Whether the events have what the description names: known before a training.

    Raises:
        ConfigError: Naming each key, what there is, and what may be meant.
    """
    problems = [
        *_unknown_processes(config.measurement, dataset),
        *_taken_parameters(config.measurement, dataset),
        *_wrong_features(config, dataset),
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
                    f"has.{_hint(name, known)}"
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


def _wrong_features(config: RunConfig, dataset: Dataset) -> Iterator[str]:
    table, names = config.observable, dataset.feature_names
    if not dataset.scored:
        yield "`source`: all channels are counted, there is nothing to train."
    elif isinstance(table, SelectionTable) and len(table.thresholds) != len(names):
        yield (
            f"`observable.thresholds` has {len(table.thresholds)} entries; the events "
            f"have {len(names)} features: {', '.join(names)}."
        )


def _hint(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f" Did you mean `{near[0]}`?" if near else f" There are {', '.join(known)}."


def build_observed(config: RunConfig, base: Path) -> dict[str, Events]:
    """The recorded events per channel. This opens the data.

    Raises:
        ConfigError: Where the source has none.
    """
    source = config.source
    if not isinstance(source, PythonTable) or source.observed is None:
        raise ConfigError(
            f"`source` of kind {source.kind!r} has no recorded events to unblind; a "
            "source of kind 'python' names the function that reads them: "
            '`observed = "…"`.'
        )
    return _called(source, base, source.observed, dict)


def absolute(config: RunConfig, base: Path) -> RunConfig:
    """The same description, no longer relative to a folder."""
    source = config.source
    if not isinstance(source, PythonTable):
        return config
    # The run's folder has a copy of the description and stands elsewhere.
    file = str((base / source.file).resolve())
    moved = source.model_copy(update={"file": file})
    return config.model_copy(update={"source": moved})


def build_pipeline(config: RunConfig, dataset: Dataset, key: jax.Array) -> Pipeline:
    """The untrained pipeline.

    Args:
        config: The description.
        dataset: The events that it may learn the features' means and scales from.
        key: Random key of the observable's initial parameters.
    """
    return Pipeline(
        _observable(config, dataset, key),
        _binning(config),
        _measurement(config.measurement),
    )


def build_optimiser(config: TrainingTable) -> optax.GradientTransformation:
    """The optimiser."""
    return _optimiser(config.optimiser, config.learning_rate)


# The compiled step is kept by the identity of its optimiser: one for all seeds, or
# every seed compiles it anew.
@functools.cache
def _optimiser(name: str, rate: float) -> optax.GradientTransformation:
    return _OPTIMISERS[name](rate)


def build_bandwidth(config: RunConfig) -> Callable[[Any], Any] | None:
    """How the bandwidth changes over the steps; `None` where it does not."""
    width = config.binning.bandwidth
    if not isinstance(width, AnnealedTable):
        return None
    return anneal(width.start, width.end, config.training.steps)


def _observable(
    config: RunConfig, dataset: Dataset, key: jax.Array
) -> AbstractObservable:
    table = config.observable
    if isinstance(table, NetworkTable):
        return NeuralObservable(
            len(dataset.feature_names),
            table.hidden,
            key=key,
            standardise=standardisation(dataset) if table.standardise else None,
            activation=_ACTIVATIONS[table.activation],
            dtype=_DTYPES[table.dtype],
        )
    return SoftSelection(table.thresholds, scale=table.scale, keep=table.keep)


def _binning(config: RunConfig) -> AbstractBinning:
    table = config.binning
    width = _first(table)
    if not isinstance(config.observable, NetworkTable):
        return Counting(bandwidth=width)
    edges = table.positions
    return Binning(
        LearnedEdges(edges) if table.learned else edges,
        bandwidth=width,
        kernel=_KERNELS[table.kernel](),
        flow=table.flow,
    )


def _first(table: BinningTable) -> float:
    width = table.bandwidth
    return width.start if isinstance(width, AnnealedTable) else width


def _measurement(table: MeasurementTable) -> Measurement:
    modifiers: dict[str, list[Any]] = {}

    def act(process: str, modifier: Any) -> None:
        modifiers.setdefault(process, []).append(modifier)

    for process, name in table.free.items():
        act(process, fitkit.NormFactor(name))
    for norm in table.normalisations:
        for process in norm.processes:
            act(process, fitkit.NormSys(norm.name, lo=norm.down, hi=norm.up))
    if table.lumi is not None:
        for process in table.lumi.processes:
            act(process, fitkit.Lumi(LUMI, sigma=table.lumi.uncertainty))
    return Measurement(
        table.signals,
        modifiers,
        poi=table.poi,
        mc_statistics=table.mc_statistics,
        floor=table.floor,
        normsys_code=table.normsys_code,
        histosys_code=table.histosys_code,
    )


def _called(source: PythonTable, base: Path, name: str, wanted: type) -> Any:
    """What the user's function returns, checked to be of the wanted type."""
    function = _function(source, base, name)
    try:
        inspect.signature(function).bind(**source.arguments)
    except TypeError as error:
        raise ConfigError(
            f"`source.arguments` do not fit `{name}{inspect.signature(function)}` of "
            f"{source.file}: {error}."
        ) from None
    result = function(**source.arguments)
    if not isinstance(result, wanted):
        raise ConfigError(
            f"`{name}` of {source.file} must return a {wanted.__name__}; "
            f"it returned a {type(result).__name__}."
        )
    return result


def _function(source: PythonTable, base: Path, name: str) -> Callable[..., Any]:
    module = _module(base / source.file)
    function = getattr(module, name, None)
    if not callable(function):
        functions = [n for n, _ in inspect.getmembers(module, inspect.isfunction)]
        hint = _hint(name, functions or ["none"])
        raise ConfigError(f"{source.file} has no function `{name}`.{hint}")
    return function


def _module(path: Path) -> ModuleType:
    if not path.is_file():
        raise ConfigError(
            f"`source.file` is `{path}`, which is no file. It is looked for relative "
            "to the configuration."
        )
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"`source.file` is `{path}`; it must be a Python file, *.py.")
    # Under the file's own name and not in `sys.modules`: a user's `events.py` must not
    # hide another module of that name.
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
