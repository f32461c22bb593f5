"""Events that are larger than memory: memory, and what the exact gradient costs.

Events are generated and written as parquet: 20 features, a signal and a background
with an energy scale that shifts one column, up and down, so that of an event of the
background three copies go through the network. The analysis is read from these files by
row groups, in a fresh process for every number:

- the peak memory of reading 10⁵, 10⁶ and 10⁷ events and of gradients over all of them,
  with a number of rows in memory that is the same for all;
- a step on a CLs, whose exact gradient goes through the events twice, beside a step on
  the cross entropy of the same events that goes through them once: the usual training,
  chunk by chunk, with known sums of weights;
- the same step on one and on two Dask workers: time, gradient, the memory of a worker;
- the same with one of two workers killed in the middle of a step.

Printed beside it are the bytes of the events, as a dataset in memory would hold them.
"""

import argparse
import dataclasses
import json
import os
import shutil
import signal
import tempfile
import threading
import time
import tomllib
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import equinox as eqx
import jax
import numpy as np
from _measure import elsewhere, peak_memory, table

import neoskit
from neoskit._dask import dask_workers

FEATURES = 20
CHUNK = 20_000
ROWS = 20_000  # of a row group of the files
SIGNALS = 0.2  # of the events
# Layers of the network: a step's price beside cross entropy is that of a usual one; for
# the size of memory and for Dask a narrow one reads as many events in less time.
USUAL = (64, 64)
NARROW = (16,)
OBJECTIVE = neoskit.expected_cls
CROSS_ENTROPY = neoskit.BinaryCrossEntropy(variations=True)

CONFIG = """
[source]
kind = "files"
in_memory = false
features = {features}
weight = "w"
[[samples]]
name = "signal"
files = "signal.parquet"
[[samples]]
name = "background"
files = "background.parquet"
[[channels]]
name = "SR"
[[systematics]]
name = "energy_scale"
samples = ["background"]
up = {{ columns = {{ x0 = "x0 + 0.1" }} }}
down = {{ columns = {{ x0 = "x0 - 0.1" }} }}
[observable]
kind = "network"
[training]
chunk = {chunk}
"""


def write(folder: Path, events: int) -> None:
    """Files of so many events in all."""
    import pyarrow as pa
    import pyarrow.parquet

    names = [f"x{i}" for i in range(FEATURES)]
    generator = np.random.default_rng(0)
    for name, share, mean, expected in (
        ("signal", SIGNALS, 0.3, 50.0),
        ("background", 1 - SIGNALS, 0.0, 1000.0),
    ):
        count = round(share * events)
        schema = pa.schema([(n, pa.float32()) for n in (*names, "w")])
        path = folder / f"{name}.parquet"
        with pyarrow.parquet.ParquetWriter(path, schema) as file:
            for start in range(0, count, ROWS):
                rows = min(ROWS, count - start)
                columns = generator.normal(mean, 1, (FEATURES, rows)).astype(np.float32)
                weights = np.full(rows, expected / count, np.float32)
                file.write_table(
                    pa.table([*columns, weights], schema=schema), row_group_size=ROWS
                )
    config = CONFIG.format(features=names, chunk=CHUNK)
    (folder / "analysis.toml").write_text(config)


def size(stored: neoskit.StoredDataset) -> float:
    """MB of the features, weights and indices."""
    return (
        sum(
            sample.rows * (4 * len(sample.names) + 8 + 4)
            for _, sample in stored.samples()
        )
        / 1e6
    )


def problem(folder: Path, hidden: tuple[int, ...] = NARROW):
    """The pipeline and its events; they are read where they were not."""
    config = tomllib.loads((folder / "analysis.toml").read_text())
    config["observable"]["hidden"] = list(hidden)
    analysis = neoskit.Analysis.from_dict(config, folder)
    stored = analysis.stored_dataset(folder / "scratch")
    return analysis.pipeline(stored), stored


def step(pipeline, stored, objective=OBJECTIVE):
    """Value and exact gradient of an objective of all events."""
    return neoskit.value_and_gradient_chunked(
        pipeline, stored, objective, chunk=stored.chunk_size
    )


