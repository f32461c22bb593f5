r"""The HistFactory likelihood at given data, with its exact structured Hessian.

With \(\nu_b\) the rates, \(n_b\) the counts and \(c_b = 1 - n_b/\nu_b\), minus the
log-likelihood has the gradient \(J c\) and the Hessian
\(J\,\mathrm{diag}(n/\nu^2)\,J^T + \sum_b c_b \nabla^2\nu_b\), plus the constraints. The
first part and the constraints alone are positive semi-definite (Gauss-Newton).
"""

import weakref
from typing import final

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from .._model.constraints import poisson_deviance, poisson_saturated
from .._custom_types import Mask, Vector
from .interpolation import has_kink
from .._model.likelihood import AbstractNegativeLogLikelihood, Derivatives
from .._model.parameters import ParameterVectors
from .arrays import Arrays
from .constraint_terms import ConstraintTerms, constraint_terms
from .curvature import derivatives_of_counts, no_blocks
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
    safe = jnp.where(rates > 0, rates, 1.0)
    pull = jnp.where(rates > 0, (safe - counts) / safe, jnp.where(counts > 0, 0.0, 1.0))
    return pull, jnp.where(rates > 0, counts / safe**2, 0.0)


# What `at_hand` has prepared, by the identity of a model's arrays, as long as it lives.
_at_hand: dict[int, tuple[Arrays, ConstraintTerms, Interpolation]] = {}


def at_hand(
    arrays: Arrays,
) -> tuple[Arrays, ConstraintTerms | None, Interpolation | None]:
    """A model's arrays with what is derived of them, on the device; once for each.

    Where they are traced, or on the device already, nothing is derived.
    """
    known = _at_hand.get(id(arrays))
    if known is None:
        if arrays.xp is not np:
            return arrays, None, None
        parts = arrays, constraint_terms(arrays), interpolation(arrays)
        with jax.ensure_compile_time_eval():  # also where only the data are traced
            ready = jax.device_put(parts)
        forget = weakref.finalize(arrays, _at_hand.pop, id(arrays))
        forget.atexit = False
        known = _at_hand[id(arrays)] = ready
    return known


