"""One cut on one feature: the gradient against a scan of all cuts."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

import fitkit

from ..._events import Dataset, Events, Process
from ..._observable import SoftSelection
from ..._pipeline import Pipeline
from ..._statmodel import Measurement
from ..._templates import Counting
from ..._train import Stage, anneal, train

SIGNAL_YIELD = 300.0
BACKGROUND_YIELD = 8000.0


@dataclass(frozen=True)
class CutResult:
    """Where the gradient and the scan see the best cut.

    Args:
        trained: The threshold at the end of the training.
        scanned: The best threshold of the scan.
        best: The significance there.
        thresholds: Those of the scan.
        hard: The significance of each hard cut.
        soft: That of each cut as smooth as at the end of the training.
        path: The threshold before each step and at the end.
    """

    trained: float
    scanned: float
    best: float
    thresholds: Float[np.ndarray, " scan"]
    hard: Float[np.ndarray, " scan"]
    soft: Float[np.ndarray, " scan"]
    path: Float[np.ndarray, " steps"]

    @property
    def reached(self) -> float:
        """The significance of the hard cut at the trained threshold."""
        return float(np.interp(self.trained, self.thresholds, self.hard))


def cut_problem(events: int = 400_000, *, seed: int = 0) -> Dataset:
    """300 signal events around 50 ± 5 on 8000 background events around 40 ± 10.

    Args:
        events: Drawn for each, with weights that give these yields. With few events
            the best cut of the *sample* is an accident: with as many as are expected
            it scatters by ± 0.8.
        seed: Another seed gives other draws.
    """
    generator = np.random.default_rng(seed)

    def process(mean: float, width: float, total: float) -> Process:
        x = generator.normal(mean, width, (events, 1))
        return Process(Events(x, np.full(events, total / events), names=("x",)))

    return Dataset(
        {
            "SR": {
                "signal": process(50.0, 5.0, SIGNAL_YIELD),
                "background": process(40.0, 10.0, BACKGROUND_YIELD),
            }
        }
    )


def minus_significance(model: fitkit.Model) -> Float[Array, ""]:
    """The Asimov significance of one bin, with the sign of a loss.

    An objective of one's own is as short as this: any function of the model.
    """
    without, both = (
        model.expected_data({**model.init, "mu": jnp.asarray(mu)}).main["SR"][0]
        for mu in (0.0, 1.0)
    )
    return -fitkit.asimov_significance(both - without, without)


def find_cut(
    *,
    events: int = 400_000,
    seed: int = 0,
    start: float = 30.0,
    steps: int = 100,
    progress: bool = True,
) -> CutResult:
    """Trains the threshold, and scans hard cuts beside it.

    The cut is smooth over 5 at first, so that events far from it pull as well, and
    over 0.5 in the end, where it is almost hard.

    Args:
        events: Per process.
        seed: Of the events.
        start: Where the threshold begins.
        steps: Of the optimiser, Adam with a falling learning rate.
        progress: Whether a bar is shown.
    """
    dataset = cut_problem(events, seed=seed)
    pipeline = Pipeline(
        SoftSelection([start]),
        Counting(bandwidth=5.0),
        Measurement(("signal",), mc_statistics=False),
    )
    path: list[float] = []
    training = train(
        pipeline,
        dataset,
        Stage(
            minus_significance,
            steps,
            optax.adam(optax.cosine_decay_schedule(1.0, steps, alpha=0.02)),
            bandwidth=anneal(5.0, 0.5, steps),
            logarithm=False,  # the objective is negative
            pseudo_events=0.0,  # a counted sum of all events is never empty
        ),
        callback=lambda state, numbers: path.append(_threshold(state.pipeline)),
        progress=progress,
    )
    # In steps of a hundredth of the signal's width: the scan is the truth here.
    thresholds = np.arange(20.0, 65.0, 0.05)
    hard, soft = _scan(training.pipeline, dataset, jnp.asarray(thresholds))
    best = int(np.argmax(hard))
    return CutResult(
        trained=_threshold(training.pipeline),
        scanned=float(thresholds[best]),
        best=float(hard[best]),
        thresholds=thresholds,
        hard=hard,
        soft=soft,
        path=np.array(path),
    )


def draw_cut(result: CutResult, path: Path) -> Path:
    """The scan with the way of the gradient, as a picture."""
    from ... import plot

    with plot.style():
        figure = plot.panels(width=5.5)
        plot.cut_scan(
            result.thresholds,
            result.hard,
            soft=result.soft,
            path=(
                result.path,
                np.interp(result.path, result.thresholds, result.hard),
            ),
            trained=result.trained,
            ax=figure.subplots(),
        )
        return plot.save(figure, path)


def _threshold(pipeline: Pipeline) -> float:
    return float(cast(SoftSelection, pipeline.observable).thresholds[0])


@eqx.filter_jit
def _significances(
    pipeline: Pipeline, dataset: Dataset, thresholds: Float[Array, " scan"]
) -> tuple[Float[Array, " scan"], Float[Array, " scan"]]:
    def at(threshold: Float[Array, ""]) -> tuple[Float[Array, ""], Float[Array, ""]]:
        moved = eqx.tree_at(
            lambda p: p.observable.thresholds, pipeline, threshold[None]
        )
        return (
            -minus_significance(moved.hard_model(dataset)),
            -minus_significance(moved.model(dataset)),
        )

    # One threshold after the other: all at once would hold thresholds × events.
    return jax.lax.map(at, thresholds)


def _scan(
    pipeline: Pipeline, dataset: Dataset, thresholds: Float[Array, " scan"]
) -> tuple[np.ndarray, np.ndarray]:
    hard, soft = _significances(pipeline, dataset, thresholds)
    return np.asarray(hard), np.asarray(soft)
