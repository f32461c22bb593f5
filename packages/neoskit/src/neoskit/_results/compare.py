"""Is one way of training better than another? The paired answer, with its errors.

Both ways are judged on the same events and the same bootstrap replicas of them, so
that what is common to both, the luck of the sample, drops out of the difference.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PRNGKeyArray

import fitkit

from ._bootstrap import bootstrap
from ._evaluate import _hard_templates, _measured
from ._events import Dataset
from ._pipeline import AbstractPipeline
from ._progress import progress_bar
from ._templates import Templates

NUMBERS = ("expected_cls", "upper_limit", "poi_uncertainty", "significance")
"""The four numbers that are compared, the medians of `Evaluation`'s."""


class Difference(NamedTuple):
    """A difference of two ways of training, in one of the numbers.

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
    """

    numbers: dict[str, dict[str, Float[np.ndarray, " seeds"]]]
    replicas: dict[str, dict[str, Float[np.ndarray, "seeds replicas"]]]

    def difference(self, number: str, way: str, baseline: str) -> Difference:
        """The paired difference `way` − `baseline`; all numbers but one shrink.

        Args:
            number: one of `NUMBERS`.
            way: whose number it is.
            baseline: what is subtracted.
        """
        by_seed = self.numbers[way][number] - self.numbers[baseline][number]
        by_replica = self.replicas[way][number] - self.replicas[baseline][number]
        return Difference(
            mean=float(by_seed.mean()),
            bootstrap_error=float(by_replica.mean(axis=0).std(ddof=1)),
            seed_spread=float(by_seed.std(ddof=1)) if len(by_seed) > 1 else np.nan,
        )


def compare(
    pipelines: Mapping[str, Sequence[AbstractPipeline]],
    dataset: Dataset,
    *,
    replicas: int = 200,
    key: PRNGKeyArray,
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
        key: random key of the bootstrap.
        mu: the signal strength that is tested and assumed.
        progress: whether to show a bar, one unit for each replica.

    Raises:
        RuntimeError: float64 is off.
        ValueError: the ways have different numbers of seeds.
    """
    fitkit.require_float64()
    counts = {way: len(seeds) for way, seeds in pipelines.items()}
    if len(set(counts.values())) > 1:
        raise ValueError(
            f"`compare` pairs the ways seed by seed; got {counts} pipelines. Train "
            "every way with the same seeds."
        )

    work = sum(counts.values()) * (1 + replicas)
    with progress_bar(work, "test", progress) as show:
        tables = {
            way: [_table(one, dataset, mu, replicas, key, show) for one in seeds]
            for way, seeds in pipelines.items()
        }
    numbers, resampled = (
        {
            way: {
                name: np.stack([seed[name][part] for seed in seeds]) for name in NUMBERS
            }
            for way, seeds in tables.items()
        }
        for part in (0, slice(1, None))
    )
    return Comparison(numbers, resampled)


def _table(
    pipeline: AbstractPipeline,
    dataset: Dataset,
    mu: float,
    replicas: int,
    key: PRNGKeyArray,
    show: Callable[[str], None],
) -> dict[str, Float[np.ndarray, " one_more_than_replicas"]]:
    """The numbers of one pipeline: of the dataset first, then of its replicas."""
    resampled = _replicated(pipeline, dataset, replicas, key)
    every = [
        _hard_templates(pipeline, dataset),
        *(jax.tree.map(lambda x, i=i: x[i], resampled) for i in range(replicas)),
    ]
    rows = []
    for one in every:
        rows.append(_numbers(pipeline.measurement.model(one), mu))
        show("")
    return dict(zip(NUMBERS, np.array(rows).T, strict=True))


def _numbers(model: fitkit.Model, mu: float) -> tuple[float, float, float, float]:
    # Model by model: what is compiled here is what `evaluate` compiled already, while a
    # fit of all replicas at once takes longer to compile than the rest to run.
    background_only = _background_only(model)
    variance, significance = _measured(model, jnp.asarray(mu, float))
    return (
        float(fitkit.hypotest(mu, model, background_only).cls_expected[2]),
        float(fitkit.upper_limit(model, background_only).expected[2]),
        float(jnp.sqrt(variance)),
        float(significance),
    )


@eqx.filter_jit
def _background_only(model: fitkit.Model) -> fitkit.Data:
    return fitkit.asimov_data(0.0, model)


# A function of the pipeline's arrays, not of one pipeline: all with as many bins share
# one compilation.
@eqx.filter_jit
def _replicated(
    pipeline: AbstractPipeline, dataset: Dataset, replicas: int, key: PRNGKeyArray
) -> Templates:
    return bootstrap(pipeline.hard_templates, dataset, replicas=replicas, key=key)
