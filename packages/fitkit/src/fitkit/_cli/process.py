"""The process that runs a command: what jax and its BLAS find when they are loaded."""

import contextlib
import hashlib
import multiprocessing
import os
import platform
import signal
import sys
import threading
import time
from pathlib import Path

INTERRUPTED = 130  # what a shell reports of a command that Ctrl-C ended

# How long a command may take to end by itself after Ctrl-C, in seconds.
_PATIENCE = 1.0
_SHOW_CURSOR = "\x1b[?25h"  # progress hides it


def set_up(*, cache: bool) -> None:
    """Sets what must be known before jax is imported; child processes inherit it.

    Args:
        cache: whether compiled programs are kept for the next process.
    """
    # jax's Cholesky and eigenvalues on the CPU are scipy's OpenBLAS, whose threads make
    # small fits slower.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # A figure is a file here; a window system may not even be there.
    os.environ.setdefault("MPLBACKEND", "Agg")
    os.environ["JAX_ENABLE_X64"] = "1"
    # XLA compares a cached program's machine features with the host's by two that no
    # host has, and reports each program as an error: hundreds of lines.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if not cache:
        os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "0"
        return
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        import platformdirs

        folder = platformdirs.user_cache_path("fitkit") / f"jax-{_processor()}"
        os.environ["JAX_COMPILATION_CACHE_DIR"] = str(folder)
    # jax keeps nothing that compiled faster than a second, which is most of it here.
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")


def keep_programs() -> None:
    """Has the traced programs of fits kept beside the compiled ones, if those are."""
    import jax

    import fitkit

    folder = jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]
    if folder and jax.config.jax_enable_compilation_cache:  # type: ignore[attr-defined]
        fitkit.keep_programs(Path(folder) / "programs")


def set_up_worker() -> None:
    """Makes a process of a pool end with the command, and share its programs."""
    # Ctrl-C reaches every process of the terminal; this one holds nothing to tidy up.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(INTERRUPTED)

    threading.Thread(target=watch, daemon=True).start()
    keep_programs()


def _processor() -> str:
    """A name for this kind of processor: homes are shared, machine code is not."""
    described = platform.machine()
    with contextlib.suppress(OSError):  # there on Linux alone
        with open("/proc/cpuinfo", "rb") as file:
            first = file.read(8192).split(b"\n\n")[0].splitlines()
        described += str([line for line in first if line.startswith(b"flags")])
    return hashlib.sha256(described.encode()).hexdigest()[:8]


def leave_when_interrupted() -> None:
    """Lets Ctrl-C end the process also where it is inside compiled code.

    Python raises `KeyboardInterrupt` between two of its own instructions: a command
    that waits for a minute of compiled code would hear of it after that minute.
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
