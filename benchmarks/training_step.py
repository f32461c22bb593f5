"""A training step on the expected CLs against one on binary cross entropy.

The same network, the same events of all samples and variations, both sides in turn: a
batch of 2000 events from each of the four blobs, and all events of a fold of H→ττ
(`examples/cms_htautau.toml`; left out where its files are not there). Cross entropy of
the nominal samples alone, which looks at fewer events, stands beside. Compiled before;
the seconds of the first step are those of `first_step.py`.
"""

import os
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import jax
import numpy as np
from _measure import table

import neoskit
from neoskit import Stage, train

EXAMPLE = Path(__file__).parent.parent / "examples" / "cms_htautau.toml"
NETWORKS = {"1024x1024": (1024, 1024), "100x100": (100, 100), "128x4": (128,) * 4}
OBJECTIVES = {
    "CLs": neoskit.expected_cls,
    "BCE": neoskit.BinaryCrossEntropy(variations=True),
    "BCE, nominal only": neoskit.binary_cross_entropy,
}


def milliseconds(
    pipeline: neoskit.Pipeline,
    events: neoskit.Dataset,
    batch: int | None,
    rounds: int = 7,
    steps: int = 20,
) -> dict[str, float]:
    """From the end of a step to that of the next one, the median of rounds in turn."""
    times: dict[str, list[float]] = {label: [] for label in OBJECTIVES}
    for repeat in range(rounds + 1):  # the first one compiles
        for label, objective in OBJECTIVES.items():
            stage, ends = Stage(objective, steps, batch_size=batch), []
            train(
                pipeline,
                events,
                stage,
                after_step=lambda _, ends=ends: ends.append(time.perf_counter()),
                progress=False,
            )
            times[label].extend(1e3 * np.diff(ends) if repeat else ())
    return {label: float(np.median(each)) for label, each in times.items()}


def problems():
    """Name, pipeline, events and batch of each problem."""
    blobs = neoskit.gaussian_blobs(8000)
    measurement = neoskit.Measurement(
        ("signal",), histosys_code="0", mc_statistics=False
    )
    binning = neoskit.Binning([0.0, 0.25, 0.5, 0.75, 1.0], bandwidth=0.1)
    for name, hidden in NETWORKS.items():
        network = neoskit.NeuralObservable(2, hidden, key=jax.random.key(0))
        yield (
            f"blobs {name}",
            neoskit.Pipeline(network, binning, measurement),
            blobs,
            2000,
        )
    from neoskit._run.builders import build_dataset, build_pipeline
    from neoskit._run.config import read_config

    config = read_config(EXAMPLE)
    try:
        events = build_dataset(config, EXAMPLE.parent)
    except FileNotFoundError as error:
        print(f"H→ττ is left out: {error}")
        return
    seen = neoskit.leave_out(events, 0, 2)
    yield "H→ττ", build_pipeline(config, seen, jax.random.key(0)), seen, None


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    lines = []
    for name, pipeline, events, batch in problems():
        times = milliseconds(pipeline, events, batch)
        lines.append([name, *times.values(), times["CLs"] / times["BCE"]])
    table(["problem", *(f"{label} [ms]" for label in OBJECTIVES), "CLs / BCE"], lines)


if __name__ == "__main__":
    main()
