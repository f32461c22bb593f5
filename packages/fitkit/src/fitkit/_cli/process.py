"""The process that runs a command: what its libraries find when they are loaded."""

import os
import signal
import sys
import threading
import time

INTERRUPTED = 130  # what a shell reports of a command that Ctrl-C ended

# How long a command may take to end by itself after Ctrl-C, in seconds.
_PATIENCE = 1.0
_SHOW_CURSOR = "\x1b[?25h"  # progress hides it

# What a report of a fault should tell of the environment.
VARIABLES = (
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "JAX_PLATFORMS",
    "JAX_ENABLE_X64",
    "JAX_COMPILATION_CACHE_DIR",
    "XLA_FLAGS",
    "CUDA_VISIBLE_DEVICES",
)
# Those that this process was started without, and that `set_up` gave a value.
CHOSEN: set[str] = set()


def set_up() -> None:
    """Sets what must be known before NumPy and jax are imported."""
    CHOSEN.update(
        name
        for name in ("OPENBLAS_NUM_THREADS", "JAX_PLATFORMS", "JAX_ENABLE_X64")
        if name not in os.environ
    )
    # Threads make small fits slower: a matrix of a hundred rows is too small to share.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # A figure is a file here; a window system may not even be there.
    os.environ.setdefault("MPLBACKEND", "Agg")
    # Fits run on NumPy. jax draws random numbers, for which it would take seconds to
    # prepare a GPU.
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    os.environ["JAX_ENABLE_X64"] = "1"


def leave_when_interrupted() -> None:
    """Lets Ctrl-C end the process also where it is inside compiled code.

    Python raises `KeyboardInterrupt` between two of its own instructions, and many
    pseudo-experiments are compiled: XLA takes ten seconds without any of them.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    # The signal's number is written there at once, whatever the main thread does.
    signal.set_wakeup_fd(writing)

    def watch() -> None:
        while os.read(reading, 1) != bytes([signal.SIGINT]):
            pass
        # A thread of a process that has ended by then is no more.
        time.sleep(_PATIENCE)
        cursor = _SHOW_CURSOR if sys.stderr.isatty() else ""
        os.write(2, f"{cursor}\nerror: interrupted.\n".encode())
        os._exit(INTERRUPTED)

    threading.Thread(target=watch, daemon=True).start()


def leave_at_once() -> None:
    """Ends an interrupted process without tidying up.

    What was compiled may still run in threads of its own, on memory that an interpreter
    gives back as it ends.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(INTERRUPTED)