@eqx.filter_jit
def one_pass(given, events: neoskit.Dataset):
    """What a chunk adds to the cross entropy and its gradient, once the sums are known.

    The usual training on chunks: no second look at the events.
    """
    pipeline, totals = given
    trained, rest = eqx.partition(pipeline, neoskit.trained_leaves(pipeline))

    def number(trained):
        ours = eqx.combine(trained, rest)
        scores = ours.scores(events)
        classes = CROSS_ENTROPY.sums(scores, events, ours.measurement.signals)
        parts = zip(classes, totals, strict=True)
        return 0.5 * sum(entropy / total for (entropy, _), total in parts)

    return eqx.filter_value_and_grad(number)(trained)


def totals_of(stored: neoskit.StoredDataset, signals: tuple[str, ...]):
    """The sums of the weights of signal and of background, of all samples."""
    sums = {True: 0.0, False: 0.0}
    for key, sample in stored.samples():
        sums[key.process in signals] += sample.sums.positive + sample.sums.negative
    return tuple(sums.values())


def memory(folder: Path) -> dict:
    """Reading the files and one gradient, in this fresh process."""
    start = time.perf_counter()
    pipeline, stored = problem(folder)
    read = time.perf_counter() - start
    value, _ = step(pipeline, stored)
    return {"peak": peak_memory(), "data": size(stored), "read": read, "CLs": value}


def ratio(folder: Path, rounds: int) -> dict:
    """Seconds of a step, wall and processor, on the CLs and on the cross entropy."""
    pipeline, stored = problem(folder, USUAL)
    totals = totals_of(stored, pipeline.measurement.signals)
    calls = {
        "CLs": lambda: step(pipeline, stored),
        "BCE": lambda: stored.sum(one_pass, (pipeline, totals)),
    }
    _check_entropy(pipeline, stored, calls["BCE"]())
    times: dict[str, list] = {name: [] for name in calls}
    for _ in range(rounds + 1):  # the first one compiles
        for name, call in calls.items():
            begin = time.perf_counter(), time.process_time()
            call()
            ends = time.perf_counter(), time.process_time()
            times[name].append([b - a for a, b in zip(begin, ends, strict=True)])
    return {name: np.median(each[1:], axis=0).tolist() for name, each in times.items()}


def _check_entropy(pipeline, stored, found) -> None:
    value, gradient = step(pipeline, stored, CROSS_ENTROPY)
    np.testing.assert_allclose(found[0], value, rtol=1e-10)
    pairs = zip(jax.tree.leaves(found[1]), jax.tree.leaves(gradient), strict=True)
    for ours, exact in pairs:  # of a network in float32
        np.testing.assert_allclose(ours, exact, rtol=1e-3, atol=1e-5)


def clusters(folder: Path) -> list[dict]:
    """A step in this process; on one worker; on two; on two of which one is killed."""
    pipeline, stored = problem(folder)
    few = first_chunks(stored, 16)
    step(pipeline, few)  # compiles
    begin = time.perf_counter()
    value, gradient = step(pipeline, stored)
    alone = time.perf_counter() - begin
    lines = []
    for workers, killed in ((1, False), (2, False), (2, True)):
        found = _on_workers(pipeline, stored, few, workers, killed and alone)
        lines.append(
            {
                "workers": workers,
                "serial": alone,
                "seconds": found["seconds"],
                "value": abs(float(found["value"]) / float(value) - 1),
                "gradient": _difference(gradient, found["gradient"]),
                "worker": found["worker"],
                "data": size(stored),
                "lost": found["lost"],
            }
        )
    return lines


