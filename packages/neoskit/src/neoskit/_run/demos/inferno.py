"""The INFERNO problem: one network per objective, against the published table."""

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

import fitkit

from ..._events import Dataset, inferno_synthetic, split
from ..._gradient import AbstractEventObjective, BinaryCrossEntropy
from ..._objectives import Objective
from ..._observable import NeuralObservable
from ..._pipeline import Pipeline
from ..._statmodel import Measurement
from ..._templates import Binning
from ..._train import train

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
        trained_on: The benchmark that INFERNO's loss was of.
        sigma: For each training one number per benchmark, hard bins, held-out events.
    """

    trained_on: int
    sigma: dict[str, tuple[float, ...]]


def compare_inferno(
    *,
    benchmark: int = 2,
    events: int = 100_000,
    steps: int = 500,
    batch: int = 4000,
    bins: int = 10,
    seed: int = 0,
    progress: bool = True,
) -> InfernoResult:
    """Trains one network on the variance of s and one on the cross entropy.

    The network is the published one (100, 100, ReLU) with one sigmoid output in ten
    bins in place of ten softmax outputs, and Adam in place of plain gradient descent.

    Args:
        benchmark: Which, 0 to 4.
        events: Per process and half: as many train as judge.
        steps: Of each training.
        batch: Events per sample in one step.
        bins: Of the observable.
        seed: Of events, parameters and batches.
        progress: Whether a bar is shown.
    """
    seen, judges = split(inferno_synthetic(2 * events, seed=seed), (0.5, 0.5))
    trainings: dict[str, Objective | AbstractEventObjective] = {
        "variance of s": signal_variance(BENCHMARKS[benchmark]),
        "cross entropy": BinaryCrossEntropy(),
    }
    options = {"batch": batch, "bins": bins, "seed": seed, "progress": progress}
    pipelines = {
        name: _trained(objective, seen, steps=steps, **options)
        for name, objective in trainings.items()
    }
    return InfernoResult(
        benchmark,
        {
            name: tuple(map(float, _sigmas(pipeline, judges)))
            for name, pipeline in pipelines.items()
        },
    )


def _trained(
    objective: Objective | AbstractEventObjective,
    seen: Dataset,
    *,
    steps: int,
    batch: int,
    bins: int,
    seed: int,
    progress: bool,
) -> Pipeline:
    pipeline = Pipeline(
        NeuralObservable(3, (100, 100), key=jax.random.key(seed)),
        Binning(jnp.linspace(0.0, 1.0, bins + 1), bandwidth=0.3 / bins),
        Measurement(("signal",), {"background": (fitkit.NormFactor("b"),)}),
    )
    return train(
        pipeline,
        seen,
        objective,
        steps=steps,
        optimiser=optax.adam(1e-3),
        batch_size=batch,
        seed=seed,
        progress=progress,
    ).pipeline


@eqx.filter_jit
def _sigmas(pipeline: Pipeline, judges: Dataset) -> list[Float[Array, ""]]:
    model = pipeline.hard_model(judges)
    return [jnp.sqrt(signal_variance(benchmark)(model)) for benchmark in BENCHMARKS]
