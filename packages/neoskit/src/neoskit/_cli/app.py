"""The commands."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import jax
import platformdirs
import typer
from typer.core import TyperGroup

from .. import __version__
from .._config import RunConfig, read_config
from .._events import Dataset
from .._run.build import absolute, build_dataset, build_observed
from .._run.compare import run_comparison
from .._run.folder import RunFolder
from .._run.training import Result, judge, load, run_seed, unblind_seed
from .._run.training import export as export_seed
from . import show

_INTERRUPTED = 130  # what a shell reports of a command that Ctrl-C ended


class _Commands(TyperGroup):
    """Errors of the user's making end in one message, not in a traceback."""

    def invoke(self, ctx: typer.Context) -> object:
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort):
            raise
        except KeyboardInterrupt:
            show.error("interrupted. What was done until here is kept.")
            raise typer.Exit(_INTERRUPTED) from None
        except (ValueError, TypeError, RuntimeError, OSError) as error:
            if ctx.params["debug"]:
                raise
            show.error(_message(error))
            raise typer.Exit(1) from None


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Train an analysis end to end on the expected result of its measurement.",
)
demo = typer.Typer(no_args_is_help=True, help="Problems that need no input.")
app.add_typer(demo, name="demo")


class Code(StrEnum):
    """Interpolation of shapes."""

    code0 = "0"
    code2 = "2"
    code4p = "4p"


Out = Annotated[
    Path | None,
    typer.Option(help="Folder of the run; by default a new one in `runs/`."),
]
Progress = Annotated[bool, typer.Option(help="Show a bar while training.")]
Pictures = Annotated[bool, typer.Option(help="Draw pictures.")]
Animate = Annotated[bool, typer.Option(help="Draw the training as a GIF.")]
ConfigFile = Annotated[Path, typer.Argument(help="A TOML file that describes a run.")]
RunPath = Annotated[Path, typer.Argument(help="The folder of a run.")]


def _version(wanted: bool) -> None:
    if wanted:
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
    jax.config.update("jax_enable_x64", True)
    if jax.config.jax_compilation_cache_dir is None:  # type: ignore[attr-defined]
        cache = platformdirs.user_cache_path("neoskit") / "jax"
        jax.config.update("jax_compilation_cache_dir", str(cache))
    # jax keeps nothing that compiled faster than a second, which is most of it here.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


@app.command()
def train(
    config: ConfigFile,
    out: Out = None,
    pictures: Pictures = True,
    animate: Animate = False,
    progress: Progress = True,
) -> None:
    """Train what a file describes, once per seed; judge, export and draw it."""
    description = absolute(read_config(config), config.parent)
    dataset = build_dataset(description, config.parent)
    _run(
        description,
        dataset,
        out or Path("runs") / config.stem,
        pictures,
        animate,
        progress,
    )


@app.command()
def evaluate(
    run: RunPath,
    unblind: Annotated[
        bool,
        typer.Option("--unblind", help="Open the recorded events and fit them."),
    ] = False,
) -> None:
    """Compute the expected result of a run again; with --unblind the observed one."""
    folder = RunFolder.open(run)
    config = folder.config
    seeds = folder.seeds
    dataset = build_dataset(config, run)
    trained = [load(folder, dataset, seed) for seed in seeds]
    rows = [(t.seed, judge(folder, config, t)) for t in trained]
    show.results(rows)
    show.merged(config, rows, dataset.scored)
    if unblind:
        # The workspace with its bins is on disk now: what follows cannot change it.
        observed = build_observed(config, run)
        fit = unblind_seed(config, trained[0], observed)
        show.unblinded(seeds[0], fit, getattr(config.source, "note", None))


@app.command()
def export(
    run: RunPath,
    seed: Annotated[
        int | None, typer.Option(help="Which seed; by default the first.")
    ] = None,
) -> None:
    """Write the workspace of a trained run again."""
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
    """Train a network on the baseline and on the objective; print the difference."""
    description = absolute(read_config(config), config.parent)
    dataset = build_dataset(description, config.parent)
    path = out or Path("runs") / f"{config.stem}-compare"
    folder = RunFolder.create(path, description)
    outcome = run_comparison(
        folder, description, dataset, progress=_on_terminal(progress)
    )
    show.comparison(outcome)
    show.line(f"written to {folder.path}")
    if outcome.interrupted:
        raise typer.Exit(_INTERRUPTED)


