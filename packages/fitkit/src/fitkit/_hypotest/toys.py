r"""Distributions of the test statistics by pseudo-experiments.

Both hypotheses are taken at the best fit to the data with the parameter of interest
fixed; counts and auxiliary data fluctuate (the LHC convention).

References:
    ATL-PHYS-PUB-2011-11, section 2.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple, final

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from .._custom_types import Mask, Vector
from .._fit.minimise import Minimum, minimise, minimised
from .._model.likelihood import AbstractNegativeLogLikelihood
from .._model.parameters import ParameterVectors
from .._numerics import random
from .._numerics.batch import Batched
from .._numerics.compiled import runs_on_numpy
from .._numerics.namespace import as_floats, xp
from .fits import free_parameters, pick, succeeded
from .pseudo_experiments import (
    Chunk,
    Toys,
    drawn,
    for_each_chunk,
    ratio,
    tail_error,
    tail_of,
)
from .results import DiscoveryResult, HypotestResult
from .statistic import AbstractTestStatistic

# The outcomes of the expected band, as probabilities of a normal distribution.
_BAND = np.array([math.erfc(-k / math.sqrt(2)) / 2 for k in range(-2, 3)])
# How often a distribution is resampled for the error of its quantiles.
_RESAMPLINGS = 100

NO_TOYS = np.zeros(0)


@final
class ToyFits(NamedTuple):
    """What tests of every value by pseudo-experiments have in common.

    Attributes:
        likelihood: at the data.
        parameters: of every fit.
        poi: the entry of the parameter of interest.
        statistic: which statistic.
        toys: how many, and from which key.
        best: the free fit to the data.
        alternative: the fit to the data with the alternative's signal strength fixed.
        free: free fits of the experiments made there.
        values: how many values will be tested, which tells whether compiling pays.
    """

    likelihood: AbstractNegativeLogLikelihood
    parameters: ParameterVectors
    poi: Mask
    statistic: AbstractTestStatistic
    toys: Toys
    best: Minimum
    alternative: Minimum
    free: "FreeMinima"
    values: int = 1


@final
class FreeMinima(NamedTuple):
    """Free fits of pseudo-experiments.

    Attributes:
        y: where they are, `[toys, params]`.
        value: there; NaN where a fit found no minimum.
    """

    y: Float[Array, "toys params"]
    value: Float[Array, " toys"]


def fit_of_toys(
    likelihood: AbstractNegativeLogLikelihood,
    parameters: ParameterVectors,
    poi: Mask,
    statistic: AbstractTestStatistic,
    toys: Toys,
    values: int = 1,
) -> ToyFits:
    """Make the fits that do not depend on the tested value; see `ToyFits`."""
    best = minimised(likelihood, free_parameters(parameters, poi, statistic))
    fixed = parameters.fixed_at(poi, as_floats(statistic.asimov_poi))
    alternative = minimised(
        likelihood, fixed.starting_at(xp.where(fixed.fixed, fixed.init, best.y)), best.y
    )
    fits = ToyFits(
        likelihood,
        parameters,
        poi,
        statistic,
        toys,
        best,
        alternative,
        FreeMinima(NO_TOYS, NO_TOYS),
        values,
    )
    of_b = toys.of_hypotheses()[1]
    # Those of the tested hypothesis come after these, by the same program.
    free = free_minima(fits, alternative.y, of_b, later=values * toys.n)
    return fits._replace(free=free)


def _free_minimum(common: tuple, observations: Any) -> tuple[Array, Array]:
    likelihood, parameters = common
    # A failed fit must not raise for the others: `minimise` only tells.
    found = minimise(likelihood.at(observations), parameters)
    return found.y, xp.where(found.converged, found.value, xp.nan)


def _conditional_minimum(common: tuple, experiment: tuple[Any, Vector]) -> Array:
    likelihood, parameters = common
    observations, start = experiment
    start = xp.where(parameters.fixed, parameters.init, start)
    found = minimise(
        likelihood.at(observations), parameters.starting_at(start), experiment[1]
    )
    return xp.where(succeeded(found), found.value, xp.nan)


free_fits = Batched(_free_minimum)
conditional_fits = Batched(_conditional_minimum)


def _free_chunk(
    common: tuple, chunk: Chunk, progress: Any = None, ahead: int = 0
) -> tuple[Array, Array]:
    likelihood, parameters, truth = common
    data = drawn(likelihood, truth, chunk.key, chunk.numbers)
    size = truth.shape[0]
    return free_fits((likelihood, parameters), data, size, progress, ahead)


def _conditional_chunk(
    common: tuple, chunk: Chunk, progress: Any = None, ahead: int = 0
) -> Array:
    likelihood, parameters, truth = common
    data = drawn(likelihood, truth, chunk.key, chunk.numbers)
    members, size = (data, chunk.known), truth.shape[0]
    return conditional_fits((likelihood, parameters), members, size, progress, ahead)


def free_minima(fits: ToyFits, truth: Vector, toys: Toys, later: int = 0) -> FreeMinima:
    """The free fits of pseudo-experiments, which serve tests of every value.

    Args:
        fits: what the experiments are of.
        truth: all parameters, where the experiments are made.
        toys: how many, and from which key.
        later: how many will be fitted in the same way afterwards.
    """
    parameters = free_parameters(fits.parameters, fits.poi, fits.statistic)
    common = fits.likelihood, parameters.starting_at(truth), truth
    return FreeMinima(*for_each_chunk(toys, _free_chunk, common, later=later))


def statistics_of_toys(
    fits: ToyFits,
    tested: Float[Array, ""],
    truth: Vector,
    toys: Toys,
    free: FreeMinima | None = None,
    later: int = 0,
) -> Float[Array, " toys"]:
    """The statistic of pseudo-experiments of one hypothesis.

    Args:
        fits: what the experiments are of.
        tested: the tested value of the parameter of interest.
        truth: all parameters, where the experiments are made.
        toys: how many, and from which key.
        free: their `free_minima`, where these have been found already.
        later: how many experiments will be fitted in the same way afterwards.

    Returns:
        `[toys]`; NaN where a fit finds no minimum.
    """
    free = free_minima(fits, truth, toys, later) if free is None else free
    common = fits.likelihood, fits.parameters.fixed_at(fits.poi, tested), truth
    at_tested = for_each_chunk(toys, _conditional_chunk, common, free.y, later)
    best = xp.sum(xp.where(fits.poi, free.y, 0.0), axis=-1)
    with np.errstate(invalid="ignore"):
        q = fits.statistic.ratio(best, tested, at_tested, free.value)
    return xp.where(xp.isnan(at_tested) | xp.isnan(free.value), xp.nan, q)


@final
class ToyTest(NamedTuple):
    """The test of one value.

    Attributes:
        statistic: of the data.
        sb, b: of the pseudo-experiments of the tested hypothesis and the alternative.
        converged: whether the fits to the data found their minima.
    """

    statistic: Float[Array, ""]
    sb: Float[Array, " toys"]
    b: Float[Array, " toys"]
    converged: Bool[Array, ""]

    @property
    def cl_sb(self) -> Float[Array, ""]:
        """The part of the pseudo-experiments with at least the data's statistic."""
        return tail_of(self.sb, self.statistic)

    @property
    def cl_b(self) -> Float[Array, ""]:
        """The same under the alternative."""
        return tail_of(self.b, self.statistic)

    @property
    def cls(self) -> Float[Array, ""]:
        """Their ratio; NaN where no toy of the alternative is as extreme."""
        return ratio(self.cl_sb, self.cl_b)

    @property
    def cls_expected(self) -> Float[Array, "5"]:
        """CLs at -2, -1, 0, 1, 2 standard deviations of the alternative's outcomes."""
        cls = ratio(tail_of(self.sb, self.b), tail_of(self.b, self.b))
        return xp.nanquantile(cls, _BAND)

    @property
    def cls_error(self) -> Float[Array, ""]:
        """The statistical error of CLs, from those of both tails."""
        sb_error, b_error = self.errors
        sb = xp.maximum(self.cl_sb, sb_error)
        return xp.hypot(ratio(sb_error, sb), ratio(b_error, self.cl_b)) * ratio(
            sb, self.cl_b
        )

    @property
    def errors(self) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """Binomial errors of both tails; at 0 and 1 that of one pseudo-experiment."""
        return tail_error(self.sb, self.cl_sb), tail_error(self.b, self.cl_b)

    @property
    def p0_expected(self) -> Float[Array, "5"]:
        """The p-value at five outcomes of the alternative, rising."""
        return xp.nanquantile(tail_of(self.sb, self.b), _BAND)

    def spread(
        self, of: Callable[["ToyTest"], Array], key: PRNGKeyArray
    ) -> Float[Array, "5"]:
        """The spread of a band over resampled pseudo-experiments."""
        sizes = self.sb.shape[0], self.b.shape[0]

        def one(number: Array) -> Array:
            first, second = jax.random.split(jax.random.fold_in(key, number))
            sb = random.integers(first, sizes[0], (sizes[0],))
            b = random.integers(second, sizes[1], (sizes[1],))
            return of(self._replace(sb=xp.take(self.sb, sb), b=xp.take(self.b, b)))

        if runs_on_numpy(self, key):
            generator = random.generator(key)
            bands = []
            for _ in range(_RESAMPLINGS):
                sb, b = (random.integers(generator, n, (n,)) for n in sizes)
                bands.append(of(self._replace(sb=self.sb[sb], b=self.b[b])))
            return np.std(np.stack(bands), axis=0)
        return xp.std(jax.lax.map(one, np.arange(_RESAMPLINGS)), axis=0)


