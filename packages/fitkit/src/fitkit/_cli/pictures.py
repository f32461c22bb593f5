"""Pictures and HEPData tables of an answer."""

import importlib
from collections.abc import Callable
from typing import Any

from .names import Mistake
from .options import Kept

_FORMATS = (".pdf", ".png", ".svg")


def prepare(kept: Kept) -> None:
    """Load what the wanted files need, and see that they can be: before the work.

    Raises:
        Mistake: where an extra is not installed, or a file cannot be.
    """
    if kept.plot is not None:
        _module("plot")
        if kept.plot.suffix not in _FORMATS:
            raise Mistake(
                f"--plot {kept.plot}: the name must end in {', '.join(_FORMATS)}."
            )
        if not kept.plot.absolute().parent.is_dir():
            raise Mistake(f"--plot {kept.plot}: there is no such folder.")
    if kept.hepdata is not None:
        _module("hepdata")
        if kept.hepdata.exists() and not kept.hepdata.is_dir():
            raise Mistake(f"--hepdata {kept.hepdata}: this is no folder.")


def keep(kept: Kept, draw: Callable[[Any], Any], tables: Callable[[Any], Any]) -> None:
    """Write the files that are wanted.

    Args:
        kept: which.
        draw: takes `fitkit.plot`, returns its axes.
        tables: takes `fitkit.hepdata`, returns a table or several.
    """
    if kept.plot is not None:
        axes = draw(_module("plot"))
        figure = (axes[0] if isinstance(axes, tuple) else axes).figure
        figure.savefig(kept.plot, bbox_inches="tight")
    if kept.hepdata is not None:
        hepdata = _module("hepdata")
        made = tables(hepdata)
        hepdata.write(kept.hepdata, made if isinstance(made, list) else [made])


def _module(name: str) -> Any:
    try:
        return importlib.import_module(f"fitkit.{name}")
    except ImportError as error:
        raise Mistake(
            f"--{name} needs `{error.name}`. Install it with: pip install "
            f"'fitkit[{name}]'"
        ) from None
