"""Fit one workspace with fitkit, in this process; prints JSON.

Usage: fit_fitkit.py WORKSPACE REPEATS
"""

import json
import sys
import time
from pathlib import Path

import jax

jax.config.update("jax_enable_x64", True)

import equinox as eqx  # noqa: E402

import fitkit  # noqa: E402

sys.path.insert(0, str(Path(__file__).parents[1]))
import _measure  # noqa: E402


def median(call, repeats: int) -> float:
    times = [_measure.seconds(call) for _ in range(repeats)]
    return sorted(times)[repeats // 2]


def main(path: str, repeats: str) -> None:
    document = json.loads(Path(path).read_text())
    before = _measure.peak_memory()
    start = time.perf_counter()
    model, data = fitkit.read_workspace(document)
    built = time.perf_counter() - start
    result = None

    def fit():
        nonlocal result
        result = fitkit.fit(model, data)
        return result.twice_nll

    cold = _measure.seconds(fit)
    warm = median(fit, int(repeats))
    memory = _measure.peak_memory() - before

    @jax.jit
    def inside(data):
        return fitkit.fit(model, data, throw=False).twice_nll

    median(lambda: inside(data), 2)
    jitted = median(lambda: inside(data), int(repeats))

    # The gradient of one fitted parameter with respect to every template, variation
    # and uncertainty of the model.
    arrays, rest = eqx.partition(model, eqx.is_inexact_array_like)

    def best(arrays):
        return fitkit.fit(eqx.combine(arrays, rest), data).params[model.poi]

    value = jax.jit(best)
    both = jax.jit(jax.value_and_grad(best))
    value(arrays), both(arrays)
    alone, with_gradient = (
        median(lambda f=f: f(arrays), int(repeats)) for f in (value, both)
    )
    report = {
        "built": built,
        "cold": cold,
        "warm": warm,
        "twice_nll": float(result.twice_nll),
        "parameters": int(result.y.size),
        "steps": int(result.steps),
        "memory": memory,
        "jitted": jitted,
        "gradient": with_gradient / alone,
    }
    print(json.dumps(report))


main(*sys.argv[1:])
