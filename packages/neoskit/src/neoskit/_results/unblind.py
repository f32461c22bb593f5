"""The model meets the recorded events: fitted strength, pulls and limit."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from jaxtyping import ArrayLike, Float

import fitkit

_T = TypeVar("_T")


@dataclass(frozen=True)
class Unblinded:
    """Everything that a fit to recorded events says.

    Args:
        fitted: The unconstrained fit, with the values of all parameters.
        errors: Their uncertainties, from the curvature at the best fit.
        pulls: What the data say of each parameter, beside what was known of it.
        limit: Upper limit on the parameter of interest: observed, and the expected
            band of the background-only hypothesis fitted to these data; infinite where
            CLs never falls to the level, NaN where a fit finds no minimum.
        cls: Observed CLs at a strength of 1.
        poi: Name of the parameter of interest.
        missing: What of these does not exist, with the reason; it is `None` or NaN.
    """

    fitted: fitkit.FitResult
    errors: dict[str, Float[np.ndarray, "..."]]
    pulls: fitkit.Pulls | None
    limit: fitkit.UpperLimit | None
    cls: float
    poi: str
    missing: dict[str, str] = field(default_factory=dict)

    @property
    def strength(self) -> tuple[float, float]:
        """The fitted signal strength and its uncertainty."""
        return float(self.fitted.params[self.poi]), float(self.errors[self.poi])


def unblind(
    model: fitkit.Model,
    observed: Mapping[str, Float[ArrayLike, " bins"]],
    *,
    largest: float = 10.0,
    level: float = 0.05,
) -> Unblinded:
    """Fit the recorded events.

    Args:
        model: From hard templates, with the bins that were chosen blind.
        observed: Counts per channel, as `pipeline.observed(dataset)` gives them.
        largest: Bound of the signal strength in the fit, to both sides. Negative
            strengths are allowed as far as the expectation stays positive, so that a
            deficit gets a value and an uncertainty and no pile-up at 0; limits and CLs
            use the model's own bounds.
        level: 1 − confidence level of the limit.

    Returns:
        The fit, and what follows from it: each apart, so that a limit that does not
        exist costs neither pulls nor CLs.

    Raises:
        ValueError: The model has no parameter of interest, or `largest` is not
            positive.
        FitError: The fit itself finds no minimum.

    Example:
        >>> import jax
        >>> jax.config.update("jax_enable_x64", True)
        >>> model = fitkit.uncorrelated_background([12.0], [50.0], [3.0])
        >>> channel = model.channel_names[0]
        >>> result = unblind(model, {channel: [51.0]})
        >>> strength, error = result.strength
        >>> bool(abs(strength) < error)
        True
    """
    if not isinstance(model.poi, str):
        raise ValueError(
            "`unblind` needs a model with a parameter of interest. Name one with "
            "`Measurement(poi=...)`."
        )
    if not largest > 0:
        raise ValueError(f"`unblind(largest=...)` must be positive; got {largest}.")
    data = model.data(dict(observed))
    # Below that strength a bin expects fewer than no events: the likelihood ends there.
    lowest = max(-largest, _least_strength(model))
    wide = model.with_bounds({model.poi: (lowest, largest)})
    fitted = fitkit.fit(wide, data)
    errors = {
        name: np.asarray(error)
        for name, error in fitkit.uncertainties(wide, fitted.params, data).items()
    }
    missing: dict[str, str] = {}

    def judged(name: str, number: Callable[[], _T]) -> _T | None:
        try:
            return number()
        # What fitkit raises where a fit has no minimum, or a model no answer.
        except (ArithmeticError, RuntimeError, ValueError) as error:
            missing[name] = str(error).split("\n---")[0]
            return None

    test = judged("CLs", lambda: fitkit.hypotest(model, data, 1.0))
    limit = judged(
        "upper limit",
        lambda: fitkit.upper_limit(model, data, level=level, throw=False),
    )
    if limit is not None and not np.all(limit.converged):
        missing["upper limit"] = (
            "CLs does not fall to the level for the observed limit or for a part of "
            "the expected band, or a fit finds no minimum"
        )
    return Unblinded(
        fitted=fitted,
        errors=errors,
        pulls=judged("pulls", lambda: fitkit.pulls(wide, data)),
        limit=limit,
        cls=np.nan if test is None else float(test.cls),
        poi=model.poi,
        missing=missing,
    )


# How far towards the strength at which a bin expects nothing the fit may go: the rest
# is left to the other parameters, which move the expectation, too.
_SHARE = 0.9


def _least_strength(model: fitkit.Model) -> float:
    """The most negative strength at which every nominal expectation is positive."""
    without, unit = (fitkit.asimov_data(model, mu).main for mu in (0.0, 1.0))
    background = np.concatenate([without[name] for name in model.channel_names])
    signal = np.concatenate([unit[name] for name in model.channel_names]) - background
    ratios = background[signal > 0] / signal[signal > 0]
    return -_SHARE * float(ratios.min(initial=np.inf))
