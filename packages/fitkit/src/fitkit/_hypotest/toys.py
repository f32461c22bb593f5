r"""Distributions of the test statistics by pseudo-experiments.

Both hypotheses are taken at the best fit to the data with the parameter of interest
held; counts and auxiliary data fluctuate (the LHC convention). What a pseudo-experiment
gives depends on the key and its number alone, not on how many are made at once.

References:
    ATL-PHYS-PUB-2011-11, section 2.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from .._numerics.compiled import compiled
from .._custom_types import Mask
from .._fit.minimise import FitOptions, Minimum, minimise, minimised
from .._model.likelihood import AbstractNegativeLogLikelihood
from .fits import pick, restricted
from .statistic import AbstractTestStatistic

# The outcomes of the expected band, as probabilities of a normal distribution.
_BAND = np.array([math.erfc(-k / math.sqrt(2)) / 2 for k in range(-2, 3)])


@final
class Toys(eqx.Module):
    """The distributions of a test statistic by pseudo-experiments.

    Attributes:
        key: random key.
        n: pseudo-experiments for each of the two hypotheses.
        chunk: how many are fitted together: bounds the memory, changes no result.
        progress: called with how many of how many are done after each chunk; by default
            nothing is told.

    Example:
        >>> import jax
        >>> Toys(jax.random.key(0), 500).n
        500
    """

    key: PRNGKeyArray
    n: int = eqx.field(static=True, default=2000)
    chunk: int = eqx.field(static=True, default=250)
    progress: Callable[[int, int], object] | None = eqx.field(static=True, default=None)

    def __check_init__(self) -> None:
        for name in ("n", "chunk"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"`Toys({name}=...)` must be at least 1; got {getattr(self, name)}."
                )


@final
class ToysResult(eqx.Module):
    """A hypothesis test by pseudo-experiments.

    Attributes:
        poi_value: the tested value.
        statistic: of the data.
        toys_sb: the statistic of the pseudo-experiments under the tested hypothesis;
            NaN where a fit found no minimum.
        toys_b: the same under the alternative.
        converged: whether the fits to the data found their minima.
        discovery: whether the tested hypothesis is the absence of a signal.
    """

    poi_value: Float[Array, ""]
    statistic: Float[Array, ""]
    toys_sb: Float[Array, " toys"]
    toys_b: Float[Array, " toys"]
    converged: Bool[Array, ""]
    discovery: bool = eqx.field(static=True)

    @property
    def failed(self) -> tuple[Int[Array, ""], Int[Array, ""]]:
        """How many pseudo-experiments of either hypothesis have no statistic.

        They are left out of all probabilities.
        """
        return jnp.sum(jnp.isnan(self.toys_sb)), jnp.sum(jnp.isnan(self.toys_b))

    @property
    def cl_sb(self) -> Float[Array, ""]:
        """The part of the pseudo-experiments with at least the data's statistic."""
        return tail_of(self.toys_sb, self.statistic)

    @property
    def cl_b(self) -> Float[Array, ""]:
        """The same under the alternative."""
        return tail_of(self.toys_b, self.statistic)

    @property
    def cl_sb_error(self) -> Float[Array, ""]:
        """Binomial error of `cl_sb`; at 0 and 1 that of one pseudo-experiment."""
        return tail_error(self.toys_sb, self.cl_sb)

    @property
    def cl_b_error(self) -> Float[Array, ""]:
        """Binomial error of `cl_b`."""
        return tail_error(self.toys_b, self.cl_b)

    @property
    def cls_observed(self) -> Float[Array, ""]:
        """The observed CLs; NaN where no toy of the alternative is as extreme."""
        return self.cl_sb / self.cl_b

    @property
    def cls_observed_error(self) -> Float[Array, ""]:
        """Its statistical error, from those of both tails."""
        relative = jnp.hypot(
            self.cl_sb_error / jnp.maximum(self.cl_sb, self.cl_sb_error),
            self.cl_b_error / self.cl_b,
        )
        return relative * jnp.maximum(self.cl_sb, self.cl_sb_error) / self.cl_b

    @property
    def cls_expected(self) -> Float[Array, "5"]:
        """CLs at -2, -1, 0, 1, 2 standard deviations of the alternative's outcomes."""
        cls = tail_of(self.toys_sb, self.toys_b) / tail_of(self.toys_b, self.toys_b)
        return jnp.nanquantile(cls, _BAND)

    @property
    def p0_observed(self) -> Float[Array, ""]:
        """The p-value of the tested hypothesis, the same as `cl_sb`."""
        return self.cl_sb

    @property
    def p0_expected(self) -> Float[Array, "5"]:
        """The p-value at five outcomes of the alternative, rising."""
        return jnp.nanquantile(tail_of(self.toys_sb, self.toys_b), _BAND)

    def __repr__(self) -> str:
        if isinstance(self.statistic, jax.core.Tracer) or jnp.ndim(self.statistic):
            return f"ToysResult(shape={jnp.shape(self.statistic)})"
        sb, b = map(int, self.failed)
        status = (
            "" if bool(self.converged) else "  (a fit of the data did not converge)"
        )
        if sb or b:
            status += f"  ({sb} and {b} pseudo-experiments failed and are left out)"
        count = f"{self.toys_sb.size} + {self.toys_b.size} pseudo-experiments"
        if self.discovery:
            band = ", ".join(f"{x:.4g}" for x in self.p0_expected)
            return (
                f"p0 observed {float(self.cl_sb):.4g} ± {float(self.cl_sb_error):.2g}, "
                f"expected [{band}] ({count}){status}"
            )
        band = ", ".join(f"{x:.4g}" for x in self.cls_expected)
        return (
            f"CLs at {float(self.poi_value):g}: observed "
            f"{float(self.cls_observed):.4g} ± {float(self.cls_observed_error):.2g}, "
            f"expected [{band}] ({count}){status}"
        )


