"""The blobs of arXiv:2203.05570: what each way of training reaches on other events.

`neos`: 10 000 events per blob, a fifth of them held out, code 0, as published; for each
seed every way of training, with the CLs of the held-out events in hard bins at the end
and at its best. The published code reaches 1.5e-6 and 8.6e-7.

`ablation`: the recipe with one of its parts changed at a time, as `map` judges it.

`map`: N = 200 … 8000 events per blob to train on, code 4p, judged on 40 000 others: the
recipe against the best of three trainings on cross entropy.

    blobs.py neos [--seeds 7] [--ways NAME …]
    blobs.py map [--seeds 5] [--events N …]
    blobs.py ablation [--seeds 5] [--events N …]
"""

import argparse
import dataclasses
import os
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import jax
import numpy as np
import optax
from _measure import table

import neoskit
from neoskit import (
    AdversarialCrossEntropy,
    BinaryCrossEntropy,
    Binning,
    Categories,
    Measurement,
    NeuralObservable,
    Pipeline,
    SoftmaxObservable,
    Stage,
)

BINS = 8
HIDDEN = (32, 32)
WARM = optax.adam(1e-3)
WITH_VARIATIONS = BinaryCrossEntropy(variations=True)
JUDGES = 999_999


def classifier(seed: int, code: str) -> Pipeline:
    """A network with equal bins of its value, untrained."""
    network = NeuralObservable(2, HIDDEN, key=jax.random.key(seed))
    edges = np.linspace(0.0, 1.0, BINS + 1)
    binning = Binning(edges, bandwidth=0.4 / BINS)
    return Pipeline(network, binning, measurement(code))


def bins_of(classifier: Pipeline, seed: int) -> Pipeline:
    """Softmax bins that start at a classifier's."""
    observable = SoftmaxObservable(
        2,
        BINS,
        HIDDEN,
        key=jax.random.key(seed + 1000),
        start=classifier.observable,
        train_start=True,
    )
    return Pipeline(observable, Categories(bandwidth=0.3), classifier.measurement)


def measurement(code: str) -> Measurement:
    return Measurement(("signal",), floor=1e-3, histosys_code=code, mc_statistics=False)


# Trainings on cross entropy, of which the best is compared with.
BUDGETS = (
    (200, neoskit.binary_cross_entropy),
    (200, WITH_VARIATIONS),
    (400, WITH_VARIATIONS),
)
# The rates fall to 0: what is quoted at the end is not the luck of the last step.
STEPS = 300
FALLING = optax.adam(optax.cosine_decay_schedule(2e-3, STEPS))


def entropy(steps: int, objective: object = WITH_VARIATIONS) -> Stage:
    return Stage(objective, steps, WARM)


def on(objective: object) -> list[Stage]:
    return [entropy(200), Stage(objective, STEPS, FALLING)]


WAYS = {
    "CLs": on(neoskit.expected_cls),
    "limit": on(neoskit.expected_limit),
    "p0": on(neoskit.discovery_pvalue),
    "variance": on(neoskit.poi_variance),
    "CLs + p0": on(neoskit.expected_cls + 1 * neoskit.discovery_pvalue),
    "BCE": [entropy(200, neoskit.binary_cross_entropy)],
    "BCE with variations": [entropy(200)],
    "adversarial": [
        entropy(200, neoskit.binary_cross_entropy),
        Stage(
            AdversarialCrossEntropy(["shape"], strength=3.0, key=jax.random.key(0)),
            300,
            optax.adam(3e-4),
        ),
    ],
    "softmax from scratch": [Stage(neoskit.poi_variance, 2 * STEPS, FALLING)],
}


def start(way: str, seed: int, code: str) -> Pipeline:
    """The untrained pipeline of a way."""
    if way.startswith(("BCE", "adversarial")):
        return classifier(seed, code)
    if way == "softmax from scratch":
        key = jax.random.key(seed)
        observable = SoftmaxObservable(2, BINS, HIDDEN, key=key)
        return Pipeline(observable, Categories(bandwidth=0.3), measurement(code))
    return bins_of(classifier(seed, code), seed)


