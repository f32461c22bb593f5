"""Where the time of a warm fit goes: the call, and the pieces of a Newton step.

Each piece is repeated inside one compiled loop, so that nothing is counted twice and no
call from Python is in it. The rest is what a step does besides: the active set, copies
of the state, the tests of convergence. It is also the cost of starting kernels where a
model is small: XLA compiles a small loop as one kernel, the loop of a fit never.

    fit_profile.py [MODEL ...]
"""

import os
import sys

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import jax
import jax.numpy as jnp
from _measure import seconds, table
from _workspaces import SHAPES, generated, published

import fitkit
from fitkit._numerics.bordered_matrix import factorise, substitute
from fitkit._fit.fit import fit_options
from fitkit._fit.minimise import minimised

jax.config.update("jax_enable_x64", True)

LOOP, REPEATS = 200, 25
GENERATED = [name for name in SHAPES if name != "XL"]
HEAD = ["model", "params", "steps", "fit ms", "call ms", "step us"]
HEAD += ["derivatives", "Cholesky", "substitution", "rest"]


def least(call) -> float:
    """The least of many times: medians of a busy machine have noisy differences."""
    call()
    return min(seconds(call) for _ in range(REPEATS))


def each(piece, *args) -> float:
    """Microseconds of a piece that turns its first argument into another such."""

    @jax.jit
    def many(first, *others):
        return jax.lax.fori_loop(0, LOOP, lambda _, x: piece(x, *others), first)

    return 1e6 * least(lambda: many(*args)) / LOOP


def total(tree) -> jax.Array:
    """The sum of all numbers: what is not used, the compiler leaves out."""
    numbers = [x for x in jax.tree.leaves(tree) if jnp.issubdtype(x.dtype, float)]
    return sum(jnp.sum(x) for x in numbers)


def profile(name: str, document: dict) -> list[object]:
    model, data = fitkit.read_workspace(document)
    result = fitkit.fit(model, data)
    likelihood = model.negative_log_likelihood(data)
    options = fit_options(model, None, None, None)
    whole = least(lambda: fitkit.fit(model, data).y)
    program = least(lambda: minimised(likelihood, options).y)
    prepared = jax.jit(lambda f: f.prepared())(likelihood)
    free = result.stationarity.free

    def derivatives(y, likelihood):
        return y + 1e-300 * total(likelihood.derivatives(y))

    def cholesky(y, matrix):
        return y + 1e-300 * total(factorise(matrix.plus(1e-300 * y), free)[0])

    factor, _ = jax.jit(factorise)(result.curvature, free)
    pieces = [
        each(derivatives, result.y, prepared),
        each(cholesky, result.y, result.curvature),
        each(lambda y, factor: substitute(factor, free, y), result.y, factor),
    ]
    step = 1e6 * program / int(result.steps)
    return [
        *(name, result.y.size, int(result.steps), 1e3 * whole),
        *(1e3 * (whole - program), step, *pieces, step - sum(pieces)),
    ]


def main() -> None:
    documents = {name: generated(name) for name in GENERATED} | dict(published())
    print(f"OPENBLAS_NUM_THREADS={os.environ['OPENBLAS_NUM_THREADS']}")
    names = sys.argv[1:] or documents
    table(HEAD, [profile(name, documents[name]) for name in names])


main()
