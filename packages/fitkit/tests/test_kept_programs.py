"""Traced programs of fits, kept for the next process."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fitkit
from fitkit._fit import kept, minimum


@pytest.fixture
def folder(tmp_path):
    kept.keep_programs(tmp_path / "programs")
    yield tmp_path / "programs"
    kept.keep_programs(None)


def _problem(signal=3.0):
    model = fitkit.uncorrelated_background([signal, 4.0], [50.0, 60.0], [5.0, 6.0])
    return model, model.data({"singlechannel": [55.0, 62.0]})


def _without_tracing(monkeypatch):
    def traced(*_):
        raise AssertionError("the program was traced")

    # Under the name by which it is kept.
    traced.__qualname__ = minimum.minimise.__qualname__
    monkeypatch.setattr(minimum, "minimise", traced)
    kept._programs.clear()  # as in a new process


def test_the_next_process_fits_without_tracing(folder, monkeypatch):
    plain = fitkit.fit(*_problem())
    (program,) = folder.iterdir()
    _without_tracing(monkeypatch)
    again = fitkit.fit(*_problem())
    other = fitkit.fixed_poi_fit(2.0, *_problem(signal=5.0))  # the same shapes
    assert list(folder.iterdir()) == [program]
    assert jax.tree.structure(again) == jax.tree.structure(plain)
    np.testing.assert_array_equal(again.y, plain.y)
    assert float(other.params["mu"]) == 2.0
    kept.keep_programs(None)
    monkeypatch.undo()
    # A program of the same operations, compiled a second time.
    np.testing.assert_allclose(fitkit.fit(*_problem()).y, plain.y, rtol=1e-13)
    expected = fitkit.fixed_poi_fit(2.0, *_problem(signal=5.0))
    np.testing.assert_allclose(other.y, expected.y, rtol=1e-13)


TESTS = {
    "default": {},
    "nominal": {"calculator": fitkit.Asymptotics(nominal_aux=True)},
    "discovery": {"statistic": fitkit.Q0()},
}


def test_tests_are_kept_each_kind_for_itself(folder):
    """Statistics and conventions that need other fits, one after the other."""
    results = {}
    for again in range(2):
        kept._programs.clear()  # as in a new process
        for name, options in TESTS.items():
            found = fitkit.hypotest(1.0, *_problem(), **options)
            if again:
                assert repr(found) == repr(results[name])
            results[name] = found
        # One more would mean that the first process's were not found.
        assert len(list(folder.iterdir())) == len(TESTS)
    kept.keep_programs(None)
    for name, options in TESTS.items():
        plain = fitkit.hypotest(1.0, *_problem(), **options)
        assert jax.tree.structure(plain) == jax.tree.structure(results[name])
        # A program of the same operations, compiled a second time; the statistic is a
        # difference of two values of order one.
        np.testing.assert_allclose(
            plain.statistic_asimov, results[name].statistic_asimov, rtol=1e-12
        )


def test_a_statistic_of_ones_own_is_not_kept(folder):
    """Its code may change from one process to the next."""

    class Own(fitkit.AbstractTestStatistic):
        asimov_poi = 0.0
        physical = False
        discovery = False
        two_sided = False

        def counts_as_evidence(self, best, tested):
            return best < tested

    own = fitkit.hypotest(1.0, *_problem(), statistic=Own())
    assert not folder.exists()
    plain = fitkit.hypotest(1.0, *_problem(), statistic=fitkit.QMu())
    np.testing.assert_allclose(own.statistic, plain.statistic, rtol=1e-12)


def test_limits_are_kept(folder):
    """Two programs, that of tests among them; a tolerance is no part of them."""
    first = fitkit.upper_limit(*_problem())
    kept._programs.clear()  # as in a new process
    again = fitkit.upper_limit(*_problem(), tolerance=1e-9)
    fitkit.hypotest(1.0, *_problem())
    assert len(list(folder.iterdir())) == 2
    np.testing.assert_allclose(again.expected, first.expected, rtol=1e-7)


def test_a_damaged_file_is_written_anew(folder, caplog):
    expected = fitkit.fit(*_problem()).y
    (program,) = folder.iterdir()
    whole = program.read_bytes()
    program.write_bytes(whole[: len(whole) // 2])
    kept._programs.clear()
    np.testing.assert_array_equal(fitkit.fit(*_problem()).y, expected)
    assert "is damaged" in caplog.text
    assert len(program.read_bytes()) == len(whole)


def test_a_folder_that_cannot_be_written_is_told_and_does_not_matter(tmp_path, caplog):
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    kept.keep_programs(in_the_way / "programs")
    try:
        assert bool(fitkit.fit(*_problem()).converged)
    finally:
        kept.keep_programs(None)
    assert "could not be kept" in caplog.text


def test_edited_sources_are_another_program(folder, monkeypatch):
    fitkit.fit(*_problem())
    monkeypatch.setattr(kept, "_sources", lambda: "edited")
    kept._programs.clear()
    fitkit.fit(*_problem())
    assert len(list(folder.iterdir())) == 2


def test_derivatives_are_not_affected(folder):
    def best(signal):
        model = fitkit.uncorrelated_background(
            jnp.stack([signal, jnp.array(4.0)]), [50.0, 60.0], [5.0, 6.0]
        )
        data = model.data({"singlechannel": [55.0, 62.0]})
        return fitkit.fit(model, data).params["mu"]

    step = 1e-4
    slope = (best(3.0 + step) - best(3.0 - step)) / (2 * step)
    # The finite difference is good to step^2 and 1e-12/step.
    np.testing.assert_allclose(jax.grad(best)(3.0), slope, rtol=1e-6)
