"""The constraint terms of a HistFactory model, from its templates and settings."""

import operator
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array, Float

from .._custom_types import Mask, Vector
from .._model.constraints import normal_saturated, poisson_deviance, poisson_saturated
from .._numerics import random
from .._numerics.namespace import scatter_add, take, traced, xp
from .arrays import Arrays, ProfiledFactors
from .modifiers import ParameterKind


class ConstraintTerms(NamedTuple):
    """One constraint for each entry of the parameter vector that has one.

    Attributes:
        normal: entries with a normal constraint, of width `sigma`.
        poisson: entries with a Poisson constraint that expects `tau` at value 1.
        nominal_aux: nominal auxiliary data.
        fixed: entries that a fit does not move.
        bins: the terms of the factors that are profiled, one for each bin, or None.
    """

    normal: Mask
    poisson: Mask
    sigma: Vector
    tau: Vector
    nominal_aux: Vector
    fixed: Mask
    bins: Any = None  # `ConstraintTerms` themselves

    @property
    def all_nominal_aux(self) -> Vector:
        """Nominal auxiliary data of parameters and profiled factors."""
        if self.bins is None:
            return self.nominal_aux
        return xp.append(self.nominal_aux, self.bins.nominal_aux)

    def value(self, y: Vector, aux: Vector) -> Array:
        """Minus the log-density of all terms, less the saturated part."""
        pull = xp.where(self.normal, (y - aux) / self.sigma, 0.0)
        rate = xp.where(self.poisson, self.tau * y, 1.0)
        count = xp.where(self.poisson, aux, 1.0)
        return xp.sum(pull**2) / 2 + xp.sum(poisson_deviance(count, rate))

    def saturated(self, aux: Vector) -> Array:
        """Minus the log-density of all terms where parameters meet their data."""
        count = xp.where(self.poisson, aux, 0.0)
        normal = xp.where(self.normal, normal_saturated(self.sigma), 0.0)
        return -xp.sum(poisson_saturated(count)) - xp.sum(normal)

    def gradient(self, y: Vector, aux: Vector) -> Vector:
        """Derivatives of `value`."""
        safe = xp.where(self.poisson, y, 1.0)
        return xp.where(self.normal, (y - aux) / self.sigma**2, 0.0) + xp.where(
            self.poisson, (self.tau * y - aux) / safe, 0.0
        )

    def curvature(self, y: Vector, aux: Vector) -> Vector:
        """Second derivatives of `value`: a diagonal."""
        safe = xp.where(self.poisson, y, 1.0)
        return xp.where(self.normal, self.sigma**-2, 0.0) + xp.where(
            self.poisson, aux / safe**2, 0.0
        )

    def sample(self, source: Any, y: Vector) -> Vector:
        """Random auxiliary data; 0 for free parameters."""
        normal, poisson = random.split(source)
        measured = y + self.sigma * random.normal(normal, y.shape)
        counts = random.poisson(poisson, xp.where(self.poisson, self.tau * y, 0.0))
        return xp.where(self.normal, measured, xp.where(self.poisson, counts, 0.0))

    def deviations(self, y: Vector) -> Vector:
        """The standard deviations of the auxiliary data; 0 for free parameters."""
        counts = xp.sqrt(xp.maximum(xp.where(self.poisson, self.tau * y, 0.0), 0.0))
        return xp.where(self.normal, self.sigma, counts)

    def widths(self, aux: Vector) -> Vector:
        """The standard deviations of what has a constraint; 0 for all that is fixed."""
        poisson = xp.where(self.poisson, xp.sqrt(aux) / self.tau, 0.0)
        width = xp.where(self.normal, self.sigma, poisson)
        return xp.where(self.fixed, 0.0, width)

    def expected(self, y: Vector) -> Vector:
        """The auxiliary data that the parameters expect; 0 for free parameters."""
        return xp.where(self.normal, y, xp.where(self.poisson, self.tau * y, 0.0))


