"""INFERNO's benchmarks 0 to 4: the uncertainty of s of bins trained for each of them.

For each seed other events (100 000 per process), a classifier on cross entropy, and
from it ten softmax bins trained on the variance of s, once for each benchmark; judged
with hard bins on 500 000 events per process that no seed trains with. Templates at
r = 1.8, 2, 2.2 and λ = 2.5, 3, 3.5, as published. Prints the 16, 50 and 84 % quantiles
over the seeds, with the published ones (arXiv:1806.04743, table 1, whose lower number
is the 36 % quantile) and the bound of the likelihood itself.

    inferno.py [--seeds N] [--benchmarks 0 1 2 3 4] [--steps N] [--events N]
"""

import argparse
import os
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import jax
import numpy as np
from _measure import table

import neoskit
from neoskit._run.demos.inferno import BENCHMARKS, classifier, sigmas, trained_bins


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--benchmarks", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--events", type=int, default=100_000)
    options = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    judges = neoskit.inferno_synthetic(5 * options.events, seed=987_654)
    entropy, trained, minutes = [], {b: [] for b in options.benchmarks}, []
    for seed in range(options.seeds):
        start = time.perf_counter()
        seen = neoskit.inferno_synthetic(options.events, seed=seed)
        first = classifier(seen, seed=seed, progress=False)
        entropy.append(sigmas(first, judges))
        print(f"seed {seed}: cross entropy", *(f"{x:.2f}" for x in entropy[-1]))
        for benchmark in options.benchmarks:
            bins = trained_bins(
                first, seen, benchmark, steps=options.steps, seed=seed, progress=False
            )
            trained[benchmark].append(sigmas(bins, judges))
            numbers = " ".join(f"{x:.2f}" for x in trained[benchmark][-1])
            print(f"seed {seed}: trained for {benchmark}: {numbers}", flush=True)
        minutes.append((time.perf_counter() - start) / 60)
    print(f"{np.median(minutes):.1f} minutes for a seed")
    lines = []
    for benchmark in options.benchmarks:
        of_seed = np.array(trained[benchmark])[:, benchmark]
        published = BENCHMARKS[benchmark]
        lines.append(
            [
                benchmark,
                *np.quantile(of_seed, [0.16, 0.5, 0.84]),
                published.inferno,
                published.bound,
                np.median(of_seed) - published.bound,
                np.median(np.array(entropy)[:, benchmark]),
                published.classifier,
            ]
        )
    head = ["benchmark", "16 %", "median", "84 %", "published", "bound", "gap"]
    table([*head, "cross entropy", "published"], lines)


if __name__ == "__main__":
    main()