@demo.command()
def cut(
    out: Out = None,
    events: Annotated[int, typer.Option(min=1, help="Events per process.")] = 400_000,
    seed: Annotated[int, typer.Option(min=0, help="Of the events.")] = 0,
    pictures: Pictures = True,
    progress: Progress = True,
) -> None:
    """One cut: the gradient finds what a scan of all cuts finds."""
    from .._demos.cut import draw_cut, find_cut

    result = find_cut(events=events, seed=seed, progress=_on_terminal(progress))
    show.cut(result)
    if pictures:
        folder = out or Path("runs") / "cut"
        folder.mkdir(parents=True, exist_ok=True)
        show.files([draw_cut(result, folder / "cut.png")])


@demo.command()
def blobs(
    out: Out = None,
    seeds: Annotated[
        int, typer.Option(min=1, help="How many trainings, with seeds 0, 1, …")
    ] = 1,
    code: Annotated[
        Code, typer.Option(help="Interpolation of the shape systematic.")
    ] = Code.code0,
    objective: Annotated[
        str, typer.Option(help="What is minimised, as in a configuration.")
    ] = "expected_cls",
    steps: Annotated[int, typer.Option(min=1, help="Of the optimiser.")] = 60,
    hidden: Annotated[
        str, typer.Option(help="Widths of the layers, separated by commas.")
    ] = "1024,1024",
    events: Annotated[int, typer.Option(min=10, help="Events per blob.")] = 10_000,
    pictures: Pictures = True,
    animate: Animate = True,
    progress: Progress = True,
) -> None:
    """Four blobs: a network learns to avoid a systematic that moves the background."""
    from .._demos.blobs import blobs_config

    try:
        widths = tuple(int(width) for width in hidden.split(",") if width)
    except ValueError:
        raise ValueError(
            f"--hidden is {hidden!r}; it must be whole numbers separated by commas, "
            "such as 1024,1024."
        ) from None
    config = blobs_config(
        seeds=tuple(range(seeds)),
        histosys_code=code.value,
        objective=objective,
        steps=steps,
        hidden=widths,
        events=events,
    )
    dataset = build_dataset(config, Path())
    _run(config, dataset, out or Path("runs") / "blobs", pictures, animate, progress)


@demo.command()
def inferno(
    benchmark: Annotated[
        int, typer.Option(min=0, max=4, help="Which nuisances are free; see --help.")
    ] = 2,
    events: Annotated[
        int, typer.Option(min=10, help="Per process and half.")
    ] = 100_000,
    steps: Annotated[int, typer.Option(min=1, help="Of each training.")] = 500,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0,
    progress: Progress = True,
) -> None:
    """INFERNO's problem: the uncertainty of the signal, beside the published table.

    Benchmarks: 0 no nuisance, 1 the position r, 2 also the rate, 3 as 2 with
    constraints, 4 also the background's yield.
    """
    from .._demos.inferno import compare_inferno

    show.inferno(
        compare_inferno(
            benchmark=benchmark,
            events=events,
            steps=steps,
            seed=seed,
            progress=_on_terminal(progress),
        )
    )


def _run(
    config: RunConfig,
    dataset: Dataset,
    path: Path,
    pictures: bool,
    animate: bool,
    progress: bool,
) -> None:
    if pictures:
        _require_plot()
    progress = _on_terminal(progress)
    folder = RunFolder.create(path, config)
    results: list[Result] = []
    for seed in config.training.seeds:
        result = run_seed(
            folder,
            config,
            dataset,
            seed,
            draw=pictures,
            # One film shows what a training is; more would only cost time.
            animate=animate and not results,
            progress=progress,
        )
        results.append(result)
        if result.trained.interrupted:
            break
    show.run(folder, results)
    if results[-1].trained.interrupted:
        show.error("interrupted. What was trained until here is kept and judged above.")
        raise typer.Exit(_INTERRUPTED)


def _on_terminal(progress: bool) -> bool:
    """Whether to show a bar: in a log file it would be one long line."""
    return progress and sys.stderr.isatty()


def _require_plot() -> None:
    try:
        from .. import plot  # noqa: F401
    except ImportError as error:
        raise RuntimeError(
            f"pictures need `{error.name}`. Install it with: pip install "
            "'neoskit[plot]', or leave the pictures out with --no-pictures."
        ) from None


def _message(error: BaseException) -> str:
    # Errors raised inside compiled code carry equinox's advice to developers below a
    # line of dashes.
    text = str(error).split("\n---")[0].strip()
    return text or type(error).__name__
