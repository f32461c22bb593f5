"""One compilation serves every model of a shape: names and numbers play no part."""

import contextlib
import gc
import logging

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fitkit
from fitkit._histfactory import likelihood


@contextlib.contextmanager
def compilations():
    """Collect the names of the functions that jax compiles meanwhile."""
    names = []

    class Listener(logging.Handler):
        def emit(self, record):
            message = record.getMessage()
            if message.startswith("Compiling "):
                names.append(message.split()[1])

    logger, listener = logging.getLogger("jax"), Listener()
    level = logger.level
    logger.addHandler(listener)
    logger.setLevel(logging.WARNING)
    try:
        with jax.log_compiles():
            yield names
    finally:
        logger.removeHandler(listener)
        logger.setLevel(level)


def fits(names):
    return [name for name in names if "minimise" in name]


def test_the_counter_counts():
    with compilations() as names:
        jax.jit(lambda x: x + 1.2345)(jnp.ones(7))
    assert len(names) >= 1


def fit_region_a(sbottom, patches):
    background = sbottom("RegionA/BkgOnly.json")
    jax.clear_caches()  # another test may have fitted this shape
    layouts, converged = set(), []
    with compilations() as names:
        for patch in patches:
            # one patch only removes the validation region, and adds no signal
            model, data = fitkit.read_workspace(
                background, patch=sbottom(patch), poi=None
            )
            layouts.add(str(model.sample_names))
            converged.append(bool(fitkit.fit(model, data).converged))
    return names, layouts, converged


def region_a(sbottom):
    return [name for name in sbottom.names if name.startswith("RegionA/patch")]


def test_a_few_signal_points_of_region_a(sbottom):
    patches = region_a(sbottom)[::31]
    names, layouts, converged = fit_region_a(sbottom, patches)
    assert len(layouts) == len(patches)
    assert all(converged)
    assert 1 <= len(fits(names)) <= 2


@pytest.mark.slow
def test_all_signal_points_of_region_a(sbottom):
    patches = region_a(sbottom)
    assert len(patches) == 217
    names, _, converged = fit_region_a(sbottom, patches)
    assert all(converged)
    assert 1 <= len(fits(names)) <= 2


def test_what_changes_from_call_to_call_is_traced():
    """Counts, starts, bounds, what is fixed, the POI's value, templates."""
    model = fitkit.uncorrelated_background([12.0, 11.0], [50.0, 52.0], [3.0, 7.0])
    other = fitkit.uncorrelated_background([2.0, 1.0], [30.0, 52.0], [3.0, 0.0])
    data = model.data({"singlechannel": [51.0, 48.0]})
    fitkit.fixed_poi_fit(model.with_bounds({"mu": (0.0, 5.0)}), data, 1.0)
    fitkit.fit(model, data)
    with compilations() as names:
        fitkit.fit(model, model.data({"singlechannel": [60.0, 65.0]}))
        fitkit.fit(other, other.data({"singlechannel": [60.0, 65.0]}))
        fitkit.fixed_poi_fit(model.with_bounds({"mu": (-1.0, 7.0)}), data, 0.5)
        fitkit.fit(model.with_init({"mu": 0.3}).with_fixed("uncorr_bkguncrt"), data)
        fitkit.fit(model.with_fixed(*{"uncorr_bkguncrt": [True, False]}), data)
    assert fits(names) == []


def test_a_model_is_prepared_once_also_where_its_data_are_traced():
    def known() -> int:
        model = fitkit.uncorrelated_background([3.0, 4.0], [50.0, 60.0], [5.0, 6.0])

        @jax.jit
        def best(counts):
            data = model.data({"singlechannel": counts})
            return fitkit.fit(model, data, throw=False).y

        counts = jnp.array([55.0, 62.0])
        data = model.data({"singlechannel": counts})
        plain = fitkit.fit(model, data)
        np.testing.assert_allclose(best(counts), plain.y, rtol=1e-12)
        twice = [model.negative_log_likelihood(data) for _ in range(2)]
        assert twice[0].arrays is twice[1].arrays
        assert id(model.arrays) in likelihood._at_hand
        return id(model.arrays)

    was = known()
    gc.collect()  # the compiled function and the model know each other
    assert was not in likelihood._at_hand
