r"""Asymptotic distributions of the test statistics, as logarithms of tails.

A tail of 1e-200 is a number here, not 0. \(q_A\) is the statistic of the Asimov data of
the alternative hypothesis: its root is the distance of the two hypotheses in standard
deviations (arXiv:1007.1727, eqs. 29-31).
"""

from typing import NamedTuple, final

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float

from .._numerics.namespace import xp
from .statistic import AbstractTestStatistic

# The probability contents of the band in Combine's convention.
_QUANTILES = (0.025, 0.16, 0.5, 0.84, 0.975)


@final
class Asymptotics(eqx.Module):
    r"""The asymptotic formulae, and which outcomes the expected band stands for.

    Attributes:
        quantiles: whether the band is at the quantiles 2.5, 16, 50, 84 and 97.5 % of
            the outcomes, as Combine's, and not at -2, -1, 0, 1, 2 standard deviations
            (2.3, 15.9, 50, 84.1 and 97.7 %). The difference is small.
        clipped: whether outcomes end where the statistic is 0, pyhf's `clipped_normal`:
            a best fit beyond the tested value has no smaller statistic. If not, they
            follow the normal distribution on, pyhf's `normal` and the usual choice.
        nominal_aux: whether the Asimov data have the nominal auxiliary data, and not
            those of the best fit to the data; see `asimov_data`.

    Example:
        >>> Asymptotics(clipped=True).band
        'clipped_normal at -2, -1, 0, 1, 2 sigma'

    References:
        arXiv:1007.1727, sections 3.6 and 4.3.
    """

    quantiles: bool = eqx.field(static=True, default=False)
    clipped: bool = eqx.field(static=True, default=False)
    nominal_aux: bool = eqx.field(static=True, default=False)

    @property
    def band(self) -> str:
        """The convention in words, as results tell it."""
        name = "clipped_normal" if self.clipped else "normal"
        name += (
            " at the quantiles 2.5, 16, 50, 84, 97.5 %"
            if self.quantiles
            else " at -2, -1, 0, 1, 2 sigma"
        )
        return name + ", nominal auxiliary data" * self.nominal_aux

    def outcomes(self, q_asimov: Float[Array, "..."]) -> Float[Array, "... 5"]:
        """How far each outcome of the band is above the median, in deviations."""
        deviations = (
            xp.ndtri(np.array(_QUANTILES)) if self.quantiles else np.arange(-2.0, 3.0)
        )
        deviations = np.broadcast_to(deviations, (*np.shape(q_asimov), 5))
        if not self.clipped:
            return deviations
        return xp.minimum(deviations, safe_sqrt(q_asimov)[..., None])


class Tails(NamedTuple):
    r"""Logarithms of the tail probabilities beyond a value of the statistic.

    Attributes:
        log_cl_sb: under the tested hypothesis, \(CL_{s+b}\).
        log_cl_b: under the alternative, \(CL_b = 1 - p_b\).
    """

    log_cl_sb: Float[Array, "..."]
    log_cl_b: Float[Array, "..."]

    @property
    def log_cls(self) -> Float[Array, "..."]:
        r"""\(\log CL_s = \log CL_{s+b} - \log CL_b\).

        \(-\infty\) where the data exclude the tested hypothesis altogether, its limit
        for a statistic that grows without end, though both tails are 0.
        """
        impossible = self.log_cl_sb == -np.inf
        cl_b = xp.where(impossible, 0.0, self.log_cl_b)
        return xp.where(impossible, -np.inf, self.log_cl_sb - cl_b)


def safe_sqrt(q: Float[Array, "..."]) -> Float[Array, "..."]:
    """The root of a test statistic; at 0 its derivative is 0, not infinite."""
    positive = q > 0
    return xp.where(positive, xp.sqrt(xp.where(positive, q, 1.0)), 0.0)


def observed_tails(
    statistic: AbstractTestStatistic,
    q: Float[Array, "..."],
    q_asimov: Float[Array, "..."],
) -> Tails:
    r"""Tail probabilities beyond the observed value `q`.

    For `QMu` and `Q0`: \(1-\Phi(\sqrt q)\) and \(1-\Phi(\sqrt q-\sqrt{q_A})\) (eqs. 59,
    57 and 52). A best fit that is restricted to \(\mu\ge0\), `QMuTilde` and `TMuTilde`,
    changes them beyond \(q_A\): \(1-\Phi((q+q_A)/2\sqrt{q_A})\) and
    \(1-\Phi((q-q_A)/2\sqrt{q_A})\) (eqs. 66 and 65). `TMu` and `TMuTilde` add the tails
    of best fits above the tested value, \(1-\Phi(\sqrt q)\) and
    \(1-\Phi(\sqrt q+\sqrt{q_A})\) (eqs. 36 and 43).

    Args:
        statistic: which statistic it is.
        q: its observed value.
        q_asimov: its value for the Asimov data of the alternative.
    """
    root, distance = safe_sqrt(q), safe_sqrt(q_asimov)
    tails = Tails(xp.log_ndtr(-root), xp.log_ndtr(distance - root))
    if statistic.physical:
        beyond = (root > distance) & (distance > 0)
        width = 2 * xp.where(beyond, distance, 1.0)
        tails = Tails(
            xp.where(beyond, xp.log_ndtr(-(q + q_asimov) / width), tails.log_cl_sb),
            xp.where(beyond, xp.log_ndtr(-(q - q_asimov) / width), tails.log_cl_b),
        )
    if not statistic.two_sided:
        return tails
    return Tails(
        xp.logaddexp(tails.log_cl_sb, xp.log_ndtr(-root)),
        xp.logaddexp(tails.log_cl_b, xp.log_ndtr(-root - distance)),
    )


def expected_tails(
    statistic: AbstractTestStatistic,
    q_asimov: Float[Array, "..."],
    calculator: Asymptotics,
) -> Tails:
    r"""Tail probabilities for the outcomes of the expected band.

    \(CL_{s+b} = 1-\Phi(\sqrt{q_A}-N)\), \(CL_b = \Phi(N)\) (eq. 89) for an outcome `N`
    standard deviations above the alternative's median; of a two-sided statistic those
    of its value there, \((\sqrt{q_A}-N)^2\).

    Args:
        statistic: which statistic it is.
        q_asimov: the statistic for the Asimov data of the alternative.
        calculator: which outcomes.

    Returns:
        Tails with one more, last axis, along the band.
    """
    outcomes = calculator.outcomes(q_asimov)
    distance = safe_sqrt(q_asimov)[..., None]
    if statistic.two_sided:
        away = (distance - outcomes) ** 2
        return observed_tails(statistic, away, q_asimov[..., None])
    return Tails(xp.log_ndtr(outcomes - distance), xp.log_ndtr(outcomes))
