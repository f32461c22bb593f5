"""The commands `neoskit demo …`: problems that need no input."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from . import show
from .options import Animate, Out, Pictures, Progress
from .training import Task, run_all

demo = typer.Typer(no_args_is_help=True, help="Problems that need no input.")


class Code(StrEnum):
    """Interpolation of shapes."""

    code0 = "0"
    code2 = "2"
    code4p = "4p"


@demo.command()
def cut(
    out: Out = None,
    events: Annotated[int, typer.Option(min=1, help="Events per process.")] = 400_000,
    seed: Annotated[int, typer.Option(min=0, help="Of the events.")] = 0,
    pictures: Pictures = True,
    progress: Progress = True,
) -> None:
    """One cut: the gradient finds what a scan of all cuts finds."""
    from .._run.demos.cut import draw_cut, find_cut

    result = find_cut(events=events, seed=seed, progress=progress)
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
    from .._run.builders import build_dataset
    from .._run.demos.blobs import blobs_config

    # In one option, as they are one thing; typer would take a list apart.
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
    path = out or Path("runs") / "blobs"
    run_all(Task(config, Path(), dataset, path), pictures, animate, progress)


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
    from .._run.demos.inferno import compare_inferno

    show.inferno(
        compare_inferno(
            benchmark=benchmark,
            events=events,
            steps=steps,
            seed=seed,
            progress=progress,
        )
    )
