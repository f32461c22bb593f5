r"""From the moments of a background to what its simplified likelihood is made of.

The background of a bin is \(a_I + b_I\theta_I + c_I\theta_I^2\) with correlated normal
\(\theta\) (A. Buckley et al., JHEP 04 (2019) 064, arXiv:1809.05548, eq. 2.4). Its first
three moments are given by \(a, b, c\) and the correlation \(\rho\) (eqs. 2.6-2.8), and
the other way round (eqs. 2.9-2.12); here in a form that does not cancel where the third
moment is small.
"""

from typing import NamedTuple, final

import numpy as np
from jaxtyping import Float

# A matrix estimated from samples, or typed from a table, is a covariance up to this,
# relative to the variances; published ones have three or four digits.
_ROUNDED = 1e-3
# Eigenvalues of a correlation below this are the rounding of others.
_NOTHING = 1e-10


@final
class Coefficients(NamedTuple):
    r"""What the background of a simplified likelihood is made of.

    Attributes:
        constant, linear, quadratic: \(a, b, c\), events per bin, each `[bins]`.
        root: \(R\) with \(R R^T = \rho\), `[bins, directions]`, so that \(\theta\) is
            \(R\) times independent standard normal numbers; as many directions as the
            correlation has.
    """

    constant: Float[np.ndarray, " bins"]
    linear: Float[np.ndarray, " bins"]
    quadratic: Float[np.ndarray, " bins"]
    root: Float[np.ndarray, "bins directions"]

    @property
    def correlation(self) -> Float[np.ndarray, "bins bins"]:
        r"""The correlation \(\rho\) of the bins, 0 for one that does not vary."""
        return self.root @ self.root.T

    def moments(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Mean, covariance and third central moments (eqs. 2.6-2.8)."""
        b, c, rho = self.linear, self.quadratic, self.correlation
        covariance = np.outer(b, b) * rho + 2 * np.outer(c, c) * rho**2
        return self.constant + c, covariance, 6 * b**2 * c + 8 * c**3


def coefficients(
    mean: Float[np.ndarray, " bins"],
    covariance: Float[np.ndarray, "bins bins"],
    third_moment: Float[np.ndarray, " bins"] | None = None,
) -> Coefficients:
    """The coefficients that have these moments (eqs. 2.9-2.12).

    Args:
        mean: of the background, events per bin.
        covariance: of the bins, events squared.
        third_moment: third central moment of each bin, events cubed; by default 0, the
            likelihood of CMS-NOTE-2017-001 then.

    Raises:
        ValueError: for moments that no such background has; names the bin.
    """
    third = np.zeros(len(mean)) if third_moment is None else third_moment
    variance = np.diagonal(covariance)
    most = np.sqrt(8.0) * variance**1.5
    for bin, (m3, limit) in enumerate(zip(third, most, strict=True)):
        if abs(m3) > limit * (1 + 1e-12):
            raise ValueError(
                f"the third moment of bin {bin}, {m3:g}, is larger than "
                f"sqrt(8) variance^(3/2) = {limit:g}: a quadratic in a normal number "
                "cannot be so asymmetric. Merge the bin, or leave third moments out."
            )
    # Eq. 2.9, its arctangent as an arcsine: nothing cancels where m3 tends to 0.
    ratio = np.divide(third, most, out=np.zeros_like(most), where=most > 0)
    ratio = np.clip(ratio, -1, 1)
    c = np.sqrt(2 * variance) * np.sin(np.arcsin(ratio) / 3)
    b = np.sqrt(variance - 2 * c**2)
    # Eq. 2.12, extended by the conjugate of its numerator.
    both = np.outer(b, b)
    under = both**2 + 8 * np.outer(c, c) * covariance
    if (under < 0).any():
        i, j = np.argwhere(under < 0)[0]
        raise ValueError(
            f"no correlation of bins {i} and {j} has their covariance "
            f"{covariance[i, j]:g} together with their third moments. Leave third "
            "moments out."
        )
    bottom = np.sqrt(under) + both
    rho = np.divide(
        2 * covariance, bottom, out=np.zeros_like(covariance), where=bottom > 0
    )
    return Coefficients(mean - c, b, c, _root(rho))


def _root(
    rho: Float[np.ndarray, "bins bins"],
) -> Float[np.ndarray, "bins directions"]:
    """A root of the correlation, without directions that nothing varies along."""
    values, vectors = np.linalg.eigh(rho)
    if values.size and values[0] < -_ROUNDED * max(values[-1], 1.0):
        raise ValueError(
            f"the correlation of the bins has an eigenvalue {values[0]:.3g} below 0: "
            "it is none. Check the covariance, or leave third moments out."
        )
    kept = np.flatnonzero(values > _NOTHING * max(values[-1:].max(initial=0.0), 1.0))
    # The direction along which most varies comes first.
    root = (vectors[:, kept] * np.sqrt(values[kept]))[:, ::-1]
    # What is left out was rounding; each bin keeps its variance.
    length = np.sqrt((root**2).sum(axis=1, keepdims=True))
    return np.divide(root, length, out=np.zeros_like(root), where=length > 0)
