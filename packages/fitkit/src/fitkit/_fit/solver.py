"""`BoundedNewton`: the search as a minimiser of optimistix's, with its adjoint.

`optimistix.minimise` is how traced fits are made. optimistix has no minimiser with
bounds and second derivatives, so that this one is for any function of a flat vector.
"""

from collections.abc import Callable
from typing import Any, ClassVar, final

import equinox as eqx
import equinox.internal as eqxi
import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
from jaxtyping import Array, Bool, Float, PyTree

from .._custom_types import Mask, Vector
from .._model.likelihood import (
    AbstractObjective,
    Derivatives,
    autodiff_derivatives,
    no_dense_derivatives,
)
from .._numerics.namespace import freeze
from .box import Box
from .continuation import Carry, continuation
from .implicit import Found, minimum_point
from .newton import NewtonState, initial_state, newton_step
from .search import EDM_TOLERANCE, Search, ended


@final
class ScalarFunction(AbstractObjective, eqx.Module):
    """A function of a flat vector, differentiated automatically.

    Attributes:
        fn: `fn(y, args)` returns the value and auxiliary output, as optimistix hands
            it over.
        args: its second argument.
        size: how many entries `y` has.
    """

    fn: Callable[[Vector, Any], tuple[Float[Array, ""], Any]]
    args: Any
    size: int = eqx.field(static=True)
    needs_jax: ClassVar[bool] = True

    @property
    def has_kinks(self) -> bool:
        return False

    def value(self, y: Vector) -> Float[Array, ""]:
        return self.fn(y, self.args)[0]

    def gradient(self, y: Vector, side: Array | float = 0.0) -> Vector:
        return jax.grad(self.value)(y)

    def derivatives(self, y: Vector, side: Array | float = 0.0) -> Derivatives:
        return autodiff_derivatives(self.value, y)

    def no_derivatives(self) -> Derivatives:
        return no_dense_derivatives(self.size)

    def kinks(self) -> Mask:
        return np.zeros(self.size, dtype=bool)


def _objective(fn: Any, y: Vector, args: Any) -> AbstractObjective:
    """What is minimised: `args`, where it has derivatives of its own."""
    if isinstance(args, AbstractObjective):
        return args
    if jnp.ndim(y) != 1:
        raise TypeError(
            f"`BoundedNewton` needs a flat vector; `y0` has shape {jnp.shape(y)}. "
            "`jax.flatten_util.ravel_pytree` makes one of any parameters."
        )
    return ScalarFunction(fn, args, jnp.size(y))


def _box(y: Vector, options: dict[str, Any]) -> Box:
    """The box of a search, from optimistix's options."""
    known = {"lower", "upper", "movable", "side", "inside"}
    if unknown := set(options) - known:
        raise ValueError(
            f"`BoundedNewton` has no option {sorted(unknown)[0]!r}; it takes `lower`, "
            "`upper`, `movable` and `side`."
        )
    lower = jnp.broadcast_to(options.get("lower", -jnp.inf), jnp.shape(y))
    upper = jnp.broadcast_to(options.get("upper", jnp.inf), jnp.shape(y))
    movable = jnp.broadcast_to(options.get("movable", True), jnp.shape(y))
    return Box(lower, upper, movable & (lower < upper), options.get("side", 1.0))


