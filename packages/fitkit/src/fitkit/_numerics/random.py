"""Random numbers in float64 from a jax key, on NumPy or traced.

Concrete keys seed a generator of NumPy's. jax's own Poisson sampler works in float32:
its counts are wrong from a million on (numpy issue 31986 tells of the same effect at
1e15), so that larger ones are drawn by inverting the distribution here.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from .namespace import traced

# From this mean on a count is drawn by the Cornish-Fisher expansion of its quantiles,
# whose error, below 1e-3 of one count, is then far smaller than the step to the next.
_LARGE = 1e5


def generator(key: PRNGKeyArray, number: int | None = None) -> np.random.Generator:
    """NumPy's generator for a concrete key, or for one of a series by its number."""
    data = raw(key)
    spawn = () if number is None else (number,)
    seed = np.random.SeedSequence([int(x) for x in data.reshape(-1)], spawn_key=spawn)
    return np.random.Generator(np.random.PCG64(seed))


def raw(key: PRNGKeyArray) -> np.ndarray:
    """The numbers of a concrete key."""
    return np.asarray(jax.random.key_data(key) if _typed(key) else key)


def _typed(key: Any) -> bool:
    return jnp.issubdtype(key.dtype, jax.dtypes.prng_key)


def split(source: Any) -> tuple[Any, Any]:
    """Two independent sources of random numbers."""
    if isinstance(source, np.random.Generator):
        return source, source
    first, second = jax.random.split(source)
    return first, second


def source_of(key: PRNGKeyArray, *others: Any) -> Any:
    """What `normal` and `poisson` draw from: a generator where nothing is traced."""
    if isinstance(key, np.random.Generator) or traced(key, *others):
        return key
    return generator(key)


def normal(source: Any, shape: tuple[int, ...]) -> Float[Array, "..."]:
    """Standard normal numbers."""
    if isinstance(source, np.random.Generator):
        return source.standard_normal(shape)
    return jax.random.normal(source, shape, float)


def integers(source: Any, below: int, shape: tuple[int, ...]) -> Int[Array, "..."]:
    """Whole numbers from 0 to less than a limit, each as likely."""
    if isinstance(source, np.random.Generator):
        return source.integers(below, size=shape)
    return jax.random.randint(source, shape, 0, below)


def poisson(source: Any, mean: Float[Array, "..."]) -> Float[Array, "..."]:
    """Poisson counts; a mean that is not positive gives 0."""
    if isinstance(source, np.random.Generator):
        return source.poisson(np.maximum(mean, 0.0)).astype(float)
    few, many = jax.random.split(source)
    mean = jnp.maximum(mean, 0.0)
    large = mean > _LARGE
    count = jax.random.poisson(few, jnp.where(large, 1.0, mean)).astype(float)
    z, root = jax.random.normal(many, mean.shape, float), jnp.sqrt(mean)
    safe = jnp.where(large, root, 1.0)
    quantile = mean + root * z + (z**2 - 1) / 6 + (z - z**3) / (72 * safe)
    return jnp.where(large, jnp.floor(quantile + 0.5), count)
