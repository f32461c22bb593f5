r"""Terms of a likelihood beside those of its model: what else is known of parameters.

Each is minus the logarithm of a density of some entries \(x\) of the parameter vector,
less its value where \(x\) meets the measurement, with first and second derivatives in
closed form. A *measurement* has auxiliary data, which pseudo-experiments draw anew and
Asimov data take from the parameters; a *prior* has none: it is part of the question.
"""

import abc
from typing import Any, final

import equinox as eqx
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from .._custom_types import Matrix, Vector
from .._numerics import random
from .._numerics.namespace import cholesky, solve_triangular, traced, xp
from .constraints import normal_saturated, poisson_deviance, poisson_saturated


class AbstractTerm(eqx.Module):
    """A term of a likelihood, as `with_terms` adds it to a model.

    Attributes:
        names: the parameters it is of, scalars, or entries such as `gamma[3]`.
        label: the key of its auxiliary data.
        prior: whether it is a prior and not a measurement.
        aux: nominal auxiliary data, None where it has none whatever the parameters.
    """

    names: eqx.AbstractVar[tuple[str, ...]]
    label: eqx.AbstractVar[str]
    prior: eqx.AbstractVar[bool]
    aux: eqx.AbstractVar[Any]

    @property
    def is_measurement(self) -> bool:
        """Whether it has auxiliary data."""
        return self.aux is not None and not self.prior

    @abc.abstractmethod
    def value(self, x: Vector, aux: Any) -> Float[Array, ""]:
        """Return the term."""

    @abc.abstractmethod
    def gradient(self, x: Vector, aux: Any) -> Vector:
        """Return its derivatives."""

    @abc.abstractmethod
    def hessian(self, x: Vector, aux: Any) -> Matrix:
        """Return its second derivatives."""

    def convex(self, x: Vector, aux: Any) -> Matrix:
        """Return a positive semi-definite matrix near them."""
        return self.hessian(x, aux)

    @abc.abstractmethod
    def saturated(self, aux: Any) -> Float[Array, ""]:
        """Return minus the log-density where parameters meet the data."""

    @abc.abstractmethod
    def expected(self, x: Vector) -> Any:
        """Return the auxiliary data that the parameters expect."""

    @abc.abstractmethod
    def sample(self, source: Any, x: Vector) -> Any:
        """Return random auxiliary data."""

    @abc.abstractmethod
    def width(self) -> Vector:
        """Return the standard deviation of each parameter by this term, `[names]`."""

    def centre(self) -> Vector:
        """Return where it puts each parameter, `[names]`."""
        return xp.reshape(self.aux, (-1,))


def _numbers(values: Any) -> Any:
    """An array of floating-point numbers; a list may hold traced ones."""
    return xp.asarray(values, dtype=float)


def _one(name: str) -> tuple[str, ...]:
    if not isinstance(name, str):
        raise TypeError(f"a term of one parameter takes its name; got {name!r:.60}.")
    return (name,)


def _positive(value: Any, field: str, name: str) -> Any:
    number = _numbers(value)
    if number.shape != ():
        raise ValueError(f"`{field}` of the term of {name!r} must be one number.")
    if not traced(number) and not (0 < number < np.inf):
        raise ValueError(
            f"`{field}` of the term of {name!r} must be greater than 0 and finite; got "
            f"{float(number):g}."
        )
    return number


