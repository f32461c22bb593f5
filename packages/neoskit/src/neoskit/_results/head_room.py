"""How much there is to win: what the systematic uncertainties cost a measurement.

An observable that avoided every systematic uncertainty, and lost nothing by it, would
reach σ(μ) without them. Where that is hardly smaller than σ(μ) with them, no training
on the result of the measurement can beat a classifier by more than the luck of its
seed.
"""

from dataclasses import dataclass

import numpy as np

import fitkit

from .._events import Dataset
from .._pipeline import AbstractPipeline
from .numbers import poi_uncertainty

MC_STATISTICS = "MC statistics"
"""The name of the group of the uncertainties of finite samples."""


@dataclass(frozen=True)
class HeadRoom:
    """σ of the signal strength with all uncertainties, without some and without any.

    Args:
        poi_uncertainty: with all.
        statistical: with all other parameters fixed and without MC statistics.
        without: with all but the uncertainties of one group: a systematic, or
            `"MC statistics"`.
    """

    poi_uncertainty: float
    statistical: float
    without: dict[str, float]

    @property
    def ratio(self) -> float:
        """σ with all uncertainties over σ without any; at least 1."""
        return self.poi_uncertainty / self.statistical

    @property
    def costs(self) -> dict[str, float]:
        """For each group σ with all uncertainties over σ without it, largest first."""
        costs = {
            name: self.poi_uncertainty / sigma for name, sigma in self.without.items()
        }
        return dict(sorted(costs.items(), key=lambda item: -item[1]))

    def __repr__(self) -> str:
        lines = [
            f"σ(μ) {self.poi_uncertainty:.4g} with all uncertainties, "
            f"{self.statistical:.4g} without: head-room {self.ratio:.3g}"
        ]
        lines += [f"  {name}  {cost:.3g}" for name, cost in self.costs.items()]
        return "\n".join(lines)


def head_room(
    pipeline: AbstractPipeline, dataset: Dataset, *, mu: float = 1.0
) -> HeadRoom:
    """What the uncertainties cost the measurement of a trained pipeline.

    Args:
        pipeline: trained, as a classifier; its bins are used as hard bins.
        dataset: events that it was not trained on.
        mu: the signal strength that is assumed.

    Raises:
        RuntimeError: float64 is off.
        ValueError: the model does not determine the signal strength.
    """
    fitkit.require_float64()
    templates = pipeline.hard_templates(dataset)
    model = pipeline.measurement.model(templates)
    plain = pipeline.measurement.without_mc_statistics().model(templates)
    total = _uncertainty(model, mu)
    systematics = [
        name
        for name in plain.parameter_names
        if name != model.poi and not np.all(plain.parameters[name].fixed)
    ]
    without = {name: _uncertainty(model.with_fixed(name), mu) for name in systematics}
    if pipeline.measurement.mc_statistics:
        without[MC_STATISTICS] = _uncertainty(plain, mu)
    return HeadRoom(total, _uncertainty(plain.with_fixed(*systematics), mu), without)


def _uncertainty(model: fitkit.Model, mu: float) -> float:
    sigma, why = poi_uncertainty(model, mu)
    if not np.isfinite(sigma):
        raise ValueError(f"`head_room`: {why}")
    return float(sigma)
