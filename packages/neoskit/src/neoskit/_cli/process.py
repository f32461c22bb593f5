"""The process that runs a command: what jax and its BLAS find when they are loaded."""

import os
import sys

INTERRUPTED = 130  # what a shell reports of a command that Ctrl-C ended


def set_up() -> None:
    """Sets what must be known before jax is imported, which a command does."""
    # jax's Cholesky and eigenvalues on the CPU are scipy's OpenBLAS, whose threads make
    # small fits slower.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # A figure is a file here; a window system may not even be there.
    os.environ.setdefault("MPLBACKEND", "Agg")
    os.environ["JAX_ENABLE_X64"] = "1"
    # XLA compares a cached program's machine features with the host's by two that no
    # host has, and reports each program as an error: pages of them.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        import platformdirs

        folder = platformdirs.user_cache_path("neoskit") / "jax"
        os.environ["JAX_COMPILATION_CACHE_DIR"] = str(folder)
    # jax keeps nothing that compiled faster than a second, which is most of it here.
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")


def on_terminal(progress: bool) -> bool:
    """Whether to show a bar: in a log file it would be one long line."""
    return progress and sys.stderr.isatty()
