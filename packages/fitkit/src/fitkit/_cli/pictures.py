"""Pictures and HEPData tables of an answer."""

import importlib
from collections.abc import Callable
from typing import Any

from .names import Mistake
from .options import Files

_FORMATS = (".pdf", ".png", ".svg")


def prepare(files: Files) -> None:
    """Load what the wanted files need, and see that they can be: before the work.

    Raises:
        Mistake: where an extra is not installed, or a file cannot be.
    """
    if files.plot is not None:
        _module("plot")
        # matplotlib would say it after the fits, in its own words.
        if files.plot.suffix.lower() not in _FORMATS:
            raise Mistake(
                f"--plot {files.plot}: the name must end in {', '.join(_FORMATS)}."
            )
        if not files.plot.absolute().parent.is_dir():
            raise Mistake(f"--plot {files.plot}: there is no such folder.")
    if files.hepdata is not None:
        _module("hepdata")
        if files.hepdata.exists() and not files.hepdata.is_dir():
            raise Mistake(f"--hepdata {files.hepdata}: this is no folder.")


def write(
    files: Files, draw: Callable[[Any], Any], tables: Callable[[Any], Any]
) -> None:
    """Write the files that are wanted.

    Args:
        files: which.
        draw: takes `fitkit.plot`, returns its axes.
        tables: takes `fitkit.hepdata`, returns a table or several.
    """
    if files.plot is not None:
        axes = draw(_module("plot"))
        figure = (axes[0] if isinstance(axes, tuple) else axes).figure
        figure.savefig(files.plot, bbox_inches="tight")
    if files.hepdata is not None:
        hepdata = _module("hepdata")
        made = tables(hepdata)
        hepdata.write(files.hepdata, made if isinstance(made, list) else [made])


def _module(name: str) -> Any:
    try:
        return importlib.import_module(f"fitkit.{name}")
    except ImportError as error:
        if (error.name or "").startswith("fitkit"):
            raise  # nothing that can be installed
        raise Mistake(
            f"--{name} needs `{error.name}`. Install it with: pip install "
            f"'fitkit[{name}]'"
        ) from None