def _on_workers(pipeline, stored, few, workers: int, killed: float) -> dict:
    """A step on some workers, one of which is killed after a part of these seconds."""
    with dask_workers(f"local:{workers}") as summation:
        client = summation.client
        client.run(_import)
        for _ in range(2):  # compiles on every worker
            step(pipeline, few.with_summation(summation))
        pids = client.run(os.getpid)
        if killed:
            victim = next(iter(pids.values()))
            threading.Timer(0.2 * killed, os.kill, (victim, signal.SIGKILL)).start()
        begin = time.perf_counter()
        value, gradient = step(pipeline, stored.with_summation(summation))
        return {
            "seconds": time.perf_counter() - begin,
            "value": value,
            "gradient": gradient,
            "worker": max(client.run(peak_memory).values()),
            "lost": len({*pids.values()} - {*client.run(os.getpid).values()}),
        }


def first_chunks(stored: neoskit.StoredDataset, count: int) -> neoskit.StoredDataset:
    """The first chunks alone, of the same shapes."""
    parts = {}
    for key, sample in stored.samples():
        length = -(-len(sample) // len(stored.chunks()))
        parts[key] = sample.first(count * length)
    return dataclasses.replace(stored, parts=parts)


def _import() -> None:
    import neoskit  # noqa: F401


def _difference(gradient, other) -> float:
    """The largest difference, relative to the largest derivative of the same array."""
    return max(
        float(np.abs(a - b).max() / np.abs(a).max())
        for a, b in zip(
            map(np.asarray, jax.tree.leaves(gradient)),
            map(np.asarray, jax.tree.leaves(other)),
            strict=True,
        )
    )


def part(name: str, folder: Path, *options: int) -> None:
    """One measurement, in this process; its numbers as JSON."""
    jax.config.update("jax_enable_x64", True)
    result = {"memory": memory, "ratio": ratio, "clusters": clusters}[name](
        folder, *options
    )
    print(json.dumps(jax.tree.map(float, result)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="10⁴ and 10⁵ events")
    parser.add_argument("--folder", type=Path, help="where the files are written")
    parser.add_argument("--part", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        name, folder, *options = arguments.part
        part(name, Path(folder), *map(int, options))
        return
    sizes = (10**5, 3 * 10**5) if arguments.quick else (10**5, 10**6, 10**7)
    whole = Path(tempfile.mkdtemp(prefix="larger-", dir=arguments.folder))
    try:
        measure(whole, sizes, rounds=2 if arguments.quick else 5)
    finally:
        shutil.rmtree(whole)


def measure(whole: Path, sizes: tuple[int, ...], rounds: int) -> None:
    """Everything, printed as it is known."""
    print(f"{CHUNK} events of the largest sample in memory, {ROWS} in a row group")
    folders = {}
    rows = []
    for events in sizes:
        folders[events] = whole / str(events)
        folders[events].mkdir()
        write(folders[events], events)
        found = _in_process("memory", folders[events])
        rows.append([events, found["data"], found["peak"], found["read"], found["CLs"]])
    table(["events", "data [MB]", "peak [MB]", "read [s]", "CLs"], rows)
    print(f"peak of the most / of the fewest events: {rows[-1][2] / rows[0][2]:.3f}")
    middle = sizes[1]
    times = _in_process("ratio", folders[middle], rounds)
    (exact, exact_cpu), (entropy, entropy_cpu) = times["CLs"], times["BCE"]
    print(
        f"\nstep on {middle} events: CLs {exact:.3g} s ({exact_cpu:.3g} of processor), "
        f"BCE {entropy:.3g} s ({entropy_cpu:.3g}): {exact / entropy:.3g} times "
        f"({exact_cpu / entropy_cpu:.3g} in processor's seconds)\n"
    )
    most = sizes[-1]
    lines = [
        [
            f"{found['workers']:.0f}{', one killed' * bool(found['lost'])}",
            most / found["serial"],
            most / found["seconds"],
            found["serial"] / found["seconds"],
            found["value"],
            found["gradient"],
            found["worker"],
            found["worker"] / found["data"],
        ]
        for found in _in_process("clusters", folders[most])
    ]
    head = ["workers", "serial [ev/s]", "Dask [ev/s]", "serial/Dask", "Δ value"]
    table([*head, "Δ gradient", "worker [MB]", "worker / data"], lines)


def _in_process(*options: object) -> dict:
    return elsewhere(Path(__file__).name, "--part", *options)


if __name__ == "__main__":
    main()