def neos(seeds: int, ways: list[str]) -> None:
    judges = neoskit.gaussian_blobs(40_000, seed=JUDGES)
    rows = []
    for way in ways:
        found = []
        for seed in range(seeds):
            begin = time.perf_counter()
            events = neoskit.gaussian_blobs(10_000, seed=seed)
            seen, held_out = neoskit.split(events, (0.8, 0.2), seed=seed)
            training = neoskit.train(
                start(way, seed, "0"),
                seen,
                WAYS[way],
                seed=seed,
                held_out=held_out,
                monitor={"CLs": neoskit.expected_cls},
                every=10,
                progress=False,
            )
            cls = list(training.monitored["CLs"].values())
            numbers = neoskit.evaluate(training.pipeline, judges).numbers
            seconds = time.perf_counter() - begin
            found.append([cls[-1], min(cls), *numbers.values(), seconds])
            print(f"{way}, seed {seed}:", *(f"{x:.3g}" for x in found[-1]), flush=True)
        rows.append([way, *np.median(found, axis=0)])
    head = ["trained on", "CLs at the end", "best CLs"]
    head += [f"{n}, other events" for n in ("CLs", "limit", "σ(μ)", "Z")]
    table([*head, "seconds"], rows)


def one_map(seeds: int, counts: list[int]) -> None:
    judges = neoskit.gaussian_blobs(40_000, seed=JUDGES)
    rows = []
    for count in counts:
        of_count = []
        for seed in range(seeds):
            seen = neoskit.gaussian_blobs(count, seed=seed)
            untrained = classifier(seed, "4p")
            trainings = [
                neoskit.train(untrained, seen, entropy(*budget), progress=False)
                for budget in BUDGETS
            ]
            stages = neoskit.recipe(neoskit.expected_cls, variations=True)
            trainings += [
                neoskit.train(untrained, seen, stages, progress=False),
                neoskit.train(bins_of(untrained, seed), seen, stages, progress=False),
            ]
            numbers = [
                list(neoskit.evaluate(training.pipeline, judges).numbers.values())
                for training in trainings
            ]
            print(count, seed, np.array(numbers)[:, 1:].round(3).tolist(), flush=True)
            of_count.append(numbers)
        medians = np.median(of_count, axis=0)
        best = medians[: len(BUDGETS), 1].argmin()
        for name, row in zip(
            ("value", "softmax"), medians[len(BUDGETS) :], strict=True
        ):
            relative = row[1] / medians[best, 1] - 1
            rows.append([count, *medians[best, 1:], name, *row[1:], relative])
    head = ["events", *(f"{n}, best BCE" for n in ("limit", "σ(μ)", "Z"))]
    head += ["recipe, bins of", *("limit", "σ(μ)", "Z")]
    table([*head, "limit, relative"], rows)


def ablation(seeds: int, counts: list[int]) -> None:
    judges = neoskit.gaussian_blobs(40_000, seed=JUDGES)
    entropy, last = neoskit.recipe(neoskit.expected_cls, variations=True)
    bare = dataclasses.replace(last, pseudo_events=0.0)
    scratch = dataclasses.replace(bare, steps=400, optimiser=WARM)
    variants = {
        "from scratch, κ = 0": [scratch],
        "from scratch, κ = 1": [dataclasses.replace(scratch, pseudo_events=1.0)],
        "warm start, κ = 0": [entropy, bare],
        "warm start, κ = 1: the recipe": [entropy, last],
        "κ = 0.3": [entropy, dataclasses.replace(last, pseudo_events=0.3)],
        "κ = 3": [entropy, dataclasses.replace(last, pseudo_events=3.0)],
        "without logarithm": [entropy, dataclasses.replace(last, logarithm=False)],
        "300 steps": [entropy, dataclasses.replace(last, steps=300)],
        "straight-through bins": [entropy, last],
    }
    rows = []
    for count in counts:
        for name, stages in variants.items():
            found = []
            for seed in range(seeds):
                pipeline = classifier(seed, "4p")
                if name == "straight-through bins":
                    binning = Binning(
                        pipeline.edges, bandwidth=0.4 / BINS, straight_through=True
                    )
                    pipeline = Pipeline(
                        pipeline.observable, binning, pipeline.measurement
                    )
                seen = neoskit.gaussian_blobs(count, seed=seed)
                training = neoskit.train(pipeline, seen, stages, progress=False)
                numbers = neoskit.evaluate(training.pipeline, judges).numbers
                found.append([training.losses[-1], *numbers.values()])
            rows.append([count, name, *np.median(found, axis=0)])
            print(count, name, *(f"{x:.3g}" for x in rows[-1][2:]), flush=True)
    head = ["events", "training", "CLs in training"]
    table([*head, *(f"{n}, other events" for n in ("CLs", "limit", "σ(μ)", "Z"))], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("what", choices=("neos", "map", "ablation"))
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--events", type=int, nargs="+", default=[200, 500, 2000, 8000])
    options = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    if options.what == "neos":
        neos(options.seeds or 7, options.ways)
    elif options.what == "map":
        one_map(options.seeds or 5, options.events)
    else:
        ablation(options.seeds or 5, options.events)


if __name__ == "__main__":
    main()
