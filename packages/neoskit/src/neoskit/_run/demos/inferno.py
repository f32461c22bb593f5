"""The INFERNO problem: one network per objective, against the published table."""

import functools
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

import fitkit

from ..._events import Dataset, inferno_synthetic
from ..._gradient import binary_cross_entropy
from ..._objectives import Objective
from ..._observable import NeuralObservable, SoftmaxObservable
from ..._pipeline import Pipeline
from ..._statmodel import Measurement
from ..._templates import Binning, Categories
from ..._train import Stage, train

SIGNAL_YIELD = 50.0
# One unit of the nuisance parameters of `inferno_synthetic`, in units of the paper's
# r, λ and b; and the paper's constraints in its own units.
_UNIT = {"r": 0.2, "rate": 0.5, "b": 1000.0}
_CONSTRAINT = {"r": 0.4, "rate": 1.0, "b": 100.0}


@dataclass(frozen=True)
class Benchmark:
    """Which nuisance parameters are free, and whether they are constrained.

    Args:
        nuisances: Names of the free ones.
        constrained: Whether with the paper's auxiliary measurements.
        inferno: The published uncertainty of s, trained on this benchmark.
        classifier: The published one of a classifier.
        bound: The published one of the likelihood itself, that no summary beats.
    """

    nuisances: tuple[str, ...]
    constrained: bool
    inferno: float
    classifier: float
    bound: float


# arXiv:1806.04743, table 1 (medians of 100 trainings).
BENCHMARKS = (
    Benchmark((), False, 15.51, 14.99, 14.71),
    Benchmark(("r",), False, 16.79, 18.94, 15.52),
    Benchmark(("r", "rate"), False, 16.95, 23.94, 15.65),
    Benchmark(("r", "rate"), True, 16.89, 21.54, 15.62),
    Benchmark(("r", "rate", "b"), True, 18.68, 26.71, 16.89),
)


# One function for each benchmark, as of `_falling_adam`.
@functools.cache
def signal_variance(benchmark: Benchmark) -> Objective:
    """The variance of the number of signal events, as INFERNO's loss.

    The Fisher information of the model is that of the published problem up to its
    constraints: HistFactory's have width one, so they are taken out and the
    benchmark's put in. Rows of fixed parameters are left out.
    """

    def variance(model: fitkit.Model) -> Float[Array, ""]:
        information = fitkit.fisher_information(
            model, model.init, model.expected_data(model.init)
        )
        names = list(model.parameter_names)
        free = [model.poi, *benchmark.nuisances]
        # Taking rows and columns out of the information fixes the other parameters.
        rows = jnp.array([names.index(name) for name in free])
        ours = jnp.array([_our_constraint(name) for name in free])
        theirs = jnp.array([_their_constraint(name, benchmark) for name in free])
        chosen = information[jnp.ix_(rows, rows)] + jnp.diag(theirs - ours)
        return jnp.linalg.inv(chosen)[0, 0] * SIGNAL_YIELD**2

    return variance


def _our_constraint(name: str) -> float:
    return 1.0 if name in ("r", "rate") else 0.0


def _their_constraint(name: str, benchmark: Benchmark) -> float:
    if not benchmark.constrained or name not in _CONSTRAINT:
        return 0.0
    return (_UNIT[name] / _CONSTRAINT[name]) ** 2


@dataclass(frozen=True)
class InfernoResult:
    """The uncertainty of s on every benchmark, by the name of the training.

    Args:
        trained_on: The benchmark that the training on the variance was of.
        sigma: For each training one number per benchmark, hard bins, events of their
            own.
    """

    trained_on: int
    sigma: dict[str, tuple[float, ...]]


