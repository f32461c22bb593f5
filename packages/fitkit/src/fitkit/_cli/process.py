"""The process that runs a command: what its libraries find when they are loaded."""

import os

INTERRUPTED = 130  # what a shell reports of a command that Ctrl-C ended

# What a report of a fault should tell of the environment.
VARIABLES = (
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "JAX_PLATFORMS",
    "JAX_ENABLE_X64",
    "XLA_FLAGS",
)


def set_up() -> None:
    """Sets what must be known before NumPy and jax are imported."""
    # Threads make small fits slower: a matrix of a hundred rows is too small to share.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # A figure is a file here; a window system may not even be there.
    os.environ.setdefault("MPLBACKEND", "Agg")
    # Fits run on NumPy. jax draws random numbers, for which it would take seconds to
    # prepare a GPU.
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    os.environ["JAX_ENABLE_X64"] = "1"
