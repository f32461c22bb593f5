"""Bins merged until their content is trustworthy, before any number is quoted.

A network finds the corner of its output that a small simulated sample happened to
leave empty; there a bin promises a sensitivity that is not real. Merging by a rule
that is fixed beforehand, from the background expectation alone, takes that away.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from .._custom_types import Edges, Yields
from .._events import Dataset, Process
from .._pipeline import AbstractPipeline
from .._templates import Templates


class Background(NamedTuple):
    """What stands behind the background expectation, per bin of one channel."""

    yields: Float[np.ndarray, " bins"]
    variance: Float[np.ndarray, " bins"]
    raw: Float[np.ndarray, " bins"]

    @property
    def error(self) -> Float[np.ndarray, " bins"]:
        """Relative statistical error of the expectation; infinite if not positive."""
        # A negative expectation (signed weights) is no better than none.
        positive = self.yields > 0
        return np.where(
            positive,
            np.sqrt(self.variance) / np.where(positive, self.yields, 1),
            np.inf,
        )

    def bin(self, low: int, high: int | None) -> "Background":
        """The same for one bin made of those from `low` up to, without, `high`."""
        return Background(*(part[low:high].sum() for part in self))


def background_statistics(
    pipeline: AbstractPipeline, dataset: Dataset
) -> dict[str, Background]:
    """Yield, Σ w² and raw events of the total background, per channel and hard bin.

    Raw events are those with a positive weight: the events that a signed background
    subtracts are no statistics that it has.

    Args:
        pipeline: trained or not; its bins are filled as hard ones.
        dataset: the events.
    """
    templates, raw = _filled(pipeline, dataset)
    statistics = {}
    for channel, processes in templates.items():
        names = [n for n in processes if n not in pipeline.measurement.signals]
        nominal = [processes[name].nominal for name in names]
        statistics[channel] = Background(
            np.sum([np.asarray(template.yields) for template in nominal], axis=0),
            np.sum([np.asarray(template.variance) for template in nominal], axis=0),
            np.sum([np.asarray(raw[channel][name]) for name in names], axis=0),
        )
    return statistics


def _filled(
    pipeline: AbstractPipeline, dataset: Dataset
) -> tuple[Templates, dict[str, dict[str, Yields]]]:
    """Hard templates and raw events, of the nominal samples alone."""
    # The variations would be scored for nothing: the rule looks at the nominal alone.
    if not isinstance(dataset, Dataset):
        nominal = dataset.nominal()
        return pipeline.hard_templates(nominal), pipeline.raw_counts(nominal)
    nominal = Dataset(
        {
            channel: {name: Process(p.nominal) for name, p in processes.items()}
            for channel, processes in dataset.channels.items()
        },
        dataset.counted,
    )
    return pipeline.hard_templates(nominal), pipeline.raw_counts(nominal)


def merged_edges(
    pipeline: AbstractPipeline,
    dataset: Dataset,
    *,
    largest_error: float = 0.2,
    raw_events: int = 10,
) -> Edges:
    """Bin edges with neighbouring bins merged until each has enough background.

    From the highest bin, where the signal is, downwards: a bin takes in its neighbour
    until it fulfils the rule in every scored channel; what remains at the low end
    joins the last one that does. Only the nominal background expectation is looked at,
    never signal or data.

    Args:
        pipeline: Scores the events, with the bins to begin with.
        dataset: All events that the final templates are made of.
        largest_error: Largest relative statistical error of the total background in
            a bin. 20 % is where the Gaussian constraint of a bin's MC statistics
            begins to be far from the Poisson truth.
        raw_events: Fewest background events of positive weight in a bin.

    Returns:
        The edges that are left, for `pipeline.with_edges`.

    Raises:
        ValueError: Not even a single bin over the whole range fulfils the rule.
    """
    statistics = background_statistics(pipeline, dataset)
    # All scored channels share one observable, and so one set of bins.
    scored = {name: statistics[name] for name in dataset.scored}
    positions = merged_bins(
        list(scored.values()), largest_error=largest_error, raw_events=raw_events
    )
    if positions is None:
        whole = "; ".join(
            f"{name}: error {b.error:.0%}, {b.raw:.0f} raw events"
            for name, b in ((name, b.bin(0, None)) for name, b in scored.items())
        )
        raise ValueError(
            "`merged_edges`: all bins together do not have a relative error of the "
            f"background below {largest_error:.0%} and {raw_events} raw events "
            f"({whole}). Simulate more events or loosen the rule."
        )
    return np.asarray(pipeline.edges)[positions]


def merged_bins(
    channels: Sequence[Background], *, largest_error: float, raw_events: int
) -> list[int] | None:
    """The rule of `merged_edges` on the backgrounds of channels that share bins.

    Returns:
        Positions of the edges that remain, or `None` if one bin of all does not do.
    """

    def enough(low: int, high: int) -> bool:
        bins = [background.bin(low, high) for background in channels]
        return all(b.error < largest_error and b.raw >= raw_events for b in bins)

    # From the top, where the signal is: the bins with most of it are merged least.
    count = len(channels[0].yields)
    edges = [count]
    for low in reversed(range(count)):
        if enough(low, edges[-1]):
            edges.append(low)
    # What is left over at the low end joins the lowest bin, which may then fail.
    while len(edges) > 1:
        edges.pop()
        if enough(0, edges[-1]):
            return [0, *reversed(edges)]
    return None
