"""The result of a fit."""

from collections.abc import Callable
from typing import Any, final

import equinox as eqx
import jax
from jaxtyping import Array, Bool, Float, Int

from .._custom_types import Matrix, Params, Vector
from .._model.model import AbstractModel
from .._model.parameters import ParameterShapes, unflatten
from .._numerics.bordered_matrix import Bordered, scale_of
from .._numerics.namespace import xp
from .diagnose import describe, entry_names, flattest, named_direction
from .minimise import Minimum
from .stationarity import Stationarity


@final
class FitResult(eqx.Module):
    """The result of a fit.

    Attributes:
        y: best-fit values as one flat vector, in the order of `names`.
        twice_nll: minus twice the log-likelihood there, as `-2 * model.logpdf`.
        converged: whether a minimum was found.
        edm: estimated distance to the minimum before the last step, in units of the
            negative log-likelihood.
        stationarity: free entries, those at a bound and on the edge, as flat masks.
        unique: whether the Hessian of the fitted parameters is positive definite. If
            not, some combination of parameters is not determined, and derivatives of
            `params` are NaN.
        gradient: of minus the log-likelihood there, in the order of `y`, fixed entries
            included; it carries no derivative.
        curvature: the Hessian in its own form; see `hessian`.
        steps: Newton steps, those of a continuation included.
        status: why the search ended: 0 at a minimum, 1 where no step lowers the
            function, 2 after the largest number of steps, 3 where the likelihood is
            zero wherever the search could go.
    """

    y: Vector
    twice_nll: Float[Array, ""]
    converged: Bool[Array, ""]
    edm: Float[Array, ""]
    stationarity: Stationarity
    unique: Bool[Array, ""]
    gradient: Vector
    curvature: Bordered
    steps: Int[Array, ""]
    status: Int[Array, ""]
    shapes: ParameterShapes = eqx.field(static=True)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the parameters, in the order of `y`."""
        return tuple(self.shapes)

    # Made when they are asked for: many small arrays take longer than a fit.
    @property
    def params(self) -> Params:
        """Best-fit values by parameter name.

        Differentiable with respect to everything traced that went in, by the implicit
        function theorem.
        """
        if self.y.shape != self.stationarity.free.shape:
            raise ValueError(
                f"`FitResult.y` has shape {self.y.shape} for {self.names}: it is the "
                "derivative of a result. Differentiate a function that returns "
                "`fit(...).params` instead."
            )
        return unflatten(self.y, self.shapes)

    @property
    def at_bounds(self) -> dict[str, Array]:
        """By parameter, entries on a bound against which the data push them."""
        held = self.stationarity
        return unflatten(held.at_lower | held.at_upper, self.shapes)

    @property
    def on_edge(self) -> dict[str, Array]:
        """By parameter, entries on a bound at which the derivative vanishes too.

        Derivatives of the result are there those from inside.
        """
        return unflatten(self.stationarity.on_edge, self.shapes)

    @property
    def hessian(self) -> Matrix:
        """Second derivatives of minus the log-likelihood, `[..., params, params]`.

        At the best fit, in the order of `y`, fixed entries included; they carry no
        derivative.
        """
        return self._of_each(Bordered.dense)(self.curvature)

    def _of_each(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function of one fit, of as many as these are."""
        for _ in range(self.y.ndim - 1):
            function = jax.vmap(function)
        return function

    @property
    def largest_gradient(self) -> Float[Array, ""]:
        """The largest derivative of a free entry, in units of its natural width.

        Of minus the log-likelihood; entries on a bound, at a kink, or fixed are left
        out (the *projected* gradient). The width is one over the root of the Hessian's
        diagonal.
        """
        scale = self._of_each(scale_of)(self.curvature)
        scaled = xp.abs(self.gradient) / scale
        free = self.stationarity.free
        return xp.max(xp.where(free, scaled, 0.0), axis=-1, initial=0.0)

    @property
    def smallest_eigenvalue(self) -> Float[Array, ""]:
        """The smallest eigenvalue of the free entries' Hessian, in natural units.

        1 where no two entries are correlated; 0 or below where some combination is not
        determined, or the point is a saddle; `inf` where nothing is free.
        """
        return self._of_each(flattest)(self.hessian, self.stationarity.free)[0]

    @property
    def flattest_direction(self) -> dict[str, float]:
        """Its direction: entries by name (`mu`, `gamma[3]`), in natural units.

        A vector of length 1, the largest entries first, those below 0.05 left out. For
        one fit with concrete numbers.
        """
        _, direction = flattest(self.hessian, self.stationarity.free)
        return named_direction(direction, entry_names(self.shapes))

    def __repr__(self) -> str:
        return describe(self)


def result_of(minimum: Minimum, model: AbstractModel) -> FitResult:
    """The minimum with the model's names."""
    fields = minimum._asdict()
    del fields["value"]
    return FitResult(**fields, shapes=model.parameter_shapes)
