"""The numbers one may quote: a frozen pipeline, hard bins, events it did not see.

Nothing here is differentiated, and recorded data are not looked at.
"""

from dataclasses import dataclass

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

import fitkit

from ._custom_types import Scalar, Yields
from ._events import Dataset
from ._objectives import discovery_significance, poi_variance
from ._pipeline import AbstractPipeline
from ._templates import Templates


@dataclass(frozen=True, repr=False)
class Evaluation:
    """The expected result of a measurement.

    Args:
        cls: expected CLs of the tested strength at −2, −1, 0, 1, 2 σ of background-only
            data; the middle one is the median.
        upper_limit: expected 95 % upper limit on the signal strength, the same band.
        poi_uncertainty: expected σ(μ) at the tested strength, from the covariance.
        significance: expected discovery significance of the tested strength, in σ.
        mu: the strength that is tested and assumed.
        model: the model of the hard templates.
        templates: the hard templates.
        raw_counts: events of positive weight per channel, process and bin.
    """

    cls: Float[np.ndarray, " 5"]
    upper_limit: Float[np.ndarray, " 5"]
    poi_uncertainty: float
    significance: float
    mu: float
    model: fitkit.Model
    templates: Templates
    raw_counts: dict[str, dict[str, Float[np.ndarray, " bins"]]]

    @property
    def numbers(self) -> dict[str, float]:
        """The four headline numbers by name."""
        return {
            "expected_cls": float(self.cls[2]),
            "upper_limit": float(self.upper_limit[2]),
            "poi_uncertainty": self.poi_uncertainty,
            "significance": self.significance,
        }

    def __repr__(self) -> str:
        def band(values: Float[np.ndarray, " 5"]) -> str:
            return f"{values[2]:.4g}  [{values[1]:.3g}, {values[3]:.3g}] 1 σ  " + (
                f"[{values[0]:.3g}, {values[4]:.3g}] 2 σ"
            )

        return "\n".join(
            (
                f"Expected result at {self.model.poi} = {self.mu:g}, hard bins",
                f"  CLs                     {band(self.cls)}",
                f"  95 % upper limit        {band(self.upper_limit)}",
                f"  uncertainty of {self.model.poi:<9}{self.poi_uncertainty:.4g}",
                f"  discovery significance  {self.significance:.4g} σ",
            )
        )


def evaluate(
    pipeline: AbstractPipeline, dataset: Dataset, *, mu: float = 1.0
) -> Evaluation:
    """The expected result of the measurement that a trained pipeline makes.

    Args:
        pipeline: trained; its bins are used as hard bins.
        dataset: events that it was not trained on (the second part of `split`; all
            events for a `CrossFit`).
        mu: the signal strength that is tested and assumed.

    Raises:
        RuntimeError: float64 is off, or the model does not determine its parameters.
        ValueError: a bin has signal, but no background: what it promises is the luck
            of a small sample.
        FitError: a fit finds no minimum.
    """
    fitkit.require_float64()
    templates = hard_templates(pipeline, dataset)
    model = pipeline.measurement.model(templates)
    variance, significance = _measured(model, jnp.asarray(mu, float))
    if not jnp.isfinite(variance + significance):
        raise RuntimeError(
            f"`evaluate`: σ({model.poi}) = √{float(variance):.4g}, significance "
            f"{float(significance):.4g}: the model does not determine "
            f"{model.poi!r} and all other parameters. Is there signal in any bin, and "
            "does a channel hold every free normalisation?"
        )
    background_only = fitkit.asimov_data(0.0, model)
    test = fitkit.hypotest(mu, model, background_only)
    limit = fitkit.upper_limit(model, background_only)
    return Evaluation(
        cls=np.asarray(test.cls_expected),
        upper_limit=np.asarray(limit.expected),
        poi_uncertainty=float(jnp.sqrt(variance)),
        significance=float(significance),
        mu=mu,
        model=model,
        templates=templates,
        raw_counts={
            channel: {name: np.asarray(counts) for name, counts in processes.items()}
            for channel, processes in _raw_counts(pipeline, dataset).items()
        },
    )


def hard_templates(pipeline: AbstractPipeline, dataset: Dataset) -> Templates:
    """Hard templates, checked to have background wherever there is signal.

    Raises:
        ValueError: naming channel and bin.
    """
    filled = _hard_templates(pipeline, dataset)
    measurement = pipeline.measurement
    for channel, processes in filled.items():
        background, signal = (
            np.sum(
                [
                    np.maximum(process.nominal.yields, measurement.floor)
                    for name, process in processes.items()
                    if (name in measurement.signals) is wanted
                ],
                axis=0,
            )
            for wanted in (False, True)
        )
        empty = np.flatnonzero((background <= 0) & (signal > 0))
        if empty.size:
            raise ValueError(
                f"Channel {channel!r}, bin {empty[0]}: {signal[empty[0]]:.3g} signal "
                "events and no background, a promise that only a small sample makes. "
                "Merge bins (`pipeline.with_edges(merged_edges(pipeline, dataset))`), "
                "use fewer, or state a smallest yield with `Measurement(floor=...)`."
            )
    return filled


@eqx.filter_jit
def _hard_templates(pipeline: AbstractPipeline, dataset: Dataset) -> Templates:
    return pipeline.hard_templates(dataset)


@eqx.filter_jit
def _raw_counts(
    pipeline: AbstractPipeline, dataset: Dataset
) -> dict[str, dict[str, Yields]]:
    return pipeline.raw_counts(dataset)


@eqx.filter_jit
def _measured(model: fitkit.Model, mu: Scalar) -> tuple[Scalar, Scalar]:
    return poi_variance(model, mu), discovery_significance(model, mu)