def constraint_terms(arrays: Arrays) -> ConstraintTerms:
    """Derive the constraint terms from templates, uncertainties and settings.

    A bin without yield or without error keeps its factor fixed at 1; its constraint
    term then is a constant of unit width or count, as in pyhf 0.7.
    """
    kind = xp.asarray(arrays.kind)
    size = kind.shape[0]
    slots = arrays.factor_index.shape[0]
    # Kind of the parameter behind each slot; a free one behind the constant 1.
    kind_of = take(xp.append(kind, int(ParameterKind.FREE)), arrays.factor_index)
    yields = xp.broadcast_to(arrays.nominal, (slots, *arrays.nominal.shape))
    index = xp.asarray(arrays.factor_index).reshape(-1)

    def total(values: Array | np.ndarray, *of: ParameterKind) -> Any:
        if not traced(kind) and not any((kind == each).any() for each in of):
            return np.zeros(size)
        wanted = reduce(operator.or_, (kind_of == each for each in of))
        chosen = xp.where(wanted, values, 0.0).reshape(-1)
        return scatter_add((size + 1,), (index,), chosen)[:size]

    both = ParameterKind.MC_STAT, ParameterKind.POISSON_STAT
    terms = _terms(
        arrays,
        _Templates(
            mean=total(yields, *both),
            variance=total(arrays.uncertainty**2, *both),
            single=total(yields, ParameterKind.POISSON),
            error=total(xp.asarray(arrays.uncertainty), ParameterKind.POISSON),
        ),
    )
    if arrays.profiled is None:
        return terms
    return terms._replace(bins=_terms_of_bins(arrays.nominal, arrays.profiled))


def _terms_of_bins(
    nominal: Float[Array, "rows bins"], factors: ProfiledFactors
) -> ConstraintTerms:
    """The constraint terms of the factors that are profiled."""
    measured = xp.asarray(factors.kind) != int(ParameterKind.FREE)
    here = xp.asarray(factors.covered) & measured
    mean = xp.sum(xp.where(here, nominal, 0.0), axis=0)
    error = xp.where(here, factors.uncertainty, 0.0)
    # A shapesys is of one sample, whose error is the sum.
    return _terms(
        factors,
        _Templates(mean, xp.sum(error**2, axis=0), mean, xp.sum(error, axis=0)),
    )


class _Templates(NamedTuple):
    """What the templates say of factors.

    Attributes:
        mean, variance: of the samples that share a staterror.
        single, error: yield and error of the sample with a shapesys.
    """

    mean: Array
    variance: Array
    single: Array
    error: Array


def _terms(of: Arrays | ProfiledFactors, templates: _Templates) -> ConstraintTerms:
    """The terms of entries of one kind each, from templates and settings."""
    mean, variance, single, error = templates
    kind = xp.asarray(of.kind)
    normal_stat = kind == ParameterKind.MC_STAT
    poisson_stat = kind == ParameterKind.POISSON_STAT
    given = xp.asarray(of.sigma_given)
    stat, poisson = normal_stat | poisson_stat, kind == ParameterKind.POISSON
    usable = stat & (mean > 0) & (variance > 0)
    relative = xp.sqrt(xp.where(usable, variance, 1.0)) / xp.where(usable, mean, 1.0)

    valid = poisson & (single > 0) & (error > 0)
    tau = xp.where(
        valid, xp.where(valid, single, 1.0) ** 2 / xp.where(valid, error, 1.0) ** 2, 1.0
    )

    # A staterror's width is that of its constraint, whichever; the count follows it.
    width = xp.where(stat & ~given, relative, of.sigma)
    effective = xp.where(poisson_stat, width, 1.0) ** -2
    tau = xp.where(poisson_stat, effective, tau)

    empty = (stat & ~usable) | (poisson & ~valid)
    counted, shift = kind == ParameterKind.COUNT, kind == ParameterKind.SHIFT
    poisson_any = poisson | poisson_stat | counted
    return ConstraintTerms(
        normal=(kind == ParameterKind.NORMAL) | normal_stat | shift,
        poisson=poisson_any,
        sigma=width,
        # settings may give the width 1/sqrt(tau); the nominal data stay, as in pyhf
        tau=xp.where(counted | (poisson & given), of.sigma**-2, tau),
        nominal_aux=xp.where(
            poisson_any & ~counted & ~xp.asarray(of.aux_given), tau, of.aux
        ),
        fixed=xp.where(of.fixed_given, of.fixed, empty),
    )
