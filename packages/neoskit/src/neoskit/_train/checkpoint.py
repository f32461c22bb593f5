"""A training on disk."""

from pathlib import Path

import equinox as eqx

from .state import TrainState


def save_checkpoint(path: str | Path, state: TrainState) -> None:
    """Write the arrays of a training's state to a file.

    The file is complete or not there: it is written beside its place and moved.

    Args:
        path: the file; replaced if it exists.
        state: `Training.state`.
    """
    path = Path(path)
    # Beside its place, so that the move is within one file system and cannot be half.
    unfinished = path.with_name(path.name + ".part")
    eqx.tree_serialise_leaves(unfinished, state)
    unfinished.replace(path)


def load_checkpoint(path: str | Path, like: TrainState) -> TrainState:
    """Read a state that `save_checkpoint` wrote.

    Args:
        path: the file.
        like: a state of the same pipeline and optimiser, from `initial_state`; it
            gives the structure, its numbers are replaced.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file belongs to another pipeline or optimiser.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no checkpoint {path}.")
    try:
        return eqx.tree_deserialise_leaves(path, like)
    # Whatever equinox stumbles over, the reason is one: another shape was written.
    except (RuntimeError, ValueError, EOFError, TypeError) as error:
        raise ValueError(
            f"The checkpoint {path} does not fit the pipeline and optimiser given as "
            f"`like`; build them as for the training that wrote it. ({error})"
        ) from error
