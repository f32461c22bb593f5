"""A training on disk: every array of its state, and nothing that can be executed."""

import json
from pathlib import Path

import equinox as eqx

from .._pipeline import Pipeline
from .keep import AbstractKeep, KeepLast
from .stage import Stages, stages_of
from .state import TrainState, initial_state


def save_checkpoint(path: str | Path, state: TrainState) -> None:
    """Write the arrays of a training's state to a file.

    The file is complete or not there: it is written beside its place and moved.

    Args:
        path: the file; replaced if it exists.
        state: `Training.state`, or what a `callback` gets.
    """
    path = Path(path)
    # Beside its place, so that the move is within one file system and cannot be half.
    unfinished = path.with_name(path.name + ".part")
    with unfinished.open("wb") as file:
        # First where it stands: the shapes of the rest depend on the stage.
        line = {"stage": int(state.stage), "step": int(state.step)}
        file.write(json.dumps(line).encode() + b"\n")
        eqx.tree_serialise_leaves(file, state)
    unfinished.replace(path)


def load_checkpoint(
    path: str | Path,
    pipeline: Pipeline,
    stages: Stages,
    keep: AbstractKeep = KeepLast(),
) -> TrainState:
    """Read a state that `save_checkpoint` wrote.

    Args:
        path: the file.
        pipeline: of the training that wrote it, trained or not; it gives the structure,
            its numbers are replaced.
        stages: what that training was told to do.
        keep: its rule for what is kept.

    Returns:
        The state, for `train` to go on with.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file belongs to another pipeline or to other stages.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no checkpoint {path}.")
    stages = stages_of(stages, pipeline)
    try:
        with path.open("rb") as file:
            number = json.loads(file.readline())["stage"]
            stage = stages[min(number, len(stages) - 1)]
            like = initial_state(pipeline, stage, keep, number=number)
            return eqx.tree_deserialise_leaves(file, like)
    # Whatever equinox stumbles over, the reason is one: another shape was written.
    except (RuntimeError, ValueError, EOFError, TypeError, KeyError) as error:
        raise ValueError(
            f"The checkpoint {path} does not fit the pipeline and the stages given; "
            f"build them as for the training that wrote it. ({error})"
        ) from error
