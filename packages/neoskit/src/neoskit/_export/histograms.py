"""Hard templates → histograms, as ROOT and as the JSON of UHI."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .._events import Dataset
from .._pipeline import AbstractPipeline
from .._results.evaluate import hard_templates
from .._templates import Template

if TYPE_CHECKING:
    import hist


def histograms(pipeline: AbstractPipeline, dataset: Dataset) -> "dict[str, hist.Hist]":
    """The hard template of every process and variation as a histogram of `hist`.

    They are sums of weights with Σw² as variances: what the events are, before the
    measurement raises bins to its floor or treats a variation. Needs the extra
    `neoskit[export]`.

    Args:
        pipeline: trained.
        dataset: the events that the templates are made of.

    Returns:
        By the names that combine's cards use: `CHANNEL/PROCESS` for the nominal
        template, `CHANNEL/PROCESS_SYSTEMATICUp` and `…Down` for a variation. The axis
        has the edges of the observable where it has edges, numbers of bins elsewhere.

    Raises:
        RuntimeError: `hist` is not installed.
        ValueError: a bin has signal, but no background; or two templates would have
            one name.

    Example:
        >>> import jax
        >>> from neoskit import Binning, Measurement, NeuralObservable, Pipeline
        >>> from neoskit import gaussian_blobs, histograms
        >>> jax.config.update("jax_enable_x64", True)
        >>> pipeline = Pipeline(
        ...     NeuralObservable(2, (8,), key=jax.random.key(0)),
        ...     Binning([0.0, 0.5, 1.0]),
        ...     Measurement(("signal",), floor=1e-3),
        ... )
        >>> made = histograms(pipeline, gaussian_blobs(100))
        >>> list(made)[:3]
        ['SR/signal', 'SR/background', 'SR/background_shapeUp']
    """
    _required("hist")
    import hist

    made: dict[str, hist.Hist] = {}
    for name, channel, template in _templates(pipeline, dataset):
        if name in made:
            raise ValueError(
                f"`histograms`: two templates would be called {name!r}. Rename the "
                "process or the systematic of which this is made."
            )
        scored = pipeline.binned and channel not in dataset.counted
        numbers = np.arange(len(template.yields) + 1.0)
        edges = np.asarray(pipeline.edges) if scored else numbers
        axis = hist.axis.Variable(
            edges,
            name="observable" if scored else "bin",
            underflow=False,
            overflow=False,
        )
        filled = hist.Hist(axis, storage=hist.storage.Weight(), name=name)
        filled[...] = np.stack([template.yields, template.variance], axis=-1)
        made[name] = filled
    return made


def export_root(path: str | Path, pipeline: AbstractPipeline, dataset: Dataset) -> Path:
    """Write the `histograms` as TH1D with their Sumw2, a folder for each channel.

    Args:
        path: the ROOT file; replaced if it exists.
        pipeline: trained.
        dataset: the events that the templates are made of.

    Returns:
        The path.

    Raises:
        RuntimeError: uproot is not installed (the extra `neoskit[export]`).
        ValueError: as `histograms`.
    """
    _required("uproot")
    import uproot

    made = histograms(pipeline, dataset)
    with uproot.recreate(path) as file:
        for name, filled in made.items():
            file[name] = filled
    return Path(path)


def export_uhi(path: str | Path, pipeline: AbstractPipeline, dataset: Dataset) -> Path:
    """Write the `histograms` by name as JSON in the schema of UHI.

    Args:
        path: the JSON file; replaced if it exists.
        pipeline: trained.
        dataset: the events that the templates are made of.

    Returns:
        The path.

    Raises:
        RuntimeError: uhi is not installed (the extra `neoskit[export]`).
        ValueError: as `histograms`.

    References:
        uhi.readthedocs.io, "Serialization", schema 1.
    """
    _required("uhi")
    import uhi.io.json

    text = json.dumps(
        histograms(pipeline, dataset), default=uhi.io.json.default, indent=1
    )
    Path(path).write_text(text + "\n", encoding="utf-8")
    return Path(path)


def _templates(
    pipeline: AbstractPipeline, dataset: Dataset
) -> Iterator[tuple[str, str, Template]]:
    """Name, channel and template of every nominal sample and variation."""
    for channel, processes in hard_templates(pipeline, dataset).items():
        for process, templates in processes.items():
            yield f"{channel}/{process}", channel, templates.nominal
            for systematic, (up, down) in templates.variations.items():
                yield f"{channel}/{process}_{systematic}Up", channel, up
                yield f"{channel}/{process}_{systematic}Down", channel, down


def _required(package: str) -> None:
    import importlib.util

    if importlib.util.find_spec(package) is None:
        raise RuntimeError(
            f"histograms need `{package}`. Install it with: pip install "
            "'neoskit[export]'."
        )
