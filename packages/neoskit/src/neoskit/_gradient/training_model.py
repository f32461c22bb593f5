"""Templates → the model that an objective sees while it is trained.

A network finds the corner of a bin that a small sample left empty: with a dozen
numbers that are free it makes a training CLs of 1e-13. What keeps it honest belongs to
the training alone, never to a number that is quoted.
"""

from typing import Literal, final

import equinox as eqx
import numpy as np

import fitkit

from .._custom_types import Scalar
from .._events import Dataset, Events, StoredDataset, StoredSample
from .._statmodel import Measurement
from .._templates import ProcessTemplates, Template, Templates

PseudoEvents = dict[str, dict[str, Scalar]]
"""Channel → process → expected events that are added to each bin."""


def pseudo_events(
    dataset: Dataset | StoredDataset, signals: tuple[str, ...], number: float = 1.0
) -> PseudoEvents:
    r"""How much a few further events of each background process would be, per bin.

    $$\kappa\,\bar w_p, \qquad
      \bar w_p = \frac{\sum w^2}{\sum |w|}$$

    over the nominal events of a background process in a scored channel: $\kappa$
    events of its mean weight. Signal gets none, nor do counted channels.

    Args:
        dataset: the events that are trained on.
        signals: names of the signal processes.
        number: $\kappa$, how many events.
    """

    def mean_weight(events: Events | StoredSample) -> Scalar:
        if isinstance(events, StoredSample):
            return np.asarray(events.sums.mean_weight)
        weights = np.asarray(events.weights)
        return (weights**2).sum() / np.abs(weights).sum()

    return {
        channel: {
            name: number * mean_weight(process.nominal)
            for name, process in dataset.channels[channel].items()
            if name not in signals
        }
        for channel in dataset.scored
    }


def with_pseudo_events(templates: Templates, added: PseudoEvents) -> Templates:
    """The templates with events added to every bin, of variations too.

    The variance of the nominal template grows by the square of what is added to it.
    """

    def more(template: Template, weight: Scalar) -> Template:
        return Template(template.yields + weight, template.variance + weight**2)

    def of_process(process: ProcessTemplates, weight: Scalar) -> ProcessTemplates:
        return ProcessTemplates(
            more(process.nominal, weight),
            {
                name: (more(up, weight), more(down, weight))
                for name, (up, down) in process.variations.items()
            },
        )

    return {
        channel: {
            name: of_process(process, added[channel][name])
            if name in added.get(channel, {})
            else process
            for name, process in processes.items()
        }
        for channel, processes in templates.items()
    }


@final
class TrainingModel(eqx.Module):
    """Makes the model that an objective sees of the templates of a training step.

    Args:
        measurement: what is measured.
        added: pseudo-events, from `pseudo_events`; none if empty.
        counted: templates of the channels that no step changes, besides those that it
            is called with.
        statistics: of the finite samples, as of `Measurement.model`.
        nuisances_fixed: whether all parameters but the one of interest are fixed, as
            in the first steps of a training.
    """

    measurement: Measurement
    added: PseudoEvents = eqx.field(default_factory=dict)
    counted: Templates = eqx.field(default_factory=dict)
    statistics: Literal["parameters", "profiled"] = eqx.field(
        static=True, default="parameters"
    )
    nuisances_fixed: bool = eqx.field(static=True, default=False)

    def __call__(self, templates: Templates) -> fitkit.Model:
        """The model."""
        templates = {**with_pseudo_events(templates, self.added), **self.counted}
        if not self.nuisances_fixed:
            return self.measurement.model(templates, statistics=self.statistics)
        model = self.measurement.without_mc_statistics().model(templates)
        return model.with_fixed(
            *(name for name in model.parameter_names if name != model.poi)
        )
