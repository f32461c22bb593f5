"""A description's names → the objects that they stand for. Every such table is here."""

import difflib
import functools
import importlib.util
import inspect
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import optax

import fitkit
import relaxed

from .._config import (
    AnnealedTable,
    BinningTable,
    BlobsTable,
    ConfigError,
    InfernoTable,
    MeasurementTable,
    NetworkTable,
    PythonTable,
    RunConfig,
    TrainingTable,
)
from .._events import Dataset, Events
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
from .._sources.blobs import gaussian_blobs
from .._sources.inferno import inferno_synthetic
from .._statmodel import Measurement
from .._templates import AbstractBinning, Binning, Counting, LearnedEdges
from .._train import anneal

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
        ConfigError: Where a user's source cannot be had.
    """
    match config.source:
        case BlobsTable(events=events, seed=seed):
            return gaussian_blobs(events, seed=seed)
        case InfernoTable(events=events, seed=seed):
            return inferno_synthetic(events, seed=seed)
        case PythonTable() as source:
            return _called(source, base, source.function, Dataset)


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
    table, number = config.observable, len(dataset.feature_names)
    if isinstance(table, NetworkTable):
        return NeuralObservable(
            number,
            table.hidden,
            key=key,
            standardise=standardisation(dataset) if table.standardise else None,
            activation=_ACTIVATIONS[table.activation],
            dtype=_DTYPES[table.dtype],
        )
    if len(table.thresholds) != number:
        raise ConfigError(
            f"`observable.thresholds` has {len(table.thresholds)} entries; the events "
            f"have {number} features: {', '.join(dataset.feature_names)}."
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
            act(process, fitkit.Lumi("lumi", sigma=table.lumi.uncertainty))
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
    module = _module(base / source.file)
    function = getattr(module, name, None)
    if not callable(function):
        functions = [n for n, f in inspect.getmembers(module, inspect.isfunction)]
        near = difflib.get_close_matches(name, functions, n=1)
        hint = f" Did you mean `{near[0]}`?" if near else ""
        raise ConfigError(f"{source.file} has no function `{name}`.{hint}")
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


def _module(path: Path) -> ModuleType:
    if not path.is_file():
        raise ConfigError(
            f"`source.file` is `{path}`, which is no file. It is looked for relative "
            "to the configuration."
        )
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"`source.file` is `{path}`; it must be a Python file, *.py.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
