"""NumPy or a program: what a batch of fits takes one by one, to compile, and compiled.

The numbers behind the rule of `fitkit._numerics.batch`. For each model and each call
that is a batch by nature: CPU time of a member on NumPy; CPU time to compile the batch;
of a member in it, 64 together; and from how many members on a program would be sooner.
CPU time of the process, since other processes slow both engines down alike.

    engines.py [--calls CALL ...] [MODEL ...]
"""

import argparse
import os
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# A program that is found on disk is not compiled.
os.environ.pop("JAX_COMPILATION_CACHE_DIR", None)

import _measure
import _workspaces
import jax
import numpy as np

import fitkit
from fitkit._fit.poi import poi_mask
from fitkit._grid import batch as grid
from fitkit._grid.batch import Member, stacked
from fitkit._hypotest import toys
from fitkit._numerics.threads import one_thread
from fitkit._profile import interval, ranking, scan
from fitkit._profile.best_fit import best_fit, covariance_at
from fitkit._profile.constraint_widths import prior_widths

MEMBERS = 64  # as many as one program runs together
# Parameters of generated models: 3, 15, 30, 45; those of published ones: 34, 109, 181.
GENERATED = {
    "S": (1, 2, 0, 0, 1),
    "15": (2, 4, 3, 3, 2),
    "30": (3, 6, 5, 6, 3),
    "M": (3, 10, 7, 7, 3),
}
PUBLISHED = ("AGC", "1Lbb", "ttZ-4l")
CALLS = ("toys", "scan", "interval", "ranking", "grid", "limits")


def members(call: str, model: fitkit.Model, data: fitkit.Data):
    """The function of a call, what its members share, and 64 of them."""
    best, poi = best_fit(model, data, call), poi_mask(model, call)
    index = np.resize(np.flatnonzero(best.movable & ~poi), MEMBERS)
    some = np.linspace(0.5, 1.5, MEMBERS)
    width = covariance_at(best).widths[poi][0]
    at = best.minimum.y[poi][0]
    match call:
        case "toys":
            counts, aux = best.likelihood.observations()
            drawn = counts * some[:, None], np.tile(aux, (MEMBERS, 1))
            return toys._free_minima, (best.likelihood, best.parameters), drawn
        case "scan":
            return scan._along, (best, poi), (at + width * some)[:, None]
        case "interval":
            common = best, np.asarray(1.0), np.asarray(1e-7)
            return interval._ends, common, (index, np.ones(MEMBERS))
        case "ranking":
            sigma = covariance_at(best).widths[index]
            prior = np.where(prior_widths(model) > 0, prior_widths(model), np.nan)[
                index
            ]
            shifts = np.stack([sigma, -sigma, prior, -prior], axis=1)
            return ranking._impacts, (best, poi), (index, shifts)
    each = []
    for part in some:
        counts, aux = best.likelihood.observations()
        likelihood = best.likelihood.at((counts * part, aux))
        each.append(Member(likelihood, best.parameters, poi))
    how = fitkit.QMuTilde(), fitkit.Asymptotics()
    if call == "grid":
        return grid.tests, (np.asarray(1.0), *how), stacked(each)
    return grid.limits, (np.asarray(0.05), *how, np.asarray(1e-8)), stacked(each)


def measure(call: str, model: fitkit.Model, data: fitkit.Data) -> tuple[float, ...]:
    """CPU seconds: of a member on NumPy, to compile, of a member in the program."""
    batched, common, batch = members(call, model, data)
    few = range(0, MEMBERS, 8)
    with one_thread():
        batched._function(common, jax.tree.map(lambda x: x[0], batch))
        start = time.process_time()
        for i in few:
            batched._function(common, jax.tree.map(lambda x, i=i: x[i], batch))
        numpy = (time.process_time() - start) / len(few)

    def run() -> float:
        start = time.process_time()
        jax.block_until_ready(
            batched._compiled(common, batch, model.ravel(model.init).size)
        )
        return time.process_time() - start

    with jax.enable_x64(True):
        cold = run()
        warm = min(run(), run())
    return numpy, cold - warm, warm / MEMBERS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=[*GENERATED, *PUBLISHED])
    parser.add_argument("--calls", nargs="*", default=list(CALLS))
    options = parser.parse_args()
    published = dict(_workspaces.published())
    rows = []
    for name in options.models:
        shape = GENERATED.get(name)
        document = _workspaces.workspace(*shape) if shape else published[name]
        model, data = fitkit.read_workspace(document)
        for call in options.calls:
            numpy, compiling, compiled = measure(call, model, data)
            gain = numpy - compiled
            sooner = round(compiling / gain) if gain > 0 else "never"
            times = 1e3 * numpy, compiling, 1e3 * compiled, numpy / compiled
            rows.append([name, model.parameter_shapes.size, call, *times, sooner])
    head = ["model", "params", "call", "NumPy ms", "compiling s", "compiled ms"]
    _measure.table([*head, "ratio", "sooner from"], rows)


if __name__ == "__main__":
    main()
