"""The channels of an HS3 likelihood with their counts, and its other terms."""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple, final

import numpy as np

from ..._histfactory.problem import Key, written
from ..._workspace.error import WorkspaceError
from .document import Chosen, Hs3Document
from .schema import (
    Axis,
    BinnedData,
    DataPart,
    HistFactoryPart,
    UnbinnedData,
    parsed,
)

_PREFIX = "model_"


@final
class ChannelPart(NamedTuple):
    """One channel.

    Attributes:
        name: that of its distribution, without ROOT's `model_` where all have it.
        where: the place of the distribution.
        content: its samples.
        counts: what was observed.
    """

    name: str
    where: tuple[Key, ...]
    content: HistFactoryPart
    counts: np.ndarray

    @property
    def bins(self) -> int:
        """The number of bins."""
        return len(self.content.samples[0].data.contents)


@final
class Term(NamedTuple):
    """A distribution of one number: a constraint with its measurement.

    Attributes:
        name: of the distribution.
        asked: which place names it.
        observed: what was measured, None where the distribution says it.
    """

    name: str
    asked: str
    observed: float | None


def parts_of(
    document: Hs3Document, about: Chosen
) -> tuple[list[ChannelPart], list[Term]]:
    """The channels of a likelihood, and its other terms.

    Raises:
        WorkspaceError: for a distribution or data that cannot be read.
    """
    channels, terms = [], []
    likelihood = about.likelihood
    pairs = zip(likelihood.distributions, likelihood.data, strict=True)
    for number, (name, data) in enumerate(pairs):
        asked = written(*about.where, "distributions", number)
        key, raw = document.found("distributions", name, asked)
        of_data = written(*about.where, "data", number)
        kind = raw.get("type")
        if kind != "histfactory_dist":
            terms.append(Term(name, asked, _number(document, data, of_data)))
            continue
        if not isinstance(data, str):
            raise WorkspaceError(
                f"{of_data}: a channel needs data by name; got {data!r}. Name binned "
                "data."
            )
        content: HistFactoryPart = parsed(HistFactoryPart, raw, "distributions", key)
        where = ("distributions", key)
        bins = _checked_bins(content, where)
        counts = _counts(document, data, of_data, content.axes, bins)
        channels.append(ChannelPart(name, where, content, counts))
    if not channels:
        raise WorkspaceError(
            f"{written(*about.where, 'distributions')}: none is a histfactory_dist. "
            "Other models are not read."
        )
    terms += [
        Term(name, written(*about.where, "aux_distributions", number), None)
        for number, name in enumerate(likelihood.aux_distributions)
    ]
    # ROOT's prefix, which its own names of channels do not have.
    if all(each.name.startswith(_PREFIX) for each in channels):
        stripped = [each.name.removeprefix(_PREFIX) for each in channels]
        if all(stripped):
            channels = [
                each._replace(name=name)
                for each, name in zip(channels, stripped, strict=True)
            ]
    return channels, terms


def _number(document: Hs3Document, data: str | float, asked: str) -> float | None:
    """The one number that a term has as data; None where they are given by name."""
    if not isinstance(data, str):
        return data
    _, raw = document.found("data", data, asked)
    value = raw.get("value") if raw.get("type") == "point" else None
    if isinstance(value, bool) or not isinstance(value, int | float | None):
        value = None
    if value is None or not math.isfinite(value):
        raise WorkspaceError(
            f"{asked}: {data!r} is no point data with a finite `value`, which a "
            "distribution of one number needs. Give the number itself."
        )
    return float(value)


def _checked_bins(content: HistFactoryPart, where: tuple[Key, ...]) -> int:
    bins = len(content.samples[0].data.contents)
    for number, axis in enumerate(content.axes):
        if _bins_of(axis) is None:
            raise WorkspaceError(
                f"{written(*where, 'axes', number)}: needs `nbins`, or `edges`. Add it."
            )
    expected = math.prod(_bins_of(axis) or 1 for axis in content.axes)
    if content.axes and expected != bins:
        raise WorkspaceError(
            f"{written(*where, 'samples', 0, 'data', 'contents')}: has {bins} numbers, "
            f"but the axes have {expected} bins. Give one number for each."
        )
    return bins


def _edges_of(axis: Axis) -> list[float] | None:
    return axis.edges if axis.edges is not None else axis.bounds


def _bins_of(axis: Axis) -> int | None:
    edges = _edges_of(axis)
    return axis.nbins if edges is None else len(edges) - 1


def _counts(
    document: Hs3Document, name: str, asked: str, axes: Sequence[Axis], bins: int
) -> np.ndarray:
    """The observed counts of a channel."""
    key, raw = document.found("data", name, asked)
    part: BinnedData | UnbinnedData = parsed(DataPart, raw, "data", key)
    if isinstance(part, BinnedData):
        counts = np.asarray(part.contents, dtype=float)
    else:
        counts = _binned(part, axes, "data", key)
    if counts.shape != (bins,):
        raise WorkspaceError(
            f"{written('data', key, 'contents')}: has {counts.size} counts, but the "
            f"channel has {bins} bins. Give one count for each."
        )
    if not (counts >= 0).all():
        first = int(np.argmax(~(counts >= 0)))
        raise WorkspaceError(
            f"{written('data', key, 'contents', first)}: got {counts[first]:g}, but "
            "counts are not negative. Correct it."
        )
    return counts


def _binned(part: UnbinnedData, axes: Sequence[Axis], *where: Key) -> np.ndarray:
    """Counts of entries with weights: how ROOT writes what it holds as a data set."""
    if len(axes) != 1:
        raise WorkspaceError(
            f"{written(*where)}: unbinned data are read for channels with one axis; "
            f"this one has {len(axes)}. Bin the data."
        )
    (axis,) = axes
    edges = _edges_of(axis)
    if edges is None:
        if axis.min is None or axis.max is None or not axis.min < axis.max:
            raise WorkspaceError(
                f"{written(*where)}: the channel's axis needs `min` below `max`, for "
                "the data are unbinned. Add both."
            )
        edges = np.linspace(axis.min, axis.max, (axis.nbins or 1) + 1).tolist()
    if not all(a < b for a, b in itertools.pairwise(edges)):
        raise WorkspaceError(
            f"{written(*where)}: the channel's edges must rise. Sort them."
        )
    values = [entry[0] for entry in part.entries]
    weights = part.weights
    if weights is not None and len(weights) != len(values):
        raise WorkspaceError(
            f"{written(*where, 'weights')}: has {len(weights)} numbers for "
            f"{len(values)} entries. Give one for each."
        )
    return np.histogram(values, edges, weights=weights)[0].astype(float)
