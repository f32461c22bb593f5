"""Concrete calls compile nothing; traced ones once, whatever the numbers are."""

import contextlib
import logging

import jax
import jax.numpy as jnp
import pytest

import fitkit


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


def test_the_counter_counts():
    with compilations() as names:
        jax.jit(lambda x: x + 1.2345)(jnp.ones(7))
    assert len(names) >= 1


def model_and_data(signal=(12.0, 11.0), counts=(51.0, 48.0)):
    model = fitkit.uncorrelated_background(signal, [50.0, 52.0], [3.0, 7.0])
    return model, model.data({"singlechannel": counts})


@pytest.mark.parametrize(
    "call",
    [
        lambda *of: fitkit.fit(*of),
        lambda *of: fitkit.fixed_poi_fit(*of, 1.0),
        lambda *of: fitkit.hypotest(*of, 1.0),
        lambda *of: fitkit.discovery(*of),
        lambda *of: fitkit.upper_limit(*of),
        lambda model, data: fitkit.ranking(
            model, model.data({"singlechannel": [60.0, 65.0]})
        ),
        lambda *of: fitkit.scan(*of, "mu", points=5),
        lambda *of: fitkit.interval(*of),
        lambda *of: fitkit.contour(*of, ("mu", "uncorr_bkguncrt[0]"), angles=4),
        lambda *of: fitkit.goodness_of_fit(*of),
        lambda *of: fitkit.fit_from_many_starts(*of, starts=3),
        lambda *of: fitkit.hypotest(
            *of, 1.0, calculator=fitkit.Toys(jax.random.key(0), 3)
        ),
        lambda *of: repr(fitkit.fit(*of)),
    ],
)
def test_a_concrete_call_compiles_nothing(call):
    subject = model_and_data()
    jax.random.split(jax.random.key(0))  # of jax's own
    list(jax.random.split(jax.random.key(0)))
    with compilations() as names:
        call(*subject)
    assert names == []


def test_no_signal_point_of_region_a_compiles_anything(sbottom):
    background = sbottom("RegionA/BkgOnly.json")
    patches = [name for name in sbottom.names if name.startswith("RegionA/patch")]
    assert len(patches) == 217
    layouts, converged = set(), []
    with compilations() as names:
        for patch in patches[::31]:
            # one patch only removes the validation region, and adds no signal
            model, data = fitkit.read_workspace(
                background, patch=sbottom(patch), poi=None
            )
            layouts.add(str(model.sample_names))
            converged.append(bool(fitkit.fit(model, data).converged))
    assert len(layouts) == len(patches[::31])
    assert all(converged)
    assert names == []


def test_what_changes_from_call_to_call_is_traced():
    """Counts, starts, bounds, the POI's value, templates: one program for all."""

    @jax.jit
    def best(signal, counts, start, low, value):
        model, data = model_and_data(signal, counts)
        model = model.with_init(mu=start).with_bounds(mu=(low, 7.0))
        free = fitkit.fit(model, data, throw=False)
        fixed = fitkit.fixed_poi_fit(model, data, value, throw=False)
        return free.twice_nll, fixed.twice_nll

    def arguments(shift):
        numbers = jnp.array([12.0, 11.0]), jnp.array([51.0, 48.0]), 1.0, 0.0, 0.5
        return [jnp.asarray(x) + shift for x in numbers]

    best(*arguments(0.0))
    with compilations() as names:
        for shift in (0.1, 0.25):
            best(*arguments(shift))
    assert [name for name in names if "best" in name] == []


def test_a_model_derives_its_terms_once():
    model, data = model_and_data()
    likelihoods = [model.negative_log_likelihood(data) for _ in range(2)]
    assert likelihoods[0].interpolation is likelihoods[1].interpolation
    assert likelihoods[0].constraints is likelihoods[1].constraints
    # Others for other numbers of the same shapes.
    other = model.with_fixed("uncorr_bkguncrt").negative_log_likelihood(data)
    assert other.constraints.fixed.any()
    assert not likelihoods[0].constraints.fixed.any()
