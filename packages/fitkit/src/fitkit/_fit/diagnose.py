"""Why a fit failed, and what a result looks like, in words."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._custom_types import Vector
from .._likelihood import AbstractNegativeLogLikelihood

if TYPE_CHECKING:
    from .fit import FitResult

_LISTED = 5


class FitError(RuntimeError):
    """A fit found no minimum."""


def entry_names(shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    """Return a name for each entry of the flat vector, such as `mu`, `gamma[0]`."""
    names = []
    for name, shape in shapes.items():
        size = math.prod(shape)
        names += [name] if shape == () else [f"{name}[{i}]" for i in range(size)]
    return names


def _reasons(
    likelihood: AbstractNegativeLogLikelihood, y: Vector, names: list[str]
) -> list[str]:
    """What is wrong at the point where the search ended."""
    value = likelihood.value(y)
    if not np.isfinite(value):
        return [
            "the likelihood is not finite where the search ended: a bin with counts "
            "has no expected events there, or an expected rate is negative"
        ]
    gradient = np.asarray(likelihood.gradient(y))
    hessian = np.asarray(likelihood.hessian(y))
    if not np.all(np.isfinite(hessian)):
        bad = [names[i] for i in np.flatnonzero(~np.isfinite(hessian).all(axis=1))]
        return [f"second derivatives are not finite for {', '.join(bad[:_LISTED])}"]
    reasons = []
    flat = [names[i] for i in np.flatnonzero(np.diagonal(hessian) == 0)]
    if flat:
        reasons.append(f"the likelihood does not depend on {', '.join(flat[:_LISTED])}")
    scale = np.sqrt(np.maximum(np.abs(np.diagonal(hessian)), 1e-300))
    steep = np.argsort(-np.abs(gradient / scale))[:_LISTED]
    reasons.append(
        "the largest remaining derivatives, in units of each parameter's width, are "
        + ", ".join(f"{names[i]} ({gradient[i] / scale[i]:.2g})" for i in steep)
    )
    return reasons


def explain_failure(
    result: "FitResult",
    likelihood: AbstractNegativeLogLikelihood,
    y: Vector,
    shapes: Mapping[str, tuple[int, ...]],
) -> "FitResult":
    """Return the result of a fit that converged; raise for any other.

    Raises:
        FitError: with the reason where the values are known, or at run time of a
            compiled function with the way to find it.
    """
    if isinstance(result.converged, jax.core.Tracer):
        message = (
            "A fit found no minimum. Call it outside `jax.jit` for the reason, or with "
            "`throw=False` to get the status of each lane."
        )
        return eqx.error_if(result, ~result.converged, message)
    if np.all(result.converged):
        return result
    reasons = "; ".join(_reasons(likelihood, y, entry_names(shapes)))
    raise FitError(
        f"the fit found no minimum in {int(result.steps)} steps (EDM "
        f"{float(result.edm):.2g}): {reasons}. Other starts (`init=`), narrower "
        "`bounds=` or `fixed=` may help; `throw=False` returns the last point."
    )


def describe(result: "FitResult") -> str:
    """The result as a table: status, value, parameters with what limits them."""
    if not all(isinstance(x, jax.Array) for x in jax.tree.leaves(result)) or isinstance(
        result.twice_nll, jax.core.Tracer
    ):
        return f"FitResult({len(result.names)} parameters, not evaluated)"
    if result.twice_nll.ndim:
        done = int(jnp.sum(result.converged))
        return f"FitResult({result.twice_nll.size} fits, {done} converged)"
    lines = [
        ("converged" if bool(result.converged) else "NOT CONVERGED")
        + f" in {int(result.steps)} steps, -2 log L = {float(result.twice_nll):.6f}, "
        + f"EDM {float(result.edm):.1e}"
        + ("" if bool(result.unique) else ", some parameters are not determined")
    ]
    held = result.stationarity
    names = entry_names(dict(result.shapes))
    width = max(map(len, names), default=0)
    rows = (np.asarray(x) for x in (result.y, held.at_lower | held.at_upper))
    for entry, value, bound, edge in zip(
        names, *rows, np.asarray(held.on_edge), strict=True
    ):
        note = "  at its bound" if bound else "  on the edge" if edge else ""
        lines.append(f"  {entry:<{width}}  {value: .6g}{note}")
    return "\n".join(lines)