# Two values of a statistic that differ by less than this, relative and absolute, are
# the same outcome: fits of equal counts differ by rounding.
_SAME = 1e-9


def tail_of(toys: Float[Array, " toys"], value: Float[Array, "..."]) -> Array:
    """The part of the toys at or above each value; a failed toy does not count."""
    ordered = jnp.sort(toys)  # NaN last
    count = jnp.sum(~jnp.isnan(toys))
    at_least = value - _SAME * (1 + jnp.abs(value))
    below = jnp.searchsorted(ordered, at_least, side="left")
    tail = (count - jnp.minimum(below, count)) / count
    return jnp.where(jnp.isnan(value), jnp.nan, tail)


def tail_error(toys: Float[Array, " toys"], p: Array) -> Array:
    count = jnp.sum(~jnp.isnan(toys))
    return jnp.maximum(jnp.sqrt(p * (1 - p) / count), 1 / count)


def for_each_toy(
    function: Callable[[Int[Array, " some"]], Float[Array, "some ..."]], toys: Toys
) -> Float[Array, "toys ..."]:
    """Call a compiled function of the pseudo-experiments' numbers, chunk by chunk."""
    size = min(toys.chunk, toys.n)
    parts = []
    for first in range(0, toys.n, size):
        # The last chunk is as large as the others, or it would be compiled for itself.
        parts.append(function(first + jnp.arange(size)))
        if toys.progress is not None and not isinstance(parts[-1], jax.core.Tracer):
            parts[-1].block_until_ready()
            toys.progress(min(first + size, toys.n), toys.n)
    return jnp.concatenate(parts)[: toys.n]


def statistics_of_toys(
    likelihood: AbstractNegativeLogLikelihood,
    options: FitOptions,
    poi: Mask,
    tested: Float[Array, ""],
    statistic: AbstractTestStatistic,
    solver: optx.AbstractMinimiser | None,
    truth: Float[Array, " params"],
    toys: Toys,
    free: Float[Array, "toys 2"] | None = None,
) -> Float[Array, " toys"]:
    """The statistic of pseudo-experiments of one hypothesis.

    Args:
        likelihood: at any data.
        options: of every fit.
        poi: the entry of the parameter of interest.
        tested: its tested value.
        statistic: which statistic.
        solver: the minimiser.
        truth: all parameters, where the experiments are made.
        toys: how many, and from which key.
        free: their `free_minima`, where these have been found already.

    Returns:
        `[toys]`; NaN where a fit finds no minimum.
    """
    if free is None:
        free = free_minima(likelihood, options, poi, statistic, solver, truth, toys)
    held = options.starting_at(truth).holding(poi, tested)
    at = _minima(likelihood, held, poi, solver, truth, toys)[:, 1]
    best, at_best = free.T
    q = statistic.ratio(best, tested, at, at_best)
    return jnp.where(jnp.isnan(at) | jnp.isnan(at_best), jnp.nan, q)


