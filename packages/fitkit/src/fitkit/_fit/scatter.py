"""Starts beside the nominal one: spread evenly, possible, and always the same."""

import numpy as np
from jaxtyping import Float

from .._custom_types import Vector
from .._model.likelihood import AbstractNegativeLogLikelihood
from .._model.parameters import ParameterVectors
from .._numerics.bordered_matrix import scale_of
from .._numerics.namespace import xp

# Halvings of a start whose likelihood is zero, back towards the nominal one.
_HALVINGS = 6


def even_directions(count: int, size: int) -> Float[np.ndarray, "count params"]:
    """Points that fill the cube [-1, 1]^params evenly, the first at its centre."""
    # Multiples of irrational numbers modulo 1: roots of different primes.
    roots = np.sqrt(_primes(size)) % 1.0
    return 2 * ((0.5 + np.arange(count)[:, None] * roots) % 1.0) - 1


def _primes(count: int) -> np.ndarray:
    sieve = np.ones(max(20, 20 * count), dtype=bool)
    sieve[:2] = False
    for n in range(2, int(len(sieve) ** 0.5) + 1):
        sieve[n * n :: n] = False
    return np.flatnonzero(sieve)[:count].astype(float)


def natural_widths(
    likelihood: AbstractNegativeLogLikelihood, parameters: ParameterVectors
) -> Vector:
    """One over the root of the curvature at the nominal start; 0 for what is fixed."""
    nominal, movable = parameters.start()
    at = likelihood.derivatives(nominal)
    return xp.where(movable, 1 / scale_of(at.convex), 0.0)


def possible_start(
    likelihood: AbstractNegativeLogLikelihood,
    parameters: ParameterVectors,
    shift: Vector,
) -> Vector:
    """The nominal start, moved inside the bounds.

    By the shift, or by the largest of its halves, quarters, ... at which the likelihood
    is not zero; not at all where there is none.
    """
    nominal, movable = parameters.start()

    def place(part: np.float64) -> Vector:
        inside = xp.clip(nominal + part * shift, parameters.lower, parameters.upper)
        return xp.where(movable, inside, nominal)

    longest = np.float64(0.0)
    for part in 0.5 ** np.arange(_HALVINGS, -1, -1.0):
        possible = xp.isfinite(likelihood.value(place(part)))
        longest = xp.where(possible, part, longest)
    return place(longest)