@final
class CorrelatedNormal(AbstractTerm):
    r"""A normal measurement of several parameters, with their covariance.

    The result of another analysis, or nuisance parameters whose constraints are
    correlated: give their modifiers `constraint=None`, so that this is the only one.

    Args:
        names: of the parameters.
        mean: what was measured, one number for each.
        covariance: `[names, names]`, symmetric and positive definite.
        label: the key of its auxiliary data; by default the names joined by "+".
        prior: whether it is a prior, which pseudo-experiments do not draw anew.

    Raises:
        ValueError: for sizes that do not fit, a name that comes twice, or a matrix
            that is no covariance.

    Example:
        >>> import fitkit
        >>> term = fitkit.CorrelatedNormal(
        ...     ("a", "b"), [1.0, 1.0], [[0.04, 0.01], [0.01, 0.09]]
        ... )
        >>> term.label, [float(x) for x in term.width()]
        ('a+b', [0.2, 0.3])
    """

    names: tuple[str, ...] = eqx.field(static=True)
    label: str = eqx.field(static=True)
    prior: bool = eqx.field(static=True)
    aux: Array
    covariance: Array
    lower: Array

    def __init__(
        self,
        names: tuple[str, ...],
        mean: Float[ArrayLike, " names"],
        covariance: Float[ArrayLike, "names names"],
        *,
        label: str | None = None,
        prior: bool = False,
    ):
        self.names = (names,) if isinstance(names, str) else tuple(names)
        self.label = "+".join(self.names) if label is None else label
        self.prior = prior
        self.aux, self.covariance = _numbers(mean), _numbers(covariance)
        size = len(self.names)
        if len({*self.names}) < size or not size:
            raise ValueError(
                f"`CorrelatedNormal` needs names, each once; got {self.names}."
            )
        if self.aux.shape != (size,) or self.covariance.shape != (size, size):
            raise ValueError(
                f"`CorrelatedNormal` of {size} parameters needs {size} means and a "
                f"covariance of shape {(size, size)}; got shapes {self.aux.shape} and "
                f"{self.covariance.shape}."
            )
        if not traced(self.covariance):
            scale = np.sqrt(np.abs(np.diagonal(self.covariance)))
            uneven = np.abs(self.covariance - self.covariance.T)
            if not (uneven <= 1e-9 * (scale[:, None] * scale + 1e-300)).all():
                raise ValueError("`CorrelatedNormal(covariance=...)` is not symmetric.")
        self.lower = cholesky(self.covariance)
        if not traced(self.lower) and not np.isfinite(self.lower).all():
            raise ValueError(
                "`CorrelatedNormal(covariance=...)` is not positive definite: some "
                "combination of parameters would have no uncertainty. Fix one of them."
            )

    def _whitened(self, x: Vector, aux: Array) -> Array:
        return solve_triangular(self.lower, (x - aux)[:, None])[:, 0]

    def value(self, x: Vector, aux: Any) -> Float[Array, ""]:
        return xp.sum(self._whitened(x, aux) ** 2) / 2

    def gradient(self, x: Vector, aux: Any) -> Vector:
        white = self._whitened(x, aux)[:, None]
        return solve_triangular(self.lower, white, transposed=True)[:, 0]

    def hessian(self, x: Vector, aux: Any) -> Matrix:
        inverse = solve_triangular(self.lower, xp.eye(len(self.names)))
        return inverse.T @ inverse

    def saturated(self, aux: Any) -> Float[Array, ""]:
        return -xp.sum(normal_saturated(xp.diagonal(self.lower)))

    def expected(self, x: Vector) -> Any:
        return x

    def sample(self, source: Any, x: Vector) -> Any:
        return x + self.lower @ random.normal(source, x.shape)

    def width(self) -> Vector:
        return xp.sqrt(xp.diagonal(self.covariance))


