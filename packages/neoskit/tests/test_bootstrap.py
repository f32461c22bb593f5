"""Bootstrap over events: the numbers drawn, and which events share them."""

import jax
import numpy as np
import pytest

from neoskit import (
    CrossFit,
    Dataset,
    Events,
    Process,
    bootstrap,
    expected_cls,
    resample,
)


@pytest.fixture
def dataset():
    rows = np.arange(3000)
    nominal = Events(rows[:, None], weights=np.full(3000, 2.0), index=rows + 100)
    up = nominal.take(rows[5:])
    down = nominal.take(rows[:-7][::-1])
    signal = Process(nominal, {"scale": (up, down)})
    other = Process(Events(rows[:, None], index=rows + 100))
    return Dataset({"SR": {"signal": signal, "background": other}})


def _factors(events, original):
    return dict(
        zip(
            np.asarray(events.index),
            np.asarray(events.weights / original.weights),
            strict=True,
        )
    )


def test_draws_are_poisson(dataset):
    replica = resample(dataset, 3)
    counts = np.asarray(replica.channels["SR"]["background"].nominal.weights)
    expected = 3000 * np.exp(-1.0) / np.array([1, 1, 2, 6])
    for n, e in enumerate(expected):
        assert abs(np.sum(counts == n) - e) < 5 * np.sqrt(e)
    np.testing.assert_array_equal(counts, np.round(counts))


def test_an_event_and_its_shifted_copies_are_drawn_together(dataset):
    replica = resample(dataset, 3)
    drawn = replica.channels["SR"]["signal"]
    original = dataset.channels["SR"]["signal"]
    nominal = _factors(drawn.nominal, original.nominal)
    for shifted, before in zip(
        drawn.variations["scale"], original.variations["scale"], strict=True
    ):
        for index, factor in _factors(shifted, before).items():
            assert factor == nominal[index]


def test_processes_with_the_same_indices_are_drawn_apart(dataset):
    replica = resample(dataset, 3).channels["SR"]
    signal = replica["signal"].nominal.weights / 2
    background = replica["background"].nominal.weights
    correlation = np.corrcoef(signal, background)[0, 1]
    assert abs(correlation) < 5 / np.sqrt(3000)


def test_spread_of_a_sum_of_weights(dataset):
    sums = bootstrap(
        lambda d: d.channels["SR"]["signal"].nominal.weights.sum(),
        dataset,
        replicas=400,
        seed=1,
    )
    assert sums.shape == (400,)
    assert sums.mean() == pytest.approx(6000, abs=5 * np.sqrt(12000 / 400))
    # √Σw²; the standard deviation of 400 has a relative error of 3.5 %.
    assert sums.std() == pytest.approx(np.sqrt(12000), rel=0.15)


def test_the_number_that_the_docstring_names_is_one(pipeline, blobs):
    found = bootstrap(
        lambda d: expected_cls(pipeline.hard_model(d)), blobs, replicas=3, seed=0
    )
    assert found.shape == (3,)
    assert len(np.unique(found)) == 3


def test_events_that_are_scored_once_fill_as_if_scored_again(pipeline, blobs):
    fill = pipeline.hard_filler(blobs)
    replica = resample(blobs, 5)
    again = pipeline.hard_templates(replica)
    jax.tree.map(np.testing.assert_array_equal, fill(replica), again)
    both = CrossFit((pipeline, pipeline.with_bandwidth(0.2)))
    filled = both.hard_filler(blobs)(replica)
    jax.tree.map(np.testing.assert_array_equal, filled, both.hard_templates(replica))


def test_there_is_a_replica(dataset):
    with pytest.raises(ValueError, match=r"bootstrap\(replicas=...\)` .* at least 1"):
        bootstrap(lambda d: 0.0, dataset, replicas=0, seed=0)


def test_replicas_differ_and_repeat(dataset):
    def number(d):
        return {"sum": d.channels["SR"]["background"].nominal.weights.sum()}

    first, again, other = (
        bootstrap(number, dataset, replicas=4, seed=seed)["sum"] for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert len(np.unique(np.concatenate([first, other]))) == 8
