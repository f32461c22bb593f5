"""The command line: arguments and printing. `neoskit --help` lists the commands."""

import os
import sys


def main() -> None:
    """Runs the command that was typed; ends the process with its status."""
    _environment()
    try:
        from .app import app
    except ImportError as error:
        sys.exit(
            f"neoskit: the command line needs `{error.name}`. "
            "Install it with: pip install 'neoskit[cli,plot]'"
        )
    app()


def _environment() -> None:
    # jax's Cholesky and eigenvalues on the CPU are scipy's OpenBLAS, which is loaded
    # with the first of them, long after this; its threads make small fits slower.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # A figure is a file here; a window system may not even be there.
    os.environ.setdefault("MPLBACKEND", "Agg")
