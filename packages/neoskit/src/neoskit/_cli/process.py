"""The process that runs a command: what jax and its BLAS find when they are loaded."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .._run.stop import Stop

INTERRUPTED = 130  # what a shell reports of a command that Ctrl-C ended
TERMINATED = 143  # and of one that SIGTERM ended


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


@contextlib.contextmanager
def stopping() -> "Iterator[Stop]":
    """Within it Ctrl-C and SIGTERM are requests: the run ends after its next step.

    A second Ctrl-C ends it at once. What is kept then is the last checkpoint.
    """
    from .._run.stop import Stop

    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop  # whose signals come elsewhere
        return

    def asked(number: int, frame: Any) -> None:
        if number == signal.SIGINT and stop.requested:
            raise KeyboardInterrupt
        stop.requested = True
        stop.at_once |= number == signal.SIGTERM
        # Not by a buffered stream: the signal may have come while it was written to.
        os.write(2, b"\nstopping after this step; Ctrl-C ends it at once\n")

    signals = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, asked) for number in signals}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
