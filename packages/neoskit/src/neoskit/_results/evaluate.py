"""The numbers one may quote: a frozen pipeline, hard bins, events it did not see.

Nothing here is differentiated, and recorded data are not looked at.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

import fitkit

from .._events import Dataset
from .._pipeline import AbstractPipeline
from .._templates import Templates
from .numbers import Numbers, numbers_of


@dataclass(frozen=True, repr=False)
class Evaluation:
    """The expected result of a measurement.

    A number that does not exist is NaN, or infinite for a limit; `missing` says why.

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
        missing: for each of `numbers` of which a part does not exist, why.
    """

    cls: Float[np.ndarray, " 5"]
    upper_limit: Float[np.ndarray, " 5"]
    poi_uncertainty: float
    significance: float
    mu: float
    model: fitkit.Model
    templates: Templates
    raw_counts: dict[str, dict[str, Float[np.ndarray, " bins"]]]
    missing: dict[str, str]

    @property
    def numbers(self) -> dict[str, float]:
        """The four headline numbers by name."""
        return Numbers(
            self.cls, self.upper_limit, self.poi_uncertainty, self.significance
        ).medians

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
                *(f"  no {name}: {why}" for name, why in self.missing.items()),
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

    Returns:
        The numbers, each judged apart: one that does not exist costs none of the
        others.

    Raises:
        RuntimeError: float64 is off.
        ValueError: a bin has signal, but no background: what it promises is the luck
            of a small sample.
    """
    fitkit.require_float64()
    templates = hard_templates(pipeline, dataset)
    model = pipeline.measurement.model(templates)
    numbers = numbers_of(model, mu)
    return Evaluation(
        cls=numbers.cls,
        upper_limit=numbers.upper_limit,
        poi_uncertainty=numbers.poi_uncertainty,
        significance=numbers.significance,
        mu=mu,
        model=model,
        templates=templates,
        raw_counts={
            channel: {name: np.asarray(counts) for name, counts in processes.items()}
            for channel, processes in pipeline.raw_counts(dataset).items()
        },
        missing=numbers.missing,
    )


def hard_templates(pipeline: AbstractPipeline, dataset: Dataset) -> Templates:
    """Hard templates, checked to have background wherever there is signal.

    Raises:
        ValueError: naming channel and bin.
    """
    # Checked here and not in the model: in a training such a bin is allowed, the smooth
    # templates of all events reach into it.
    filled = pipeline.hard_templates(dataset)
    measurement = pipeline.measurement
    for channel, processes in filled.items():
        background, signal = (
            np.sum(
                [
                    # As the model sees them, with the floor.
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
