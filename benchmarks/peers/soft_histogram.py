"""One side of `histogram.py`: the relaxed of this interpreter, ours or 0.4.0.

Usage: soft_histogram.py EVENTS BINS. Prints JSON.
"""

import importlib.metadata
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import _measure
import jax
import jax.numpy as jnp
import numpy as np

import relaxed

OURS = importlib.metadata.version("relaxed") != "0.4.0"
LOW, HIGH = -3.0, 3.0


def soft_histogram(data: jax.Array, edges: jax.Array) -> jax.Array:
    # A quarter of a bin, as `relaxed.bin_bandwidth` has it.
    bandwidth = (HIGH - LOW) / (edges.size - 1) / 4
    if OURS:
        return relaxed.hist(data, edges, bandwidth=bandwidth)
    return relaxed.hist(data, edges, bandwidth)


def loss(data: jax.Array, edges: jax.Array) -> jax.Array:
    """Any function of all bins."""
    return jnp.sum(soft_histogram(data, edges) ** 2) / data.size


def measured(before: float, function, *args) -> dict[str, float]:
    """Times of one function, and the MB above `before` that were needed so far."""
    times = _measure.side_by_side({"it": lambda: function(*args)}, repeats=7)["it"]
    return times._asdict() | {"memory": _measure.peak_memory() - before}


def main(events: int, bins: int) -> None:
    sample = np.random.default_rng(0).normal(size=events).astype(np.float32)
    edges = np.linspace(LOW, HIGH, bins + 1, dtype=np.float32)
    args = jnp.asarray(sample), jnp.asarray(edges)
    before = _measure.peak_memory()
    report = {
        "forward": measured(before, jax.jit(soft_histogram), *args),
        "gradient": measured(before, jax.jit(jax.value_and_grad(loss)), *args),
        "numpy": measured(before, np.histogram, sample, edges),
        "counts": np.asarray(soft_histogram(*args), float).tolist(),
    }
    print(json.dumps(report))


main(int(sys.argv[1]), int(sys.argv[2]))
