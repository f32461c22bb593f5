"""The states of a seed's trainings on disk: written as they go, read to go on."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from .._pipeline import Pipeline
from .._train import AbstractKeep, Stage, TrainState, load_checkpoint, save_checkpoint
from .._train.checkpoint import standing
from .folder import RunFolder
from .stop import Stop
from .writing import writing


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one seed: one file, or one for each fold.

    Args:
        folder: where they are.
        seed: whose they are.
        stages: how many stages each training has.
        folds: how many trainings there are; `None` for one without folds.
        every: after how many steps one is written. One is written after each stage and
            when the run is to stop, too.
        stop: whether it is.
    """

    folder: RunFolder
    seed: int
    stages: int
    folds: int | None = None
    every: int = 50
    stop: Stop = field(default_factory=Stop)

    def path(self, fold: int | None = None) -> Path:
        """The file of one training."""
        name = "checkpoint" if fold is None else f"checkpoint-fold-{fold}"
        return self.folder.path / f"seed-{self.seed}" / f"{name}.eqx"

    @property
    def finished(self) -> bool:
        """Whether all trainings of the seed are at their end."""
        return all(
            self.path(fold).is_file() and standing(self.path(fold)).stage == self.stages
            for fold in self._all()
        )

    def _all(self) -> list[int | None]:
        return [None] if self.folds is None else [*range(self.folds)]

    def begin(
        self,
        pipeline: Pipeline,
        stages: tuple[Stage, ...],
        keep: AbstractKeep,
        fold: int | None = None,
    ) -> Pipeline | TrainState:
        """Where a training goes on: at its checkpoint, or at its start.

        Lines of the metrics that are newer than that are taken away, as the steps that
        they are of will be made again.

        Raises:
            ValueError: the checkpoint is damaged, or of another description.
        """
        path = self.path(fold)
        if not path.is_file():
            self.folder.forget_metrics(self.seed, fold, after=-1)
            return pipeline
        state = load_checkpoint(path, pipeline, stages, keep)
        self.folder.forget_metrics(self.seed, fold, after=int(state.step))
        return state

    def after_step(self, fold: int | None = None) -> Callable[[TrainState], None]:
        """What a training calls after each of its steps.

        It raises `KeyboardInterrupt` where the run is to stop, after the checkpoint.
        """

        def saved(state: TrainState) -> None:
            stopping = self.stop.requested
            of_stage = int(state.stage_step) == 0  # the first state of the next one
            if stopping or of_stage or int(state.step) % self.every == 0:
                self.save(state, fold)
            # What is at its end has not been interrupted.
            if stopping and int(state.stage) < self.stages:
                raise KeyboardInterrupt

        return saved

    def save(self, state: TrainState, fold: int | None = None) -> None:
        """Writes the state of one training.

        Raises:
            CannotWrite: naming the file and the reason.
        """
        path = self.path(fold)
        # What the metrics say of a step is on disk before the step itself.
        self.folder.sync_metrics()
        with writing(path):
            path.parent.mkdir(exist_ok=True)
            save_checkpoint(path, state)

    @property
    def kept(self) -> str:
        """What there is to go on with, in a sentence."""
        kept = [
            f"step {standing(self.path(fold)).step}"
            + ("" if fold is None else f" of fold {fold + 1}")
            for fold in self._all()
            if self.path(fold).is_file()
        ]
        if not kept:
            return f"No checkpoint of seed {self.seed} was written before."
        return (
            f"The last checkpoint of seed {self.seed}, {kept[-1]}, is kept in "
            f"{self.folder.path}, to go on from with --resume."
        )
