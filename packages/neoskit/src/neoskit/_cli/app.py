"""The commands that work on a run: train, evaluate, export, compare."""

from typing import Annotated

import typer

from . import show
from .dask import Dask, on_workers
from .demos import demo
from .export import export
from .group import Commands
from .info import info
from .options import (
    Animate,
    CheckpointEvery,
    ConfigFile,
    ConfigOrResume,
    Out,
    Pictures,
    Progress,
    Report,
    Resume,
    RunPath,
)
from .process import stopping
from .report import report as report_command
from .training import end_if_interrupted, require_plot, run_all, task

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Train an analysis end to end on the expected result of its measurement.",
)
app.add_typer(demo, name="demo")
app.command()(export)
app.command("report")(report_command)
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
    config: ConfigOrResume = None,
    resume: Resume = None,
    out: Out = None,
    pictures: Pictures = True,
    animate: Animate = False,
    progress: Progress = True,
    checkpoint_every: CheckpointEvery = None,
    dask: Dask = None,
    report: Report = False,
) -> None:
    """Train what a file describes, once per seed; judge, export and draw it.

    A run that was interrupted goes on: by --resume, or by the same command again.
    """
    what = task(config, resume, out, checkpoint_every)
    with on_workers(what, dask) as what:
        run_all(what, pictures, animate, progress, report)


@app.command()
def evaluate(
    run: RunPath,
    unblind: Annotated[
        bool,
        typer.Option("--unblind", help="Open the recorded events and fit them."),
    ] = False,
    progress: Progress = True,
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
    judged = {
        one.seed: judge(folder, config, one, progress=progress) for one in trained
    }
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
def compare(
    config: ConfigOrResume = None,
    resume: Resume = None,
    out: Out = None,
    pictures: Pictures = True,
    progress: Progress = True,
    checkpoint_every: CheckpointEvery = None,
) -> None:
    """Train on baselines and on the objective; tell what is to be won, and is.

    A comparison that was interrupted goes on: by --resume, or by the same command
    again.
    """
    from .._run.compare import compared, run_comparison
    from .._run.start import begun
    from .._run.ways import ways_of

    if pictures:
        require_plot()
    what = task(config, resume, out, checkpoint_every, suffix="-compare")
    ways_of(what.config)  # asked now, so that a mistake leaves no folder
    with (
        stopping() as stop,
        begun(
            what.path,
            what.config,
            what.base,
            what.dataset,
            resume=what.resume,
            finished=compared,
            tell=show.note,
        ) as folder,
    ):
        failed = False
        try:
            outcome = run_comparison(
                folder,
                what.config,
                what.dataset,
                draw=pictures,
                progress=progress,
                stop=stop,
                tell=lambda room: show.head_room(room, what.config.compare.head_room),
            )
            show.comparison(outcome)
            show.line(f"written to {folder.path}")
            failed = show.failures("left out", outcome.failures)
            stop.requested |= outcome.interrupted
        # Before the first seed is done there is nothing to compare, but much to keep.
        except KeyboardInterrupt:
            stop.requested = True
    end_if_interrupted(stop, folder, "compare")
    if failed:
        raise typer.Exit(1)
