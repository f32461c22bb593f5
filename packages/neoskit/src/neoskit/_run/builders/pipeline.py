"""Descriptions → the pipeline that is trained."""

from typing import Any

import jax
import jax.numpy as jnp

import relaxed

from ..._events import Dataset
from ..._observable import (
    AbstractObservable,
    FeatureScore,
    NeuralObservable,
    Residual,
    SoftmaxObservable,
    SoftSelection,
    standardisation,
)
from ..._pipeline import Pipeline
from ..._templates import (
    AbstractBinning,
    Binning,
    Categories,
    Counting,
    LearnedEdges,
)
from ..config import (
    AnnealedTable,
    BinningTable,
    ResidualTable,
    RunConfig,
    SelectionTable,
    SoftmaxTable,
)
from .measurement import build_measurement

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


def _observable(
    config: RunConfig, dataset: Dataset, key: jax.Array
) -> AbstractObservable:
    table, names = config.observable, dataset.feature_names
    if isinstance(table, SelectionTable):
        return SoftSelection(table.thresholds, scale=table.scale, keep=table.keep)
    options: dict[str, Any] = {
        "key": key,
        "standardise": standardisation(dataset) if table.standardise else None,
        "activation": _ACTIVATIONS[table.activation],
        "dtype": _DTYPES[table.dtype],
    }
    if isinstance(table, SoftmaxTable):
        bins = len(config.binning.positions) - 1
        start = None
        if not table.from_scratch:
            # The classifier of `kind = "network"` and the same key, bin for bin.
            start = NeuralObservable(len(names), table.hidden, **options)
            options["key"] = jax.random.fold_in(key, 1)
        return SoftmaxObservable(
            len(names), bins, table.hidden, start=start, train_start=True, **options
        )
    network = NeuralObservable(len(names), table.hidden, **options)
    if isinstance(table, ResidualTable):
        score = FeatureScore(names.index(table.score), table.scale)
        return Residual(score, network)
    return network


def _binning(config: RunConfig) -> AbstractBinning:
    table, straight = config.binning, config.binning.straight_through
    width = _first(table)
    if isinstance(config.observable, SelectionTable):
        return Counting(bandwidth=width)
    if isinstance(config.observable, SoftmaxTable):
        return Categories(bandwidth=width, straight_through=straight)
    edges = table.positions
    return Binning(
        LearnedEdges(edges) if table.learned else edges,
        bandwidth=width,
        kernel=_KERNELS[table.kernel](),
        flow=table.flow,
        straight_through=straight,
    )


def _first(table: BinningTable) -> float:
    width = table.bandwidth
    return width.start if isinstance(width, AnnealedTable) else width
