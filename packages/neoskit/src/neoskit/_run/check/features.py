"""Features that say nothing, or say something else than they seem to."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..config import FilesTable, RunConfig
from .feature import MOST_SENTINELS, USUAL, FeatureSummary
from .findings import Finding

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


def features(
    config: RunConfig,
    found: Mapping[str, FeatureSummary],
    indicators: Mapping[str, str],
) -> tuple[FeatureRow, ...]:
    """The table of features.

    Args:
        config: the description.
        found: each feature.
        indicators: feature → the one that tells where it is missing.
    """
    return tuple(
        FeatureRow(
            name,
            of.low,
            of.mean,
            of.deviation,
            of.high,
            found[indicators[name]].mean if name in indicators else None,
        )
        for name, of in found.items()
    )


def of_features(
    config: RunConfig, found: Mapping[str, FeatureSummary], known: Mapping[str, str]
) -> Iterator[Finding]:
    """What is odd about the features."""
    for name, of in found.items():
        where = f"feature {name!r}"
        if of.low == of.high:
            text = f"It is {of.low:g} in all {of.count} events: leave it out."
            yield Finding("warning", "constant feature", where, text)
            continue
        for value in sentinels(of):
            share, neutral = of.share(value), of.median_without(value)
            yield Finding(
                "warning",
                "sentinel value",
                where,
                f"{value:g} in {share:.1%} of the events is apart from all other "
                "values, and looks like a missing one. "
                + _remedy(config, name, value, neutral, known),
            )
    if not getattr(config.observable, "standardise", True) and found:
        deviations = {name: of.deviation for name, of in found.items()}
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


def sentinels(feature: FeatureSummary) -> list[float]:
    """Values of a feature that look like "there is none".

    Smallest or largest values that some events share exactly, that programs use for
    this, and that are apart from all others.
    """
    found: list[float] = []
    distinct = feature.ends
    # One may hide another behind it: -999 for no jet, -99 for one.
    for _ in range(MOST_SENTINELS):
        if len(distinct) < 3:
            break
        for end, nearest, far in ((0, 1, -1), (-1, -2, 0)):
            value = float(distinct[end])
            spread = abs(float(distinct[far]) - float(distinct[nearest]))
            apart = abs(value - float(distinct[nearest])) > _APART * spread
            if value in USUAL and feature.share(value) > _LEAST_SHARE and apart:
                found.append(value)
                distinct = distinct[distinct != distinct[end]]
                break
        else:
            break
    return found
