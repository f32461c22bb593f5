"""Every seed of a run trained, one after the other, and what came out of them told."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from . import show
from .process import INTERRUPTED, on_terminal

if TYPE_CHECKING:
    from .._events import Dataset
    from .._run.config import RunConfig
    from .._run.failure import Failure
    from .._run.run import Result


def run_all(
    config: "RunConfig",
    dataset: "Dataset",
    path: Path,
    pictures: bool,
    animate: bool,
    progress: bool,
) -> None:
    """Trains and judges every seed; one that fails leaves the others alone.

    Args:
        config: The description.
        dataset: Its events.
        path: Where the run's folder should be.
        pictures: Whether pictures are drawn.
        animate: Whether one of them moves.
        progress: Whether bars are shown, on a terminal.
    """
    from .._run.failure import noted
    from .._run.folder import RunFolder
    from .._run.run import run_seed

    if pictures:
        _require_plot()
    folder = RunFolder.create(path, config)
    results: list[Result] = []
    failures: list[Failure] = []
    for seed in config.training.seeds:
        with noted(failures, f"seed {seed}"):
            result = run_seed(
                folder,
                config,
                dataset,
                seed,
                draw=pictures,
                # One film shows what a training is; more would only cost time.
                animate=animate and not results,
                progress=on_terminal(progress),
            )
            results.append(result)
            if result.trained.interrupted:
                break
    if not results:
        raise failures[0].error
    show.run(folder, results)
    failed = show.failures("not trained", failures)
    for result in results:
        failed |= show.failures(f"seed {result.trained.seed}", result.failures)
    if results[-1].trained.interrupted:
        show.error("interrupted. What was trained until here is kept and judged above.")
        raise typer.Exit(INTERRUPTED)
    if failed:
        raise typer.Exit(1)


def _require_plot() -> None:
    # Asked before the training, not after it.
    try:
        from .. import plot  # noqa: F401
    except ImportError as error:
        raise RuntimeError(
            f"pictures need `{error.name}`. Install it with: pip install "
            "'neoskit[plot]', or leave the pictures out with --no-pictures."
        ) from None