@final
class HistFactoryLikelihood(AbstractNegativeLogLikelihood):
    """A HistFactory model at given data.

    Attributes:
        arrays: the model's numbers.
        counts: observed counts, all channels side by side.
        aux: auxiliary data, one for each entry of the parameter vector.
        terms: the constraint terms, where they have been derived already.
        shapes: the interpolation of the templates, likewise.
    """

    arrays: Arrays
    counts: Float[Array, " bins"]
    aux: Vector
    terms: ConstraintTerms | None
    shapes: Interpolation | None

    def __init__(
        self,
        arrays: Arrays,
        counts: Float[Array, " bins"],
        aux: Vector,
        terms: ConstraintTerms | None = None,
        shapes: Interpolation | None = None,
    ):
        # Written out: equinox looks at every array that its own is given, each time.
        self.arrays, self.counts, self.aux = arrays, counts, aux
        self.terms, self.shapes = terms, shapes

    @property
    def has_kinks(self) -> bool:
        """Whether any interpolation code has a kink at 0."""
        return any(has_kink(runs).any() for runs in self.arrays.codes)

    def prepared(self) -> "HistFactoryLikelihood":
        """The same likelihood with its constraint terms derived once."""
        return HistFactoryLikelihood(
            self.arrays,
            jnp.asarray(self.counts),
            jnp.asarray(self.aux),
            self.constraints,
            self.interpolation,
        )

    @property
    def constraints(self) -> ConstraintTerms:
        """The constraint terms."""
        return constraint_terms(self.arrays) if self.terms is None else self.terms

    def parameters(self) -> ParameterVectors:
        arrays = self.arrays
        return ParameterVectors(
            jnp.asarray(arrays.init),
            jnp.asarray(arrays.lower),
            jnp.asarray(arrays.upper),
            self.constraints.fixed,
        )

    @property
    def interpolation(self) -> Interpolation:
        """What interpolation needs of the templates."""
        if self.shapes is None:
            return interpolation(self.arrays)
        return self.shapes

    def elements(self, y: Vector, side: Array | float = 0.0) -> Elements:
        """The ingredients of all rates at `y`."""
        return elements(self.arrays, self.interpolation, y, side)

    def counted(self, rates: Float[Array, " bins"]) -> tuple[Array, Array]:
        """Counts and rates; both 1 in masked bins, where they then say nothing."""
        counted = self.arrays.counted
        return jnp.where(counted, self.counts, 1.0), jnp.where(counted, rates, 1.0)

    def bins(self) -> Int[Array, ""]:
        return jnp.sum(self.arrays.counted)

    def value(self, y: Vector) -> Float[Array, ""]:
        rates = jnp.sum(self.elements(y).rates, axis=0)
        main = jnp.sum(poisson_deviance(*self.counted(rates)))
        return main + self.constraints.value(y, self.aux)

    def saturated(self) -> Float[Array, ""]:
        terms = poisson_saturated(jnp.asarray(self.counts))
        main = -jnp.sum(jnp.where(self.arrays.counted, terms, 0.0))
        return main + self.constraints.saturated(jnp.asarray(self.aux))

    def gradient(self, y: Vector, side: Array | float = 0.0) -> Vector:
        el = self.elements(y, side)
        pull, _ = _rate_ratios(*self.counted(jnp.sum(el.rates, axis=0)))
        main = jacobian(self.arrays, self.interpolation, el) @ pull
        return main + self.constraints.gradient(y, self.aux)

    def derivatives(self, y: Vector, side: Array | float = 0.0) -> Derivatives:
        el, constraints = self.elements(y, side), self.constraints
        counts, rates = self.counted(jnp.sum(el.rates, axis=0))
        pull, weight = _rate_ratios(counts, rates)
        weight = jnp.where(self.arrays.counted, weight, 0.0)
        value = jnp.sum(poisson_deviance(counts, rates))
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
        mask = jnp.zeros(arrays.init.shape, dtype=bool)
        normsys, histosys = map(has_kink, arrays.codes)
        if histosys.any():
            bend = (arrays.histosys_hi + arrays.histosys_lo) / 2 - arrays.nominal
            bent = jnp.any((bend != 0) & arrays.histosys_present, axis=(1, 2))
            mask = mask.at[arrays.histosys_index].max(bent & histosys)
        if normsys.any():
            bent = jnp.any(
                jnp.log(arrays.normsys_hi) + jnp.log(arrays.normsys_lo) != 0,
                axis=(1, 2),
            )
            mask = mask.at[arrays.normsys_index].max(bent & normsys)
        return mask

    def observations(self) -> tuple[Array, Array]:
        return jnp.asarray(self.counts), jnp.asarray(self.aux)

    def at(self, observations: tuple[Array, Array]) -> "HistFactoryLikelihood":
        counts, aux = observations
        return HistFactoryLikelihood(
            self.arrays,
            counts,
            aux,
            self.terms,
            self.shapes,
        )

    def expected(self, y: Vector) -> tuple[Array, Array]:
        rates = jnp.sum(self.elements(y).rates, axis=0)
        return rates, self.constraints.expected(y)

    def with_nominal_aux(
        self, observations: tuple[Array, Array]
    ) -> tuple[Array, Array]:
        return observations[0], jnp.asarray(self.constraints.nominal_aux)

    def sample(self, key: PRNGKeyArray, y: Vector) -> tuple[Array, Array]:
        main, aux = jax.random.split(key)
        rates = jnp.sum(self.elements(y).rates, axis=0)
        counts = jax.random.poisson(main, jnp.maximum(rates, 0.0)).astype(float)
        return counts, self.constraints.sample(aux, y)

    def deviations(self, y: Vector) -> tuple[Array, Array]:
        rates = jnp.sum(self.elements(y).rates, axis=0)
        return jnp.sqrt(jnp.maximum(rates, 0.0)), self.constraints.deviations(y)
