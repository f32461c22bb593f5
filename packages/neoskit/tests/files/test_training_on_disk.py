"""Trainings whose events stay on disk: folds, killed ones, workers, by the commands."""

import json
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from neoskit._cli.app import app
from neoskit._run.folder import RunFolder
from neoskit._train.checkpoint import standing

pytest.importorskip("pyarrow", reason="needs the extra `neoskit[parquet]`")
pytest.importorskip("numexpr", reason="needs an extra of neoskit that reads files")

# Two folds of two stages, a checkpoint after every second step of four. Variations of
# every kind: of columns, of weights, and of the normalisation alone.
TEXT = """
[source]
kind = "files"
features = ["x", "y"]
weight = "w"
in_memory = false
scratch = "scratch"
[[samples]]
name = "signal"
files = "signal.parquet"
[[samples]]
name = "background"
files = ["background_1.parquet", "background_2.parquet"]
[[channels]]
name = "SR"
filter = "x < 3"
[[channels]]
name = "CR"
filter = "x >= 3"
counted = true
[[systematics]]
name = "jes"
processes = ["background"]
up = { columns = { x = "1.05 * x" } }
down = { columns = { x = "0.95 * x" } }
[[systematics]]
name = "pu"
processes = ["background"]
up = { factor = "v" }
down = { factor = "1 / v" }
[[systematics]]
name = "norm"
processes = ["background"]
up = { normalisation = 0.2 }
down = { normalisation = -0.2 }
[split]
folds = 2
[binning]
edges = [0.0, 0.5, 1.0]
[observable]
kind = "network"
hidden = [4]
[measurement]
mc_statistics = false
floor = 1e-3
[evaluation]
bootstrap = 2
[training]
checkpoint_every = 2
[[training.stages]]
objective = "binary_cross_entropy"
steps = 2
chunk = 60
[[training.stages]]
objective = "binary_cross_entropy_with_variations"
steps = 2
chunk = 60
"""
# Runs the command, and kills itself at the n-th time that something is done.
CHILD = """
import os, signal, sys

from neoskit._cli.process import set_up

set_up()  # before jax, which the others import

import neoskit._atomic as atomic
import neoskit._cli as cli
import neoskit._events.stored.sample as sample

what, left, sys.argv = sys.argv[1], int(sys.argv[2]), ["neoskit", *sys.argv[3:]]

def killed():
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)

def counted(owner, name):
    inner = getattr(owner, name)
    def hooked(*args, **kwargs):
        killed()
        return inner(*args, **kwargs)
    setattr(owner, name, hooked)

write = atomic._write

def half(path, content):
    if path.name.startswith("checkpoint"):
        write(path, content[: len(content) // 2])
        killed()
    write(path, content)

if what == "checkpoint":
    atomic._write = half
else:
    counted(*{"events": (sample.StoredSample, "append"),
              "chunk": (sample.StoredSample, "events")}[what])
cli.main()
"""


@pytest.fixture(scope="module")
def analysis(tmp_path_factory):
    """A folder with the files and the description of an analysis."""
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet

    folder = tmp_path_factory.mktemp("disk")
    rng = np.random.default_rng(7)
    for name, mean, count in (
        ("signal", 1.0, 150),
        ("background_1", -0.5, 200),
        ("background_2", -0.5, 130),
    ):
        columns = {
            "x": rng.normal(mean, 2, count),
            "y": rng.normal(0, 1, count),
            "w": rng.uniform(0.1, 0.5, count),
            "v": rng.uniform(0.8, 1.3, count),
        }
        pyarrow.parquet.write_table(pa.table(columns), folder / f"{name}.parquet")
    (folder / "disk.toml").write_text(TEXT)
    return folder


def neoskit(*arguments):
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done.output


def command(config, run):
    return ("train", config, "--out", run, "--no-pictures", "--no-progress")


@pytest.fixture(scope="module")
def whole(analysis):
    """A training on disk that nothing ended."""
    neoskit(*command(analysis / "disk.toml", analysis / "whole"))
    return analysis / "whole"


