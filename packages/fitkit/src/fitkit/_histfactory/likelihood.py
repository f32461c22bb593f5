r"""The HistFactory likelihood at given data, with its exact structured Hessian.

With \(\nu_b\) the rates, \(n_b\) the counts and \(c_b = 1 - n_b/\nu_b\), minus the
log-likelihood has the gradient \(J c\) and the Hessian
\(J\,\mathrm{diag}(n/\nu^2)\,J^T + \sum_b c_b \nabla^2\nu_b\), plus the constraints. The
first part and the constraints alone are positive semi-definite (Gauss-Newton).
"""

import dataclasses
from typing import ClassVar, final

import jax
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from .._custom_types import Mask, Vector
from .._model.constraints import poisson_deviance, poisson_saturated
from .._model.likelihood import AbstractNegativeLogLikelihood, Derivatives
from .._numerics import random
from .._numerics.namespace import scatter_add, traced, xp
from .arrays import Arrays
from .constraint_terms import ConstraintTerms, constraint_terms
from .curvature import derivatives_of_counts, no_blocks
from .interpolation import KINKED_CODES, has_kink
from .rates import (
    Elements,
    Interpolation,
    elements,
    interpolation,
    jacobian,
)


def _rate_ratios(
    counts: Float[Array, " bins"], rates: Float[Array, " bins"]
) -> tuple[Array, Array]:
    """(nu - n)/nu and n/nu^2 in each bin, finite where the rate is not positive.

    A bin at exactly zero rate and zero count pulls with its full weight 1.
    """
    safe = xp.where(rates > 0, rates, 1.0)
    pull = xp.where(rates > 0, (safe - counts) / safe, xp.where(counts > 0, 0.0, 1.0))
    return pull, xp.where(rates > 0, counts / safe**2, 0.0)


def derived(arrays: Arrays) -> tuple[ConstraintTerms, Interpolation]:
    """What follows from a model's numbers for all data; concrete ones keep it."""
    known = vars(arrays).get("_derived")
    if known is None:
        with np.errstate(all="ignore"):
            known = constraint_terms(arrays), interpolation(arrays)
        if not traced(arrays):
            vars(arrays)["_derived"] = known
    return known


