"""Descriptions → what is trained, and how."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

import relaxed

from ..._events import Dataset
from ..._gradient import AbstractEventObjective, BinaryCrossEntropy
from ..._objectives import (
    Objective,
    discovery_pvalue,
    expected_cls,
    generalised_variance,
    poi_variance,
)
from ..._observable import (
    AbstractObservable,
    NeuralObservable,
    SoftSelection,
    standardisation,
)
from ..._pipeline import Pipeline
from ..._templates import AbstractBinning, Binning, Counting, LearnedEdges
from ..._train import anneal
from ..config import (
    AnnealedTable,
    BinningTable,
    NetworkTable,
    RunConfig,
    TrainingTable,
)
from .measurement import build_measurement

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
        build_measurement(config),
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
