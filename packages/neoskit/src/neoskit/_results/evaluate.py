"""The numbers one may quote: a frozen pipeline, hard bins, events it did not see.

Nothing here is differentiated, and recorded data are not looked at.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

import fitkit

from .._checks import check_count
from .._events import Dataset
from .._gradient import AnyObjective
from .._pipeline import AbstractPipeline
from .._systematics import NegativeBin, negative_bins
from .._templates import Templates
from .numbers import NUMBERS, Numbers, medians_of, numbers_of
from .sample_errors import sample_errors, soft_templates, values_of
from .thin_bins import ThinBin, thin_bins


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
        objectives: other objectives that were asked for, by name.
        errors: of each of `numbers` and `objectives` from the finite sample, the
            standard deviation over bootstrap replicas of the events; empty without
            replicas.
        replicas: how many there were.
        soft: `numbers` and `objectives` of smooth bins, as the training sees them;
            empty where they were not asked for.
        negative: bins of the templates that are below the measurement's `floor`, which
            the model raises to it.
        thin: bins with signal, whose background is known from fewer than ten simulated
            events; `merged_edges` merges such bins.
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
    objectives: dict[str, float] = field(default_factory=dict)
    errors: dict[str, float] = field(default_factory=dict)
    replicas: int = 0
    soft: dict[str, float] = field(default_factory=dict)
    negative: tuple[NegativeBin, ...] = ()
    thin: tuple[ThinBin, ...] = ()

    @property
    def smoothing_bias(self) -> dict[str, float]:
        """Soft minus hard: what the smoothing of bins does to each number."""
        hard = {**self.numbers, **self.objectives}
        return {name: value - hard[name] for name, value in self.soft.items()}

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
                f"  CLs                     {band(self.cls)}{self._error(0)}",
                f"  95 % upper limit        {band(self.upper_limit)}{self._error(1)}",
                f"  uncertainty of {self.model.poi:<9}{self.poi_uncertainty:.4g}"
                f"{self._error(2)}",
                f"  discovery significance  {self.significance:.4g} σ{self._error(3)}",
                *(f"  {name}  {value:.4g}" for name, value in self.objectives.items()),
                *(f"  no {name}: {why}" for name, why in self.missing.items()),
                *(f"  {one}" for one in (*self.negative, *self.thin)),
            )
        )

    def _error(self, number: int) -> str:
        error = self.errors.get(NUMBERS[number])
        return "" if error is None else f"  ± {error:.2g} of the sample"


def evaluate(
    pipeline: AbstractPipeline,
    dataset: Dataset,
    *,
    mu: float = 1.0,
    objectives: Mapping[str, AnyObjective] | None = None,
    replicas: int = 0,
    seed: int = 0,
    soft: bool = False,
    progress: bool | str = False,
) -> Evaluation:
    """The expected result of the measurement that a trained pipeline makes.

    Args:
        pipeline: trained; its bins are used as hard bins.
        dataset: events that it was not trained on (the second part of `split`; all
            events for a `CrossFit`).
        mu: the signal strength that is tested and assumed.
        objectives: what else to judge, by name; of the model, of the events, or a sum.
        replicas: bootstrap replicas of the events that the numbers' errors from the
            finite sample are of, each at the price of the medians; 0 leaves errors
            out. The relative error of an error is 1/√(2 replicas).
        seed: of the replicas.
        soft: whether the numbers of smooth bins are computed, too; their templates are
            compiled.
        progress: whether to show the replicas as they are judged.

    Returns:
        The numbers, each judged apart: one that does not exist costs none of the
        others.

    Raises:
        RuntimeError: float64 is off.
        ValueError: a bin has signal, but no background: what it promises is the luck
            of a small sample; or there is one replica.
    """
    fitkit.require_float64()
    if replicas:
        hint = "Their standard deviation is the error of a number; 0 leaves it out."
        check_count("evaluate(replicas=...)", replicas, least=2, hint=hint)
    objectives = {} if objectives is None else dict(objectives)
    templates = hard_templates(pipeline, dataset)
    model = pipeline.measurement.model(templates)
    numbers = numbers_of(model, mu)
    values, missing = values_of(objectives, model, pipeline, dataset)
    smooth: dict[str, float] = {}
    if soft:
        softened = pipeline.measurement.model(soft_templates(pipeline, dataset))
        smooth = medians_of(softened, mu).medians
        smooth |= values_of(objectives, softened, pipeline, dataset)[0]
    raw_counts = {
        channel: {name: np.asarray(counts) for name, counts in processes.items()}
        for channel, processes in pipeline.raw_counts(dataset).items()
    }
    return Evaluation(
        cls=numbers.cls,
        upper_limit=numbers.upper_limit,
        poi_uncertainty=numbers.poi_uncertainty,
        significance=numbers.significance,
        mu=mu,
        model=model,
        templates=templates,
        raw_counts=raw_counts,
        missing={**numbers.missing, **missing},
        objectives=values,
        errors=sample_errors(
            pipeline, dataset, mu, replicas, seed, objectives, progress
        ),
        replicas=replicas,
        soft=smooth,
        negative=negative_bins(templates, pipeline.measurement.floor),
        thin=thin_bins(templates, raw_counts, pipeline.measurement.signals),
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
