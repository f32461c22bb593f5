"""Every seed of a run trained, one after the other, and what came out of them told."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from . import show
from .process import INTERRUPTED, TERMINATED, stopping

if TYPE_CHECKING:
    from .._events import Dataset
    from .._run.config import RunConfig
    from .._run.failure import Failure
    from .._run.folder import RunFolder
    from .._run.run import Result
    from .._run.stop import Stop


@dataclass(frozen=True)
class Task:
    """What a command trains, and where.

    Args:
        config: The description, with absolute paths.
        base: The folder that its paths are relative to.
        dataset: Its events.
        path: Where the run's folder is, or should be.
        resume: Whether the run there goes on, and no other begins.
    """

    config: "RunConfig"
    base: Path
    dataset: "Dataset"
    path: Path
    resume: bool = False


def task(
    config: Path | None,
    resume: Path | None,
    out: Path | None,
    checkpoint_every: int | None,
    suffix: str = "",
) -> Task:
    """What the arguments of a command say.

    Args:
        config: The file that describes a run.
        resume: The folder of one to go on with.
        out: Where a new one should be.
        checkpoint_every: In place of the description's number.
        suffix: Of the folder's name, where none is given.

    Raises:
        ValueError: They say too little or too much.
    """
    from .._run.builders import absolute, build_dataset
    from .._run.config import read_config
    from .._run.folder import RunFolder

    if resume is not None and out is not None:
        raise ValueError("--resume goes on in its own folder: leave --out out.")
    if config is not None:
        base = config.parent
        description = absolute(read_config(config), base)
    elif resume is not None:
        base, description = resume, RunFolder.open(resume).config
    else:
        raise ValueError(
            "nothing to train: name a TOML file that describes a run, or the folder of "
            "one to go on with by --resume."
        )
    if checkpoint_every is not None:
        table = description.training.model_copy(
            update={"checkpoint_every": checkpoint_every}
        )
        description = description.model_copy(update={"training": table})
    new = out or Path("runs") / f"{config.stem if config else ''}{suffix}"
    path = new if resume is None else resume
    dataset = build_dataset(description, base)
    return Task(description, base, dataset, path, resume is not None)


def run_all(
    task: Task, pictures: bool, animate: bool, progress: bool, report: bool = False
) -> None:
    """Trains and judges every seed; one that fails leaves the others alone.

    Args:
        task: What is trained, and where.
        pictures: Whether pictures are drawn.
        animate: Whether one of them moves.
        progress: Whether progress is shown.
        report: Whether the page of the run is made in the end.
    """
    from .._run.start import begun

    if pictures:
        require_plot()
    if report:
        from .._report.write import plotly_script

        plotly_script()  # asked before the training, not after it
    with (
        stopping() as stop,
        begun(
            task.path,
            task.config,
            task.base,
            task.dataset,
            resume=task.resume,
            tell=show.note,
        ) as folder,
    ):
        results, failures = _seeds(folder, task, stop, pictures, animate, progress)
        if not results and not stop.requested:
            raise failures[0].error
        show.run(folder, results)
        failed = show.failures("not trained", failures)
        for result in results:
            failed |= show.failures(f"seed {result.trained.seed}", result.failures)
        if report and results and not stop.requested:
            failed |= _reported(folder, task.dataset)
    end_if_interrupted(stop, folder, "train")
    if failed:
        raise typer.Exit(1)


def _seeds(
    folder: "RunFolder",
    task: Task,
    stop: "Stop",
    pictures: bool,
    animate: bool,
    progress: bool,
) -> "tuple[list[Result], list[Failure]]":
    from .._run.failure import noted
    from .._run.run import run_seed

    results: list[Result] = []
    failures: list[Failure] = []
    for seed in task.config.training.seeds:
        if stop.requested:
            break
        with noted(failures, f"seed {seed}"):
            result = run_seed(
                folder,
                task.config,
                task.dataset,
                seed,
                draw=pictures,
                # One film shows what a training is; more would only cost time.
                animate=animate and not results,
                progress=progress,
                stop=stop,
            )
            results.append(result)
            # By Ctrl-C within a step, where nobody was asked.
            stop.requested |= result.trained.interrupted
    return results, failures


def _reported(folder: "RunFolder", dataset: "Dataset") -> bool:
    """Makes the page of the run; whether it could not be made."""
    from .._report import write_report
    from .._run.failure import noted

    failures: list[Failure] = []
    with noted(failures, "the page"):
        page = write_report(folder, lambda: dataset)
        show.line("report")
        show.files([page])
    return show.failures("not written", failures)


def end_if_interrupted(stop: "Stop", folder: "RunFolder", command: str) -> None:
    """Ends a command that was interrupted, by the status that tells it.

    Raises:
        typer.Exit: It was.
    """
    if not stop.requested:
        return
    show.error(
        "interrupted. What was trained until here is kept; it goes on with: "
        f"neoskit {command} --resume {folder.path}"
    )
    raise typer.Exit(TERMINATED if stop.at_once else INTERRUPTED)


def require_plot() -> None:
    """Refuses to begin what cannot be drawn in the end.

    Raises:
        RuntimeError: A package for pictures is missing.
    """
    # Asked before the training, not after it.
    try:
        from .. import plot  # noqa: F401
    except ImportError as error:
        raise RuntimeError(
            f"pictures need `{error.name}`. Install it with: pip install "
            "'neoskit[plot]', or leave the pictures out with --no-pictures."
        ) from None