@final
class LogNormal(AbstractTerm):
    r"""A measurement of a positive parameter whose logarithm is normal.

    \(\ln m\) is normal around \(\ln\theta\) with the width \(\ln\kappa\): the parameter
    is known up to a factor of \(\kappa\).

    Args:
        name: of the parameter; it must stay above 0.
        median: what was measured, greater than 0.
        kappa: the factor of one standard deviation, greater than 1.
        label: the key of its auxiliary data; by default the name.
        prior: whether it is a prior, a log-normal density of the parameter then.

    Raises:
        ValueError: for numbers out of range.
    """

    names: tuple[str, ...] = eqx.field(static=True)
    label: str = eqx.field(static=True)
    prior: bool = eqx.field(static=True)
    aux: Array
    sigma: Array

    def __init__(
        self,
        name: str,
        median: ArrayLike,
        kappa: ArrayLike,
        *,
        label: str | None = None,
        prior: bool = False,
    ):
        self.names, self.prior = _one(name), prior
        self.label = name if label is None else label
        self.aux = _positive(median, "median", name)
        factor = _positive(kappa, "kappa", name)
        if not traced(factor) and factor <= 1:
            raise ValueError(
                f"`kappa` of the term of {name!r} must be greater than 1, as 1.1 for "
                f"10 %; got {float(factor):g}."
            )
        self.sigma = xp.log(factor)

    # As a prior, the density has 1/theta beside the logarithm's: it pulls to below.
    @property
    def _slope(self) -> float:
        return 1.0 if self.prior else 0.0

    def _pull(self, x: Vector, aux: Array) -> tuple[Array, Array]:
        safe = xp.where(x > 0, x, 1.0)
        return xp.log(safe / aux) / self.sigma, safe

    def value(self, x: Vector, aux: Any) -> Float[Array, ""]:
        pull, safe = self._pull(x, aux)
        value = pull**2 / 2 + self._slope * xp.log(safe / aux)
        return xp.sum(xp.where(x > 0, value, xp.inf))

    def gradient(self, x: Vector, aux: Any) -> Vector:
        pull, safe = self._pull(x, aux)
        return (pull / self.sigma + self._slope) / safe

    def hessian(self, x: Vector, aux: Any) -> Matrix:
        pull, safe = self._pull(x, aux)
        bend = self.sigma**-2 - pull / self.sigma - self._slope
        return xp.diag(bend / safe**2)

    def convex(self, x: Vector, aux: Any) -> Matrix:
        _, safe = self._pull(x, aux)
        return xp.diag(self.sigma**-2 / safe**2)

    def saturated(self, aux: Any) -> Float[Array, ""]:
        return xp.log(aux) - normal_saturated(self.sigma)

    def expected(self, x: Vector) -> Any:
        return x[0]

    def sample(self, source: Any, x: Vector) -> Any:
        return x[0] * xp.exp(self.sigma * random.normal(source, ()))

    def width(self) -> Vector:
        return (self.aux * self.sigma)[None]


@final
class Gamma(AbstractTerm):
    r"""A count that expects a multiple of a parameter: a gamma constraint.

    \(n\) events were counted where \(\tau\theta\) are expected. The likelihood of
    \(\theta\) is a gamma density with the shape \(n + 1\) and the rate \(\tau\), the
    mode \(n/\tau\) and the relative width \(1/\sqrt n\) there.

    Args:
        name: of the parameter; it must not be below 0.
        count: the events, not negative; not necessarily a whole number.
        tau: what one of the parameter expects, greater than 0.
        label: the key of its auxiliary data; by default the name.
        prior: whether it is a prior, which pseudo-experiments do not draw anew.

    Raises:
        ValueError: for numbers out of range.
    """

    names: tuple[str, ...] = eqx.field(static=True)
    label: str = eqx.field(static=True)
    prior: bool = eqx.field(static=True)
    aux: Array
    tau: Array

    def __init__(
        self,
        name: str,
        count: ArrayLike,
        tau: ArrayLike,
        *,
        label: str | None = None,
        prior: bool = False,
    ):
        self.names, self.prior = _one(name), prior
        self.label = name if label is None else label
        self.aux = _numbers(count)
        if self.aux.shape != () or not (traced(self.aux) or 0 <= self.aux < np.inf):
            raise ValueError(
                f"`count` of the term of {name!r} must be one number that is not "
                "negative, and finite."
            )
        self.tau = _positive(tau, "tau", name)

    def value(self, x: Vector, aux: Any) -> Float[Array, ""]:
        return poisson_deviance(aux, self.tau * x[0])

    def gradient(self, x: Vector, aux: Any) -> Vector:
        return self.tau - aux / xp.where(x > 0, x, 1.0)

    def hessian(self, x: Vector, aux: Any) -> Matrix:
        return xp.diag(aux / xp.where(x > 0, x, 1.0) ** 2)

    def saturated(self, aux: Any) -> Float[Array, ""]:
        return -poisson_saturated(aux)

    def expected(self, x: Vector) -> Any:
        return self.tau * x[0]

    def sample(self, source: Any, x: Vector) -> Any:
        return random.poisson(source, self.tau * x)[0]

    def width(self) -> Vector:
        return (xp.sqrt(self.aux) / self.tau)[None]

    def centre(self) -> Vector:
        return (self.aux / self.tau)[None]


