"""Functions that run at once on NumPy where they can, and as one program elsewhere."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import equinox as eqx
import jax
import numpy as np
from jax.core import Tracer

from .namespace import concrete
from .threads import one_thread

F = TypeVar("F", bound=Callable[..., Any])


def runs_on_numpy(*args: Any) -> bool:
    """Whether a call with these arguments needs no program.

    Nothing may be traced, and no part of an argument may be written in `jax.numpy`: a
    class that is says so by an attribute `needs_jax`.
    """
    leaves = jax.tree.leaves(args, is_leaf=_needs_jax)
    return not any(isinstance(x, Tracer) or _needs_jax(x) for x in leaves)


def needs_jax(arg: Any) -> bool:
    """Whether any part of an argument is written in `jax.numpy`."""
    return any(map(_needs_jax, jax.tree.leaves(arg, is_leaf=_needs_jax)))


def _needs_jax(part: Any) -> bool:
    return getattr(type(part), "needs_jax", False)


def numpy_or_compiled(function: F) -> F:
    """A function over `xp` that runs on NumPy where nothing in its arguments is traced.

    Else it is one compiled program: `equinox.filter_jit`, but `jax.jit` where all
    arguments are arrays. A custom model may hold a function or a string, which only the
    former takes; telling these from arrays takes it as long as a small fit.
    """
    plain, filtered = jax.jit(function), eqx.filter_jit(function)

    @functools.wraps(function)
    def call(*args: Any) -> Any:
        if runs_on_numpy(*args):
            with one_thread():
                return function(*concrete(args))
        arrays = all(
            isinstance(x, jax.Array | np.ndarray) for x in jax.tree.leaves(args)
        )
        return plain(*args) if arrays else filtered(*args)

    return call
