"""Where the command `neoskit` begins: what jax and its BLAS find when they are loaded.

It stands beside the package, whose import loads jax: that is too late to tell it.
"""

import os
import sys


def main() -> None:
    """Runs the command that was typed; ends the process with its status."""
    _environment()
    try:
        from neoskit._cli.app import app
    except ImportError as error:
        sys.exit(
            f"neoskit: the command line needs `{error.name}`. "
            "Install it with: pip install 'neoskit[cli,plot]'"
        )
    app()


def _environment() -> None:
    # jax's Cholesky and eigenvalues on the CPU are scipy's OpenBLAS, whose threads make
    # small fits slower.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # A figure is a file here; a window system may not even be there.
    os.environ.setdefault("MPLBACKEND", "Agg")
    # XLA compares a cached program's machine features with the host's by two that no
    # host has, and reports each program as an error: pages of them.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
