r"""Profile likelihood ratio test statistics of the parameter of interest \(\mu\).

With \(V(\mu)\) minus the log-likelihood profiled over all other parameters, every
statistic is \(2\,[V(\mu) - V(\hat\mu)]\), set to 0 on the side that does not count as
evidence against the tested value. They differ in that side, and in where \(\hat\mu\)
may lie.

References:
    G. Cowan, K. Cranmer, E. Gross, O. Vitells, arXiv:1007.1727, section 2.
"""

import abc
from typing import ClassVar, final

import equinox as eqx
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from .._numerics.namespace import as_floats, xp


class AbstractTestStatistic(eqx.Module):
    r"""A test statistic for the parameter of interest.

    Attributes:
        asimov_poi: the signal strength of the alternative, for which Asimov data give
            the expected result.
        physical: whether the best fit is restricted to \(\mu \ge 0\).
        discovery: whether the tested hypothesis is the absence of a signal.
        two_sided: whether best fits on both sides of the tested value are evidence
            against it.
    """

    asimov_poi: eqx.AbstractVar[ArrayLike]
    physical: eqx.AbstractClassVar[bool]
    discovery: eqx.AbstractClassVar[bool]
    two_sided: eqx.AbstractClassVar[bool]

    @abc.abstractmethod
    def counts_as_evidence(
        self, best: Float[Array, "..."], tested: Float[Array, "..."]
    ) -> Array:
        """Return whether a best fit `best` speaks against the `tested` value."""

    def ratio(
        self,
        best: Float[Array, "..."],
        tested: Float[Array, "..."],
        at_tested: Float[Array, "..."],
        at_best: Float[Array, "..."],
    ) -> Float[Array, "..."]:
        """The statistic, from the profiled negative log-likelihood at both values.

        Args:
            best: the best fit of the parameter of interest.
            tested: its tested value.
            at_tested, at_best: minus the profiled log-likelihood there.

        Returns:
            Twice the difference where it counts, 0 elsewhere; never negative.
        """
        q = 2 * (at_tested - at_best)
        return xp.where(self.counts_as_evidence(best, tested) & ~(q <= 0), q, 0.0)


@final
class Q0(AbstractTestStatistic):
    """For discovery: tests the absence of a signal (arXiv:1007.1727, eq. 12).

    Attributes:
        asimov_poi: the signal strength that the expected significance assumes.
    """

    asimov_poi: Array | np.ndarray = eqx.field(converter=as_floats, default=1.0)
    physical: ClassVar[bool] = False
    discovery: ClassVar[bool] = True
    two_sided: ClassVar[bool] = False

    def counts_as_evidence(self, best: Array, tested: Array) -> Array:
        return best > tested


@final
class QMu(AbstractTestStatistic):
    """For upper limits, with a best fit of any sign (arXiv:1007.1727, eq. 14).

    The default lower bound of the parameter of interest does not hold in its free fit;
    one that a document or `with_bounds` gives does.
    """

    asimov_poi: ClassVar[float] = 0.0
    physical: ClassVar[bool] = False
    discovery: ClassVar[bool] = False
    two_sided: ClassVar[bool] = False

    def counts_as_evidence(self, best: Array, tested: Array) -> Array:
        return best < tested


@final
class QMuTilde(AbstractTestStatistic):
    """For upper limits, with a best fit of at least 0 (arXiv:1007.1727, eq. 16)."""

    asimov_poi: ClassVar[float] = 0.0
    physical: ClassVar[bool] = True
    discovery: ClassVar[bool] = False
    two_sided: ClassVar[bool] = False

    def counts_as_evidence(self, best: Array, tested: Array) -> Array:
        return best < tested


@final
class TMu(AbstractTestStatistic):
    """Two-sided, with a best fit of any sign (arXiv:1007.1727, eq. 8).

    Bounds hold as for `QMu`.
    """

    asimov_poi: ClassVar[float] = 0.0
    physical: ClassVar[bool] = False
    discovery: ClassVar[bool] = False
    two_sided: ClassVar[bool] = True

    def counts_as_evidence(self, best: Array, tested: Array) -> Array:
        return np.ones(
            np.broadcast_shapes(np.shape(best), np.shape(tested)), dtype=bool
        )


@final
class TMuTilde(AbstractTestStatistic):
    """Two-sided, with a best fit of at least 0 (arXiv:1007.1727, eq. 11)."""

    asimov_poi: ClassVar[float] = 0.0
    physical: ClassVar[bool] = True
    discovery: ClassVar[bool] = False
    two_sided: ClassVar[bool] = True

    def counts_as_evidence(self, best: Array, tested: Array) -> Array:
        return np.ones(
            np.broadcast_shapes(np.shape(best), np.shape(tested)), dtype=bool
        )


def require_statistic(call: str, statistic: object) -> None:
    """Refuse what is no test statistic.

    Raises:
        TypeError: with the way out.
    """
    if isinstance(statistic, type) and issubclass(statistic, AbstractTestStatistic):
        name = statistic.__name__
        raise TypeError(f"`{call}(statistic={name})`: give an object, `{name}()`.")
    if not isinstance(statistic, AbstractTestStatistic):
        raise TypeError(
            f"`{call}` takes a test statistic such as `QMuTilde()` or `QMu()`; got "
            f"{statistic!r}."
        )
