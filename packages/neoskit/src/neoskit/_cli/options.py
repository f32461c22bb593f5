"""Arguments and options that several commands take."""

from pathlib import Path
from typing import Annotated

import typer

Out = Annotated[
    Path | None,
    typer.Option(help="Folder of the run; by default a new one in `runs/`."),
]
Progress = Annotated[
    bool, typer.Option(help="Show steps, loss and time left while training.")
]
Resume = Annotated[Path | None, typer.Option(help="Go on with the run in this folder.")]
CheckpointEvery = Annotated[
    int | None,
    typer.Option(min=1, help="Steps between two checkpoints; by default the file's."),
]
Pictures = Annotated[bool, typer.Option(help="Draw pictures.")]
Report = Annotated[
    bool, typer.Option("--report", help="Make the HTML page of the run, too.")
]
Animate = Annotated[bool, typer.Option(help="Draw the training as a GIF.")]
ConfigOrResume = Annotated[
    Path | None,
    typer.Argument(help="A TOML file that describes a run; or give --resume."),
]
ConfigFile = Annotated[Path, typer.Argument(help="A TOML file that describes a run.")]
RunPath = Annotated[Path, typer.Argument(help="The folder of a run.")]