def test_by_toys(fits: ToyFits, tested: Float[Array, ""]) -> ToyTest:
    """Test a value of the parameter of interest by pseudo-experiments."""
    fixed = fits.parameters.fixed_at(fits.poi, tested)
    start = xp.where(fixed.fixed, fixed.init, fits.best.y)
    conditional = minimised(fits.likelihood, fixed.starting_at(start), fits.best.y)
    q = fits.statistic.ratio(
        pick(fits.best.y, fits.poi), tested, conditional.value, fits.best.value
    )
    of_sb, of_b = fits.toys.of_hypotheses()
    more = (2 * fits.values - 1) * fits.toys.n
    sb = statistics_of_toys(fits, tested, conditional.y, of_sb, later=more)
    b = statistics_of_toys(fits, tested, fits.alternative.y, of_b, fits.free)
    converged = fits.best.converged & succeeded(conditional)
    return ToyTest(q, sb, b, converged & succeeded(fits.alternative))


def hypotest_by_toys(fits: ToyFits, tested: Float[Array, ""]) -> HypotestResult:
    """What a test by pseudo-experiments says."""
    test = test_by_toys(fits, tested)
    sb_error, b_error = test.errors
    with np.errstate(divide="ignore"):
        logs = [xp.log(p) for p in (test.cl_sb, test.cl_b, test.cls_expected)]
    return HypotestResult(
        poi_value=tested,
        statistic=test.statistic,
        statistic_asimov=np.array(np.nan),
        best=pick(fits.best.y, fits.poi),
        log_cl_sb=logs[0],
        log_cl_b=logs[1],
        log_cls_expected=logs[2],
        cl_sb_error=sb_error,
        cl_b_error=b_error,
        cls_error=test.cls_error,
        cls_expected_error=test.spread(lambda t: t.cls_expected, fits.toys.key),
        toys_sb=test.sb,
        toys_b=test.b,
        converged=test.converged,
        test=type(fits.statistic).__name__,
        band=_band(fits.toys),
    )


def discovery_by_toys(fits: ToyFits) -> DiscoveryResult:
    """What a test of the absence of a signal by pseudo-experiments says."""
    test = test_by_toys(fits, np.zeros(()))
    with np.errstate(divide="ignore"):
        p0, expected = test.cl_sb, test.p0_expected
        log_p0, log_expected = xp.log(p0), xp.log(expected)
    return DiscoveryResult(
        signal=as_floats(fits.statistic.asimov_poi),
        statistic=test.statistic,
        statistic_asimov=np.array(np.nan),
        best=pick(fits.best.y, fits.poi),
        log_p0=log_p0,
        log_p0_expected=log_expected,
        # Of a p-value of 1, where nothing speaks for a signal, as sqrt(q0) = 0.
        significance=xp.maximum(-xp.ndtri(p0), 0.0),
        significance_expected=-xp.ndtri(expected),
        p0_error=test.errors[0],
        p0_expected_error=test.spread(lambda t: t.p0_expected, fits.toys.key),
        toys_b=test.sb,
        toys_sb=test.b,
        converged=test.converged,
        test=type(fits.statistic).__name__,
        band=_band(fits.toys),
    )


def _band(toys: Toys) -> str:
    return f"of {toys.n} + {toys.n} pseudo-experiments"
