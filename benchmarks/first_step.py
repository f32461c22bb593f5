"""How long one waits for the first step of a training on the expected CLs.

A fresh process each, without a cache of compiled programs: reading the events, the
first step on the cross entropy and the first on the expected CLs (nearly all of it
compilation), then steps of either that are compiled already, and judging. The H→ττ
problem of `examples/cms_htautau.toml` and the blobs of `examples/blobs.toml`.

    first_step.py [htautau] [blobs] [--rounds N]
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from _measure import table

ROOT = Path(__file__).parent.parent
FILES = {"htautau": "cms_htautau.toml", "blobs": "blobs.toml"}
COLUMNS = ("import", "events", "first BCE", "first CLs", "BCE", "CLs", "judging")


def measured(name: str) -> dict[str, float]:
    """The seconds of one fresh process; called inside it."""
    seconds: dict[str, float] = {}
    last = time.perf_counter()

    def note(what: str) -> None:
        nonlocal last
        seconds[what] = time.perf_counter() - last
        last = time.perf_counter()

    import jax

    jax.config.update("jax_enable_x64", True)
    import neoskit
    from neoskit._run.builders import build_dataset, build_pipeline
    from neoskit._run.config import read_config

    note("import")
    path = ROOT / "examples" / FILES[name]
    config = read_config(path)
    dataset = build_dataset(config, path.parent)
    if config.split.folds:
        seen = neoskit.leave_out(dataset, 0, config.split.folds)
    else:
        seen, dataset = neoskit.split(dataset, (0.8, 0.2))
    note("events")
    pipeline = build_pipeline(config, seen, jax.random.key(0))
    batch = config.training.batch
    last = time.perf_counter()
    # Cross entropy of the variations, too: both sides look at the same events.
    for short, objective in (
        ("BCE", neoskit.BinaryCrossEntropy(variations=True)),
        ("CLs", neoskit.expected_cls),
    ):
        stage, ends = neoskit.Stage(objective, 20, batch_size=batch), []
        training = neoskit.train(
            pipeline,
            seen,
            stage,
            after_step=lambda _, ends=ends: ends.append(time.perf_counter()),
            progress=False,
        )
        seconds[f"first {short}"] = ends[0] - last
        seconds[short] = statistics.median(
            after - before for before, after in itertools.pairwise(ends)
        )
        pipeline, last = training.pipeline, time.perf_counter()
    neoskit.evaluate(pipeline.with_edges(pipeline.edges), dataset)
    note("judging")
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("problems", nargs="*", choices=[*FILES, []])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        print(json.dumps(measured(options.inside)))
        return
    env = {k: v for k, v in os.environ.items() if k != "JAX_COMPILATION_CACHE_DIR"}
    env |= {"OPENBLAS_NUM_THREADS": "1", "JAX_PLATFORMS": "cpu"}
    rows = []
    for name in options.problems or FILES:
        rounds = []
        for _ in range(options.rounds):
            command = [sys.executable, __file__, "--inside", name]
            done = subprocess.run(
                command, env=env, check=True, capture_output=True, text=True
            )
            rounds.append(json.loads(done.stdout.splitlines()[-1]))
        medians = [statistics.median(r[c] for r in rounds) for c in COLUMNS]
        rows.append([name, *medians, medians[5] / medians[4]])
    table(["seconds of", *COLUMNS, "CLs / BCE step"], rows)


if __name__ == "__main__":
    main()
