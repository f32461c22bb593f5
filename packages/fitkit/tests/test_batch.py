"""Which engine a batch of fits takes: NumPy, until a program would be sooner."""

import contextlib
import logging

import jax
import numpy as np
import pytest

import fitkit
from fitkit import xp
from fitkit._numerics import batch
from fitkit._numerics.batch import Batched, compiling_is_sooner


@contextlib.contextmanager
def compiled():
    """The names of the functions that jax compiles meanwhile."""
    names = []

    class Listener(logging.Handler):
        def emit(self, record):
            if record.getMessage().startswith("Compiling "):
                names.append(record.getMessage().split()[1])

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


class TestRule:
    @pytest.mark.parametrize(
        ("each", "left", "sooner"),
        [
            (0.005, 700, False),  # a ranking of 180 parameters: 3.5 s
            (0.005, 10_000, True),  # pseudo-experiments: 50 s against 12 and 13
            (0.1, 100, False),  # 10 s against 12 and 3
            (0.1, 200, True),
        ],
    )
    def test_the_sooner_one(self, each, left, sooner):
        assert compiling_is_sooner(each, left, 1.0, 12.0) == sooner

    def test_never_by_a_first_guess(self):
        """The first member is slow: it reads tables and imports modules."""
        assert not compiling_is_sooner(0.2, 10_000, 0.2, 12.0)
        assert compiling_is_sooner(0.2, 10_000, 0.3, 12.0)

    def test_a_program_that_is_there(self):
        assert compiling_is_sooner(0.005, 100, 0.005, 0.0)
        assert not compiling_is_sooner(0.005, 10, 0.005, 0.0)

    def test_nothing_left(self):
        assert not compiling_is_sooner(10.0, 0, 100.0, 0.0)


def _norm(common, member):
    (scale,) = common
    return {"norm": scale * xp.sqrt(xp.sum(member**2)), "first": member[0]}


MEMBERS = np.linspace(0.0, 1.0, 210).reshape(70, 3)


@pytest.fixture
def wanted():
    return 2.0 * np.sqrt(np.sum(MEMBERS**2, axis=1))


class TestBatched:
    def test_a_quick_one_compiles_nothing(self, wanted):
        with compiled() as names:
            result = Batched(_norm)((np.array(2.0),), MEMBERS, 3)
        assert not names
        assert type(result["norm"]) is np.ndarray
        np.testing.assert_allclose(result["norm"], wanted, rtol=1e-14)

    @pytest.mark.parametrize("parameters", [3, 300])
    def test_halfway_over_to_a_program(self, monkeypatch, wanted, parameters):
        """From the eleventh member on; 64 at a time, and in float64 in any case."""
        rule = lambda each, left, taken, compiling: left <= 60  # noqa: E731
        monkeypatch.setattr(batch, "compiling_is_sooner", rule)
        told = []
        function = Batched(_norm)
        with jax.enable_x64(False), compiled() as names:
            result = function(
                (np.array(2.0),), MEMBERS, parameters, lambda *at: told.append(at)
            )
            assert len(names) >= 1
            assert function._known
        np.testing.assert_allclose(result["norm"], wanted, rtol=1e-14)
        np.testing.assert_array_equal(result["first"], MEMBERS[:, 0])
        assert told == [(i, 70) for i in range(1, 11)] + [(70, 70)]

    def test_members_of_later_calls_count(self, monkeypatch):
        asked = []

        def rule(each, left, taken, compiling):
            asked.append(left)
            return False

        monkeypatch.setattr(batch, "compiling_is_sooner", rule)
        Batched(_norm)((np.array(2.0),), MEMBERS[:3], 3, None, 100)
        assert asked == [102, 101, 0]  # the last member's program would be for nothing

    def test_traced_it_is_part_of_the_program(self, wanted):
        function = Batched(_norm)
        norms = jax.jit(lambda scale: function((scale,), MEMBERS, 3)["norm"])
        np.testing.assert_allclose(norms(2.0), wanted, rtol=1e-12)


def test_profiles_of_concrete_data_compile_nothing():
    model = fitkit.correlated_background(
        [12.0, 5.0], [50.0, 40.0], [55.0, 42.0], [45.0, 39.0]
    )
    data = model.data({"single_channel": [58.0, 41.0]})
    names = ("mu", "correlated_bkg_uncertainty")
    with jax.enable_x64(False), compiled() as programs:
        fitkit.ranking(model, data)
        fitkit.scan(model, data, "mu")
        fitkit.interval(model, data)
        fitkit.contour(model, data, names, angles=5)
        fitkit.breakdown(model, data)
        fitkit.pulls(model, data)
        fitkit.goodness_of_fit(model.with_fixed("mu"), data)
        fitkit.predicted_yields(model, data)
        fitkit.uncertainties(model, model.init, data)
    assert not programs
