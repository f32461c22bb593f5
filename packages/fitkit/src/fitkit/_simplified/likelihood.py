"""The simplified likelihood at given data, with its derivatives."""

from typing import ClassVar, NamedTuple, final

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from .._custom_types import Mask, Vector
from .._model.constraints import normal_saturated, poisson_deviance, poisson_saturated
from .._model.likelihood import (
    AbstractNegativeLogLikelihood,
    Derivatives,
    no_dense_derivatives,
)
from .._numerics import random
from .._numerics.namespace import xp


@final
class Observed(NamedTuple):
    """What was counted and measured.

    Attributes:
        counts: `[bins]`.
        aux: of each parameter, 0 for the strength, which nothing measures, `[params]`.
    """

    counts: Float[Array, " bins"]
    aux: Vector


@final
class Expectation(eqx.Module):
    r"""What each bin expects, \(\mu s_I + a_I + b_I\theta_I + c_I\theta_I^2\).

    Attributes:
        signal: \(s\), `[bins]`.
        constant, linear, quadratic: \(a, b, c\), likewise.
        root: \(R\), with \(\theta = R\phi\), `[bins, directions]`.
    """

    signal: Float[Array, " bins"]
    constant: Float[Array, " bins"]
    linear: Float[Array, " bins"]
    quadratic: Float[Array, " bins"]
    root: Float[Array, "bins directions"]

    def counts(self, y: Vector) -> Float[Array, " bins"]:
        """The expected counts at a strength and the directions, in this order."""
        theta = self.root @ y[1:]
        background = self.constant + (self.linear + self.quadratic * theta) * theta
        return y[0] * self.signal + background

    def slopes(self, y: Vector) -> Float[Array, "bins params"]:
        """Their derivatives."""
        theta = self.root @ y[1:]
        moved = (self.linear + 2 * self.quadratic * theta)[:, None] * self.root
        return xp.concatenate([self.signal[:, None], moved], axis=1)


@final
class SimplifiedNLL(AbstractNegativeLogLikelihood, eqx.Module):
    """Minus the logarithm of a simplified likelihood.

    Attributes:
        expectation: what each bin expects.
        observed: counts and auxiliary data.
        counted: bins that are not masked, `[bins]`.
    """

    expectation: Expectation
    observed: Observed
    counted: Array
    needs_jax: ClassVar[bool] = False

    @property
    def has_kinks(self) -> bool:
        return False

    def kinks(self) -> Mask:
        return np.zeros(self.measured.shape, dtype=bool)

    @property
    def measured(self) -> Vector:
        """1 for each direction, 0 for the strength."""
        return np.append(0.0, np.ones(self.expectation.root.shape[1]))

    def _pair(self, y: Vector) -> tuple[Array, Array]:
        """Counts and expectations, both 1 in masked bins."""
        expected = self.expectation.counts(y)
        one = xp.ones_like(expected)
        return (
            xp.where(self.counted, self.observed.counts, one),
            xp.where(self.counted, expected, one),
        )

    def value(self, y: Vector) -> Float[Array, ""]:
        away = self.measured * (y - self.observed.aux)
        return xp.sum(poisson_deviance(*self._pair(y))) + xp.sum(away**2) / 2

    def gradient(self, y: Vector, side: Array | float = 0.0) -> Vector:
        n, nu = self._pair(y)
        away = self.measured * (y - self.observed.aux)
        return (1 - _ratio(n, nu)) @ self.expectation.slopes(y) + away

    def derivatives(self, y: Vector, side: Array | float = 0.0) -> Derivatives:
        n, nu = self._pair(y)
        ratio, slopes = _ratio(n, nu), self.expectation.slopes(y)
        safe = xp.where(nu > 0, nu, 1.0)
        convex = (slopes * (ratio / safe)[:, None]).T @ slopes + np.diag(self.measured)
        root = self.expectation.root
        bent = 2 * (1 - ratio) * self.expectation.quadratic
        inner = (root * bent[:, None]).T @ root
        hessian = convex + xp.pad(inner, ((1, 0), (1, 0)))
        value, gradient = self.value(y), self.gradient(y)
        return Derivatives.dense(value, gradient, hessian, convex)

    def no_derivatives(self) -> Derivatives:
        return no_dense_derivatives(self.measured.shape[0])

    def saturated(self) -> Float[Array, ""]:
        n = xp.where(self.counted, self.observed.counts, 0.0)
        normal = np.sum(self.measured) * normal_saturated(np.ones(()))
        return -xp.sum(poisson_saturated(n)) - normal

    def observations(self) -> Observed:
        return self.observed

    def at(self, observations: Observed) -> "SimplifiedNLL":
        return SimplifiedNLL(self.expectation, observations, self.counted)

    def expected(self, y: Vector) -> Observed:
        return Observed(self.expectation.counts(y), self.measured * y)

    def with_nominal_aux(self, observations: Observed) -> Observed:
        return Observed(observations.counts, xp.zeros_like(observations.aux))

    def sample(self, key: PRNGKeyArray, y: Vector) -> Observed:
        first, second = random.split(key)
        counts = random.poisson(
            random.source_of(first, y, self), self.expectation.counts(y)
        )
        noise = random.normal(random.source_of(second, y, self), y.shape)
        return Observed(counts, self.measured * (y + noise))

    def bins(self) -> Int[Array, ""]:
        return xp.sum(self.counted)

    def deviations(self, y: Vector) -> tuple[Array, Array]:
        expected = self.expectation.counts(y)
        poisson = xp.sqrt(xp.where(self.counted & (expected > 0), expected, 0.0))
        return poisson, self.measured


def _ratio(n: Array, nu: Array) -> Array:
    """Counts over expectations; 0 where both are."""
    return xp.where(n > 0, n / xp.where(nu > 0, nu, 1.0), 0.0)
