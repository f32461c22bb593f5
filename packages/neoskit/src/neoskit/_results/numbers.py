"""The numbers of one model, each judged apart: one may not exist, the others do.

An upper limit does not exist where uncertainties grow with the signal as fast as the
signal itself; a discovery significance and a CLs may well.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

import fitkit

from .._objectives import discovery_significance, expected_cls, poi_variance

NUMBERS = ("expected_cls", "upper_limit", "poi_uncertainty", "significance")
"""The four numbers that are judged, by name."""


@dataclass(frozen=True)
class Numbers:
    """The expected result of a model.

    Args:
        cls: expected CLs of the tested strength at −2, −1, 0, 1, 2 σ of background-only
            data; the middle one is the median.
        upper_limit: expected 95 % upper limit on the signal strength, the same band;
            infinite where CLs never falls to 5 %.
        poi_uncertainty: expected σ of the signal strength.
        significance: expected discovery significance, in σ.
        missing: for each number of which a part does not exist, why. What does not
            exist is NaN or infinite.
    """

    cls: Float[np.ndarray, " 5"]
    upper_limit: Float[np.ndarray, " 5"]
    poi_uncertainty: float
    significance: float
    missing: dict[str, str] = field(default_factory=dict)

    @property
    def medians(self) -> dict[str, float]:
        """One value for each of `NUMBERS`."""
        values = (
            float(self.cls[2]),
            float(self.upper_limit[2]),
            self.poi_uncertainty,
            self.significance,
        )
        return dict(zip(NUMBERS, values, strict=True))


def numbers_of(model: fitkit.Model, mu: float) -> Numbers:
    """Judge a model at a signal strength, with the bands of CLs and limit.

    Args:
        model: of hard templates.
        mu: the strength that is tested and assumed.
    """
    data = fitkit.asimov_data(model, 0.0)
    return _judged(
        model, mu, lambda: _cls(model, data, mu), lambda: _limit(model, data)
    )


def medians_of(model: fitkit.Model, mu: float) -> Numbers:
    """The same without the bands, of which all but the median is NaN: much sooner.

    Args:
        model: of hard templates.
        mu: the strength that is tested and assumed.
    """

    def median(value: float) -> np.ndarray:
        return np.where(np.arange(5) == 2, value, np.nan)

    return _judged(
        model,
        mu,
        lambda: (median(float(expected_cls(model, mu))), _no_cls(model, mu)),
        lambda: (median(float(fitkit.expected_limit(model))), ""),
    )


def _judged(
    model: fitkit.Model,
    mu: float,
    cls: Callable[[], tuple[np.ndarray, str]],
    limit: Callable[[], tuple[np.ndarray, str]],
) -> Numbers:
    missing: dict[str, str] = {}

    def judged(
        name: str, number: Callable[[], tuple[np.ndarray, str]], size: int
    ) -> Float[np.ndarray, " values"]:
        """The number, or NaN; what there is to say of it goes into `missing`."""
        try:
            values, problem = number()
        # What fitkit raises where a fit has no minimum, or a model no answer.
        except (ArithmeticError, RuntimeError, ValueError) as error:
            values, problem = np.full(size, np.nan), str(error).split("\n---")[0]
        if not np.isfinite(values).all():
            missing[name] = problem
        return values

    (sigma,) = judged("poi_uncertainty", lambda: _uncertainty(model, mu), 1)
    (z,) = judged("significance", lambda: _significance(model, mu), 1)
    return Numbers(
        judged("expected_cls", cls, 5),
        judged("upper_limit", limit, 5),
        float(sigma),
        float(z),
        missing,
    )


def _cls(model: fitkit.Model, data: fitkit.Data, mu: float) -> tuple[np.ndarray, str]:
    test = fitkit.hypotest(model, data, mu, throw=False)
    values = np.where(test.converged, np.asarray(test.cls_expected), np.nan)
    return values, _no_cls(model, mu)


def _no_cls(model: fitkit.Model, mu: float) -> str:
    return f"a fit at {model.poi} = {mu:g} or without signal finds no minimum."


def _limit(model: fitkit.Model, data: fitkit.Data) -> tuple[np.ndarray, str]:
    limit = fitkit.upper_limit(model, data, throw=False)
    # The first is the observed one, of the background-only data; the band follows.
    converged = np.asarray(limit.converged)[1:]
    values = np.asarray(limit.expected)
    # Where CLs never falls to the level, the limit is infinite and no search failed.
    values = np.where(converged | np.isinf(values), values, np.nan)
    where = ", ".join(
        f"{sigma:+d} σ" if sigma else "the median"
        for sigma, value in zip(range(-2, 3), values, strict=True)
        if not np.isfinite(value)
    )
    return values, (
        f"for {where} CLs never falls to 5 %, or a fit finds no minimum. Uncertainties "
        "that grow with the signal as fast as itself leave no strength excluded."
    )


def _uncertainty(model: fitkit.Model, mu: float) -> tuple[np.ndarray, str]:
    sigma, why = poi_uncertainty(model, mu)
    return np.array([sigma]), why


def poi_uncertainty(model: fitkit.Model, mu: float) -> tuple[float, str]:
    """The expected σ of the signal strength, and why it is NaN if it is."""
    variance = float(poi_variance(model, mu))
    root = float(np.sqrt(variance)) if variance >= 0 else np.nan
    return root, (
        f"the variance of {model.poi!r} is {variance:.4g}: the model does not "
        "determine it and all other parameters. Is there signal in any bin, and does "
        "a channel determine every free normalisation?"
    )


def _significance(model: fitkit.Model, mu: float) -> tuple[np.ndarray, str]:
    return np.array([discovery_significance(model, mu)], float), (
        f"the fit without signal ({model.poi} = 0) finds no minimum."
    )
