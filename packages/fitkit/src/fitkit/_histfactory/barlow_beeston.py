r"""One statistical factor for each bin, at its best value in closed form.

A bin expects \(\nu = \gamma s + o\): \(s\) from samples whose finite simulation is
described by the factor \(\gamma\), \(o\) from all others. With \(n\) counts and an
auxiliary measurement of \(\gamma\), minus the log-likelihood is smallest where

\[ s\,(1 - n/\nu) + (\gamma - a)/\sigma^2 = 0
   \quad\text{or}\quad
   s\,(1 - n/\nu) + \tau - m/\gamma = 0 \]

for a normal constraint at \(a\) and for a Poisson one, which counted \(m\) where
\(\tau\gamma\) are expected. Both are quadratic, the first in \(\nu\),

\[ \nu^2 - (a s + o - \sigma^2 s^2)\,\nu - \sigma^2 s^2 n = 0 , \]

the second in \(\gamma\). Minus the log-likelihood is convex in \(\gamma\), so that in a
box the best value is the nearest one. What is left is a function of \(s\) and \(o\)
alone. Its first derivatives are the partial ones at the best value (envelope theorem);
the second have a term more, the Schur complement of \(\gamma\).

A factor may also be a *shift*, normal at 0, in units of an error s that parameters
change. It may be negative, and of a bin without counts the best value may then be the
one at which nothing is expected, \(\gamma = -o/s\): there the rate stays 0 whatever s
and o do, and what is left is the constraint alone.

References:
    R. Barlow, C. Beeston, CPC 77 (1993) 219; J. S. Conway, arXiv:1103.0354, section 5.
"""

import dataclasses
from typing import NamedTuple, final

import equinox as eqx
import jax
from jaxtyping import Array, Float

from .._custom_types import Mask
from .._model.constraints import poisson_deviance
from .._numerics.namespace import filter_custom_jvp, xp
from .constraint_terms import ConstraintTerms

PerBin = Float[Array, " bins"]

# A rate that is smaller than its two parts by this is 0.
_ROUNDING = 1e-12
# How much stiffer than its constraint the edge is at which a bin expects nothing: what
# this leaves of the second derivatives is 1e-7 of them, what rounding takes 1e-9.
_STIFF = 1e7


@final
@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class BinFactors:
    """What is known of the factors of all bins.

    Attributes:
        normal, poisson: whether any has such a constraint; not numbers, so that a
            program has only what it needs.
        constraints: one for each bin; neither normal nor Poisson where there is no
            factor.
        init: the value of those that are fixed.
        lower, upper: bounds of all others.
    """

    normal: bool = dataclasses.field(metadata={"static": True})
    poisson: bool = dataclasses.field(metadata={"static": True})
    constraints: ConstraintTerms
    init: PerBin
    lower: PerBin
    upper: PerBin

    def value(self, gamma: PerBin, aux: PerBin) -> Float[Array, ""]:
        """Minus the log-density of all constraints, less the saturated part."""
        terms = self.constraints
        value = xp.sum(xp.zeros_like(gamma))
        if self.normal:
            pull = xp.where(terms.normal, (gamma - aux) / terms.sigma, 0.0)
            value = value + xp.sum(pull**2) / 2
        if self.poisson:
            rate = xp.where(terms.poisson, terms.tau * gamma, 1.0)
            count = xp.where(terms.poisson, aux, 1.0)
            value = value + xp.sum(poisson_deviance(count, rate))
        return value

    def gradient(self, gamma: PerBin, aux: PerBin) -> PerBin:
        """Derivatives of `value`."""
        terms, total = self.constraints, xp.zeros_like(gamma)
        if self.normal:
            pull = (gamma - aux) / terms.sigma**2
            total = total + xp.where(terms.normal, pull, 0.0)
        if self.poisson:
            safe = xp.where(terms.poisson, gamma, 1.0)
            pull = terms.tau - aux / safe
            total = total + xp.where(terms.poisson, pull, 0.0)
        return total

    def curvature(self, gamma: PerBin, aux: PerBin) -> PerBin:
        """Second derivatives of `value`."""
        terms, total = self.constraints, xp.zeros_like(gamma)
        if self.normal:
            total = total + xp.where(terms.normal, terms.sigma**-2, 0.0)
        if self.poisson:
            safe = xp.where(terms.poisson, gamma, 1.0)
            total = total + xp.where(terms.poisson, aux / safe**2, 0.0)
        return total


