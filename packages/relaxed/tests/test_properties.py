"""What holds for every sample, weight, binning and bandwidth."""

import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import relaxed

# One number of events and bins, so that each kernel and flow is compiled once.
EVENTS, BINS = 12, 5
quick = settings(max_examples=25, deadline=None, derandomize=True)
numbers = st.floats(-5, 5, allow_subnormal=False)
samples = arrays(float, EVENTS, elements=numbers)
weightings = arrays(float, EVENTS, elements=numbers)
binnings = arrays(float, BINS, elements=st.floats(0.1, 3)).map(
    lambda widths: np.concatenate([[-2.0], -2 + np.cumsum(widths)])
)
bandwidths = st.floats(1e-3, 2)
conserving = st.sampled_from(["clip", "reflect"])
flows = st.sampled_from(["drop", "clip", "reflect"])
# Sums of a dozen numbers below 30.
CLOSE = {"rtol": 1e-12, "atol": 1e-11}


@quick
@given(samples, weightings, binnings, bandwidths, conserving)
def test_weight_is_conserved(data, weights, edges, h, flow):
    counts = relaxed.hist(data, edges, bandwidth=h, weights=weights, flow=flow)
    np.testing.assert_allclose(counts.sum(), weights.sum(), **CLOSE)


@quick
@given(samples, weightings, binnings, bandwidths, flows, st.randoms())
def test_order_does_not_matter(data, weights, edges, h, flow, random):
    order = np.array(random.sample(range(EVENTS), EVENTS))
    one = relaxed.hist(data, edges, bandwidth=h, weights=weights, flow=flow)
    other = relaxed.hist(
        data[order], edges, bandwidth=h, weights=weights[order], flow=flow
    )
    np.testing.assert_allclose(one, other, **CLOSE)


@quick
@given(samples, weightings, weightings, binnings, bandwidths, flows)
def test_linear_in_the_weights(data, v, w, edges, h, flow):
    def of(weights):
        return relaxed.hist(data, edges, bandwidth=h, weights=weights, flow=flow)

    np.testing.assert_allclose(of(2 * v + w), 2 * of(v) + of(w), **CLOSE)


@quick
@given(samples, weightings, binnings)
def test_no_bandwidth_is_the_ordinary_histogram(data, weights, edges):
    near = np.min(np.abs(data[:, None] - edges)) < 1e-6
    options = {"bandwidth": 1e-9, "weights": weights}
    if near:
        return
    expected, _ = np.histogram(data, edges, weights=weights)
    np.testing.assert_allclose(relaxed.hist(data, edges, **options), expected, **CLOSE)
    squares, _ = np.histogram(data, edges, weights=weights**2)
    variances = relaxed.hist_variance(data, edges, **options)
    np.testing.assert_allclose(variances, squares, **CLOSE)


@quick
@given(arrays(float, (EVENTS, 2), elements=numbers), weightings, binnings)
def test_no_bandwidth_in_two_dimensions(data, weights, edges):
    if np.min(np.abs(data[..., None] - edges)) < 1e-6:
        return
    expected, _ = np.histogramdd(data, [edges, edges], weights=weights)
    counts = relaxed.hist(data, [edges, edges], bandwidth=1e-9, weights=weights)
    np.testing.assert_allclose(counts, expected, **CLOSE)


@quick
@given(samples, binnings, bandwidths, flows)
def test_one_event_factorises_in_two_dimensions(data, edges, h, flow):
    pair = jnp.asarray(data[:2])
    both = relaxed.hist(pair[None], [edges, edges], bandwidth=h, flow=flow)
    x, y = (
        relaxed.hist(pair[i : i + 1], edges, bandwidth=h, flow=flow) for i in (0, 1)
    )
    np.testing.assert_allclose(both, x[:, None] * y, **CLOSE)