@final
class BoundedNewton(optx.AbstractMinimiser):
    """Newton's method in a box, for `optimistix.minimise`.

    Second derivatives are exact, by automatic differentiation of the function, so that
    a fit takes a few steps; see `newton.py` for what it does where they are not
    positive definite. One step evaluates function, gradient and Hessian once, at the
    point that the step before proposed, and proposes the next.

    The options of `optimistix.minimise` are

    - `lower`, `upper`: bounds, scalar or `[params]`; none by default;
    - `movable`: entries that are fitted, True by default.

    With `adjoint=fitkit.BoundedAdjoint()` the result is differentiable, also at an
    active bound, where optimistix's own implicit derivative is wrong.

    Attributes:
        edm_tolerance: the estimated distance to the minimum (in units of the function)
            below which one last Newton step ends the search. As Newton's method doubles
            its digits with each step, what is left afterwards is far smaller.
        rtol, atol, norm: unused; part of optimistix's interface.

    Example:
        >>> import jax
        >>> jax.config.update("jax_enable_x64", True)
        >>> import jax.numpy as jnp, optimistix as optx
        >>> def rosenbrock(y, scale):
        ...     return scale * (y[1] - y[0] ** 2) ** 2 + (1 - y[0]) ** 2
        >>> found = optx.minimise(
        ...     rosenbrock,
        ...     fitkit.BoundedNewton(),
        ...     jnp.array([-1.0, 1.0]),
        ...     100.0,
        ...     options={"upper": jnp.array([0.5, jnp.inf])},
        ...     adjoint=fitkit.BoundedAdjoint(),
        ... )
        >>> [round(float(x), 6) for x in found.value]
        [0.5, 0.25]
    """

    edm_tolerance: float = EDM_TOLERANCE
    rtol: float = 0.0
    atol: float = 0.0
    norm: Any = optx.max_norm

    def init(self, fn, y, args, options, f_struct, aux_struct, tags) -> NewtonState:
        objective = _objective(fn, y, args)
        state = initial_state(objective, y)
        nothing = objective.no_derivatives()
        return jax.tree.map(jnp.asarray, state._replace(at=nothing))

    def step(
        self, fn, y: Vector, args, options: dict[str, Any], state: NewtonState, tags
    ) -> tuple[Vector, NewtonState, PyTree]:
        objective, box = _objective(fn, y, args), _box(y, options)
        if objective is not args:
            # A start of a user's own may lie outside its bounds.
            y = jnp.where(box.movable, jnp.clip(y, box.lower, box.upper), y)
        y, state = newton_step(objective, y, box, state, self.edm_tolerance)
        aux = None if objective is args else fn(state.y, args)[1]
        return y, state, aux

    def terminate(
        self, fn, y, args, options, state: NewtonState, tags
    ) -> tuple[Bool[Array, ""], optx.RESULTS]:
        result = optx.RESULTS.where(
            state.stuck & ~state.done,
            optx.RESULTS.nonlinear_divergence,
            optx.RESULTS.successful,
        )
        return state.done | state.stuck, result

    def postprocess(
        self, fn, y, aux, args, options, state: NewtonState, tags, result
    ) -> tuple[Vector, PyTree, dict[str, Any]]:
        # The number of steps is optimistix's to say.
        search = ended(_objective(fn, y, args), state, None, _box(y, options))
        return state.y, aux, {"search": search}


@final
class BoundedAdjoint(optx.AbstractAdjoint):
    """Implicit differentiation of a minimum in a box, for `optimistix.minimise`.

    optimistix's own `ImplicitAdjoint` solves for a vanishing gradient and is wrong at
    an active bound. Goes with `BoundedNewton`; forward, reverse and higher derivatives
    work, also under `jax.vmap`. A lane whose Hessian is singular gets NaN derivatives
    and harms no other.

    Where the function is infinite at the start, the option `inside` may give a point
    where it is not, from which a continuation leads there.
    """

    def apply(self, primal_fn, rewrite_fn, inputs, tags):
        fn, _, start, args, options, *_ = inputs
        frozen = freeze(inputs)
        objective, box = _objective(fn, start, args), _box(frozen[2], frozen[4])
        inside = frozen[4].get("inside", frozen[2])

        def run_lax(condition, body, begin, **kwargs):
            def search(carry: Carry) -> Carry:
                return eqxi.while_loop(condition, body, carry, kind="lax", **kwargs)

            return continuation(search, begin, inside, box.movable, objective)

        y, rest = primal_fn((*frozen, run_lax))
        search: Search = rest[-1]["search"]
        held = search.stationarity
        bounds = _box(start, options)
        target = held.target(start, bounds.lower, bounds.upper)
        point = Found(y, search.at.value, held.free, search.at.hessian, search.factor)
        return minimum_point(objective, target, freeze(point)), rest


def search_traced(
    objective: AbstractObjective,
    start: Vector,
    inside: Vector,
    box: Box,
    max_steps: int,
) -> Search:
    """A search by `optimistix.minimise`; arguments as of `search_on_numpy`.

    Nothing in the result carries a derivative: `minimum_point` and `minimum_value` do.
    """
    # Nor does anything that goes in: the rule of `BoundedAdjoint`, of which nobody here
    # has any use, would be traced all the same, most of what a derivative takes.
    objective, start, inside, box = freeze((objective, start, inside, box))
    found: optx.Solution = optx.minimise(
        # `BoundedNewton` calls the objective, not this, which optimistix traces all the
        # same: a fifth of all tracing.
        lambda y, args: jnp.zeros(()),
        BoundedNewton(),
        jnp.asarray(start),
        objective,
        {**box._asdict(), "inside": inside},
        max_steps=max_steps,
        adjoint=BoundedAdjoint(),
        throw=False,
    )
    return freeze(found.stats["search"]._replace(steps=found.stats["num_steps"]))
