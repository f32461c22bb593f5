"""Comparing two ways of training: pairing, errors, and a difference that is known."""

import numpy as np
import pytest

from neoskit import (
    Binning,
    Comparison,
    Dataset,
    Events,
    Measurement,
    Pipeline,
    Process,
    SoftSelection,
    compare,
    evaluate,
)

SEED = 0


def _pipeline(edge):
    """Two bins of the only feature, divided at `edge`."""
    return Pipeline(
        SoftSelection([-1.0], binned=0),
        Binning([0.0, edge, 1.0]),
        # A replica may leave the upper bin without background: then no signal of any
        # size can be absent there, and a significance is not a number.
        Measurement(("signal",), floor=0.01, mc_statistics=False),
    )


@pytest.fixture(scope="module")
def dataset():
    rng = np.random.default_rng(4)
    signal = rng.beta(4, 1, 300)[:, None]
    background = rng.beta(1, 4, 600)[:, None]
    return Dataset(
        {
            "SR": {
                "signal": Process(Events(signal, np.full(300, 0.03))),
                "background": Process(Events(background, np.full(600, 0.2))),
            }
        }
    )


@pytest.fixture(scope="module")
def comparison(dataset):
    ways = {
        "good": [_pipeline(0.6), _pipeline(0.65)],
        "bad": [_pipeline(0.05), _pipeline(0.06)],
        "same": [_pipeline(0.6), _pipeline(0.65)],
    }
    return compare(ways, dataset, replicas=20, seed=SEED)


def test_numbers_are_those_of_evaluate(comparison, dataset):
    expected = evaluate(_pipeline(0.65), dataset).numbers
    for name, value in expected.items():
        assert comparison.numbers["good"][name][1] == pytest.approx(value, rel=1e-6)


def test_the_same_pipelines_do_not_differ_on_any_replica(comparison):
    for number in ("expected_cls", "upper_limit", "poi_uncertainty", "significance"):
        difference = comparison.difference(number, "same", "good")
        assert difference == (0.0, 0.0, 0.0)
        assert comparison.replicas["good"][number].std() > 0


def test_good_bins_beat_bad_ones(comparison):
    for number, sign in (
        ("expected_cls", -1),
        ("upper_limit", -1),
        ("poi_uncertainty", -1),
        ("significance", +1),
    ):
        difference = comparison.difference(number, "good", "bad")
        assert sign * difference.mean > 3 * difference.bootstrap_error > 0
        assert 0 < difference.seed_spread < abs(difference.mean)


def test_bootstrap_error_is_that_of_new_samples(comparison):
    """Replicas scatter around the number as samples drawn anew would."""
    replicas = comparison.replicas["good"]["significance"][0]
    number = comparison.numbers["good"]["significance"][0]
    assert abs(replicas.mean() - number) < replicas.std()


def test_seeds_and_replicas_without_the_number_are_left_out():
    def way(numbers, replicas):
        return {"upper_limit": np.array(numbers)}, {"upper_limit": np.array(replicas)}

    new, old = (
        way([1.0, np.inf, 3.0], [[1.0, 2.0, 4.0], [0.0] * 3, [3.0, 4.0, np.nan]]),
        way([2.0, 1.0, 5.0], [[2.0, 2.0, 2.0], [0.0] * 3, [5.0, 5.0, 5.0]]),
    )
    both = Comparison({"new": new[0], "old": old[0]}, {"new": new[1], "old": old[1]})
    np.testing.assert_array_equal(
        both.by_seed("upper_limit", "new", "old"), [-1.0, np.nan, -2.0]
    )
    difference = both.difference("upper_limit", "new", "old")
    assert difference.mean == -1.5
    # The means over seeds are −1.5 and −0.5; the third replica is not used.
    assert difference.bootstrap_error == pytest.approx(np.sqrt(0.5))
    assert difference.seed_spread == pytest.approx(np.sqrt(0.5))


@pytest.mark.filterwarnings("error")
def test_a_number_that_no_seed_has_has_no_difference():
    numbers = {"upper_limit": np.array([np.inf])}
    replicas = {"upper_limit": np.full((1, 4), np.inf)}
    both = Comparison({"a": numbers, "b": numbers}, {"a": replicas, "b": replicas})
    assert np.isnan(both.difference("upper_limit", "a", "b")).all()


def test_there_must_be_something_to_compare(dataset):
    with pytest.raises(ValueError, match="no pipeline to compare"):
        compare({"one": []}, dataset, replicas=2, seed=SEED)
    with pytest.raises(ValueError, match=r"compare\(replicas=...\)` .* at least 2"):
        compare({"one": [_pipeline(0.5)]}, dataset, replicas=1, seed=SEED)


def test_ways_need_the_same_seeds(dataset):
    ways = {"one": [_pipeline(0.5)], "two": [_pipeline(0.5), _pipeline(0.4)]}
    with pytest.raises(ValueError, match=r"seed by seed; got \{'one': 1"):
        compare(ways, dataset, replicas=2, seed=SEED)