@final
class QuadraticTerm(AbstractTerm):
    r"""What another measurement says of parameters, to second order.

    \(g^T (x - x_0) + \frac12 (x - x_0)^T H (x - x_0)\), added to minus the
    log-likelihood: the expansion of another likelihood around a point, as a fit without
    access to the other's data can use it. It has no auxiliary data:
    pseudo-experiments and Asimov data keep it as it is. (With a covariance in the place
    of \(H\), and data, it is a `CorrelatedNormal`.)

    Args:
        names: of the parameters.
        at: the point \(x_0\), one number for each.
        hessian: \(H\), `[names, names]`, symmetric.
        gradient: \(g\), `[names]`; by default 0, as at the other's best fit.

    Raises:
        ValueError: for sizes that do not fit, or a matrix that is not symmetric.
    """

    names: tuple[str, ...] = eqx.field(static=True)
    label: str = eqx.field(static=True)
    prior: bool = eqx.field(static=True)
    aux: None
    at: Array
    slope: Array
    matrix: Array

    def __init__(
        self,
        names: tuple[str, ...],
        at: Float[ArrayLike, " names"],
        hessian: Float[ArrayLike, "names names"],
        gradient: Float[ArrayLike, " names"] | None = None,
    ):
        self.names = (names,) if isinstance(names, str) else tuple(names)
        self.label, self.prior, self.aux = "+".join(self.names), False, None
        size = len(self.names)
        self.at, self.matrix = _numbers(at), _numbers(hessian)
        self.slope = _numbers(np.zeros(size) if gradient is None else gradient)
        shapes = self.at.shape, self.slope.shape, self.matrix.shape
        if shapes != ((size,), (size,), (size, size)) or len({*self.names}) < size:
            raise ValueError(
                f"`QuadraticTerm` of {size} parameters, each once, needs {size} "
                "numbers in `at` and `gradient` and a matrix of shape "
                f"{(size, size)}; got shapes {shapes}."
            )
        if not traced(self.matrix) and not np.allclose(
            self.matrix, self.matrix.T, rtol=1e-9
        ):
            raise ValueError("`QuadraticTerm(hessian=...)` is not symmetric.")

    def value(self, x: Vector, aux: Any) -> Float[Array, ""]:
        away = x - self.at
        return self.slope @ away + away @ self.matrix @ away / 2

    def gradient(self, x: Vector, aux: Any) -> Vector:
        return self.slope + self.matrix @ (x - self.at)

    def hessian(self, x: Vector, aux: Any) -> Matrix:
        return self.matrix

    def convex(self, x: Vector, aux: Any) -> Matrix:
        # Gershgorin's circles: a diagonal that makes the matrix dominant.
        outside = xp.sum(xp.abs(self.matrix), axis=1) - xp.abs(xp.diagonal(self.matrix))
        lift = xp.maximum(outside - xp.diagonal(self.matrix), 0.0)
        return self.matrix + xp.diag(lift)

    def saturated(self, aux: Any) -> Float[Array, ""]:
        return xp.zeros(())

    def expected(self, x: Vector) -> Any:
        return None

    def sample(self, source: Any, x: Vector) -> Any:
        return None

    def width(self) -> Vector:
        # It is no constraint of each: what it says of one depends on the others.
        return xp.zeros(len(self.names))

    def centre(self) -> Vector:
        return self.at
