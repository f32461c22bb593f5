"""Observable → templates: expected events per bin, smooth or hard.

A template is a plain sum over events, so templates of chunks add up to the template
of all events. Floors and everything else that is not a sum come later, in the model.
"""

from collections.abc import Callable

import jax
import numpy as np

from .._custom_types import PerEvent, Yields
from .._events import Dataset, Process, SampleKey
from .._observable import AbstractObservable, Scored
from .binning import AbstractBinning, Counting
from .scoring import Scores, is_traced, scores
from .template import ProcessTemplates, Template, Templates


def templates(
    dataset: Dataset,
    observable: AbstractObservable,
    binning: AbstractBinning,
    *,
    hard: bool = False,
) -> Templates:
    """The template of every process and variation in every channel.

    Args:
        dataset: the events; counted channels give the sum of their weights.
        observable: scores the events of all other channels, all in one call.
        binning: fills what the observable returns.
        hard: whether selection and bins are those of a final measurement (no
            derivatives) or smooth.
    """
    scored = scores(dataset, observable, None if hard else binning.bandwidth.value)
    return fill_templates(dataset, scored, binning, hard=hard)


def fill_templates(
    dataset: Dataset, scored: Scores, binning: AbstractBinning, *, hard: bool = False
) -> Templates:
    """The templates of events that are scored already.

    Args:
        dataset: the events; counted channels give the sum of their weights.
        scored: what `scores` gives of them.
        binning: fills it.
        hard: as of `templates`.
    """
    # A counted channel has no observable, so its bandwidth plays no part.
    count = Counting().fill
    weights = {key: events.weights for key, events in dataset.samples()}
    done = {
        key: count(Scored(), each) for key, each in weights.items() if key not in scored
    }
    if hard:
        fill = _hard_filling(binning)
        done |= {key: fill(scored[key], weights[key]) for key in scored}
    else:
        # Samples that differ in their weights alone are filled together.
        together: dict[SampleKey, list[SampleKey]] = {}
        owners = dataset.features_of()
        for key in scored:
            together.setdefault(owners[key], []).append(key)
        filled = binning.fill_samples(
            [
                (scored[keys[0]], [weights[key] for key in keys])
                for keys in together.values()
            ]
        )
        for keys, each in zip(together.values(), filled, strict=True):
            done |= dict(zip(keys, each, strict=True))
    return {
        channel: {
            name: ProcessTemplates(
                done[SampleKey(channel, name, "")],
                {
                    shift: (
                        done[SampleKey(channel, name, f"{shift}:up")],
                        done[SampleKey(channel, name, f"{shift}:down")],
                    )
                    for shift in process.variations
                },
            )
            for name, process in processes.items()
        }
        for channel, processes in dataset.channels.items()
    }


def templates_of_counted(dataset: Dataset) -> Templates:
    """The templates of the channels that are only counted, whatever the observable."""
    return fill_templates(dataset.only(dataset.counted), {}, Counting(), hard=True)


def _hard_filling(
    binning: AbstractBinning,
) -> Callable[[Scored, PerEvent], Template]:
    """`fill_hard`, with NumPy's arrays of known events: nothing compiles for them."""

    def fill(scored: Scored, weights: PerEvent) -> Template:
        filled = binning.fill_hard(scored, weights)
        return filled if is_traced(filled) else jax.tree.map(np.asarray, filled)

    return fill


def raw_counts(
    dataset: Dataset, observable: AbstractObservable, binning: AbstractBinning
) -> dict[str, dict[str, Yields]]:
    """How many events with a positive weight each process has in each hard bin.

    The events that a signed background subtracts are no statistics that it has.
    """
    # The same filling with other weights, and no second way to count.
    ones = dataset.map(
        lambda _, events: events.with_weights((events.weights > 0) * 1.0)
    )
    filled = templates(ones, observable, binning, hard=True)
    return {
        channel: {name: process.nominal.yields for name, process in processes.items()}
        for channel, processes in filled.items()
    }


def observed_counts(
    dataset: Dataset, observable: AbstractObservable, binning: AbstractBinning
) -> dict[str, Yields]:
    """The recorded events of each channel in hard bins. This opens the data."""
    # As one process of the same channels: data are binned by the code of the templates.
    recorded = Dataset(
        {name: {"data": Process(events)} for name, events in dataset.observed.items()},
        tuple(name for name in dataset.counted if name in dataset.observed),
    )
    filled = templates(recorded, observable, binning, hard=True)
    return {
        channel: processes["data"].nominal.yields
        for channel, processes in filled.items()
    }
