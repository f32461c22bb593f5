"""The median expected limit: the middle of the band, and its derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fitkit
from fitkit import (
    Channel,
    HistoSys,
    Model,
    NormFactor,
    NormSys,
    Sample,
    StatError,
    asimov_data,
    expected_limit,
    upper_limit,
)


def built(background, **options):
    """Two bins, a shape, a normalisation, MC statistics."""
    signal = Sample("s", [3.0, 8.0], (NormFactor("mu"),))
    modifiers = (
        HistoSys("shape", lo=background * 0.9, hi=background * jnp.array([1.1, 1.3])),
        NormSys("norm", 0.9, 1.1),
        StatError("stat", 0.1 * background),
    )
    channel = Channel("SR", [signal, Sample("b", background, modifiers)])
    return Model([channel], poi="mu", **options)


BACKGROUND = np.array([40.0, 15.0])


@pytest.mark.parametrize("level", [0.05, 0.3])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_it_is_the_middle_of_the_band(level, scale):
    signal = Sample("s", [3.0 * scale, 8.0 * scale], (NormFactor("mu"),))
    background = Sample("b", BACKGROUND, (NormSys("norm", 0.9, 1.1),))
    model = Model([Channel("SR", [signal, background])], poi="mu")
    band = upper_limit(model, asimov_data(model, 0.0), level=level).expected
    found = expected_limit(model, level=level)
    # Both searches end at a relative precision of 1e-8.
    assert float(found) == pytest.approx(float(band[2]), rel=1e-7)


def test_a_counting_experiment_has_a_closed_form():
    model = Model(
        [Channel("SR", [Sample("s", [1.0], (NormFactor("mu"),)), Sample("b", [9.0])])],
        poi="mu",
    )
    mu = float(expected_limit(model))
    q = 2 * (mu - 9 * np.log1p(mu / 9))
    assert q == pytest.approx(1.959963984540054**2, rel=1e-7)


# The second derivative alone compiles for a minute.
@pytest.mark.parametrize(
    ("statistics", "second"),
    [
        ("profiled", False),
        pytest.param("parameters", True, marks=pytest.mark.slow),
    ],
)
def test_its_derivatives_are_those_of_finite_differences(statistics, second):
    def limit(background):
        return expected_limit(
            built(background, mc_statistics=statistics), tolerance=1e-12
        )

    at = jnp.asarray(BACKGROUND)
    direction = jnp.array([0.7, -0.4])

    def along(t):
        return limit(at + t * direction)

    value, slope = jax.jit(jax.value_and_grad(along))(0.0)
    h = 1e-3
    low, middle, high = (
        float(limit(np.asarray(at + t * direction))) for t in (-h, 0, h)
    )
    assert float(value) == pytest.approx(middle, rel=1e-9)
    # Errors: h² times a derivative two orders higher; 1e-12 / h or / h² of rounding.
    assert float(slope) == pytest.approx((high - low) / (2 * h), rel=1e-6)
    if second:
        bend = jax.jit(jax.grad(jax.grad(along)))(0.0)
        assert float(bend) == pytest.approx((high - 2 * middle + low) / h**2, rel=1e-3)


def test_there_is_none_without_signal():
    signal = Sample("s", [0.0], (NormFactor("mu"),))
    model = Model([Channel("SR", [signal, Sample("b", [9.0])])], poi="mu")
    assert not np.isfinite(float(expected_limit(model)))


def test_batches_are_lanes_of_their_own():
    backgrounds = jnp.asarray([BACKGROUND, 2 * BACKGROUND])
    found = jax.jit(jax.vmap(lambda b: expected_limit(built(b))))(backgrounds)
    alone = [float(expected_limit(built(np.asarray(b)))) for b in backgrounds]
    np.testing.assert_allclose(found, alone, rtol=1e-7)


@pytest.mark.parametrize("level", [0.0, 1.0, np.nan])
def test_a_level_is_between_0_and_1(level):
    with pytest.raises(ValueError, match=r"expected_limit\(level=...\)"):
        expected_limit(fitkit.uncorrelated_background([1.0], [9.0], [1.0]), level=level)
