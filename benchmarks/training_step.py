"""A training step on the expected CLs against one on binary cross entropy.

The same network, the same batch of 2000 events from each of the four blobs, both sides
in turn. Nominal-only cross entropy, which looks at half of the events, stands beside.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import jax
import jax.numpy as jnp
import optax
from _measure import side_by_side, table

import neoskit
from neoskit._events.split import batches, sums_of_weights
from neoskit._train.state import advance

NETWORKS = {"1024x1024": (1024, 1024), "100x100": (100, 100), "128x4": (128,) * 4}
OBJECTIVES = {
    "CLs": neoskit.expected_cls,
    "BCE": neoskit.BinaryCrossEntropy(variations=True),
    "BCE, nominal only": neoskit.binary_cross_entropy,
}
OPTIMISER = optax.adam(1e-3)


def main(repeats: int = 15) -> None:
    jax.config.update("jax_enable_x64", True)
    dataset = jax.tree.map(jnp.asarray, neoskit.gaussian_blobs(8000))
    totals = jax.tree.map(jnp.asarray, sums_of_weights(dataset))
    rows = next(batches(dataset, 2000, seed=0))
    measurement = neoskit.Measurement(("signal",), histosys_code="0")
    binning = neoskit.Binning([0.0, 0.25, 0.5, 0.75, 1.0], bandwidth=0.1)
    lines = []
    for name, hidden in NETWORKS.items():
        network = neoskit.NeuralObservable(2, hidden, key=jax.random.key(0))
        pipeline = neoskit.Pipeline(network, binning, measurement)
        start = neoskit.initial_state(pipeline, OPTIMISER)
        width = pipeline.binning.bandwidth.value

        def step(objective, start=start, width=width):
            return advance(
                start, dataset, rows, totals, width, objective, OPTIMISER, None
            )

        calls = {label: lambda o=o, s=step: s(o) for label, o in OBJECTIVES.items()}
        times = side_by_side(calls, repeats)
        ratio = times["CLs"].warm / times["BCE"].warm
        warm = [1e3 * times[label].warm for label in OBJECTIVES]
        lines.append([name, *warm, ratio, times["CLs"].cold, times["BCE"].cold])
    head = [f"{label} [ms]" for label in OBJECTIVES]
    table(["network", *head, "CLs / BCE", "cold CLs [s]", "cold BCE [s]"], lines)


if __name__ == "__main__":
    main()
