"""Compilation of functions that a caller runs again and again."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import equinox as eqx
import jax
import numpy as np

F = TypeVar("F", bound=Callable[..., Any])


def only_arrays(tree: Any) -> bool:
    """Whether every leaf of a pytree is an array."""
    return all(isinstance(x, jax.Array | np.ndarray) for x in jax.tree.leaves(tree))


def compiled(function: F) -> F:
    """`equinox.filter_jit`, but `jax.jit` where all arguments are arrays.

    A custom model may hold a function or a string, which only the former takes. Telling
    these from arrays takes it as long as a small fit.
    """
    plain, filtered = jax.jit(function), eqx.filter_jit(function)

    @functools.wraps(function)
    def call(*args: Any) -> Any:
        return plain(*args) if only_arrays(args) else filtered(*args)

    return call  # type: ignore[return-value]
