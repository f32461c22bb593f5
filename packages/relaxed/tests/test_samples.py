"""Histograms of several samples at once against each filled on its own."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

import relaxed

EDGES = jnp.array([-1.0, -0.2, 0.1, 0.15, 1.3])


@pytest.fixture(params=[np.float64, np.float32])
def events(rng, request):
    """Three samples, one of them empty, with one, two and two by two weights."""
    sizes, leading = (50, 0, 7), ((), (2,), (2, 2))
    samples = [jnp.asarray(rng.normal(size=n), request.param) for n in sizes]
    weights = [
        jnp.asarray(rng.normal(1, 1, size=(*lead, n)))
        for lead, n in zip(leading, sizes, strict=True)
    ]
    return samples, weights


def each_alone(samples, weights, edges, **options):
    """By `hist` and `hist_variance`, weight by weight."""

    def filled(function, sample, weights):
        rows = weights.reshape(math.prod(weights.shape[:-1]), sample.shape[0])
        counts = [function(sample, edges, weights=w, **options) for w in rows]
        return np.reshape(counts, (*weights.shape[:-1], len(edges) - 1))

    return [
        (filled(relaxed.hist, *each), filled(relaxed.hist_variance, *each))
        for each in zip(samples, weights, strict=True)
    ]


@pytest.mark.parametrize("flow", ["drop", "clip", "reflect"])
def test_as_each_alone(events, flow):
    samples, weights = events
    kernel = relaxed.LogisticKernel() if flow == "clip" else relaxed.GaussianKernel()
    options = {"bandwidth": 0.2, "flow": flow, "kernel": kernel}
    found = relaxed.hist_of_samples(samples, EDGES, weights=weights, **options)
    # What the precision of the events leaves of a sum with cancellations.
    rounding = 1e-12 if samples[0].dtype == np.float64 else 1e-5
    for ours, theirs in zip(
        found, each_alone(samples, weights, EDGES, **options), strict=True
    ):
        for one, other in zip(ours, theirs, strict=True):
            assert one.dtype == np.float64
            np.testing.assert_allclose(one, other, rtol=rounding, atol=rounding)


@pytest.mark.parametrize("bins", [1, 2, 4])
def test_more_events_than_are_added_in_their_own_precision(rng, bins):
    """Of 40 000 events in float32 the sums are as good as in float64."""
    sample = jnp.asarray(rng.uniform(size=40_000), jnp.float32)
    # Equal and no sum of few powers of two: what each sum rounds adds up.
    weights = jnp.full(40_000, 0.00313)
    edges = relaxed.regular_edges(0.0, 1.0, bins)
    ((counts, variances),) = relaxed.hist_of_samples(
        [sample], edges, bandwidth=0.05, weights=[weights]
    )
    precise = sample.astype(float)
    options = {"bandwidth": 0.05, "weights": weights}
    expected = relaxed.hist(precise, edges, **options)
    np.testing.assert_allclose(counts, expected, rtol=1e-6)
    expected = relaxed.hist_variance(precise, edges, **options)
    np.testing.assert_allclose(variances, expected, rtol=1e-6)


@pytest.mark.parametrize("why", ["bins", "events"])
def test_each_on_its_own_beyond(rng, monkeypatch, why):
    edges = jnp.linspace(0, 1, 60 if why == "bins" else 5)
    if why == "events":
        monkeypatch.setattr("relaxed._samples._MOST_PARTS", 10)
    samples = [jnp.asarray(rng.uniform(size=n)) for n in (9, 4)]
    weights = [jnp.ones(9), jnp.asarray(rng.uniform(size=(2, 4)))]
    found = relaxed.hist_of_samples(samples, edges, bandwidth=0.05, weights=weights)
    expected = each_alone(samples, weights, edges, bandwidth=0.05)
    for ours, theirs in zip(found, expected, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-12)


def test_derivatives_of_everything(rng):
    """To second order, in both modes, against finite differences."""
    samples = [jnp.asarray(rng.normal(size=4)), jnp.asarray(rng.normal(size=3))]
    weights = [jnp.asarray(rng.normal(1, 1, size=(2, 4))), jnp.ones(3)]

    def filled(samples, edges, bandwidth, weights):
        return relaxed.hist_of_samples(
            samples, edges, bandwidth=bandwidth, weights=weights
        )

    arguments = samples, EDGES, 0.3, weights
    check_grads(filled, arguments, order=2, rtol=1e-5, atol=1e-5)


def test_jit_and_vmap(events):
    samples, weights = events

    def filled(bandwidth):
        return relaxed.hist_of_samples(
            samples, EDGES, bandwidth=bandwidth, weights=weights
        )

    bandwidths = jnp.array([0.1, 0.3])
    together = jax.jit(jax.vmap(filled))(bandwidths)
    for number, bandwidth in enumerate(bandwidths):
        jax.tree.map(
            lambda a, b, n=number: np.testing.assert_allclose(a[n], b, rtol=1e-5),
            together,
            filled(bandwidth),
        )


def test_no_samples():
    assert relaxed.hist_of_samples([], EDGES, bandwidth=0.1, weights=[]) == []


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"weights": [jnp.ones(2)]}, "an entry for each of 2 samples; got 1"),
        (
            {"weights": [jnp.ones(2), jnp.ones((3, 2))]},
            r"weights=...\)\[1\]` must have one weight per event, a last axis of 1",
        ),
        (
            {"weights": [jnp.ones(2), jnp.full(1, jnp.nan)]},
            r"weights\[1\]=...\)` must be finite",
        ),
        ({"samples": [jnp.ones(2), jnp.full(1, jnp.nan)]}, "has 1 NaN"),
        ({"edges": [EDGES, EDGES]}, "has 2 axes"),
        ({"bandwidth": jnp.ones(2)}, "must be one number; got shape"),
        ({"bandwidth": -0.1}, "must be positive"),
        ({"flow": "lose"}, "flow"),
    ],
)
def test_errors(wrong, complaint):
    arguments = {
        "samples": [jnp.ones(2), jnp.ones(1)],
        "edges": EDGES,
        "bandwidth": 0.1,
        "weights": [jnp.ones(2), jnp.ones(1)],
    }
    with pytest.raises(ValueError, match=complaint):
        relaxed.hist_of_samples(**arguments | wrong)
