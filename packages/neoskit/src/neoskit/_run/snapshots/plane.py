"""The planes of two features in which an observable is looked at.

With two features there is one plane, and the observable over it is all that there is
to know. With more, each pair of the features that separate best is a slice through
the median event.
"""

from dataclasses import dataclass
from itertools import combinations

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from ..._custom_types import Features
from ..._events import Dataset, SampleKey
from ..._observable import AbstractObservable, Scored
from ..._pipeline import AbstractPipeline, CrossFit, Pipeline

# 15 planes of 40 × 40 points: scoring 24 000 events, and 48 kB, for each look.
_FEATURES = 6
_POINTS = 40
_POINTS_OF_ONE = 60
# Of each sample; more are no longer dots.
_SHOWN = 300

UNIT = 1000
"""A place between the bin edges is stored as a whole number of these per bin."""


@dataclass(frozen=True)
class Plane:
    """Where an observable is looked at, the same in all looks of a training.

    Args:
        names: of the features that may be an axis, best separating first.
        axes: positions along each, `[features, points]`.
        columns: which features of the dataset they are.
        middle: the median event, `[all features]`.
        samples: for each sample that is shown, the features `[events, features]` of
            some of its events.
    """

    names: tuple[str, ...]
    axes: Float[np.ndarray, "features points"]
    columns: tuple[int, ...]
    middle: Float[np.ndarray, " all"]
    samples: dict[SampleKey, Float[np.ndarray, "events features"]]

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """The pairs of features that have a slice."""
        return list(combinations(range(len(self.names)), 2))

    def points(self) -> Features:
        """The events at which the observable is evaluated, pair after pair."""
        count = self.axes.shape[1]
        points = np.tile(self.middle, (len(self.pairs), count, count, 1))
        for slice_, (first, second) in zip(points, self.pairs, strict=True):
            slice_[:, :, self.columns[first]] = self.axes[first][None, :]
            slice_[:, :, self.columns[second]] = self.axes[second][:, None]
        return points.reshape(-1, len(self.middle)).astype(np.float32)

    def places(self, pipeline: AbstractPipeline) -> Int[np.ndarray, "pairs y x"]:
        """The observable over each slice, as a place between the bin edges.

        The lower end of bin i is at i · `UNIT` and its upper end at (i + 1) · `UNIT`.
        Of a `CrossFit` it is the observable of the first fold.
        """
        one = pipeline.folds[0] if isinstance(pipeline, CrossFit) else pipeline
        if not self.pairs or not isinstance(one, Pipeline):
            return np.zeros((0, 0, 0), np.int16)
        scored = _scored(one.observable, jnp.asarray(self.points()))
        place = np.full(len(self.pairs) * self.axes.shape[1] ** 2, 0.5)
        if one.binned:
            edges, value = np.asarray(one.edges), np.asarray(scored.value, float)
            place = np.interp(value, edges, np.arange(len(edges)))
            # Half a bin beyond: the outermost contours are the outermost edges.
            place = np.where(value < edges[0], -0.5, place)
            place = np.where(value > edges[-1], len(edges) - 0.5, place)
        elif scored.membership is not None:
            place = np.argmax(scored.membership, axis=-1) + 0.5
        if scored.weight is not None:
            place = np.where(np.asarray(scored.weight) > 0, place, -0.5)
        count = self.axes.shape[1]
        return np.rint(UNIT * place).astype(np.int16).reshape(-1, count, count)


@eqx.filter_jit
def _scored(observable: AbstractObservable, points: Features) -> Scored:
    return observable(points, None)


def plane_of(dataset: Dataset, signals: tuple[str, ...]) -> Plane:
    """The planes in which an observable of these events is looked at."""
    samples = {
        key: np.asarray(events.features, float)
        for key, events in dataset.scored_samples()
    }
    nominal = {key: rows for key, rows in samples.items() if not key.shift}
    rows = np.concatenate(list(nominal.values()))
    names = dataset.feature_names
    order = sorted(
        range(len(names)),
        key=lambda column: -_separation(nominal, column, signals),
    )
    # What has few values is no axis, unless there is nothing else.
    many = [c for c in order if len(np.unique(rows[:1000, c])) > 10]
    columns = tuple((many if len(many) > 1 else order)[:_FEATURES])
    if len(columns) == 2:
        columns = tuple(sorted(columns))  # one plane: its axes as in the dataset
    # Quantiles, not extremes: one event far away would make all others a dot.
    low, high = np.quantile(rows[:, columns], [0.005, 0.995], axis=0)
    margin = 0.06 * np.where(high > low, high - low, 1.0)
    count = _POINTS_OF_ONE if len(columns) == 2 else _POINTS
    shown = {
        key: one[:_SHOWN, columns]
        for key, one in samples.items()
        # A feature that a variation moves is seen where there is room for its events.
        if not key.shift or len(samples) <= 8
    }
    return Plane(
        tuple(names[column] for column in columns),
        np.linspace(low - margin, high + margin, count).T,
        columns,
        np.median(rows, axis=0),
        shown,
    )


def _separation(
    samples: dict[SampleKey, np.ndarray], column: int, signals: tuple[str, ...]
) -> float:
    """½ Σ (s − b)² / (s + b) over bins: 0 for equal distributions, 1 for disjoint."""
    rows = {
        wanted: np.concatenate(
            [
                r[:, column]
                for k, r in samples.items()
                if (k.process in signals) is wanted
            ]
            or [np.zeros(0)]
        )
        for wanted in (True, False)
    }
    if not len(rows[True]) or not len(rows[False]):
        return 0.0
    both = np.concatenate(list(rows.values()))
    edges = np.unique(np.quantile(both, np.linspace(0, 1, 21)))
    if len(edges) < 2:
        return 0.0
    s, b = (np.histogram(r, edges)[0] / len(r) for r in rows.values())
    filled = s + b > 0
    return float(0.5 * ((s - b)[filled] ** 2 / (s + b)[filled]).sum())
