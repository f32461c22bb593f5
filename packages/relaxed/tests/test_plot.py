"""What is drawn is what the functions return."""

import jax.numpy as jnp
import numpy as np
import pytest

import relaxed

pytest.importorskip("matplotlib", reason="the extra `plot` is not installed")

from matplotlib import pyplot as plt

from relaxed import plot

EDGES = jnp.array([-2.0, -0.5, 0.5, 2.0, 5.0])


@pytest.fixture(autouse=True)
def _closed():
    plt.switch_backend("Agg")
    yield
    plt.close("all")


@pytest.mark.parametrize("weighted", [False, True])
def test_soft_and_hard(rng, weighted):
    data = jnp.asarray(rng.normal(size=300))
    weights = jnp.asarray(rng.uniform(0.5, 2, size=300)) if weighted else None
    given = plt.subplots()[1]
    ax = plot.soft_and_hard(data, EDGES, bandwidth=0.2, weights=weights, ax=given)
    assert ax is given
    line, band = ax.patches
    soft = relaxed.hist(data, EDGES, bandwidth=0.2, weights=weights)
    error = jnp.sqrt(relaxed.hist_variance(data, EDGES, bandwidth=0.2, weights=weights))
    np.testing.assert_allclose(line.get_data().values, soft)
    np.testing.assert_allclose(band.get_data().values, soft + error)
    np.testing.assert_allclose(band.get_data().baseline, soft - error)
    ((points, _, bars),) = ax.containers
    hard = relaxed.hard_hist(data, EDGES, weights=weights)
    np.testing.assert_allclose(points.get_ydata(), hard)
    squares = None if weights is None else weights**2
    half = jnp.sqrt(relaxed.hard_hist(data, EDGES, weights=squares))
    ends = np.array([segment[:, 1] for segment in bars[0].get_segments()])
    np.testing.assert_allclose(ends, np.transpose([hard - half, hard + half]))


def test_infinite_bins_are_as_wide_as_their_neighbours(rng):
    edges = EDGES.at[0].set(-jnp.inf).at[-1].set(jnp.inf)
    ax = plot.soft_and_hard(rng.normal(size=50), edges, bandwidth=0.2)
    np.testing.assert_allclose(ax.get_xlim(), (-1.5, 3.5))


def test_bias(rng):
    data = jnp.asarray(rng.normal(size=300).clip(-3, 1.9))
    widths = np.array([0.05, 0.1, 0.3])
    ax = plot.bias(data, EDGES, bandwidths=widths)
    hard = relaxed.hard_hist(data, EDGES)
    assert hard[-1] == 0
    lines = ax.lines[1:]  # the first is at zero; the empty bin has none
    assert len(lines) == 3
    for b, line in enumerate(lines):
        expected = [
            relaxed.smoothing_bias(data, EDGES, bandwidth=h).bias[b] / hard[b]
            for h in widths
        ]
        np.testing.assert_allclose(line.get_xdata(), widths)
        np.testing.assert_allclose(line.get_ydata(), expected, rtol=1e-12)


def test_errors(rng):
    data = jnp.asarray(rng.normal(size=50))
    for widths in (jnp.array([0.1]), jnp.array([0.2, 0.1]), 0.1):
        with pytest.raises(ValueError, match=r"bandwidths=.*two numbers that increase"):
            plot.bias(data, EDGES, bandwidths=widths)
    with pytest.raises(ValueError, match=r"edges=.*a finite bin"):
        plot.soft_and_hard(data, jnp.array([-jnp.inf, jnp.inf]), bandwidth=0.2)
