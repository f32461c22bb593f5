r"""The HistFactory likelihood at given data, with its exact structured Hessian.

With \(\nu_b\) the rates, \(n_b\) the counts and \(c_b = 1 - n_b/\nu_b\), minus the
log-likelihood has the gradient \(J c\) and the Hessian
\(J\,\mathrm{diag}(n/\nu^2)\,J^T + \sum_b c_b \nabla^2\nu_b\), plus the constraints. The
first part and the constraints alone are positive semi-definite (Gauss-Newton).

Where statistical factors are profiled (`barlow_beeston.py`), what is left is a function
of the rates before these factors, with other \(c_b\) and weights. Where a factor does
not scale all samples of its bin, it is one of two numbers of each bin, and the Hessian
that of fixed factors, less \(\sum_b x_b x_b^T / L_{\gamma\gamma,b}\) with \(x_b\)
the derivative of the factor's slope.
"""

import dataclasses
from collections.abc import Callable
from typing import ClassVar, cast, final

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from .._custom_types import Mask, Vector
from .._model.constraints import poisson_deviance, poisson_saturated
from .._model.likelihood import AbstractNegativeLogLikelihood, Derivatives
from .._numerics import random
from .._numerics.bordered_matrix import Bordered, plain
from .._numerics.namespace import scatter_add, traced, xp
from .arrays import Arrays, ProfiledFactors
from .barlow_beeston import (
    BinFactors,
    Bins,
    best_factors,
    profiled_derivatives,
    profiled_value,
    rate_ratios,
    response,
)
from .constraint_terms import ConstraintTerms, constraint_terms
from .curvature import Weights, derivatives_of_counts, no_blocks
from .interpolation import KINKED_CODES, has_kink
from .rates import (
    Elements,
    Interpolation,
    elements,
    interpolation,
    jacobian,
)


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
        aux: auxiliary data, one for each entry of the parameter vector; where factors
            are profiled, one for each bin follows.
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

    def split_aux(self) -> tuple[Vector, Array]:
        """Auxiliary data of parameters, and of profiled factors."""
        params = self.arrays.init.shape[0]
        return self.aux[:params], self.aux[params:]

    def _parts(self, el: Elements) -> tuple[Array, Array]:
        """What each bin expects that its factor scales, were it 1, and what not."""
        factors = _profiled(self.arrays)
        if factors.complete:
            return xp.sum(el.rates, axis=0), xp.zeros(el.bare.shape[1])
        return (
            xp.sum(xp.where(factors.covered, el.rates, 0.0), axis=0),
            xp.sum(xp.where(factors.covered, 0.0, el.rates), axis=0),
        )

    def profiled_bins(self, el: Elements) -> Bins:
        """What each bin expects and what was measured, where factors are profiled."""
        arrays, factors = self.arrays, _profiled(self.arrays)
        scaled, others = self._parts(el)
        # One event where one is expected says nothing: the constraint alone is left.
        counted = arrays.counted
        return Bins(
            xp.where(counted, scaled, 0.0),
            xp.where(counted, others, 1.0),
            xp.where(counted, self.counts, 1.0),
            self.split_aux()[1],
            BinFactors(
                factors.normal,
                factors.poisson,
                self.constraints.bins,
                factors.init,
                factors.lower,
                factors.upper,
            ),
        )

    def factors(self, y: Vector) -> Float[Array, " bins"] | None:
        """The best factor of each bin at these data, 1 where none is profiled.

        None where none is profiled at all.
        """
        if self.arrays.profiled is None:
            return None
        return best_factors(self.profiled_bins(self.elements(y)))

    def with_factors(
        self, gamma: Float[Array, " bins"], held: Bool[Array, " bins"]
    ) -> "HistFactoryLikelihood":
        """The same likelihood, with some profiled factors held at values instead."""
        factors, bins = _profiled(self.arrays), self.constraints.bins
        init = xp.where(held, gamma, factors.init)
        return dataclasses.replace(
            self,
            arrays=dataclasses.replace(
                self.arrays, profiled=dataclasses.replace(factors, init=init)
            ),
            constraints=self.constraints._replace(
                bins=bins._replace(fixed=bins.fixed | held)
            ),
        )

    def _rates(self, y: Vector, gamma: Array | None) -> Float[Array, " bins"]:
        el = self.elements(y)
        if gamma is None:
            return xp.sum(el.rates, axis=0)
        rates = xp.sum(el.rates * element_factors(self.arrays, gamma), axis=0)
        # Rounding may leave -1e-17, which is no count.
        return xp.where(self.profiled_bins(el).empty(gamma), 0.0, rates)

    def value(self, y: Vector) -> Float[Array, ""]:
        return self.value_of_counts(y) + self.constraints.value(y, self.split_aux()[0])

    def value_of_counts(self, y: Vector) -> Float[Array, ""]:
        """The part of `value` that the counts and the profiled factors make."""
        el = self.elements(y)
        if self.arrays.profiled is not None:
            return profiled_value(self.profiled_bins(el))
        counts, rates = self.counted(xp.sum(el.rates, axis=0))
        return xp.sum(poisson_deviance(counts, rates))

    def saturated(self) -> Float[Array, ""]:
        return self.saturated_counts() + self.constraints.saturated(self.split_aux()[0])

    def saturated_counts(self) -> Float[Array, ""]:
        """The part of `saturated` that the counts and the profiled factors make."""
        terms, (_, of_bins) = poisson_saturated(self.counts), self.split_aux()
        main = -xp.sum(xp.where(self.arrays.counted, terms, 0.0))
        if self.arrays.profiled is None:
            return main
        return main + self.constraints.bins.saturated(of_bins)

    def gradient(self, y: Vector, side: Array | float = 0.0) -> Vector:
        constraints = self.constraints.gradient(y, self.split_aux()[0])
        return self.gradient_of_counts(y, side) + constraints

    def gradient_of_counts(self, y: Vector, side: Array | float = 0.0) -> Vector:
        """The gradient of `value_of_counts`."""
        el = self.elements(y, side)
        if self.arrays.profiled is None:
            pull, _ = rate_ratios(*self.counted(xp.sum(el.rates, axis=0)))
        else:
            bins = self.profiled_bins(el)
            gamma = best_factors(bins)
            pull, _ = bins.ratios(gamma)
            el = el.scaled(element_factors(self.arrays, gamma))
        return jacobian(self.arrays, self.interpolation, el) @ pull

    def derivatives_of_counts(
        self, y: Vector, side: Array | float = 0.0
    ) -> tuple[Array, Vector, Bordered, Bordered]:
        """`value_of_counts`, its gradient, Hessian and positive semi-definite part."""
        el = self.elements(y, side)
        if self.arrays.profiled is None:
            return self._derivatives(el)
        return self._profiled_derivatives(el)

    def derivatives(self, y: Vector, side: Array | float = 0.0) -> Derivatives:
        value, gradient, hessian, convex = self.derivatives_of_counts(y, side)
        constraints, (aux, _) = self.constraints, self.split_aux()
        curvature = constraints.curvature(y, aux)
        return Derivatives(
            value + constraints.value(y, aux),
            gradient + constraints.gradient(y, aux),
            hessian.frame,
            hessian.plus(curvature).blocks,
            convex.plus(curvature).blocks,
        )

    def _derivatives(self, el: Elements) -> tuple[Array, Vector, Bordered, Bordered]:
        """Those of the counts, without constraints."""
        counts, rates = self.counted(xp.sum(el.rates, axis=0))
        pull, weight = rate_ratios(counts, rates)
        weights = Weights(pull, xp.where(self.arrays.counted, weight, 0.0))
        value = xp.sum(poisson_deviance(counts, rates))
        return value, *derivatives_of_counts(
            self.arrays, self.interpolation, el, weights
        )

    def _profiled_derivatives(
        self, el: Elements
    ) -> tuple[Array, Vector, Bordered, Bordered]:
        """The same with the constraints of the factors, at their best values."""
        arrays, shapes = self.arrays, self.interpolation
        factors = _profiled(arrays)
        bins = self.profiled_bins(el)
        at = profiled_derivatives(bins)
        counted, value = arrays.counted, bins.value(at.gamma)

        def of_counted(weight: Array) -> Array:
            return xp.where(counted, weight, 0.0)

        if factors.complete:
            weights = of_counted(at.weight), of_counted(at.convex)
            return value, *derivatives_of_counts(
                arrays, shapes, el, Weights(at.by_scaled, *weights)
            )
        # The rates with the factors as they are, and how these follow.
        scaled = el.scaled(element_factors(arrays, at.gamma))
        exact, slope = at.weight_others, at.weight_others * bins.scaled
        weights = of_counted(exact), of_counted(exact - slope**2 * at.response)
        gradient, hessian, convex = derivatives_of_counts(
            arrays, shapes, scaled, Weights(at.by_others, *weights)
        )
        rates = jacobian(arrays, shapes, scaled)
        covered = xp.where(factors.covered, 1.0, 0.0)
        own = jacobian(arrays, shapes, el.scaled(covered))
        mixed = rates * slope + own * at.by_others
        follows = (mixed * of_counted(at.response)) @ mixed.T
        return value, gradient, plain(hessian.blocks.border - follows), convex

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
        gamma, terms = self.factors(y), self.constraints
        return self._rates(y, gamma), _of_both(
            terms, terms.expected(y), lambda bins: bins.expected(gamma)
        )

    def with_nominal_aux(
        self, observations: tuple[Array, Array]
    ) -> tuple[Array, Array]:
        return observations[0], self.constraints.all_nominal_aux

    def sample(self, key: PRNGKeyArray, y: Vector) -> tuple[Array, Array]:
        gamma, terms = self.factors(y), self.constraints
        rates = self._rates(y, gamma)
        main, source = random.split(random.source_of(key, rates))
        of_parameters = of_bins = source
        if gamma is not None:
            of_parameters, of_bins = random.split(source)
        return random.poisson(main, rates), _of_both(
            terms,
            terms.sample(of_parameters, y),
            lambda bins: bins.sample(of_bins, gamma),
        )

    def deviations(self, y: Vector) -> tuple[Array, Array]:
        gamma, terms = self.factors(y), self.constraints
        rates = self._rates(y, gamma)
        return xp.sqrt(xp.maximum(rates, 0.0)), _of_both(
            terms, terms.deviations(y), lambda bins: bins.deviations(gamma)
        )

    def slopes(self, y: Vector) -> Float[Array, "params bins"]:
        """Return the derivatives of all rates, masked bins included.

        Where factors are profiled, they follow.
        """
        el = self.elements(y)
        if self.arrays.profiled is None:
            return jacobian(self.arrays, self.interpolation, el)
        rates, gamma_1 = self._following(el)
        return rates + gamma_1 * self.profiled_bins(el).scaled

    def factor_variances(
        self, y: Vector, *, fitted: bool = True
    ) -> tuple[Float[Array, " bins"], Float[Array, " bins"]]:
        """The variances of profiled factors given all parameters, and of their rates.

        Args:
            y: parameters.
            fitted: whether the counts have measured the factors too.
        """
        if self.arrays.profiled is None:
            return (xp.zeros(self.counts.shape),) * 2
        el = self.elements(y)
        bins = self.profiled_bins(el)
        variance = bins.factors.constraints.widths(bins.aux) ** 2
        if fitted:
            variance = response(bins, best_factors(bins))
        return variance, self._parts(el)[0] ** 2 * variance

    def factor_slopes(self, y: Vector) -> Float[Array, "params bins"]:
        """The derivatives of profiled factors by the parameters that they follow."""
        return self._following(self.elements(y))[1]

    def _following(
        self, el: Elements
    ) -> tuple[Float[Array, "params bins"], Float[Array, "params bins"]]:
        """Derivatives of the rates with fixed factors, and of the factors."""
        arrays, shapes = self.arrays, self.interpolation
        factors = _profiled(arrays)
        bins = self.profiled_bins(el)
        at = profiled_derivatives(bins)
        rates = jacobian(arrays, shapes, el.scaled(element_factors(arrays, at.gamma)))
        covered = xp.where(factors.covered, 1.0, 0.0)
        own = jacobian(arrays, shapes, el.scaled(covered))
        slope = rates * (at.weight_others * bins.scaled) + own * at.by_others
        return rates, -slope * xp.where(arrays.counted, at.response, 0.0)

    def expected_along(self, y: Vector, direction: Vector) -> tuple[Array, Array]:
        """Return how `expected` changes along a direction, 0 in masked bins."""
        terms = self.constraints
        rates = xp.where(self.arrays.counted, direction @ self.slopes(y), 0.0)
        # Which are linear.
        return rates, _of_both(
            terms,
            terms.expected(direction),
            lambda bins: bins.expected(direction @ self.factor_slopes(y)),
        )


def element_factors(
    arrays: Arrays, gamma: Float[Array, " bins"]
) -> Float[Array, "rows bins"]:
    """What the factors of all bins do to each element."""
    return xp.where(_profiled(arrays).covered, gamma, 1.0)


def _profiled(arrays: Arrays) -> ProfiledFactors:
    """The profiled factors of a model that has some."""
    return cast(ProfiledFactors, arrays.profiled)


def _of_both(
    terms: ConstraintTerms,
    of_parameters: Vector,
    of_bins: Callable[[ConstraintTerms], Array],
) -> Vector:
    """Something of the constraints of parameters, and of those of profiled factors."""
    if terms.bins is None:
        return of_parameters
    return xp.append(of_parameters, of_bins(terms.bins))