def compare_inferno(
    *,
    benchmark: int = 2,
    events: int = 100_000,
    steps: int = 1000,
    seed: int = 0,
    progress: bool = True,
) -> InfernoResult:
    """Trains a classifier, and from it bins on the variance of s.

    Args:
        benchmark: Which, 0 to 4.
        events: Per process: as many train as judge.
        steps: On the variance.
        seed: Of events, parameters and batches.
        progress: Whether a bar is shown.
    """
    seen = inferno_synthetic(events, seed=seed)
    judges = inferno_synthetic(events, seed=seed + _JUDGES)
    entropy = classifier(seen, seed=seed, progress=progress)
    bins = trained_bins(
        entropy, seen, benchmark, steps=steps, seed=seed, progress=progress
    )
    sigma = {
        "variance of s": sigmas(bins, judges),
        "cross entropy": sigmas(entropy, judges),
    }
    return InfernoResult(benchmark, sigma)


# Events that judge are drawn with a seed that none trains with.
_JUDGES = 1_000_000
_MEASUREMENT = Measurement(
    ("signal",), {"background": (fitkit.NormFactor("b"),)}, mc_statistics=False
)
_BINS = 10
# Few hundred numbers are enough for three features; the published network has 11 000.
_HIDDEN = (32, 32)
_BATCH = 2000
_TEMPERATURE = 0.3


def classifier(
    seen: Dataset,
    *,
    steps: int = 400,
    seed: int = 0,
    progress: bool = True,
) -> Pipeline:
    """A network trained on the cross entropy, in ten equal bins of its value.

    Args:
        seen: The events to train on.
        steps: Of Adam at 1e-3.
        seed: Of parameters and batches.
        progress: Whether a bar is shown.
    """
    network = NeuralObservable(3, _HIDDEN, key=jax.random.key(seed))
    edges = np.linspace(0.0, 1.0, _BINS + 1)
    stage = Stage(binary_cross_entropy, steps, batch_size=_BATCH)
    return train(
        Pipeline(network, Binning(edges), _MEASUREMENT),
        seen,
        stage,
        seed=seed,
        progress=progress,
    ).pipeline


def trained_bins(
    start: Pipeline,
    seen: Dataset,
    benchmark: int,
    *,
    steps: int = 1000,
    seed: int = 0,
    progress: bool = True,
) -> Pipeline:
    """Ten bins that begin at those of a classifier, trained on the variance of s.

    A softmax of ten outputs tells the bins apart, as published, added to the distance
    of the classifier's value from the middle of each of its bins; Adam with a cosine
    rate in place of plain gradient descent.

    Args:
        start: The classifier.
        seen: The events to train on.
        benchmark: Which, 0 to 4.
        steps: Of Adam, from 2e-3 to 0.
        seed: Of parameters and batches.
        progress: Whether a bar is shown.

    References:
        arXiv:1806.04743, section 4.
    """
    observable = SoftmaxObservable(
        3, _BINS, _HIDDEN, key=jax.random.key(seed), start=start.observable
    )
    stage = Stage(
        signal_variance(BENCHMARKS[benchmark]),
        steps,
        _falling_adam(2e-3, steps),
        batch_size=_BATCH,
    )
    return train(
        Pipeline(observable, Categories(bandwidth=_TEMPERATURE), _MEASUREMENT),
        seen,
        stage,
        seed=seed,
        progress=progress,
    ).pipeline


# One object for each: trainings of one benchmark share a compiled step.
@functools.cache
def _falling_adam(rate: float, steps: int) -> optax.GradientTransformation:
    return optax.adam(optax.cosine_decay_schedule(rate, steps))


def sigmas(pipeline: Pipeline, judges: Dataset) -> tuple[float, ...]:
    """The uncertainty of s on each benchmark, of hard bins.

    Bins without signal or background in the sample say nothing, and are left out.
    """
    templates = pipeline.hard_templates(judges)
    filled = [
        np.asarray(process.nominal.yields) > 0 for process in templates["SR"].values()
    ]
    used = np.logical_and.reduce(filled)
    model = pipeline.measurement.model(jax.tree.map(lambda x: x[used], templates))
    return tuple(
        float(np.sqrt(signal_variance(benchmark)(model))) for benchmark in BENCHMARKS
    )
