"""BLAS with one thread, for as long as a fit on NumPy runs.

The matrices of a fit are small. OpenBLAS shares them out among its threads all the
same, and a thread that waits for another on a busy machine waits for milliseconds: a
triangular system of 100 equations took 8 ms in place of 0.05.
"""

import contextlib
import functools
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

_lock = threading.Lock()
_inside = 0
_before: list[tuple[Any, int]] = []


@functools.cache
def _libraries() -> list[Any]:
    """The BLAS libraries of NumPy and of SciPy, each with threads of its own."""
    import threadpoolctl

    controllers = threadpoolctl.ThreadpoolController().lib_controllers
    return [each for each in controllers if each.user_api == "blas"]


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Have BLAS use one thread; NumPy's floating-point warnings are off, too.

    What XLA passes over in silence, a division by an empty bin that another branch
    replaces, is no warning here either.
    """
    global _inside
    with _lock:
        _inside += 1
        if _inside == 1:
            for library in _libraries():
                _before.append((library, library.num_threads))
                library.set_num_threads(1)
    try:
        with np.errstate(all="ignore"):
            yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                while _before:
                    library, threads = _before.pop()
                    library.set_num_threads(threads)