@final
class Bins(NamedTuple):
    """What each bin expects, and what was measured.

    Attributes:
        scaled: s, expected from the samples with the factor, were it 1.
        others: o, expected from all others.
        counts: n.
        aux: auxiliary data of the factors.
        factors: what else is known of them.
    """

    scaled: PerBin
    others: PerBin
    counts: PerBin
    aux: PerBin
    factors: BinFactors

    def rates(self, gamma: PerBin) -> PerBin:
        """Expected counts."""
        rates = gamma * self.scaled + self.others
        return xp.where(self.empty(gamma), 0.0, rates)

    def empty(self, gamma: PerBin) -> Mask:
        """The bins whose best factor is the one at which nothing is expected."""
        shift, others = gamma * self.scaled, self.others
        rounding = _ROUNDING * (xp.abs(shift) + xp.abs(others))
        nothing = (xp.abs(shift + others) <= rounding) & (self.counts <= rounding)
        free = self.factors.constraints.normal & ~self.factors.constraints.fixed
        return nothing & free & (self.scaled > 0)

    def with_empty(self, gamma: PerBin, empty: Mask) -> PerBin:
        """The factors, those of empty bins as the function of s and o that they are."""
        safe = xp.where(empty, self.scaled, 1.0)
        return xp.where(empty, -self.others / safe, gamma)

    def value(self, gamma: PerBin) -> Float[Array, ""]:
        """Minus the log-likelihood of counts and auxiliary data, less saturation."""
        main = xp.sum(poisson_deviance(self.counts, self.rates(gamma)))
        return main + self.factors.value(gamma, self.aux)

    def ratios(self, gamma: PerBin) -> tuple[PerBin, PerBin]:
        """1 - n/nu and n/nu^2, finite where the rate is not positive.

        In empty bins the slope that the constraint balances, and a stiff edge.
        """
        pull, weight = rate_ratios(self.counts, self.rates(gamma))
        empty, terms = self.empty(gamma), self.factors.constraints
        safe = xp.where(empty, self.scaled, 1.0)
        balance = -terms.gradient(gamma, self.aux) / safe
        edge = _STIFF * terms.curvature(gamma, self.aux) / safe**2
        return xp.where(empty, balance, pull), xp.where(empty, edge, weight)


def rate_ratios(counts: PerBin, rates: PerBin) -> tuple[Array, Array]:
    """(nu - n)/nu and n/nu^2 in each bin, finite where the rate is not positive.

    A bin at exactly zero rate and zero count pulls with its full weight 1.
    """
    safe = xp.where(rates > 0, rates, 1.0)
    pull = xp.where(rates > 0, (safe - counts) / safe, xp.where(counts > 0, 0.0, 1.0))
    return pull, xp.where(rates > 0, counts / safe**2, 0.0)


def _best_normal(bins: Bins) -> PerBin:
    """The best factors with normal constraints, were there no bounds."""
    s, o, n, aux, factors = bins
    terms = factors.constraints
    # What the bin would expect without its counts, and the variance of that.
    width = xp.where(terms.normal, terms.sigma, 1.0)
    variance = (width * s) ** 2
    middle = aux * s + o - variance
    root = xp.sqrt(middle**2 + 4 * variance * n)
    # n / nu; of the two forms of a root, the one in which nothing cancels.
    rate, above = xp.abs(middle) + root, middle >= 0
    positive = xp.where(above, rate, 2 * variance)
    ratio = xp.where(above, 2 * n, rate) / xp.where(positive > 0, positive, 1.0)
    return aux + width**2 * s * (ratio - 1)


def _best_poisson(bins: Bins) -> PerBin:
    """The best factors with Poisson constraints, were there no bounds."""
    s, o, n, aux, factors = bins
    terms = factors.constraints
    tau = xp.where(terms.poisson, terms.tau, 1.0)
    square, constant = s * (s + tau), aux * o
    linear = (s + tau) * o - (n + aux) * s
    # Of both solutions the one at which the slope rises, whatever the signs are.
    root = xp.sqrt(xp.maximum(linear**2 + 4 * square * constant, 0.0))
    falls = (linear < 0) & (square != 0)
    below = xp.where(falls, 2 * square, linear + root)
    above = xp.where(falls, root - linear, 2 * constant)
    known = below != 0
    return xp.where(known, above / xp.where(known, below, 1.0), aux / tau)


