"""Looks at a training: when, of which events, and what they say."""

import jax
import numpy as np
import pytest

from neoskit import Stage, binary_cross_entropy, expected_limit, initial_state
from neoskit._run.builders import build_dataset
from neoskit._run.config import parse_config
from neoskit._run.folder import RunFolder
from neoskit._run.run import untrained
from neoskit._run.snapshots import Recording, plane_of, read_plane, read_snapshots

SMALL = {
    "source": {"kind": "blobs", "events": 200},
    "split": {"folds": 2},
    "observable": {"kind": "network", "hidden": [4]},
    "binning": {"edges": [0.0, 0.5, 1.0]},
    "measurement": {"floor": 1e-3, "mc_statistics": False},
    "training": {"steps": 70, "warm_start": {"steps": 30}},
}


@pytest.fixture
def recording(tmp_path):
    config = parse_config(SMALL)
    dataset = build_dataset(config, tmp_path)
    return Recording(RunFolder(tmp_path), config, 0, dataset, partition=3)


def test_looks_at_folds_add_up_to_the_result(recording):
    both = untrained(recording.config, recording.judges, 0).pipeline
    both = type(both)(both.folds, recording.partition)
    for fold, pipeline in enumerate(both.folds):
        state = initial_state(pipeline, Stage(binary_cross_entropy, 1))
        # One fold has no result: half of the events are missing.
        assert recording.look(fold, state) == {}
    (line,) = recording.join(both)
    (shot,) = read_snapshots(recording.place)
    hard = both.hard_templates(recording.judges)
    jax.tree.map(np.testing.assert_allclose, shot.templates, hard)
    limit = float(expected_limit(both.measurement.model(hard)))
    assert line["upper_limit"] == pytest.approx(limit, rel=1e-6)
    assert (line["step"], line["stage"]) == (0, 0)
    assert read_plane(recording.place).names == ("x", "y")


def test_looks_depend_on_the_step_alone(recording):
    """Thirty or so of a hundred steps, the first and the last among them."""
    steps = [step for step in range(101) if recording.is_time(step)]
    assert steps[:3] == [0, 4, 8]
    assert steps[-1] == 100
    assert 20 < len(steps) <= 32


def test_the_planes_are_those_of_what_separates(recording):
    """With many features the best ones; what has two values is no axis."""
    generator = np.random.default_rng(0)

    def wider(key, events):
        count = len(events)
        flag = np.arange(count) % 2
        noise = generator.normal(size=(count, 8))
        shifted = generator.normal(3.0 * (key.process == "signal"), 1, count)
        columns = [noise, shifted[:, None], flag[:, None]]
        names = (*(f"n{i}" for i in range(8)), "good", "flag")
        return type(events)(
            np.concatenate(columns, axis=1), events.weights, names=names
        )

    plane = plane_of(recording.judges.map(wider), ("signal",))
    assert plane.names[0] == "good"
    assert len(plane.names) == 6
    assert "flag" not in plane.names
    assert len(plane.pairs) == 15
    points = plane.points().reshape(15, *plane.axes.shape[1:] * 2, 10)
    first, second = plane.pairs[4]
    assert np.allclose(points[4, 7, :, plane.columns[first]], plane.axes[first])
    assert np.allclose(points[4, :, 7, plane.columns[second]], plane.axes[second])
    others = [c for c in range(10) if c not in np.take(plane.columns, (first, second))]
    assert np.allclose(points[4][..., others], plane.middle[others])