def free_minima(
    likelihood: AbstractNegativeLogLikelihood,
    options: FitOptions,
    poi: Mask,
    statistic: AbstractTestStatistic,
    solver: optx.AbstractMinimiser | None,
    truth: Float[Array, " params"],
    toys: Toys,
) -> Float[Array, "toys 2"]:
    """The free fits of pseudo-experiments, which serve tests of every value.

    Args:
        likelihood, options, poi, statistic, solver, truth, toys: as in
            `statistics_of_toys`.

    Returns:
        The best fit of the parameter of interest and the value there; NaN where a fit
        finds no minimum.
    """
    free = restricted(options, poi, statistic).starting_at(truth)
    return _minima(likelihood, free, poi, solver, truth, toys)


def _minima(
    likelihood: AbstractNegativeLogLikelihood,
    options: FitOptions,
    poi: Mask,
    solver: optx.AbstractMinimiser | None,
    truth: Float[Array, " params"],
    toys: Toys,
) -> Float[Array, "toys 2"]:
    """The parameter of interest and the value at the minimum of each experiment."""
    one = partial(_some_minima, likelihood, options, poi, solver, truth, toys.key)
    return for_each_toy(one, toys)


@compiled
def _some_minima(
    likelihood: AbstractNegativeLogLikelihood,
    options: FitOptions,
    poi: Mask,
    solver: optx.AbstractMinimiser | None,
    truth: Float[Array, " params"],
    key: PRNGKeyArray,
    numbers: Int[Array, " some"],
) -> Float[Array, "some 2"]:
    # One program for the free fits and for those at every tested value.
    likelihood = likelihood.prepared()

    def one(number: Array) -> Array:
        toy = likelihood.at(likelihood.sample(jax.random.fold_in(key, number), truth))
        # A failed fit must not raise for the others: `minimise` only tells.
        found = minimise(toy, options, solver)
        numbers = jnp.stack([pick(found.y, poi), found.value])
        return jnp.where(found.converged, numbers, jnp.nan)

    return jax.vmap(one)(numbers)


@final
class ToysStart(NamedTuple):
    """What tests of every value by pseudo-experiments have in common.

    Attributes:
        best: the free fit to the data.
        alternative: the fit to the data with the alternative's signal strength held.
        free: `free_minima` of the experiments made there.
    """

    best: Minimum
    alternative: Minimum
    free: Float[Array, "toys 2"]


def start_toys(
    likelihood: AbstractNegativeLogLikelihood,
    options: FitOptions,
    poi: Mask,
    statistic: AbstractTestStatistic,
    solver: optx.AbstractMinimiser | None,
    toys: Toys,
) -> ToysStart:
    """Do what does not depend on the tested value; arguments as of `toys_test`."""
    best = minimised(likelihood, restricted(options, poi, statistic), solver)
    held = options.holding(poi, statistic.asimov_poi)
    alternative = minimised(likelihood, held, solver)
    of = likelihood, options, poi, statistic, solver, alternative.y
    return ToysStart(best, alternative, free_minima(*of, _of_each(toys)[1]))


def _of_each(toys: Toys) -> tuple[Toys, Toys]:
    """Those of the tested hypothesis and of the alternative."""
    sb, b = jax.random.split(toys.key)
    rest = toys.n, toys.chunk, toys.progress
    return Toys(sb, *rest), Toys(b, *rest)


def toys_test(
    likelihood: AbstractNegativeLogLikelihood,
    options: FitOptions,
    poi: Mask,
    tested: Float[Array, ""],
    statistic: AbstractTestStatistic,
    solver: optx.AbstractMinimiser | None,
    toys: Toys,
    start: ToysStart,
) -> ToysResult:
    """Test a value of the parameter of interest by pseudo-experiments.

    Args:
        likelihood: at the data.
        options: of every fit.
        poi: the entry of the parameter of interest.
        tested: its tested value.
        statistic: which statistic.
        solver: the minimiser.
        toys: how many, and from which key.
        start: what `start_toys` says.
    """
    best, alternative, free = start
    held = minimised(likelihood, options.holding(poi, tested), solver)
    q = statistic.ratio(pick(best.y, poi), tested, held.value, best.value)
    of = likelihood, options, poi, tested, statistic, solver
    of_sb, of_b = _of_each(toys)
    sb = statistics_of_toys(*of, held.y, of_sb)
    b = statistics_of_toys(*of, alternative.y, of_b, free)
    converged = best.converged & held.converged & alternative.converged
    return ToysResult(tested, q, sb, b, converged, statistic.discovery)