RESULT = (
    "config.toml",
    "metrics.jsonl",
    "seed-0/checkpoint-fold-0.eqx",
    "seed-0/checkpoint-fold-1.eqx",
    "seed-0/parameters.eqx",
    "seed-0/evaluation.json",
    "workspace.json",
)


def test_it_is_that_in_memory(analysis, whole):
    text = TEXT.replace('in_memory = false\nscratch = "scratch"\n', "")
    (analysis / "memory.toml").write_text(text)
    neoskit(*command(analysis / "memory.toml", analysis / "memory"))
    ours, theirs = (
        json.loads((run / "seed-0" / "evaluation.json").read_text())
        for run in (whole, analysis / "memory")
    )
    # Sums of the same chunks, added up by programs of their own; the scores are
    # float32, and no event is so near to an edge.
    assert ours["raw_counts"] == theirs["raw_counts"]
    for name in ("expected_cls", "upper_limit", "poi_uncertainty", "significance"):
        assert ours[name] == pytest.approx(theirs[name], rel=1e-6)
        assert ours["errors"][name] == pytest.approx(theirs["errors"][name], rel=1e-6)
    losses = [
        [line["loss"] for line in RunFolder(run).metrics() if "loss" in line]
        for run in (whole, analysis / "memory")
    ]
    assert len(losses[0]) == 8
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


@pytest.mark.parametrize(
    ("what", "count"),
    [
        ("chunk", 700),  # in the sums of a step
        pytest.param("events", 3, marks=pytest.mark.slow),  # while files are read
        pytest.param("events", 40, marks=pytest.mark.slow),  # and shared out to folds
        pytest.param("checkpoint", 3, marks=pytest.mark.slow),
    ],
)
def test_killed_and_gone_on_with(what, count, analysis, whole, tmp_path):
    for path in analysis.glob("*.parquet"):
        shutil.copy(path, tmp_path)
    run = tmp_path / "run"
    (tmp_path / "disk.toml").write_text(TEXT)
    cache = {"JAX_COMPILATION_CACHE_DIR": str(analysis / "jax")}
    with (tmp_path / "stderr.txt").open("w") as said:
        killed = subprocess.run(
            [sys.executable, "-c", CHILD, what, str(count)]
            + [str(one) for one in command(tmp_path / "disk.toml", run)],
            env=cache | os.environ,
            stdout=said,
            stderr=said,
            check=False,
        )
    assert killed.returncode == -signal.SIGKILL, (tmp_path / "stderr.txt").read_text()
    kept = sum(standing(path).step for path in run.glob("seed-0/checkpoint-fold-*.eqx"))
    assert kept in {"events": [0], "chunk": [2, 4, 6], "checkpoint": [4]}[what]
    left = [*(tmp_path / "scratch").rglob("*.lock")]
    assert left
    if kept:  # by the description in the run's folder, every default written out
        neoskit("train", "--resume", run, "--no-pictures", "--no-progress")
    else:
        neoskit(*command(tmp_path / "disk.toml", run))
    # What it left of its temporary folders is removed.
    assert [*(tmp_path / "scratch").rglob("*.lock")] == []
    assert not any(lock.with_suffix("").exists() for lock in left)
    assert not (tmp_path / "run-2").exists()
    for name in RESULT[1:]:
        written = (run / name).read_bytes()
        assert written == (whole / name).read_bytes(), name


def test_on_workers(analysis, whole, tmp_path):
    """By the address of a scheduler: one in this process, with two workers."""
    distributed = pytest.importorskip(
        "distributed", reason="needs the extra `neoskit[dask]`"
    )
    with distributed.LocalCluster(
        processes=False, n_workers=2, threads_per_worker=1, dashboard_address=":0"
    ) as cluster:
        address = cluster.scheduler_address
        neoskit(*command(whole / "config.toml", tmp_path / "run"), "--dask", address)
    ours, theirs = (
        [line["loss"] for line in RunFolder(run).metrics() if "loss" in line]
        for run in (tmp_path / "run", whole)
    )
    assert len(ours) == 8
    # The same sums of float64 in another order; parameters are float32.
    assert ours == pytest.approx(theirs, rel=1e-6)
