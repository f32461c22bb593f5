"""Is one way of training better than another? The paired answer, with its errors.

Both ways are judged on the same events and the same bootstrap replicas of them, so
that what is common to both, the luck of the sample, drops out of the difference.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

import fitkit

from .._checks import check_count
from .._events import Dataset
from .._pipeline import AbstractPipeline
from .._progress import progress_bar
from .bootstrap import resample
from .numbers import NUMBERS, Numbers, medians_of, numbers_of


class Difference(NamedTuple):
    """A difference of two ways of training, in one of the numbers.

    Seeds and replicas on which one of the two does not exist are left out of it; NaN
    where too few are left.

    Args:
        mean: over the seeds.
        bootstrap_error: standard deviation of that mean over bootstrap replicas of the
            events: what another sample of the same size would change. The trained
            networks stay as they are.
        seed_spread: standard deviation of the difference over the seeds: what another
            training would change. NaN for a single seed.
    """

    mean: float
    bootstrap_error: float
    seed_spread: float


@dataclass(frozen=True)
class Comparison:
    """The numbers of every way of training, seed by seed, replica by replica.

    Args:
        numbers: by way and by name, one entry per seed, `[seeds]`.
        replicas: the same on bootstrap replicas of the events, `[seeds, replicas]`.
        missing: by way, for each seed, why a number does not exist. One that does not
            is NaN, or infinite for a limit.
    """

    numbers: dict[str, dict[str, Float[np.ndarray, " seeds"]]]
    replicas: dict[str, dict[str, Float[np.ndarray, "seeds replicas"]]]
    missing: dict[str, tuple[dict[str, str], ...]] = field(default_factory=dict)

    def difference(self, number: str, way: str, baseline: str) -> Difference:
        """The paired difference `way` − `baseline`; all numbers but one shrink.

        Args:
            number: one of `NUMBERS`.
            way: whose number it is.
            baseline: what is subtracted.
        """
        by_seed = self.by_seed(number, way, baseline)
        used = np.isfinite(by_seed)
        ours, theirs = (self.replicas[name][number][used] for name in (way, baseline))
        # A replica is one other sample of events for all seeds, so it is used whole.
        by_replica = _minus(ours, theirs).mean(axis=0) if used.any() else np.empty(0)
        return Difference(
            mean=float(by_seed[used].mean()) if used.any() else np.nan,
            bootstrap_error=_spread(by_replica),
            seed_spread=_spread(by_seed),
        )

    def by_seed(
        self, number: str, way: str, baseline: str
    ) -> Float[np.ndarray, " seeds"]:
        """The difference for each seed; NaN where one of the two does not exist."""
        return _minus(self.numbers[way][number], self.numbers[baseline][number])


class Verdict(NamedTuple):
    """Whether one way of training is better than another, in one of the numbers.

    Args:
        number: which one.
        improvement: relative, in the mean over the seeds; positive is better.
        events: its error from the events, by bootstrap.
        seeds: its error from seeds and partitions: their spread over √seeds; NaN for a
            single seed.
        word: `"better"` or `"worse"` where it is beyond twice both errors together,
            else `"equal"`.
    """

    number: str
    improvement: float
    events: float
    seeds: float
    word: str

    def __str__(self) -> str:
        seeds = "" if np.isnan(self.seeds) else f", ± {self.seeds:.1%} seeds"
        return (
            f"{self.word}: {self.improvement:+.1%} (± {self.events:.1%} events{seeds})"
        )


def verdict(comparison: Comparison, number: str, way: str, baseline: str) -> Verdict:
    """Better, equal or worse, by how much, and how sure that is.

    Args:
        comparison: of both ways.
        number: one of `NUMBERS`.
        way: whose number it is.
        baseline: what it is compared with.
    """
    difference = comparison.difference(number, way, baseline)
    values = comparison.numbers[baseline][number]
    finite = values[np.isfinite(values)]
    scale = abs(float(finite.mean())) if finite.size else np.nan
    # A significance is better where it is larger, all other numbers where smaller.
    sign = 1.0 if number == "significance" else -1.0
    seeds = int(np.isfinite(comparison.by_seed(number, way, baseline)).sum())
    improvement = sign * difference.mean / scale
    events = difference.bootstrap_error / scale
    of_seeds = difference.seed_spread / np.sqrt(max(seeds, 1)) / scale
    error = float(np.hypot(events, 0.0 if np.isnan(of_seeds) else of_seeds))
    word = "equal"
    if abs(improvement) > 2 * error:
        word = "better" if improvement > 0 else "worse"
    return Verdict(number, improvement, events, of_seeds, word)


def _minus(
    ours: Float[np.ndarray, "..."], theirs: Float[np.ndarray, "..."]
) -> Float[np.ndarray, "..."]:
    exist = np.isfinite(ours) & np.isfinite(theirs)
    # Two limits that are both infinite have no difference; NumPy would warn of it.
    return np.where(exist, ours - np.where(exist, theirs, 0.0), np.nan)


def _spread(values: Float[np.ndarray, " values"]) -> float:
    values = values[np.isfinite(values)]
    return float(values.std(ddof=1)) if len(values) > 1 else np.nan


def compare(
    pipelines: Mapping[str, Sequence[AbstractPipeline]],
    dataset: Dataset,
    *,
    replicas: int = 200,
    seed: int = 0,
    mu: float = 1.0,
    progress: bool = False,
) -> Comparison:
    """Compare ways of training on hard bins.

    Args:
        pipelines: for each way its trained pipelines, one per seed, with the bins that
            numbers are quoted from; entry i of each way has the same seed, and the
            same events were kept from it.
        dataset: the events that none of them was trained on (all, for `CrossFit`s).
        replicas: of the events, for the bootstrap.
        seed: of the bootstrap.
        mu: the signal strength that is tested and assumed.
        progress: whether to show a bar, one unit for each replica.

    Raises:
        RuntimeError: float64 is off.
        ValueError: the ways have different numbers of seeds or none, or there are
            fewer than two replicas.
    """
    fitkit.require_float64()
    hint = "Their standard deviation is the error of a difference."
    check_count("compare(replicas=...)", replicas, least=2, hint=hint)
    counts = {way: len(seeds) for way, seeds in pipelines.items()}
    if len(set(counts.values())) > 1:
        raise ValueError(
            f"`compare` pairs the ways seed by seed; got {counts} pipelines. Train "
            "every way with the same seeds."
        )

    if not sum(counts.values()):
        raise ValueError("`compare(pipelines=...)` has no pipeline to compare.")
    work = sum(counts.values()) * (1 + replicas)
    with progress_bar(work, "test", progress) as show:
        tables = {
            way: [_table(one, dataset, mu, replicas, seed, show) for one in seeds]
            for way, seeds in pipelines.items()
        }
    first, resampled = (
        {
            way: {
                name: np.array([[one.medians[name] for one in rows] for rows in seeds])[
                    :, part
                ]
                for name in NUMBERS
            }
            for way, seeds in tables.items()
        }
        for part in (0, slice(1, None))
    )
    missing = {
        way: tuple(rows[0].missing for rows in seeds) for way, seeds in tables.items()
    }
    return Comparison(first, resampled, missing)


def _table(
    pipeline: AbstractPipeline,
    dataset: Dataset,
    mu: float,
    replicas: int,
    seed: int,
    show: Callable[[str], None],
) -> list[Numbers]:
    """The numbers of one pipeline: of the dataset first, then of its replicas."""
    measurement, fill = pipeline.measurement, pipeline.hard_filler(dataset)
    rows = [numbers_of(measurement.model(fill(dataset)), mu)]
    show("")
    for replica in range(replicas):
        templates = fill(resample(dataset, seed, replica))
        rows.append(medians_of(measurement.model(templates), mu))
        show("")
    return rows
