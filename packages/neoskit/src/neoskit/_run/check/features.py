"""Features that say nothing, or say something else than they seem to."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..config import FilesTable, RunConfig
from .findings import Finding
from .yields import Samples

# By which programs say that there is no such value.
_USUAL = (-99999, -9999, -1000, -999, -99, -10, -9, -7, -5, -1, 99, 999, 9999, 99999)
_LEAST_SHARE = 0.001
# A value apart from all others by this part of their spread is no value of theirs.
_APART = 0.5
_UNEQUAL_SCALES = 50.0


@dataclass(frozen=True)
class FeatureRow:
    """One feature, over all nominal events of the scored channels.

    Args:
        name: which.
        low: smallest value.
        mean: of all.
        deviation: standard deviation.
        high: largest value.
        missing: share of the events in which it is missing; `None` where nothing says
            how that is marked.
    """

    name: str
    low: float
    mean: float
    deviation: float
    high: float
    missing: float | None


def nominal_features(
    samples: Samples, scored: Sequence[str], names: Sequence[str]
) -> dict[str, np.ndarray]:
    """Feature → its values in all nominal events of the scored channels."""
    arrays = [
        np.asarray(events.features)
        for key, events in samples.items()
        if not key.shift and key.channel in scored and len(events)
    ]
    if not arrays:
        return {}
    return dict(zip(names, np.concatenate(arrays).T, strict=True))


def features(
    config: RunConfig, values: Mapping[str, np.ndarray], indicators: Mapping[str, str]
) -> tuple[FeatureRow, ...]:
    """The table of features.

    Args:
        config: the description.
        values: of each feature.
        indicators: feature → the one that tells where it is missing.
    """
    return tuple(
        FeatureRow(
            name,
            float(of.min()),
            float(of.mean(dtype=np.float64)),
            float(of.std(dtype=np.float64)),
            float(of.max()),
            float(values[indicators[name]].mean()) if name in indicators else None,
        )
        for name, of in values.items()
    )


def of_features(
    config: RunConfig, values: Mapping[str, np.ndarray], known: Mapping[str, str]
) -> Iterator[Finding]:
    """What is odd about the features."""
    for name, of in values.items():
        where = f"feature {name!r}"
        if of.min() == of.max():
            text = f"It is {of[0]:g} in all {len(of)} events: leave it out."
            yield Finding("warning", "constant feature", where, text)
            continue
        for value in sentinels(of):
            share = float((of == np.float32(value)).mean())
            rest = of[of != np.float32(value)]
            neutral = float(np.median(rest))
            yield Finding(
                "warning",
                "sentinel value",
                where,
                f"{value:g} in {share:.1%} of the events is apart from all other "
                "values, and looks like a missing one. "
                + _remedy(config, name, value, neutral, known),
            )
    if not getattr(config.observable, "standardise", True) and values:
        deviations = {name: float(of.std()) for name, of in values.items()}
        wide = max(deviations, key=lambda name: deviations[name])
        if deviations[wide] > _UNEQUAL_SCALES:
            yield Finding(
                "note",
                "unequal scales",
                f"feature {wide!r}",
                f"Its standard deviation is {deviations[wide]:.3g}; a network learns "
                "faster from features of unit scale: `observable.standardise = true`.",
            )


def _remedy(
    config: RunConfig, name: str, value: float, neutral: float, known: Mapping[str, str]
) -> str:
    if not isinstance(config.source, FilesTable):
        return "Put a neutral value there and add a feature that says so."
    if name in known:
        return f"Add it to `source.missing.{name}.values`."
    return (
        f"`source.missing.{name} = {{ values = {value:g}, neutral = {neutral:.4g} }}` "
        "puts a neutral value there and adds a feature that says so."
    )


def sentinels(values: np.ndarray) -> list[float]:
    """Values of a feature that look like "there is none".

    Smallest or largest values that some events share exactly, that programs use for
    this, and that are apart from all others.
    """
    found: list[float] = []
    rest = values
    # One may hide another behind it: -999 for no jet, -99 for one.
    for _ in range(3):
        distinct = np.unique(rest)
        if len(distinct) < 3:
            break
        for end, nearest, far in ((0, 1, -1), (-1, -2, 0)):
            value = float(distinct[end])
            share = float((values == distinct[end]).mean())
            spread = abs(float(distinct[far]) - float(distinct[nearest]))
            apart = abs(value - float(distinct[nearest])) > _APART * spread
            if value in _USUAL and share > _LEAST_SHARE and apart:
                found.append(value)
                rest = rest[rest != distinct[end]]
                break
        else:
            break
    return found
