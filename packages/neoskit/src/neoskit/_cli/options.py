"""Arguments and options that several commands take."""

from pathlib import Path
from typing import Annotated

import typer

Out = Annotated[
    Path | None,
    typer.Option(help="Folder of the run; by default a new one in `runs/`."),
]
Progress = Annotated[bool, typer.Option(help="Show a bar while training.")]
Pictures = Annotated[bool, typer.Option(help="Draw pictures.")]
Animate = Annotated[bool, typer.Option(help="Draw the training as a GIF.")]
ConfigFile = Annotated[Path, typer.Argument(help="A TOML file that describes a run.")]
RunPath = Annotated[Path, typer.Argument(help="The folder of a run.")]
