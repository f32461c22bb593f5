"""One side of `histogram.py`: the relaxed of this interpreter, ours or 0.4.0.

Usage: soft_histogram.py EVENTS BINS, or EVENTS 50x50 (two dimensions, ours only).
Prints JSON.
"""

import importlib.metadata
import json
import sys
import time
from collections.abc import Callable
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
    if data.ndim == 2:
        return relaxed.hist(data, [edges, edges], bandwidth=bandwidth)
    if OURS:
        return relaxed.hist(data, edges, bandwidth=bandwidth)
    return relaxed.hist(data, edges, bandwidth)


def loss(data: jax.Array, edges: jax.Array) -> jax.Array:
    """Any function of all bins."""
    return jnp.sum(soft_histogram(data, edges) ** 2) / data.size


def repeats(events: int, edges: int) -> int:
    """Fewer where one call takes seconds."""
    return 7 if events * edges < 5e7 else 3


def jitted(function: Callable, data: jax.Array, edges: int) -> dict[str, float]:
    """Times, compile time, and memory in MB of one function.

    `memory` is XLA's own count of what a call allocates, results included; the
    process's peak, which the report gives for both functions together, contains the
    compiler's too.
    """
    start = time.perf_counter()
    compiled = jax.jit(function).lower(data).compile()
    compiling = time.perf_counter() - start
    call = {"it": lambda: compiled(data)}
    times = _measure.side_by_side(call, repeats=repeats(data.size, edges))["it"]
    needed = compiled.memory_analysis()
    memory = needed.temp_size_in_bytes + needed.output_size_in_bytes
    return {
        "warm": times.warm,
        "compile": compiling,
        "memory": memory / 1e6,
    }


def hard(data: np.ndarray, edges: np.ndarray) -> dict[str, float]:
    """Warm seconds of the libraries that only count."""
    import boost_histogram as bh

    dims = 1 if data.ndim == 1 else data.shape[1]
    columns = [data] if dims == 1 else list(np.ascontiguousarray(data.T))
    axes = [bh.axis.Regular(edges.size - 1, LOW, HIGH)] * dims
    calls = {"boost": lambda: bh.Histogram(*axes).fill(*columns).values()}
    if dims == 1:
        calls["numpy"] = lambda: np.histogram(data, edges)
    else:
        calls["numpy"] = lambda: np.histogramdd(data, [edges] * dims)
    times = _measure.side_by_side(calls, repeats=repeats(data.size, edges.size))
    return {name: time.warm for name, time in times.items()}


def main(events: int, bins: str) -> None:
    dims = len(bins.split("x"))
    size = (events,) if dims == 1 else (events, dims)
    sample = np.random.default_rng(0).normal(size=size).astype(np.float32)
    edges = np.linspace(LOW, HIGH, int(bins.split("x")[0]) + 1, dtype=np.float32)
    args = jnp.asarray(sample), jnp.asarray(edges)
    sizes = args[0], edges.size
    before = _measure.peak_memory()
    # Edges are constants of the program, as where they are not trained.
    report = {
        "forward": jitted(lambda data: soft_histogram(data, edges), *sizes),
        "gradient": jitted(jax.value_and_grad(lambda data: loss(data, edges)), *sizes),
        "peak": _measure.peak_memory() - before,
        "counts": np.asarray(soft_histogram(*args), float).ravel().tolist(),
    }
    if OURS:
        report["hard"] = hard(sample, edges)
    print(json.dumps(report))


main(int(sys.argv[1]), sys.argv[2])
