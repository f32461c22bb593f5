"""A model at given data, as a function of one flat vector of parameters.

This is all that fits, tests and uncertainties see of a model: no names, only arrays, so
that one compilation serves every model of the same shapes.
"""

import abc
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from .._custom_types import Mask, Matrix, Vector
from .._numerics.bordered_matrix import Blocks, Bordered, Frame

if TYPE_CHECKING:
    from .model import AbstractModel, Data


class Derivatives(NamedTuple):
    """The function with its first and second derivatives at one point.

    Attributes:
        value: the function.
        gradient: `[params]`.
        frame: how the blocks of both matrices lie.
        exact, convex_blocks: the blocks of both matrices.
    """

    value: Float[Array, ""]
    gradient: Vector
    frame: Frame | None
    exact: Blocks
    convex_blocks: Blocks

    @classmethod
    def dense(
        cls,
        value: Float[Array, ""],
        gradient: Vector,
        hessian: Matrix,
        convex: Matrix | None = None,
    ) -> "Derivatives":
        """Derivatives in plain tables, as a likelihood of your own may have them.

        Args:
            value: the function.
            gradient: `[params]`.
            hessian: `[params, params]`.
            convex: a positive semi-definite matrix near the Hessian, where that is not
                definite; the Hessian itself by default.
        """
        convex = hessian if convex is None else convex
        return cls(value, gradient, None, Blocks(hessian), Blocks(convex))

    @property
    def hessian(self) -> Bordered:
        """The matrix of second derivatives."""
        return Bordered(self.exact, self.frame)

    @property
    def convex(self) -> Bordered:
        """A positive semi-definite matrix that stands in for the Hessian."""
        return Bordered(self.convex_blocks, self.frame)


class AbstractObjective(abc.ABC):
    """A function of one flat vector, with what a search for its minimum needs.

    A subclass is a pytree: an `eqx.Module`, or a dataclass that jax knows, whose
    methods are called without the detour that an `eqx.Module` takes for each.

    Entries at which it has a kink (interpolation codes 0 and 1 at 0) are told by
    `kinks`; there `gradient` and `derivatives` take the derivative from the right
    (`side` = 1), from the left (-1) or their mean (0).

    Attributes:
        needs_jax: whether it is written in `jax.numpy`, so that also concrete calls are
            compiled; not so if it is written over `fitkit.xp`, or in NumPy with
            derivatives of its own.
    """

    needs_jax: ClassVar[bool]

    @property
    @abc.abstractmethod
    def has_kinks(self) -> bool:
        """Whether any entry may have a kink."""

    @abc.abstractmethod
    def value(self, y: Vector) -> Float[Array, ""]:
        """Return the function."""

    @abc.abstractmethod
    def gradient(self, y: Vector, side: Array | float = 0.0) -> Vector:
        """Return the gradient of `value`."""

    @abc.abstractmethod
    def derivatives(self, y: Vector, side: Array | float = 0.0) -> Derivatives:
        """Return value, gradient and second derivatives in one pass."""

    @abc.abstractmethod
    def no_derivatives(self) -> Derivatives:
        """Return what `derivatives` does in shape, an infinite value and zeros."""

    @abc.abstractmethod
    def kinks(self) -> Mask:
        """Return the entries at which the function has a kink at 0."""

    has_barrier: ClassVar[bool] = False
    """Whether `with_barrier` makes any difference."""

    def with_barrier(self, strength: Float[Array, ""]) -> "AbstractObjective":
        """Return the function plus a barrier that keeps it away from where it is not.

        As those of interior-point methods: infinite where the function ends, smooth
        elsewhere, nothing for a strength of 0. The same function where none is known.
        """
        return self


class AbstractNegativeLogLikelihood(AbstractObjective):
    """Minus the log-likelihood, up to a term that no parameter changes.

    Its `value` is 0 for a saturated model. Beside what a fit needs it has what tests
    and pseudo-experiments do: the data, and those that parameters expect or make.
    """

    @abc.abstractmethod
    def saturated(self) -> Float[Array, ""]:
        """Return minus the log-likelihood of the saturated model, or 0 if unknown."""

    @abc.abstractmethod
    def observations(self) -> Any:
        """Return the data at which the likelihood is evaluated, as arrays."""

    @abc.abstractmethod
    def at(self, observations: Any) -> Self:
        """Return the likelihood of other data, given as by `observations`."""

    @abc.abstractmethod
    def expected(self, y: Vector) -> Any:
        """Return the data that the model expects at `y`: its Asimov data."""

    @abc.abstractmethod
    def with_nominal_aux(self, observations: Any) -> Any:
        """Return the same observations with the model's nominal auxiliary data."""

    @abc.abstractmethod
    def sample(self, key: PRNGKeyArray, y: Vector) -> Any:
        """Return random observations at `y`, auxiliary data included."""

    def bins(self) -> Int[Array, ""] | None:
        """Return how many counts the saturated model describes, None if unknown."""
        return None

    def deviations(self, y: Vector) -> Any | None:
        """Return the standard deviation of each observation at `y`, if they are known.

        In the order of `observations`: counts, then auxiliary data, both flat; 0 where
        there is none.
        """
        return None


def no_dense_derivatives(size: int) -> Derivatives:
    """An infinite value, and zeros for derivatives in plain tables."""
    square = np.zeros((size, size))
    return Derivatives.dense(np.array(np.inf), np.zeros(size), square)


def autodiff_derivatives(function: Any, y: Vector) -> Derivatives:
    """Value and derivatives of any scalar function that jax can differentiate."""
    h = jax.hessian(function)(y)
    # Diagonal dominance is the cheapest certificate (Gershgorin's circles).
    radius = jnp.sum(jnp.abs(h), axis=1) - jnp.abs(jnp.diagonal(h))
    convex = h + jnp.diag(jnp.maximum(radius - jnp.diagonal(h), 0.0))
    value, gradient = jax.value_and_grad(function)(y)
    return Derivatives.dense(value, gradient, h, convex)


@final
class AutodiffLikelihood(AbstractNegativeLogLikelihood, eqx.Module):
    """What any model's `logpdf` gives by automatic differentiation.

    Attributes:
        model: the model.
        data: the data at which it is evaluated.
    """

    model: "AbstractModel"
    data: "Data"
    needs_jax: ClassVar[bool] = True

    @property
    def has_kinks(self) -> bool:
        """Autodiff cannot know of kinks."""
        return False

    def value(self, y: Vector) -> Float[Array, ""]:
        return -self.model.logpdf(self.model.unravel(y), self.data)

    def saturated(self) -> Float[Array, ""]:
        return np.zeros(())

    def gradient(self, y: Vector, side: Array | float = 0.0) -> Vector:
        return jax.grad(self.value)(y)

    def derivatives(self, y: Vector, side: Array | float = 0.0) -> Derivatives:
        return autodiff_derivatives(self.value, y)

    def no_derivatives(self) -> Derivatives:
        return no_dense_derivatives(self.model.parameter_shapes.size)

    def kinks(self) -> Mask:
        return np.zeros(self.model.parameter_shapes.size, dtype=bool)

    def observations(self) -> "Data":
        return self.data

    def at(self, observations: "Data") -> "AutodiffLikelihood":
        return AutodiffLikelihood(self.model, observations)

    def expected(self, y: Vector) -> "Data":
        return self.model.expected_data(self.model.unravel(y))

    def with_nominal_aux(self, observations: "Data") -> "Data":
        return type(observations)(observations.main, self.model.nominal_aux)

    def sample(self, key: PRNGKeyArray, y: Vector) -> "Data":
        return self.model.sample(key, self.model.unravel(y))
