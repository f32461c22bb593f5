"""Where a run is written: a new folder, or that of a run that goes on."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from .._events import Dataset
from .builders import stage_tables
from .checkpoints import Checkpoints
from .config import RunConfig
from .folder import RunFolder
from .lock import NAME, locked
from .provenance import (
    changed_inputs,
    changed_keys,
    changed_versions,
    provenance,
)
from .stop import Stop
from .writing import writing


def checkpoints(
    folder: RunFolder, config: RunConfig, seed: int, stop: Stop | None = None
) -> Checkpoints:
    """Those of one seed of a description."""
    return Checkpoints(
        folder,
        seed,
        len(stage_tables(config)),
        config.split.folds,
        config.training.checkpoint_every,
        Stop() if stop is None else stop,
    )


Finished = Callable[[RunFolder, RunConfig], bool]
"""Whether all that a command trains is trained."""


def trained(folder: RunFolder, config: RunConfig) -> bool:
    """Whether every seed of a run is trained to its end, judged and exported."""
    # One of an earlier version of neoskit, which wrote no checkpoints, is left alone.
    if not any(folder.path.glob("seed-*/checkpoint*.eqx")):
        return any(folder.path.glob("seed-*/parameters.eqx"))
    results = ("parameters.eqx", "evaluation.json", "workspace.json")
    return all(
        checkpoints(folder, config, seed).finished
        and all((folder.path / f"seed-{seed}" / name).is_file() for name in results)
        for seed in config.training.seeds
    )


@contextlib.contextmanager
def begun(
    path: Path,
    config: RunConfig,
    base: Path,
    dataset: Dataset,
    *,
    resume: bool = False,
    finished: Finished = trained,
    tell: Callable[[str], None] | None = None,
) -> Iterator[RunFolder]:
    """The folder of a run; nobody else trains in it meanwhile.

    A run that is there already goes on if it is of the same description and not at its
    end. Otherwise it is left alone, and the new one is written beside it.

    Args:
        path: where it should be; if that is taken, `-2`, `-3`, … is added.
        config: the description, with absolute paths.
        base: the folder that its paths are relative to.
        dataset: the events that were read.
        resume: whether the run at `path` is to go on, and no other begun.
        finished: whether a run is at its end.
        tell: called with what somebody should know, such as that a run goes on.

    Raises:
        ConfigError: there is no run to go on with.
        ValueError: description or inputs are no longer those that it began with.
        RuntimeError: another process trains in it, or it cannot be written.
    """
    tell = (lambda _: None) if tell is None else tell
    with contextlib.ExitStack() as stack:
        if resume:
            folder = RunFolder.open(path)
            _same_description(folder, config)
        else:
            folder = _place(path, config, tell)
        stack.enter_context(locked(folder.path))
        # Asked with the lock: until a moment ago another may have trained here.
        if not resume and _described(folder) and finished(folder, config):
            stack.close()
            folder = _new(path)
            stack.enter_context(locked(folder.path))
        now = provenance(config, base, dataset)
        if _described(folder):
            _same_inputs(folder, now, tell)
            tell(f"going on with {folder.path}")
        else:
            folder.describe(config, now)
        yield folder


def _described(folder: RunFolder) -> bool:
    return (folder.path / "config.toml").is_file()


def _place(path: Path, config: RunConfig, tell: Callable[[str], None]) -> RunFolder:
    """The last run of this name if it may go on, else a new folder."""
    taken = [one for one in _names(path) if one.exists()]
    if not taken:
        return _new(path)
    last = RunFolder(taken[-1])
    if not _described(last):
        return last if _empty(last.path) else _new(path)
    changed = changed_keys(last.config, config)
    if not changed:
        return last
    if not trained(last, last.config):
        tell(f"{last.path} is of another description ({_listed(changed)}) and is left")
    return _new(path)


def _names(path: Path) -> Iterator[Path]:
    """All names of runs at a place up to the first that is free."""
    one, number = path, 2
    while True:
        yield one
        if not one.exists():
            return
        one = path.with_name(f"{path.name}-{number}")
        number += 1


def _new(path: Path) -> RunFolder:
    """A folder that nobody has."""
    # A run takes hours: the folder of an earlier one is never written into.
    for one in _names(path):
        with writing(one), contextlib.suppress(FileExistsError):
            one.mkdir(parents=True)
            return RunFolder(one)
    raise AssertionError("the last name is free")  # unless somebody takes it now


def _empty(folder: Path) -> bool:
    """Whether a run was cut off here before it began."""
    ours = {NAME, "pictures", "provenance.json", "config.toml.part"}
    return folder.is_dir() and {one.name for one in folder.iterdir()} <= {
        *ours,
        "provenance.json.part",
    }


def _same_description(folder: RunFolder, config: RunConfig) -> None:
    changed = changed_keys(folder.config, config)
    if changed:
        raise ValueError(
            f"{folder.path}: is the run of another description: {_listed(changed)}. Go "
            f"on with `neoskit train --resume {folder.path}` alone, which takes its "
            "own, or train the new one in another folder."
        )


def _same_inputs(folder: RunFolder, now: dict, tell: Callable[[str], None]) -> None:
    before = folder.provenance
    changed = changed_inputs(before, now)
    if changed:
        raise ValueError(
            f"{folder.path}: its inputs are no longer what they were: "
            f"{_listed(changed)}. What is trained would be of neither. Put them back, "
            "or train in another folder with --out."
        )
    changed = changed_versions(before, now)
    if changed:
        tell(
            f"{folder.path} was begun with other versions ({_listed(changed)}): its "
            "last digits may be others than without the interruption"
        )


def _listed(changed: list[str], most: int = 5) -> str:
    more = f" and {len(changed) - most} more" if len(changed) > most else ""
    return "; ".join(changed[:most]) + more
