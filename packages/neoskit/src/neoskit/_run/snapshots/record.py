"""Looks at a training while it goes on, and what they say of its result."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..._events import Dataset, StoredDataset, few_events, keep_only
from ..._pipeline import AbstractPipeline, Pipeline
from ..._results.numbers import medians_of
from ..._templates import Templates
from ..._train import TrainState
from ..builders import stage_tables
from ..config import RunConfig
from ..folder import RunFolder
from .plane import Plane, plane_of
from .snapshot import Snapshot, read_snapshots, save_plane

# A slider with more marks is no easier to move.
_LOOKS = 30


@dataclass(frozen=True)
class Recording:
    """The looks at the trainings of one seed.

    They are taken at steps that depend on nothing but the description: a training that
    is gone on with leaves the same ones.

    Args:
        folder: the run.
        config: its description.
        seed: whose trainings they are.
        judges: the events that judge; with folds all.
        partition: the seed of the folds.
    """

    folder: RunFolder
    config: RunConfig
    seed: int
    judges: Dataset | StoredDataset
    partition: int = 0

    @property
    def place(self) -> Path:
        """Where the snapshots are."""
        return self.folder.path / f"seed-{self.seed}" / "snapshots"

    @functools.cached_property
    def _plane(self) -> Plane:
        plane = plane_of(few_events(self.judges), self.config.measurement.signals)
        save_plane(plane, self.place)
        return plane

    @functools.cached_property
    def _steps(self) -> int:
        return sum(stage.steps for stage in stage_tables(self.config))

    def is_time(self, step: int) -> bool:
        """Whether a look is taken after this step, one of those that are followed."""
        spacing = -(-self._steps // _LOOKS)
        before = step - self.config.training.every
        ends = step == 0 or step >= self._steps
        return ends or step // spacing > before // spacing

    def look(self, fold: int | None, state: TrainState) -> dict[str, float]:
        """Takes a look at a training.

        Returns:
            What it says of the result, by the names of the metrics: nothing of one of
            several folds, which alone has no result.
        """
        pipeline = state.pipeline
        shot = Snapshot(
            int(state.step),
            int(state.stage),
            self._templates(pipeline, fold),
            np.asarray(pipeline.edges) if pipeline.binned else None,
            self._plane.places(pipeline),
        )
        shot.save(self.place if fold is None else self.place / f"fold-{fold}")
        return {} if fold is not None else _numbers(pipeline, shot)

    def _templates(self, pipeline: Pipeline, fold: int | None) -> Templates:
        """Hard templates of the events that this pipeline has not seen."""
        if fold is None:
            return pipeline.hard_templates(self.judges)
        given = (pipeline, fold, self.config.split.folds or 1, self.partition)
        if isinstance(self.judges, StoredDataset):
            return self.judges.sum(_of_fold, given)
        return _of_fold(given, self.judges)

    def join(self, pipeline: AbstractPipeline) -> Iterator[dict[str, float]]:
        """Adds up the looks of the folds, step by step; for each what it says.

        Args:
            pipeline: of all folds, for the measurement.
        """
        folds = self.config.split.folds or 0
        looks = [
            {shot.step: shot for shot in read_snapshots(self.place / f"fold-{fold}")}
            for fold in range(folds)
        ]
        # A fold may have ended before another, by its validation events.
        steps = set(looks[0]).intersection(*looks[1:]) if looks else set()
        for step in sorted(steps):
            first, *others = (of_fold[step] for of_fold in looks)
            shot = sum(others, first)
            shot.save(self.place)
            where = {"stage": shot.stage, "step": step}
            yield {**where, **_numbers(pipeline, shot)}


def _of_fold(given: tuple[Pipeline, int, int, int], events: Dataset) -> Templates:
    pipeline, fold, folds, partition = given
    return pipeline.hard_templates(keep_only(events, fold, folds, seed=partition))


def _numbers(pipeline: AbstractPipeline, shot: Snapshot) -> dict[str, float]:
    model = pipeline.measurement.model(shot.templates)
    return medians_of(model, 1.0).medians
