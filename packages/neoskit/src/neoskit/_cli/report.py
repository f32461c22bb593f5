"""The command that shows a run as one page."""

from pathlib import Path
from typing import Annotated

import typer

from . import show
from .options import RunPath


def report(
    run: RunPath,
    out: Annotated[
        Path | None,
        typer.Option(help="The HTML file; by default `report.html` in the run."),
    ] = None,
    compared: Annotated[
        Path | None,
        typer.Option(
            help="The folder of a comparison; by default RUN-compare, if it is there."
        ),
    ] = None,
) -> None:
    """Make one HTML page of a run: training, templates, fit; it opens offline."""
    from .._report import write_report
    from .._run.builders import build_dataset
    from .._run.folder import RunFolder

    folder = RunFolder.open(run)
    written = write_report(
        folder, lambda: build_dataset(folder.config, run), out, compared=compared
    )
    show.line(str(written))
