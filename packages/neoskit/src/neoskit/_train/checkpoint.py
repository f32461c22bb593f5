"""A training on disk: every array of its state, and nothing that can be executed."""

import hashlib
import io
import json
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx

from .._atomic import write_atomically
from .._pipeline import Pipeline
from .keep import AbstractKeep, KeepLast
from .stage import Stages, stages_of
from .state import TrainState, initial_state

_DAMAGED = (
    "The checkpoint {path} is damaged: {why}. Take an earlier copy of it, or start the "
    "training anew."
)


class Standing(NamedTuple):
    """Where the training of a checkpoint stands.

    Args:
        stage: the number of the stage, from 0; that of all stages at the end.
        step: how many steps are done in all.
    """

    stage: int
    step: int


def save_checkpoint(path: str | Path, state: TrainState) -> None:
    """Write the arrays of a training's state to a file.

    The file is complete or not there: it is written beside its place, brought to the
    disk and moved. Until then the one that it replaces stays.

    Args:
        path: the file; replaced if it exists.
        state: `Training.state`, or what a `callback` or `after_step` gets.

    Raises:
        OSError: it cannot be written.
    """
    arrays = io.BytesIO()
    eqx.tree_serialise_leaves(arrays, state)
    content = arrays.getvalue()
    # First where it stands: the shapes of the rest depend on the stage.
    line = {
        "stage": int(state.stage),
        "step": int(state.step),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    write_atomically(Path(path), json.dumps(line).encode() + b"\n" + content)


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
        ValueError: the file is damaged, or belongs to another pipeline or to other
            stages.
    """
    path = Path(path)
    line, content = _read(path)
    digest = hashlib.sha256(content).hexdigest()
    if digest != line["sha256"]:
        raise ValueError(_DAMAGED.format(path=path, why="its digest is another one"))
    stages = stages_of(stages, pipeline)
    number = line["stage"]
    stage = stages[min(number, len(stages) - 1)]
    like = initial_state(pipeline, stage, keep, number=number)
    try:
        return eqx.tree_deserialise_leaves(io.BytesIO(content), like)
    # Whatever equinox stumbles over, the reason is one: another shape was written.
    except (RuntimeError, ValueError, EOFError, TypeError, KeyError) as error:
        raise ValueError(
            f"The checkpoint {path} does not fit the pipeline and the stages given; "
            f"build them as for the training that wrote it. ({error})"
        ) from error


def standing(path: Path) -> Standing:
    """Where the training of a checkpoint stands, without its arrays.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged.
    """
    line, _ = _read(path)
    return Standing(line["stage"], line["step"])


def _read(path: Path) -> tuple[dict[str, Any], bytes]:
    if not path.is_file():
        raise FileNotFoundError(f"There is no checkpoint {path}.")
    first, _, content = path.read_bytes().partition(b"\n")
    try:
        line = json.loads(first)
        missing = {"stage", "step", "sha256"} - line.keys()
    except (ValueError, AttributeError) as error:
        why = "its first line does not say where it stands"
        raise ValueError(_DAMAGED.format(path=path, why=why)) from error
    if missing:
        why = f"its first line does not say its {sorted(missing)[0]}"
        raise ValueError(_DAMAGED.format(path=path, why=why))
    return line, content
