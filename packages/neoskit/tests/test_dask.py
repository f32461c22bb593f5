"""Sums on Dask workers are those of one process, also when a worker is lost."""

import os
import signal
import subprocess
import sys
import threading
import time

import jax
import numpy as np
import pytest

import neoskit
from neoskit import DaskWorkers, StoredDataset
from neoskit._dask import dask_workers

distributed = pytest.importorskip(
    "distributed", reason="needs the extra `neoskit[dask]`"
)
cloudpickle = pytest.importorskip("cloudpickle", reason="comes with distributed")

# Workers cannot import this file.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


@pytest.fixture
def stored(blobs, tmp_path):
    return StoredDataset.write(blobs.samples(), tmp_path / "events", chunk_size=40)


@pytest.fixture
def workers():
    """Two tasks at a time, within this process: no other one to start."""
    with (
        distributed.Client(
            processes=False,
            n_workers=2,
            threads_per_worker=1,
            dashboard_address=":0",
        ) as client,
    ):
        yield DaskWorkers(client)


def test_value_gradient_and_templates(workers, stored, pipeline, rough_variance):
    both = neoskit.WeightedSum(
        ((1.0, rough_variance), (0.5, neoskit.binary_cross_entropy))
    )
    here, there = (
        neoskit.value_and_gradient_chunked(pipeline, events, both, chunk=40)
        for events in (stored, stored.with_summation(workers))
    )
    # The same sums of float64 in another order.
    for a, b in zip(jax.tree.leaves(here), jax.tree.leaves(there), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-14)
    assert jax.tree.structure(here) == jax.tree.structure(there)
    templates = (
        pipeline.hard_templates(events)
        for events in (stored, stored.with_summation(workers))
    )
    jax.tree.map(np.testing.assert_allclose, *templates)


def test_a_worker_that_does_not_see_the_events(workers, stored, pipeline, tmp_path):
    (tmp_path / "events").rename(tmp_path / "elsewhere")
    with pytest.raises(FileNotFoundError, match="in a folder that all workers see"):
        pipeline.hard_templates(stored.with_summation(workers))


def test_a_cluster_without_workers_is_not_waited_for_in_vain(stored, pipeline):
    with (
        distributed.LocalCluster(
            n_workers=0, processes=False, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        alone = stored.with_summation(DaskWorkers(client, patience=0.1))
        with pytest.raises(RuntimeError, match=r"has had no worker for 0\.1 s"):
            pipeline.hard_templates(alone)


@pytest.mark.parametrize("where", ["local:0", "local:two", "nowhere"])
def test_what_names_no_workers(where):
    with pytest.raises(ValueError, match=f"--dask {where}"), dask_workers(where):
        pass


def test_events_in_memory_are_seen_by_no_worker(blobs, tmp_path):
    pytest.importorskip("typer", reason="needs the extra `neoskit[cli]`")
    from neoskit._cli.dask import on_workers
    from neoskit._cli.training import Task

    task = Task(None, tmp_path, blobs, tmp_path / "run")
    with pytest.raises(ValueError, match="in_memory = false"):  # noqa: SIM117
        with on_workers(task, "local:1"):
            pass
    with on_workers(task, None) as alone:
        assert alone is task


def test_without_distributed_the_extra_is_named():
    code = (
        "import sys; sys.modules['distributed'] = None\n"
        "from neoskit._dask import dask_workers\n"
        "with dask_workers('local'): pass"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "install `neoskit[dask]`" in done.stderr


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_its_partitions_only(stored, pipeline, tmp_path):
    """Processes, one of them killed while both are in the middle of a sum."""
    stage = neoskit.Stage(neoskit.binary_cross_entropy, 4)
    alone = neoskit.train(pipeline, stored, stage, progress=False)
    begun = tmp_path / "begun"
    killed = []

    with dask_workers("local:2") as workers:
        victim, other = workers.client.run(os.getpid).values()

        def kill():
            # When it has its hands full: a chunk of its own has begun.
            while not (begun / str(victim)).exists():
                time.sleep(0.01)
            os.kill(victim, signal.SIGKILL)
            killed.append(victim)

        def after_step(state):
            if int(state.step) == 2:
                begun.mkdir()
                threading.Thread(target=kill).start()

        slowed = stored.with_summation(workers).with_weights(Slow(str(begun)))
        training = neoskit.train(
            pipeline, slowed, stage, progress=False, after_step=after_step
        )
        assert killed == [victim]
        left = {*workers.client.run(os.getpid).values()}
    assert victim not in left
    assert other in left
    np.testing.assert_allclose(training.losses, alone.losses, rtol=1e-10)


class Slow:
    """Leaves weights as they are, and a sign that this process is at work."""

    def __init__(self, folder):
        self.folder = folder

    def __call__(self, key, events):
        if os.path.isdir(self.folder):
            with open(os.path.join(self.folder, str(os.getpid())), "w"):
                time.sleep(0.01)
        return events.weights
