"""Hard templates → workspace: the document that others check with their own tools."""

from pathlib import Path

import fitkit

from .._events import Dataset
from .._pipeline import AbstractPipeline
from .._results.evaluate import hard_templates


def export_workspace(
    path: str | Path,
    pipeline: AbstractPipeline,
    dataset: Dataset,
    *,
    unblind: bool = False,
) -> Path:
    """Write the pipeline's measurement as a pyhf workspace of hard bins.

    Args:
        path: the JSON file; replaced if it exists.
        pipeline: trained.
        dataset: the events that the templates are made of.
        unblind: whether the observations are the recorded events. By default they are
            the background-only expectation, and recorded events are not looked at.

    Returns:
        The path.

    Raises:
        RuntimeError: float64 is off.
        ValueError: a bin has signal, but no background; or `unblind` without recorded
            events in every channel.
    """
    fitkit.require_float64()
    model = pipeline.measurement.model(hard_templates(pipeline, dataset))
    fitkit.write_workspace(path, model, data(pipeline, dataset, model, unblind=unblind))
    return Path(path)


def data(
    pipeline: AbstractPipeline,
    dataset: Dataset,
    model: fitkit.Model,
    *,
    unblind: bool = False,
) -> fitkit.Data:
    """What the model is confronted with: its background-only expectation, or the data.

    Raises:
        ValueError: `unblind` without recorded events in every channel.
    """
    if not unblind:
        return fitkit.asimov_data(model, 0.0)
    # A channel without data would be fitted as one that was observed to be empty.
    missing = [name for name in dataset.channels if name not in dataset.observed]
    if missing:
        raise ValueError(
            f"There are no recorded events for the channels {', '.join(missing)}. Give "
            "them as `Dataset(observed={channel: events})`."
        )
    return model.data(pipeline.observed(dataset))
