"""The same large likelihood by rabbit and by fitkit: fit, Hessian, covariance.

A generated model (`peers/large_model.py`) whose likelihood both have: linear shifts of
yields, the statistics of the simulation profiled with a Poisson constraint ("gamma" for
rabbit). Each in a process of its own; best fit, uncertainty and the value at the
minimum are printed beside the times, and have to agree.

    beside_rabbit.py [SYSTEMATICS BINS]...

`RABBIT_PYTHON` is the interpreter of an environment that has `rabbit-fit`.
"""

import json
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent / "peers"))

import numpy as np
from _measure import elsewhere, peak_memory, table
from large_model import large_model

import fitkit
from fitkit import BlockModel, Channel, HistoSys, NormFactor, Sample, StatError

SIZES = [("100", "1000"), ("500", "10000"), ("2000", "10000")]


def ours(systematics: int, bins: int) -> None:
    """What fitkit takes, printed as JSON."""
    given, times = large_model(systematics, bins), {}

    def timed(name, call):
        wall, cpu = time.perf_counter(), time.process_time()
        result = call()
        times[name] = time.perf_counter() - wall
        times[f"{name} cpu"] = time.process_time() - cpu
        return result

    def specified() -> list[Channel]:
        modifiers = {
            (sample, c): [StatError("mc", errors[c], fitkit.Poisson)]
            for sample, errors in given.errors.items()
            for c in range(len(given.counts))
        }
        for name, sample, c, change in given.changes:
            nominal = given.yields[sample][c]
            shift = HistoSys(name, nominal - change, nominal + change)
            modifiers[sample, c].append(shift)
        for c in range(len(given.counts)):
            modifiers["signal", c].append(NormFactor("mu"))
        return [
            Channel(
                f"ch{c}",
                [Sample(s, y[c], modifiers[s, c]) for s, y in given.yields.items()],
            )
            for c in range(len(given.counts))
        ]

    model = timed("build", lambda: BlockModel(specified()))
    counts = {f"ch{c}": n for c, n in enumerate(given.counts)}
    data = model.data(counts)
    best = timed("fit", lambda: fitkit.fit(model, data))
    covariance = timed("covariance", lambda: best.full_covariance)
    place = best.names.index("mu")
    print(
        json.dumps(
            {
                "mu": float(best.params["mu"]),
                "sigma": float(covariance.widths[place]),
                "2 NLL": 2 * float(model.negative_log_likelihood(data).value(best.y)),
                "edm": float(best.edm),
                "MB": peak_memory(),
                **times,
            }
        )
    )


def main() -> None:
    words = sys.argv[1:]
    if words[:1] == ["--ours"]:
        ours(int(words[1]), int(words[2]))
        return
    sizes = list(zip(words[::2], words[1::2], strict=True)) or SIZES
    rabbit = os.environ.get("RABBIT_PYTHON")
    rows = []
    for size in sizes:
        results = {"fitkit": elsewhere(__file__, "--ours", *size)}
        if rabbit:
            peer = "peers/large_rabbit.py"
            results["rabbit"] = elsewhere(peer, *size, "sparse", python=rabbit)
        for name, found in results.items():
            times = [found.get(each, np.nan) for each in ("fit", "fit cpu")]
            second = ("hessian cpu", "covariance cpu")
            times.append(sum(found.get(each, 0.0) for each in second))
            value = [found[each] for each in ("mu", "sigma", "2 NLL", "edm")]
            rows.append([*size, name, *times, *map(str, value)])
    head = ["systematics", "bins", "", "fit", "fit cpu", "covariance cpu"]
    table([*head, "mu", "sigma", "2 NLL", "edm"], rows)


main()
