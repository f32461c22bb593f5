"""Tables out of the numbers of many modifiers, filled in one step."""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from .._numerics.namespace import traced, xp


def table(
    shape: tuple[int, ...],
    positions: list[np.ndarray],
    values: list[Any],
    background: float = 0.0,
) -> Array | np.ndarray:
    """A table with `values` at flat `positions`: numpy where no value is traced."""
    size = math.prod(shape)
    if not positions:
        return np.full(shape, background)
    index = np.concatenate(positions)
    # One scatter for all: a table filled piece by piece is an operation for each of
    # thousands of modifiers where numbers are traced.
    flat = xp.concatenate([v if v.ndim else v[None] for v in values])
    if traced(flat):
        return jnp.full(size, background).at[index].set(flat).reshape(shape)
    plain = np.full(size, background)
    plain[index] = flat
    return plain.reshape(shape)


def positions_in(shape: tuple[int, ...], *index: Any) -> np.ndarray:
    """Flat positions in a table, from a number for each axis; the last may be a slice.

    Plain arithmetic: numpy's index functions take longer than all else together where
    a model has thousands of modifiers.
    """
    *outer, last = index
    first = 0
    for axis, number in enumerate(outer):
        first = (first + number) * shape[axis + 1]
    if isinstance(last, slice):
        return np.arange(first + last.start, first + last.stop)
    return np.array([first + last])
