"""Is one way of training better than another? The paired answer, with its errors.

Both ways are judged on the same events and the same bootstrap replicas of them, so
that what is common to both, the luck of the sample, drops out of the difference.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PRNGKeyArray

import fitkit

from ._bootstrap import bootstrap
from ._custom_types import Scalar
from ._events import Dataset
from ._objectives import discovery_significance, expected_cls, poi_variance
from ._pipeline import AbstractPipeline

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

    def table(one: AbstractPipeline) -> tuple[dict, dict]:
        tested = jnp.asarray(mu, float)
        return _numbers(one, dataset, tested), _replicated(
            one, dataset, tested, replicas, key
        )

    tables = {way: [table(one) for one in seeds] for way, seeds in pipelines.items()}
    return Comparison(
        *(
            {
                way: {
                    name: np.stack([np.asarray(seed[part][name]) for seed in seeds])
                    for name in NUMBERS
                }
                for way, seeds in tables.items()
            }
            for part in (0, 1)
        )
    )


@eqx.filter_jit
def _numbers(
    pipeline: AbstractPipeline, dataset: Dataset, mu: Scalar
) -> dict[str, Scalar]:
    model = pipeline.hard_model(dataset)
    background_only = model.expected_data({**model.init, model.poi: jnp.zeros(())})
    return {
        "expected_cls": expected_cls(model, mu),
        "upper_limit": fitkit.upper_limit(model, background_only).expected[2],
        "poi_uncertainty": jnp.sqrt(poi_variance(model, mu)),
        "significance": discovery_significance(model, mu),
    }


# A function of the pipeline's arrays, not of one pipeline: all with as many bins share
# one compilation.
@eqx.filter_jit
def _replicated(
    pipeline: AbstractPipeline,
    dataset: Dataset,
    mu: Scalar,
    replicas: int,
    key: PRNGKeyArray,
) -> dict[str, Float[jax.Array, " replicas"]]:
    return bootstrap(
        lambda sample: _numbers(pipeline, sample, mu),
        dataset,
        replicas=replicas,
        key=key,
    )
