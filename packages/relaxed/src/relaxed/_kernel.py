"""Smoothing kernels: the shape that replaces the point of an event."""

import abc
from collections.abc import Callable
from typing import ClassVar, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ._exponential import exp_of_negative

#: In bandwidths. No kernel reaches this far, and z⁴ is still finite in float32.
_FAR = 1e6

_INVERSE_SQRT_TWO = 0.7071067811865476
_INVERSE_SQRT_TWO_PI = 0.3989422804014327

# exp(d²/2) Φ(-d) = t · polynomial(t) with t = 1 / (1 + 0.28 d), to 1.7e-7 relative on
# 0 <= d < 10⁴: least squares on scipy.special.erfcx, reweighted towards the largest
# error. Highest power first.
_TAIL_SLOPE = 0.28
_TAIL_COEFFICIENTS = (
    0.02473503515169762,
    -0.0936524366263108,
    0.09252334281823633,
    -0.006529389507153459,
    0.07281300038636439,
    0.0836207305476241,
    0.10308605508013931,
    0.11169971799064324,
    0.111703859019924,
)


class AbstractKernel(eqx.Module):
    r"""A symmetric density $k(z)$ of unit area; z counts bandwidths.

    A subclass states three facts: `pdf`, `tail` and `support`. The cdf follows from the
    tail, and all derivatives from the pdf, which JAX must be able to differentiate once
    for second derivatives of a histogram. A kernel's own fields get no gradient.
    """

    #: Beyond this many bandwidths lies at most 1e-16 of the area.
    support: eqx.AbstractClassVar[float]

    @abc.abstractmethod
    def pdf(self, z: Float[Array, "..."]) -> Float[Array, "..."]:
        r"""The density $k(z)$."""

    @abc.abstractmethod
    def tail(self, distance: Float[Array, "..."]) -> Float[Array, "..."]:
        r"""The area beyond a distance $d \geq 0$, $\int_d^\infty k$.

        With a good *relative* precision: the content of a nearly empty bin is made of
        such tails. Stands in the innermost loop, and so is never asked for d < 0 and
        does not check it; `cdf` takes every number.
        """

    def cdf(self, z: Float[Array, "..."]) -> Float[Array, "..."]:
        r"""The area below, $K(z) = \int_{-\infty}^z k$."""
        # Whole numbers would take the float32 way through the tail.
        z = jnp.asarray(z)
        if not jnp.issubdtype(z.dtype, jnp.floating):
            z = z.astype(float)
        signed = signed_tail(self, z)
        return step(signed) + signed


@final
class GaussianKernel(AbstractKernel):
    r"""The normal density $e^{-z^2/2} / \sqrt{2\pi}$; the bandwidth is its σ.

    Example:
        >>> float(relaxed.GaussianKernel().cdf(jnp.array(0.0)))
        0.5
    """

    support: ClassVar[float] = 8.3

    def pdf(self, z: Float[Array, "..."]) -> Float[Array, "..."]:
        """The density."""
        return _INVERSE_SQRT_TWO_PI * jnp.exp(-0.5 * z * z)

    def tail(self, distance: Float[Array, "..."]) -> Float[Array, "..."]:
        """The area beyond a distance."""
        if distance.dtype != jnp.float32:
            return 0.5 * jax.lax.erfc(_INVERSE_SQRT_TWO * distance)
        # Half the time of `lax.erfc`, which evaluates both of its branches, and unlike
        # `lax.erf` right in the tail.
        t = 1.0 / (1.0 + _TAIL_SLOPE * distance)
        polynomial = jnp.full_like(t, _TAIL_COEFFICIENTS[0])
        for coefficient in _TAIL_COEFFICIENTS[1:]:
            polynomial = polynomial * t + coefficient
        return t * polynomial * exp_of_negative(-0.5 * distance * distance)


@final
class LogisticKernel(AbstractKernel):
    r"""The logistic density $1 / (4\cosh^2(z/2))$, whose cdf is the sigmoid.

    Its standard deviation is $\pi/\sqrt 3 \approx 1.8$ bandwidths.

    Example:
        >>> relaxed.LogisticKernel().cdf(jnp.array(3.0)).round(2).tolist()
        0.95
    """

    support: ClassVar[float] = 37.0

    def pdf(self, z: Float[Array, "..."]) -> Float[Array, "..."]:
        """The density."""
        return jax.nn.sigmoid(z) * jax.nn.sigmoid(-z)

    def tail(self, distance: Float[Array, "..."]) -> Float[Array, "..."]:
        """The area beyond a distance."""
        return jax.nn.sigmoid(-distance)


@final
class EpanechnikovKernel(AbstractKernel):
    r"""The parabola $\frac34 (1 - z^2)$ on $|z| < 1$, zero outside.

    An event further than a bandwidth from every edge is counted exactly as in an
    ordinary histogram, and gets exactly no gradient. Second derivatives jump at one
    bandwidth; `TriweightKernel` is smooth there.

    Example:
        >>> relaxed.EpanechnikovKernel().cdf(jnp.array([0.0, 0.5, 1.0])).tolist()
        [0.5, 0.84375, 1.0]

    References:
        Silverman, Density Estimation (1986), table 3.1.
    """

    support: ClassVar[float] = 1.0

    def pdf(self, z: Float[Array, "..."]) -> Float[Array, "..."]:
        """The density."""
        z = jnp.clip(z, -1.0, 1.0)
        return 0.75 * (1.0 - z) * (1.0 + z)

    def tail(self, distance: Float[Array, "..."]) -> Float[Array, "..."]:
        """The area beyond a distance."""
        rest = 1.0 - jnp.minimum(distance, 1.0)
        return 0.25 * rest**2 * (3.0 - rest)


