r"""Asymptotic distributions of the test statistics, as logarithms of tails.

A tail of 1e-200 is a number here, not 0. \(q_A\) is the statistic of the Asimov data of
the alternative hypothesis: its root is the distance of the two hypotheses in standard
deviations (arXiv:1007.1727, eqs. 29-31).
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import log_ndtr
from jaxtyping import Array, Float

from .statistic import AbstractTestStatistic, QMuTilde

# The band: minus two to plus two standard deviations of the background.
BAND = np.arange(-2.0, 3.0)


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
        r"""\(\log CL_s = \log CL_{s+b} - \log CL_b\)."""
        return self.log_cl_sb - self.log_cl_b


def safe_sqrt(q: Float[Array, "..."]) -> Float[Array, "..."]:
    """The root of a test statistic; at 0 its derivative is 0, not infinite."""
    positive = q > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, q, 1.0)), 0.0)


def observed_tails(
    statistic: AbstractTestStatistic,
    q: Float[Array, "..."],
    q_asimov: Float[Array, "..."],
) -> Tails:
    r"""Tail probabilities beyond the observed value `q`.

    For `QMu` and `Q0`: \(1-\Phi(\sqrt q)\) and \(1-\Phi(\sqrt q-\sqrt{q_A})\) (eqs. 59,
    57 and 52). For `QMuTilde` beyond \(q_A\): \(1-\Phi((q+q_A)/2\sqrt{q_A})\) and
    \(1-\Phi((q-q_A)/2\sqrt{q_A})\) (eqs. 66 and 65).

    Args:
        statistic: which statistic it is.
        q: its observed value.
        q_asimov: its value for the Asimov data of the alternative.
    """
    root, distance = safe_sqrt(q), safe_sqrt(q_asimov)
    tails = Tails(log_ndtr(-root), log_ndtr(distance - root))
    if not isinstance(statistic, QMuTilde):
        return tails
    beyond = (root > distance) & (distance > 0)
    width = 2 * jnp.where(beyond, distance, 1.0)
    return Tails(
        jnp.where(beyond, log_ndtr(-(q + q_asimov) / width), tails.log_cl_sb),
        jnp.where(beyond, log_ndtr(-(q - q_asimov) / width), tails.log_cl_b),
    )


def expected_tails(
    q_asimov: Float[Array, "..."], sigmas: Float[Array, " band"] | np.ndarray = BAND
) -> Tails:
    r"""Tail probabilities for an outcome `sigmas` away from the alternative's median.

    \(CL_{s+b} = 1-\Phi(\sqrt{q_A}-N)\), \(CL_b = \Phi(N)\) (eq. 89, the band `normal`).

    Args:
        q_asimov: the statistic for the Asimov data of the alternative.
        sigmas: fluctuations of the data upwards, in standard deviations.

    Returns:
        Tails with one more, last axis, along `sigmas`.
    """
    distance = safe_sqrt(q_asimov)[..., None]
    log_cl_sb = log_ndtr(sigmas - distance)
    return Tails(log_cl_sb, jnp.broadcast_to(log_ndtr(sigmas), log_cl_sb.shape))
