"""Merging bins: the rule, from which end, and what it must not look at."""

import itertools

import numpy as np
import pytest

from neoskit import (
    Binning,
    Dataset,
    Events,
    Measurement,
    Pipeline,
    Process,
    SoftSelection,
    background_statistics,
    merged_edges,
)
from neoskit._results.rebinning import Background, merged_bins

RULE = {"largest_error": 0.2, "raw_events": 10}


def _background(raw, weight=1.0):
    raw = np.asarray(raw, float)
    return Background(weight * raw, np.square(weight) * raw, raw)


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        ([100, 100, 100, 100], [0, 1, 2, 3, 4]),
        # 26 events of one weight have an error below 20 %, 25 have just 20 %.
        ([100, 100, 25, 26], [0, 1, 3, 4]),
        ([100, 100, 26, 25], [0, 1, 2, 4]),
        # What is left over at the low end joins the lowest bin.
        ([3, 100, 100, 100], [0, 2, 3, 4]),
        ([10, 10, 10, 10], [0, 4]),
        ([5, 5, 5, 5], None),
    ],
)
def test_bins_are_merged_from_the_top(raw, kept):
    assert merged_bins([_background(raw)], **RULE) == kept


def test_raw_events_count_beside_the_error():
    background = _background([8, 100, 8, 8])
    rules = [{"largest_error": 0.5, "raw_events": n} for n in (1, 10)]
    assert merged_bins([background], **rules[0]) == [0, 1, 2, 3, 4]
    assert merged_bins([background], **rules[1]) == [0, 2, 4]


def test_every_channel_must_have_enough():
    rich, poor = _background([100, 100, 100]), _background([100, 20, 20])
    assert merged_bins([rich], **RULE) == [0, 1, 2, 3]
    assert merged_bins([rich, poor], **RULE) == [0, 1, 3]


def test_left_over_bins_may_spoil_the_lowest_one():
    """A subtraction takes yield away and adds variance: the merged bin is worse."""
    background = Background(
        np.array([-30.0, 40.0, 90.0]), np.array([60.0, 40.0, 90.0]), np.full(3, 50.0)
    )
    assert merged_bins([background], **RULE) == [0, 3]


def test_merged_bins_fulfil_the_rule():
    rng = np.random.default_rng(11)
    for _ in range(50):
        raw = rng.poisson(rng.uniform(5, 60, 12))
        background = _background(raw, rng.uniform(0.1, 3, 12))
        kept = merged_bins([background], **RULE)
        bins = [background.bin(*pair) for pair in itertools.pairwise(kept)]
        assert all(b.error < 0.2 and b.raw >= 10 for b in bins)
        assert sum(b.raw for b in bins) == raw.sum()


def _signed_dataset(signal=1, scale=1):
    """60 events in the lower bin; in the upper one 100, and 60 that are subtracted."""
    values = np.repeat([0.5, 1.5], [60, 160])[:, None]
    weights = np.repeat([1.0, 1.0, -1.0], [60, 100, 60])
    higgs = Process(Events([[0.5], [1.5]], weights=[scale, signal]))
    return Dataset({"SR": {"higgs": higgs, "qcd": Process(Events(values, weights))}})


@pytest.fixture(scope="module")
def pipeline():
    """Bins the only feature itself."""
    return Pipeline(
        SoftSelection([-1.0], binned=0),
        Binning([0.0, 1.0, 2.0]),
        Measurement(("higgs",), mc_statistics=False),
    )


def test_subtracted_events_are_no_statistics_and_their_variance_adds(pipeline):
    background = background_statistics(pipeline, _signed_dataset())["SR"]
    np.testing.assert_allclose(background.yields, [60, 40])
    np.testing.assert_allclose(background.variance, [60, 160])
    np.testing.assert_array_equal(background.raw, [60, 100])
    np.testing.assert_allclose(background.error, [60**-0.5, 160**0.5 / 40])


def test_edges_for_the_pipeline_whatever_the_signal(pipeline):
    # The upper bin has an error of 32 %, both together have 15 %.
    for signal in (1, 1000):
        edges = merged_edges(pipeline, _signed_dataset(signal))
        np.testing.assert_array_equal(edges, [0, 2])
        assert pipeline.with_edges(edges).edges.shape == (2,)


def test_too_few_events_for_any_bin(pipeline):
    message = r"below 10% and 10 raw events \(SR: error 15%, 160 raw events\)"
    with pytest.raises(ValueError, match=message):
        merged_edges(pipeline, _signed_dataset(), largest_error=0.1)


def test_an_empty_or_negative_bin_has_an_infinite_error():
    background = Background(np.array([1.0, 0, -2]), np.ones(3), np.ones(3))
    np.testing.assert_array_equal(background.error, [1, np.inf, np.inf])
