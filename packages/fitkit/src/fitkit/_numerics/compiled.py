"""Compilation of functions that a caller runs again and again."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import equinox as eqx
import jax
import numpy as np

from .._room import room

F = TypeVar("F", bound=Callable[..., Any])


def only_arrays(tree: Any) -> bool:
    """Whether every leaf of a pytree is an array."""
    return all(isinstance(x, jax.Array | np.ndarray) for x in jax.tree.leaves(tree))


def compiled(function: F) -> F:
    """`equinox.filter_jit`, but `jax.jit` where all arguments are arrays.

    A custom model may hold a function or a string, which only the former takes. Telling
    these from arrays takes it as long as a small fit.

    Before each call there is room for one more program.
    """

    @functools.wraps(function)
    def traced(*args: Any) -> Any:
        room.taken()
        return function(*args)

    plain, filtered = jax.jit(traced), eqx.filter_jit(traced)

    @functools.wraps(function)
    def call(*args: Any) -> Any:
        room.make()
        return plain(*args) if only_arrays(args) else filtered(*args)

    return call  # type: ignore[return-value]
