"""The commands that work on a run: train, evaluate, export, compare."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import show
from .demos import demo
from .group import Commands
from .info import info
from .options import Animate, ConfigFile, Out, Pictures, Progress, RunPath
from .process import INTERRUPTED, on_terminal
from .training import run_all

# What trains and judges is imported inside the commands: help needs no jax.
if TYPE_CHECKING:
    from .._events import Dataset
    from .._run.config import RunConfig

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Train an analysis end to end on the expected result of its measurement.",
)
app.add_typer(demo, name="demo")
app.command()(info)


def _version(wanted: bool) -> None:
    if wanted:
        from .. import __version__

        show.line(f"neoskit {__version__}")
        raise typer.Exit


@app.callback()
def _settings(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show where in the code an error arose.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_version, is_eager=True
        ),
    ] = False,
) -> None:
    show.show_tracebacks(debug)


@app.command()
def check(
    config: ConfigFile,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print it for a program to read.")
    ] = False,
) -> None:
    """Read everything that a file describes, and say what is odd; train nothing."""
    from .._run.check import check as check_all
    from .._run.config import read_config
    from . import check as printed

    result = check_all(read_config(config), config.parent)
    if as_json:
        printed.document(result)
    else:
        printed.report(config, result)
    if not result.passed:
        raise typer.Exit(1)


@app.command()
def train(
    config: ConfigFile,
    out: Out = None,
    pictures: Pictures = True,
    animate: Animate = False,
    progress: Progress = True,
) -> None:
    """Train what a file describes, once per seed; judge, export and draw it."""
    description, dataset = _described(config)
    path = out or Path("runs") / config.stem
    run_all(description, dataset, path, pictures, animate, progress)


@app.command()
def evaluate(
    run: RunPath,
    unblind: Annotated[
        bool,
        typer.Option("--unblind", help="Open the recorded events and fit them."),
    ] = False,
) -> None:
    """Compute the expected result of a run again; with --unblind the observed one."""
    from .._run.builders import build_dataset, build_observed
    from .._run.folder import RunFolder
    from .._run.run import judge, load, unblind_seed

    folder = RunFolder.open(run)
    config = folder.config
    seeds = folder.seeds
    dataset = build_dataset(config, run)
    trained = [load(folder, dataset, seed) for seed in seeds]
    judged = {one.seed: judge(folder, config, one) for one in trained}
    rows = [(s, one.evaluation) for s, one in judged.items() if one.evaluation]
    show.results(rows)
    show.merged(config, rows, dataset.scored)
    failed = [
        show.failures(f"seed {seed}", one.failures) for seed, one in judged.items()
    ]
    if unblind:
        # The workspace with its bins is on disk now: what follows cannot change it.
        observed = build_observed(config, run)
        fit = unblind_seed(config, trained[0], observed)
        show.unblinded(seeds[0], fit, getattr(config.source, "note", None))
    if any(failed):
        raise typer.Exit(1)


@app.command()
def export(
    run: RunPath,
    seed: Annotated[
        int | None, typer.Option(help="Which seed; by default the first.")
    ] = None,
) -> None:
    """Write the workspace of a trained run again."""
    from .._run.builders import build_dataset
    from .._run.folder import RunFolder
    from .._run.run import export as export_seed
    from .._run.run import load

    folder = RunFolder.open(run)
    dataset = build_dataset(folder.config, run)
    chosen = folder.seeds[0] if seed is None else seed
    show.line(str(export_seed(folder, folder.config, load(folder, dataset, chosen))))


@app.command()
def compare(
    config: ConfigFile,
    out: Out = None,
    progress: Progress = True,
) -> None:
    """Train on baselines and on the objective; tell what is to be won, and is."""
    from .._run.compare import run_comparison
    from .._run.folder import RunFolder
    from .._run.ways import ways_of

    description, dataset = _described(config)
    ways_of(description)  # asked now, so that a mistake leaves no folder
    path = out or Path("runs") / f"{config.stem}-compare"
    folder = RunFolder.create(path, description)
    outcome = run_comparison(
        folder,
        description,
        dataset,
        progress=on_terminal(progress),
        tell=lambda room: show.head_room(room, description.compare.head_room),
    )
    show.comparison(outcome)
    show.line(f"written to {folder.path}")
    if show.failures("left out", outcome.failures):
        raise typer.Exit(1)
    if outcome.interrupted:
        raise typer.Exit(INTERRUPTED)


def _described(config: Path) -> "tuple[RunConfig, Dataset]":
    """The run that a file describes, and its events."""
    from .._run.builders import absolute, build_dataset
    from .._run.config import read_config

    description = absolute(read_config(config), config.parent)
    return description, build_dataset(description, config.parent)
