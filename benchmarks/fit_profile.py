"""Where the time of a warm fit goes: the call, and the pieces of a Newton step.

On NumPy, as a fit comes, and compiled. Each piece is repeated: on NumPy in a loop of
Python's, which every step is too; compiled inside one loop, so that no call from
Python is in it. The rest is what a step does besides: the active set, copies of the
state, the tests of convergence, and on NumPy the interpreter between them. Compiled, it
is also the cost of starting kernels where a model is small: XLA compiles a small loop
as one kernel, the loop of a fit never.

    fit_profile.py [MODEL ...]
"""

import os
import sys
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import jax
import jax.numpy as jnp
from _measure import table
from _workspaces import SHAPES, generated, published

import fitkit
from fitkit._fit.minimise import minimised
from fitkit._numerics.bordered_matrix import factorise, substitute
from fitkit._numerics.threads import one_thread

jax.config.update("jax_enable_x64", True)

LOOP, REPEATS = 200, 15
GENERATED = [name for name in SHAPES if name != "XL"]
HEAD = ["model", "params", "engine", "steps", "fit ms", "call ms", "step us"]
HEAD += ["derivatives", "Cholesky", "substitution", "rest"]


def least(call: Callable[[], Any]) -> float:
    """The least of many times: medians of a busy machine have noisy differences.

    The processor's: one thread is all that works.
    """

    def spent() -> float:
        start = time.process_time()
        jax.block_until_ready(call())
        return time.process_time() - start

    spent()
    return min(spent() for _ in range(REPEATS))


def each_on_numpy(piece: Callable[..., Any], *args: Any) -> float:
    """Microseconds of a piece."""
    with one_thread():
        return 1e6 * least(lambda: piece(*args))


def each_compiled(piece: Callable[..., Any], first: Any, *others: Any) -> float:
    """The same inside a compiled loop, where what is not used would be left out."""

    @jax.jit
    def many(first, *others):
        def again(_, x):
            return x + 1e-300 * total(piece(x, *others))

        return jax.lax.fori_loop(0, LOOP, again, first)

    return 1e6 * least(lambda: many(first, *others)) / LOOP


def total(tree: Any) -> jax.Array:
    """The sum of all numbers."""
    numbers = [x for x in jax.tree.leaves(tree) if jnp.issubdtype(x.dtype, float)]
    return sum(jnp.sum(x) for x in numbers)


def profile(name: str, document: dict, engine: str) -> list[object]:
    model, data = fitkit.read_workspace(document)
    result = fitkit.fit(model, data)
    likelihood, parameters = (
        model.negative_log_likelihood(data),
        model.parameter_vectors(),
    )

    def fit(data: fitkit.Data) -> Any:
        return fitkit.fit(model, data, throw=False)

    def minimum(observations: Any) -> Any:
        return minimised(likelihood.at(observations), parameters)

    each = each_on_numpy
    if engine == "jit":
        fit, minimum, each = jax.jit(fit), jax.jit(minimum), each_compiled
    observations = likelihood.observations()
    whole, inner = least(lambda: fit(data)), least(lambda: minimum(observations))
    free, curvature = result.stationarity.free, result.curvature
    with one_thread():
        factor, _ = factorise(curvature, free)
    pieces = [
        each(lambda y, likelihood: likelihood.derivatives(y), result.y, likelihood),
        # Of a matrix that changes: one that does not is factorised before the loop.
        each(lambda y, m: factorise(m.plus(1e-300 * y), free)[0], result.y, curvature),
        each(lambda y, factor: substitute(factor, free, y), result.y, factor),
    ]
    step = 1e6 * inner / int(result.steps)
    return [
        *(name, result.y.size, engine, int(result.steps), 1e3 * whole),
        *(1e3 * (whole - inner), step, *pieces, step - sum(pieces)),
    ]


def main() -> None:
    documents = {name: generated(name) for name in GENERATED} | dict(published())
    print(f"OPENBLAS_NUM_THREADS={os.environ['OPENBLAS_NUM_THREADS']}")
    names = sys.argv[1:] or documents
    rows = [
        profile(name, documents[name], engine)
        for name in names
        for engine in ("NumPy", "jit")
    ]
    table(HEAD, rows)


main()
