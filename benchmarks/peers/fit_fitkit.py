"""Fit one workspace with fitkit, in this process; prints JSON.

On NumPy, as it comes, or compiled: inside the user's `jax.jit`, the model a constant.

Usage: fit_fitkit.py numpy|jit WORKSPACE REPEATS
"""

import json
import sys
import time
from pathlib import Path

import equinox as eqx
import jax

from fitkit import fit, read_workspace

sys.path.insert(0, str(Path(__file__).parents[1]))
import _measure

jax.config.update("jax_enable_x64", True)


def median(call, repeats: int) -> float:
    times = [_measure.seconds(call) for _ in range(repeats)]
    return sorted(times)[repeats // 2]


def gradient(model, data, repeats: int) -> float:
    """The time of a best-fit value with its gradient, over the time without.

    The gradient is that of the parameter of interest, with respect to every template,
    variation and uncertainty of the model.
    """
    arrays, rest = eqx.partition(model, eqx.is_inexact_array_like)

    def best(arrays):
        return fit(eqx.combine(arrays, rest), data).params[model.poi]

    value, both = jax.jit(best), jax.jit(jax.value_and_grad(best))
    value(arrays), both(arrays)
    alone, with_gradient = (
        median(lambda f=f: f(arrays), repeats) for f in (value, both)
    )
    return with_gradient / alone


def main(engine: str, path: str, repeats: str) -> None:
    document = json.loads(Path(path).read_text())
    before = _measure.peak_memory()
    start = time.perf_counter()
    model, data = read_workspace(document)
    built = time.perf_counter() - start

    def call(data):
        return fit(model, data, throw=False)

    if engine == "jit":
        call = jax.jit(call)
    cold = _measure.seconds(lambda: call(data))
    warm = median(lambda: call(data), int(repeats))
    memory = _measure.peak_memory() - before
    result = call(data)
    report = {
        "built": built,
        "cold": cold,
        "warm": warm,
        "twice_nll": float(result.twice_nll),
        "parameters": int(result.y.size),
        "steps": int(result.steps),
        "memory": memory,
    }
    if engine == "jit":
        report["gradient"] = gradient(model, data, int(repeats))
    print(json.dumps(report))


main(*sys.argv[1:])
