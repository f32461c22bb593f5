"""From how many bins on windows beat evaluating all bins: the rule of `DENSE_BINS`.

One process, both ways compiled for the same events, their repeats taking turns.
"""

import _measure
import jax
import jax.numpy as jnp
import numpy as np

import relaxed
from relaxed import _histogram

EVENTS = 200_000
BINS = [12, 16, 20, 24, 28, 32, 40, 48, 64, 96]


def gradient(bins: int, fraction: float, most_dense: int):
    """Return value and gradient, compiled with another limit of the dense way."""
    edges = jnp.linspace(-3, 3, bins + 1, dtype=jnp.float32)

    def loss(data):
        bandwidth = relaxed.bin_bandwidth(edges, fraction)
        return jnp.sum(relaxed.hist(data, edges, bandwidth=bandwidth) ** 2)

    sample = np.random.default_rng(0).normal(size=EVENTS).astype(np.float32)
    data = jnp.asarray(sample)
    chosen, _histogram.DENSE_BINS = _histogram.DENSE_BINS, most_dense
    compiled = jax.jit(jax.value_and_grad(loss)).lower(data).compile()
    _histogram.DENSE_BINS = chosen
    return lambda: compiled(data)


def main() -> None:
    rows = []
    for fraction in (0.25, 0.5, 1.0):
        crossover = None
        for bins in BINS:
            ways = {
                "all": gradient(bins, fraction, bins),
                "windows": gradient(bins, fraction, 0),
            }
            times = _measure.side_by_side(ways)
            every, near = (1e3 * times[way].warm for way in ("all", "windows"))
            if near >= every:
                crossover = None
            elif crossover is None:
                crossover = bins
            rows.append([fraction, bins, every, near, every / near])
        print(f"bandwidth {fraction} bins: windows are faster from {crossover} bins on")
    _measure.table(["bandwidth", "bins", "all ms", "windows ms", "all/windows"], rows)
    print(f"relaxed changes over above {_histogram.DENSE_BINS} bins")


main()
