"""Why a fit failed, and what a result looks like, in words."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Bool, Float

from .._custom_types import Mask, Matrix, Params, Vector
from .._model.model import AbstractModel, Data
from .._model.parameters import entry_names
from .._numerics.bordered_matrix import plain, scale_of
from .._numerics.namespace import concrete, eigh, traced, xp
from .uncertainty import covariance_of

if TYPE_CHECKING:
    from .result import FitResult

_LISTED = 5
# Rows of a table that fit on a screen.
_LONGEST_TABLE = 40
# Entries of a direction that are worth a name, for one of length 1.
_SMALLEST_PART = 0.05
# Eigenvalues, in natural units, that are none: see `stationarity`.
_FLAT = 1e-8


class FitError(RuntimeError):
    """A fit found no minimum."""


def flattest(hessian: Matrix, free: Mask) -> tuple[Float[Array, ""], Vector]:
    """The smallest eigenvalue of the rows and columns that are free, in natural units.

    Args:
        hessian: symmetric.
        free: which entries take part.

    Returns:
        The eigenvalue, `inf` where no entry is free, and its vector of length 1, zero
        in the other entries.
    """
    scale = scale_of(plain(hessian))
    scaled = xp.where(free[:, None] & free, hessian / (scale[:, None] * scale), 0.0)
    # No eigenvalue of a free block in natural units exceeds its size.
    apart = 2.0 * free.shape[0]
    values, vectors = eigh(scaled + xp.diag(xp.where(free, 0.0, apart)))
    smallest = xp.where(xp.any(free), values[0], xp.inf)
    return smallest, xp.where(free, vectors[:, 0], 0.0)


def named_direction(direction: Vector, names: Sequence[str]) -> dict[str, float]:
    """The large entries of a direction by name, the largest first and positive."""
    order = np.argsort(-np.abs(direction), kind="stable")
    values = np.asarray(direction) * np.sign(np.asarray(direction)[order[0]])
    return {
        names[i]: float(values[i]) for i in order if abs(values[i]) >= _SMALLEST_PART
    }


def _joined(parts: Sequence[str]) -> str:
    """The first few of many, and how many more there are."""
    more = f" and {len(parts) - _LISTED} more" if len(parts) > _LISTED else ""
    return ", ".join(parts[:_LISTED]) + more


def _direction_in_words(direction: Mapping[str, float]) -> str:
    return _joined([f"{value:+.2f} {name}" for name, value in direction.items()])


def _impossible_bins(model: AbstractModel, data: Data, params: Params) -> list[str]:
    """Bins whose counts cannot come from what the model expects there."""
    params = {**params, **model.profiled_factors(params, data)}
    expected, found = model.expected_data(params).main, []
    for channel, counts in data.main.items():
        rates, observed = np.asarray(expected.get(channel)), np.asarray(counts)
        if rates.shape != observed.shape or rates.ndim != 1:
            continue  # events, not counts
        bad = ~(rates > 0) & ((observed > 0) | ~(rates == 0))
        found += [
            f"channel {channel!r} bin {b} ({observed[b]:g} seen, {rates[b]:.4g} "
            "expected)"
            for b in np.flatnonzero(bad)
        ]
    return found


def _reasons(result: "FitResult", model: AbstractModel, data: Data) -> list[str]:
    """What is wrong at the point where the search ended."""
    names = entry_names(result.shapes)
    likelihood = model.negative_log_likelihood(data)
    if not np.isfinite(likelihood.value(result.y)):
        if bins := _impossible_bins(model, data, result.params):
            return [f"the likelihood is zero where the search ended: {_joined(bins)}"]
        return ["the likelihood is not finite where the search ended"]
    gradient, hessian = np.asarray(result.gradient), np.asarray(result.hessian)
    if not np.all(np.isfinite(hessian)):
        bad = [names[i] for i in np.flatnonzero(~np.isfinite(hessian).all(axis=1))]
        return [f"second derivatives are not finite for {_joined(bad)}"]
    reasons, free = [], np.asarray(result.stationarity.free)
    flat = [names[i] for i in np.flatnonzero(free & (np.diagonal(hessian) == 0))]
    if flat:
        reasons.append(f"the likelihood does not depend on {_joined(flat)}")
    pull = np.where(free, gradient / np.asarray(scale_of(result.curvature)), 0.0)
    steep = np.argsort(-np.abs(pull), kind="stable")[:_LISTED]
    reasons.append(
        "the largest remaining derivatives, in units of each parameter's width, are "
        + ", ".join(f"{names[i]} ({pull[i]:.2g})" for i in steep)
    )
    if (smallest := float(result.smallest_eigenvalue)) < _FLAT:
        what = "falls away" if smallest < -_FLAT else "is flat"
        direction = _direction_in_words(result.flattest_direction)
        reasons.append(f"the likelihood {what} along {direction}")
    return reasons


def explain_failure(
    result: "FitResult", model: AbstractModel, data: Data
) -> "FitResult":
    """Return the result of a fit that converged; raise for any other.

    Raises:
        FitError: with the reason where the values are known, or at run time of a
            compiled function with the way to find it.
    """
    if traced(result.converged):
        message = (
            "A fit found no minimum. Call it outside `jax.jit` for the reason, or with "
            "`throw=False` to get the status of each lane."
        )
        return eqx.error_if(result, ~result.converged, message)
    if np.asarray(result.converged).all():
        return result
    with np.errstate(all="ignore"):
        reasons = "; ".join(_reasons(concrete(result), model, data))
    raise FitError(
        f"the fit found no minimum in {int(result.steps)} steps (EDM "
        f"{float(result.edm):.2g}): {reasons}. Other starts "
        "(`model.with_init`, or `fit_from_many_starts`), narrower bounds "
        "(`with_bounds`) or fixed parameters (`with_fixed`) may help; `throw=False` "
        "returns the last point."
    )


Checked = TypeVar("Checked")


def checked(
    result: Checked,
    converged: Bool[Array, "..."],
    call: str,
    reason: str = "a fit found no minimum",
) -> Checked:
    """Return a result whose fits converged; raise for any other.

    Traced, every array of what is returned carries the check.

    Raises:
        FitError: naming the call; at run time of a compiled function what jax raises.
    """
    way_out = (
        "`fit` and `fixed_poi_fit` on the same data tell of a fit; `throw=False` "
        "returns the last point, and the status of each lane."
    )
    if traced(converged):
        return eqx.error_if(result, ~converged, f"`{call}`: {reason}. {way_out}")
    if not np.all(converged):
        raise FitError(f"`{call}`: {reason}. {way_out}")
    return result


def describe(result: "FitResult") -> str:
    """The result as a table: status, value, parameters with what limits them."""
    leaves = jax.tree.leaves(result)
    if traced(result) or not all(hasattr(x, "shape") for x in leaves):
        return f"FitResult({len(result.names)} parameters, not evaluated)"
    if np.ndim(result.twice_nll):
        done = int(np.sum(result.converged))
        return f"FitResult({result.twice_nll.size} fits, {done} converged)"
    held, unique = result.stationarity, bool(result.unique)
    free = np.asarray(held.free)
    lines = [
        ("converged" if bool(result.converged) else "NOT CONVERGED")
        + f" in {int(result.steps)} steps, -2 log L = {float(result.twice_nll):.6f}, "
        + f"EDM {float(result.edm):.1e}, largest gradient "
        + f"{float(result.largest_gradient):.1e}"
    ]
    if result.priors:
        lines.append(f"with priors on {_joined(list(result.priors))}")
    if not unique and bool(np.any(free)):
        direction = _direction_in_words(result.flattest_direction)
        lines.append(
            f"not determined: {direction} (eigenvalue "
            f"{float(result.smallest_eigenvalue):.1e} in natural units)"
        )
    with np.errstate(all="ignore"):
        errors = covariance_of(concrete(result.curvature), free | held.at_kink).widths
    notes = np.where(free, "", "fixed").astype(object)
    for mask, note in (
        (held.at_lower, "at its lower bound"),
        (held.at_upper, "at its upper bound"),
        (held.at_kink, "at a kink"),
        (held.on_edge, "on the edge"),
    ):
        notes[np.asarray(mask)] = note
    names, values = entry_names(result.shapes), np.asarray(result.y)
    listed = _rows(notes)
    width = max((len(names[i]) for i in listed), default=0)
    for i in listed:
        error = f" ± {errors[i]:<9.3g}" if np.isfinite(errors[i]) else " " * 12
        lines.append(f"  {names[i]:<{width}}  {values[i]: .6g}{error} {notes[i]}")
    if len(listed) < len(names):
        lines.append(f"  … {len(names) - len(listed)} more in `params`")
    return "\n".join(line.rstrip() for line in lines)


def _rows(notes: np.ndarray) -> list[int]:
    """Which entries a table lists: all of a few; of many those that stand out first."""
    if len(notes) <= _LONGEST_TABLE:
        return list(range(len(notes)))
    telling = [i for i, note in enumerate(notes) if note not in ("", "fixed")]
    others = [i for i, note in enumerate(notes) if note == ""]
    return sorted((telling + others)[:_LONGEST_TABLE])
