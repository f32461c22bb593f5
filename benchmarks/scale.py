"""Fits of thousands of parameters and up to 100 000 bins: time and memory.

Models of the kind that measurements of the W mass have: few samples, thousands of
systematics that each change some of the bins, and the statistics of the simulation,
profiled. Nothing of them is in a file: they are generated. For each size, in a process
of its own: reading, a fit to fluctuated data, the covariance, and the impacts of all
parameters and of groups from that covariance, without another fit. Times are of the
processor; they and the memory are fitted with power laws.

    scale.py [--quick] [--one PARAMETERS BINS]

Published for comparison: rabbit, 74 864 bins, 19 minutes after preconditioning (338
before) on a server, impacts of 6538 parameters in 60 s.
"""

import json
import os
import sys
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from _measure import elsewhere, peak_memory, table
from scipy import linalg

import fitkit
from fitkit import BlockModel, Channel, HistoSys, NormFactor, NormSys, Sample, StatError

QUICK = "--quick" in sys.argv
SIZES = [(p, b) for b in (1_000, 10_000, 100_000) for p in (500, 2000, 7000)]
if QUICK:
    SIZES = [(100, 1_000), (500, 1_000), (100, 10_000), (500, 10_000)]
SAMPLES = {"signal": 4e4, "background": 6e3, "rare": 800.0}
BINS = 100  # of a channel
EVERYWHERE, NORMS = 20, 10  # systematics of all bins, and of the yields alone
GROUPS = 10


def specification(parameters: int, bins: int) -> list[Channel]:
    """Channels of 100 bins; a systematic changes one bin of a hundred, or two channels.

    The larger of both: with 1000 bins there are ten channels.
    """
    rng = np.random.default_rng(parameters + bins)
    channels = bins // BINS
    local = parameters - 1 - EVERYWHERE - NORMS
    touched = max(2, channels // 100)
    # Neighbours, as the bins of a range of momenta are.
    of_channel: list[list[int]] = [[] for _ in range(channels)]
    for k in range(local):
        first = int(rng.integers(channels))
        for step in range(touched):
            of_channel[(first + step) % channels].append(k)
    centre = np.linspace(-2.0, 2.0, BINS)
    built = []
    for c in range(channels):
        samples = []
        for s, (name, size) in enumerate(SAMPLES.items()):
            shape = np.exp(-0.5 * (centre / (1 + 0.3 * s)) ** 2) + 0.05
            yields = size * shape * (1 + 0.2 * np.sin(centre + c))
            modifiers = [NormFactor("mu")] if name == "signal" else []
            modifiers += [
                NormSys(f"norm{k}", 0.98, 1.02) for k in range(s, NORMS, len(SAMPLES))
            ]
            systematics = [f"common{k}" for k in range(EVERYWHERE)]
            systematics += [f"local{k}" for k in of_channel[c] if k % 3 != s]
            for systematic in systematics:
                slope, phase = 0.01 * rng.normal(), rng.uniform(0, 6)
                change = slope * np.sin(phase + 2 * centre)
                modifiers.append(
                    HistoSys(systematic, yields * (1 - change), yields * (1 + change))
                )
            # Ten times the events of the data.
            modifiers.append(StatError("mc", np.sqrt(yields / 10)))
            samples.append(Sample(name, yields, modifiers))
        built.append(Channel(f"region{c}", samples))
    return built


def one(parameters: int, bins: int) -> None:
    """What one size takes, printed as JSON."""
    times = {}

    def timed(name, call):
        start = time.process_time()
        result = call()
        times[name] = time.process_time() - start
        return result

    channels = specification(parameters, bins)
    model = timed("build", lambda: BlockModel(channels))
    rng = np.random.default_rng(1)
    truth = {name: 0.5 * rng.normal() for name in model.parameter_names} | {"mu": 1.05}
    expected = model.expected_data(truth)
    data = fitkit.Data(
        {name: 1.0 * rng.poisson(n) for name, n in expected.main.items()},
        model.nominal_aux,
    )
    best = timed("fit", lambda: fitkit.fit(model, data))
    covariance = timed("covariance", lambda: best.full_covariance.table)
    # Nothing is fitted any more.
    alone, together = timed("impacts", lambda: impacts_of(covariance, best))
    width = np.sqrt(covariance[best.names.index("mu"), best.names.index("mu")])
    results = {
        "parameters": best.y.size,
        "bins": bins,
        "steps": int(best.steps),
        "edm": float(best.edm),
        "largest impact": float(np.abs(alone).max() / width),
        "largest group": float(max(together) / width),
        "pull of mu": float((best.params["mu"] - 1.05) / width),
        "MB": peak_memory(),
    }
    print(json.dumps(results | times))


def impacts_of(covariance, best) -> tuple[np.ndarray, list[float]]:
    """Impacts on mu of all others, one at a time and by groups, from the covariance.

    A parameter moved by its uncertainty takes mu along by C_mi / sigma_i; the variance
    that a group brings is c^T C_gg^-1 c, by which that of mu falls if it is frozen.
    """
    poi = best.names.index("mu")
    alone = np.delete(covariance[poi] / np.sqrt(np.diagonal(covariance)), poi)
    others = np.delete(np.arange(len(covariance)), poi)
    groups = np.array_split(others, GROUPS)
    together = []
    for group in groups:
        column = covariance[group, poi]
        solved = linalg.solve(covariance[np.ix_(group, group)], column, assume_a="pos")
        together.append(float(np.sqrt(column @ solved)))
    return alone, together


def power_law(rows: list[dict], column: str) -> str:
    """How a column grows: its exponents in parameters and bins, by least squares."""
    logs = [[np.log(row["parameters"]), np.log(row["bins"]), 1.0] for row in rows]
    of_parameters, of_bins, _ = np.linalg.lstsq(
        np.array(logs), np.log([row[column] for row in rows]), rcond=None
    )[0]
    return f"{column} ~ parameters^{of_parameters:.2f} bins^{of_bins:.2f}"


def main() -> None:
    if "--one" in sys.argv:
        at = sys.argv.index("--one")
        one(int(sys.argv[at + 1]), int(sys.argv[at + 2]))
        return
    threads = os.environ["OPENBLAS_NUM_THREADS"]
    print(f"OPENBLAS_NUM_THREADS={threads}, {os.cpu_count()} cores")
    rows = []
    for size in SIZES:
        rows.append(elsewhere(__file__, "--one", *size))
        print(json.dumps(rows[-1]), flush=True)
    columns = list(rows[0])
    table(columns, [[row[column] for column in columns] for row in rows])
    for column in ("fit", "covariance", "MB"):
        print(power_law(rows, column))


main()