@final
class TriweightKernel(AbstractKernel):
    r"""The bump $\frac{35}{32} (1 - z^2)^3$ on $|z| < 1$, zero outside.

    Compact as `EpanechnikovKernel`, with two continuous derivatives.

    Example:
        >>> relaxed.TriweightKernel().pdf(jnp.array([0.0, 0.5, 1.0])).round(3).tolist()
        [1.094, 0.461, 0.0]
    """

    support: ClassVar[float] = 1.0

    def pdf(self, z: Float[Array, "..."]) -> Float[Array, "..."]:
        """The density."""
        z = jnp.clip(z, -1.0, 1.0)
        return 35 / 32 * ((1.0 - z) * (1.0 + z)) ** 3

    def tail(self, distance: Float[Array, "..."]) -> Float[Array, "..."]:
        """The area beyond a distance."""
        d = jnp.minimum(distance, 1.0)
        return (1.0 - d) ** 4 * (16.0 + d * (29.0 + d * (20.0 + 5.0 * d))) / 32.0


@eqx.filter_custom_jvp
def signed_tail(kernel: AbstractKernel, z: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return r(z) = K(z) - step(z): the tail on the near side of an edge, with a sign.

    Differences of K lose the upper tail, where K is nearly one everywhere. Differences
    of r and of the step, taken apart, keep both tails to their last digit.
    """
    tail = kernel.tail(jnp.abs(z))
    return jnp.where(z < 0, tail, -tail)


@signed_tail.def_jvp
def _signed_tail_jvp(primals, tangents):
    kernel, z = primals
    dz = tangents[1]
    signed = signed_tail(kernel, z)
    return signed, jnp.zeros_like(z) if dz is None else kernel.pdf(z) * dz


def tangent_of_tails(
    product: Callable[[Array, Array], Array],
    kernel: AbstractKernel,
    z: Float[Array, "*shape"],
    density: Float[Array, " events"],
    d_edges: Float[Array, "..."] | None,
    d_data: Float[Array, " events"] | None,
    d_bandwidth: Float[Array, "..."] | None,
    d_weights: Float[Array, " events"] | None,
) -> Float[Array, "..."] | float:
    """Return the tangent of w r((edge - x) / h), of its sum or event by event.

    Args:
        product: of what is known per edge and event with what is the event's alone: it
            may sum over events, as a product of matrices.
        kernel: whose tails r are.
        z: (edge - x) / h.
        density: w / h.
        d_edges: the tangents, None where there is none; of edges in the shape of a
            product.
        d_data: of events, as what follows.
        d_bandwidth: of the bandwidth.
        d_weights: of the weights.
    """
    pdf = kernel.pdf(z)
    tangent: Array | float = 0.0
    if d_edges is not None:
        tangent += product(pdf, density) * d_edges
    if d_data is not None:
        tangent -= product(pdf, density * d_data)
    if d_bandwidth is not None:
        tangent -= product(pdf * z, density * d_bandwidth)
    if d_weights is not None:
        tangent += product(signed_tail(kernel, z), d_weights)
    return tangent


def step(signed: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return the step, 0 for z < 0 and 1 from there, by the sign bit of r (±0 too)."""
    return jnp.signbit(signed).astype(signed.dtype)


@jax.custom_jvp
def standardise(
    edges: Float[Array, "..."],
    data: Float[Array, "..."],
    bandwidth: Float[Array, "..."],
) -> Float[Array, "..."]:
    """Return (edge - x) / h, finite also for infinite edges and events.

    No kernel reaches `_FAR`, so that clipping there changes no area; its derivative is
    left out, as it is multiplied by a pdf that is zero. The plain formula would make
    0 · inf of that.
    """
    distance = finite_edges(edges) - finite_data(data)
    return _clamp(distance * inverse(bandwidth), _FAR)


@standardise.defjvp
def _standardise_jvp(primals, tangents):
    d_edges, d_data, d_bandwidth = tangents
    z = standardise(*primals)
    return z, (d_edges - d_data - z * d_bandwidth) * inverse(primals[2])


def finite_edges(edges: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return the edges, infinite ones moved to where no event is."""
    largest = jnp.finfo(edges.dtype).max / 8
    return _clamp(edges, largest)


def finite_data(data: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return the events, infinite ones moved inside of infinite edges."""
    largest = jnp.finfo(data.dtype).max / 16
    return _clamp(data, largest)


def _clamp(x: Float[Array, "..."], most: float) -> Float[Array, "..."]:
    # One operation, where `jnp.clip` is a function of two that XLA has to inline.
    return jax.lax.clamp(jnp.asarray(-most, x.dtype), x, jnp.asarray(most, x.dtype))


def inverse(bandwidth: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return 1 / h, to be multiplied by: one division in place of one per edge."""
    # Finite for the smallest bandwidths too, so that 0 · (1 / h) is not NaN.
    return jnp.minimum(1.0 / bandwidth, jnp.finfo(bandwidth.dtype).max)


def interval(
    kernel: AbstractKernel, z: Float[Array, "edges ..."]
) -> Float[Array, "bins=edges-1 ..."]:
    """Return the area of `kernel` between neighbours along the first axis of `z`."""
    return between(signed_tail(kernel, z))


def between(signed: Float[Array, "edges ..."]) -> Float[Array, "bins=edges-1 ..."]:
    """Return the area between neighbours of edges whose `signed_tail` is given."""
    steps = step(signed)
    return (steps[1:] - steps[:-1]) + (signed[1:] - signed[:-1])