def moved(bins: Bins, gamma: PerBin) -> Mask:
    """The factors that are neither fixed nor on a bound."""
    factors = bins.factors
    inside = (gamma > factors.lower) & (gamma < factors.upper)
    return ~factors.constraints.fixed & inside


def response(bins: Bins, gamma: PerBin) -> PerBin:
    """One over the second derivative by each factor; 0 for those that do not move."""
    _, weight = bins.ratios(gamma)
    curvature = weight * bins.scaled**2
    curvature = curvature + bins.factors.curvature(gamma, bins.aux)
    free = moved(bins, gamma) & (curvature > 0)
    return xp.where(free, 1 / xp.where(free, curvature, 1.0), 0.0)


@filter_custom_jvp
def best_factors(bins: Bins) -> PerBin:
    """The factors at which the likelihood of each bin is largest."""
    factors = bins.factors
    terms = factors.constraints
    if factors.normal and factors.poisson:
        best = xp.where(terms.normal, _best_normal(bins), _best_poisson(bins))
    else:
        best = _best_normal(bins) if factors.normal else _best_poisson(bins)
    inside = xp.clip(best, factors.lower, factors.upper)
    return xp.where(terms.fixed, factors.init, inside)


@best_factors.def_jvp
def _best_factors_jvp(primals, tangents):
    # By the implicit function theorem: a square root has no slope where bins are empty.
    (bins,), (dot,) = primals, tangents
    gamma = best_factors(bins)
    _, slope_dot = eqx.filter_jvp(lambda at: slope(at, gamma), (bins,), (dot,))
    change = -response(bins, gamma) * slope_dot
    empty = bins.empty(gamma)
    _, edge = eqx.filter_jvp(lambda at: at.with_empty(gamma, empty), (bins,), (dot,))
    change = xp.where(empty, edge, change)
    if dot.factors.init is not None:
        change = change + xp.where(bins.factors.constraints.fixed, dot.factors.init, 0)
    return gamma, change


def slope(bins: Bins, gamma: PerBin) -> PerBin:
    """The derivative of minus the log-likelihood by each factor."""
    pull, _ = bins.ratios(gamma)
    constraint = bins.factors.gradient(gamma, bins.aux)
    return bins.scaled * pull + constraint


@filter_custom_jvp
def profiled_value(bins: Bins) -> Float[Array, ""]:
    """Minus the log-likelihood at the best factors, less that of saturation."""
    return bins.value(best_factors(bins))


@profiled_value.def_jvp
def _profiled_value_jvp(primals, tangents):
    (bins,), (dot,) = primals, tangents
    gamma = best_factors(bins)
    empty = bins.empty(gamma)
    return eqx.filter_jvp(
        lambda at: at.value(at.with_empty(gamma, empty)), (bins,), (dot,)
    )


@final
class ProfiledDerivatives(NamedTuple):
    r"""Derivatives by s and o of what is left at the best factors.

    Attributes:
        by_scaled, by_others: first derivatives.
        weight: second derivatives by s.
        convex: of these the part that is not negative; see `likelihood.py`.
        cross: the derivative by s of the slope in the factor; by o it is `weight_others
            * scaled`.
        weight_others: n/nu^2.
        response: see there.
        gamma: the best factors.
    """

    by_scaled: PerBin
    by_others: PerBin
    weight: PerBin
    convex: PerBin
    cross: PerBin
    weight_others: PerBin
    response: PerBin
    gamma: PerBin


def profiled_derivatives(bins: Bins) -> ProfiledDerivatives:
    """First and second derivatives at the best factors."""
    gamma = best_factors(bins)
    pull, weight = bins.ratios(gamma)
    own, follows = response(bins, gamma), weight * gamma * bins.scaled
    cross = pull + follows
    return ProfiledDerivatives(
        by_scaled=pull * gamma,
        by_others=pull,
        weight=weight * gamma**2 - cross**2 * own,
        convex=weight * gamma**2 - follows**2 * own,
        cross=cross,
        weight_others=weight,
        response=own,
        gamma=gamma,
    )