@final
@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class HistFactoryLikelihood(AbstractNegativeLogLikelihood):
    """A HistFactory model at given data.

    Attributes:
        arrays: the model's numbers.
        counts: observed counts, all channels side by side.
        aux: auxiliary data, one for each entry of the parameter vector.
        constraints: the constraint terms; `derived` from the numbers, as
        interpolation: what interpolation needs of the templates.
    """

    arrays: Arrays
    counts: Float[Array, " bins"]
    aux: Vector
    constraints: ConstraintTerms
    interpolation: Interpolation
    needs_jax: ClassVar[bool] = False
    has_barrier: ClassVar[bool] = True

    @property
    def has_kinks(self) -> bool:
        """Whether any interpolation code has a kink at 0."""
        return any(
            code in KINKED_CODES for runs in self.arrays.codes for code, _ in runs
        )

    def elements(self, y: Vector, side: Array | float = 0.0) -> Elements:
        """The ingredients of all rates at `y`."""
        return elements(self.arrays, self.interpolation, y, side)

    def counted(self, rates: Float[Array, " bins"]) -> tuple[Array, Array]:
        """Counts and rates; both 1 in masked bins, where they then say nothing."""
        counted = self.arrays.counted
        return xp.where(counted, self.counts, 1.0), xp.where(counted, rates, 1.0)

    def bins(self) -> Int[Array, ""]:
        return xp.sum(self.arrays.counted)

    def value(self, y: Vector) -> Float[Array, ""]:
        rates = xp.sum(self.elements(y).rates, axis=0)
        main = xp.sum(poisson_deviance(*self.counted(rates)))
        return main + self.constraints.value(y, self.aux)

    def saturated(self) -> Float[Array, ""]:
        terms = poisson_saturated(self.counts)
        main = -xp.sum(xp.where(self.arrays.counted, terms, 0.0))
        return main + self.constraints.saturated(self.aux)

    def gradient(self, y: Vector, side: Array | float = 0.0) -> Vector:
        el = self.elements(y, side)
        pull, _ = _rate_ratios(*self.counted(xp.sum(el.rates, axis=0)))
        main = jacobian(self.arrays, self.interpolation, el) @ pull
        return main + self.constraints.gradient(y, self.aux)

    def derivatives(self, y: Vector, side: Array | float = 0.0) -> Derivatives:
        el, constraints = self.elements(y, side), self.constraints
        counts, rates = self.counted(xp.sum(el.rates, axis=0))
        pull, weight = _rate_ratios(counts, rates)
        weight = xp.where(self.arrays.counted, weight, 0.0)
        value = xp.sum(poisson_deviance(counts, rates))
        value = value + constraints.value(y, self.aux)
        gradient, hessian, convex = derivatives_of_counts(
            self.arrays, self.interpolation, el, pull, weight
        )
        curvature = constraints.curvature(y, self.aux)
        return Derivatives(
            value,
            gradient + constraints.gradient(y, self.aux),
            hessian.frame,
            hessian.plus(curvature).blocks,
            convex.plus(curvature).blocks,
        )

    def no_derivatives(self) -> Derivatives:
        blocks, frame = no_blocks(self.arrays)
        gradient = np.zeros(self.arrays.init.shape)
        return Derivatives(np.array(np.inf), gradient, frame, blocks, blocks)

    def kinks(self) -> Mask:
        arrays = self.arrays
        (size,) = arrays.init.shape
        mask = xp.zeros(size, dtype=bool)
        normsys, histosys = map(has_kink, arrays.codes)
        if histosys.any():
            bend = (arrays.histosys_hi + arrays.histosys_lo) / 2 - arrays.nominal
            bent = xp.any((bend != 0) & arrays.histosys_present, axis=(1, 2))
            bent = (bent & histosys).astype(float)
            mask = scatter_add((size,), (arrays.histosys_index,), bent) > 0
        if normsys.any():
            bent = xp.any(
                xp.log(arrays.normsys_hi) + xp.log(arrays.normsys_lo) != 0,
                axis=(1, 2),
            )
            bent = (bent & normsys).astype(float)
            mask = mask | (scatter_add((size,), (arrays.normsys_index,), bent) > 0)
        return mask

    def observations(self) -> tuple[Array, Array]:
        return self.counts, self.aux

    def at(self, observations: tuple[Array, Array]) -> "HistFactoryLikelihood":
        counts, aux = observations
        return HistFactoryLikelihood(
            self.arrays,
            counts,
            aux,
            self.constraints,
            self.interpolation,
        )

    def with_barrier(self, strength: Float[Array, ""]) -> "HistFactoryLikelihood":
        # As many more counts in every bin: -strength log(rate), up to what no parameter
        # changes.
        return self.at((self.counts + strength, self.aux))

    def expected(self, y: Vector) -> tuple[Array, Array]:
        rates = xp.sum(self.elements(y).rates, axis=0)
        return rates, self.constraints.expected(y)

    def with_nominal_aux(
        self, observations: tuple[Array, Array]
    ) -> tuple[Array, Array]:
        return observations[0], self.constraints.nominal_aux

    def sample(self, key: PRNGKeyArray, y: Vector) -> tuple[Array, Array]:
        rates = xp.sum(self.elements(y).rates, axis=0)
        main, aux = random.split(random.source_of(key, rates))
        return random.poisson(main, rates), self.constraints.sample(aux, y)

    def deviations(self, y: Vector) -> tuple[Array, Array]:
        rates = xp.sum(self.elements(y).rates, axis=0)
        return xp.sqrt(xp.maximum(rates, 0.0)), self.constraints.deviations(y)

    def slopes(self, y: Vector) -> Float[Array, "params bins"]:
        """Return the derivatives of all rates, masked bins included."""
        return jacobian(self.arrays, self.interpolation, self.elements(y))

    def expected_along(self, y: Vector, direction: Vector) -> tuple[Array, Array]:
        """Return how `expected` changes along a direction, 0 in masked bins."""
        rates = xp.where(self.arrays.counted, direction @ self.slopes(y), 0.0)
        return rates, self.constraints.expected(direction)  # which is linear
