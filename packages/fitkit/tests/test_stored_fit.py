"""A fit that is stored, and what is made of it without fitting again."""

import random
from unittest import mock

import numpy as np
import pytest

import fitkit
from fitkit import Channel, HistoSys, Model, NormFactor, NormSys, Sample, StatError

# A stored covariance is the one that was worked out: nothing is lost by storing it.
EXACT = 1e-15
# One that is worked out again is the same inverse by the same steps.
SAME = 1e-10


def make():
    """Several kinds of parameters, one of them fixed and one on its bound."""
    samples = [
        Sample("s", [6.0, 9.0, 2.0], [NormFactor("mu"), NormSys("eff", 0.9, 1.15)]),
        Sample(
            "b",
            [50.0, 40.0, 30.0],
            [
                NormSys("xs", 0.9, 1.1),
                HistoSys("jes", [48.0, 42.0, 30.0], [53.0, 39.0, 28.0]),
                StatError("mc", [2.0, 1.5, 1.0]),
            ],
        ),
        Sample("nothing", [1.0, 1.0, 1.0], [NormFactor("none")]),
    ]
    model = Model([Channel("SR", samples)]).with_fixed(eff=0.3)
    return model, model.data({"SR": [55.0, 48.0, 29.0]})


@pytest.fixture(scope="module")
def problem():
    return make()


@pytest.fixture(scope="module")
def best(problem):
    return fitkit.fit(*problem)


@pytest.fixture
def stored(problem, best, tmp_path):
    best.save(tmp_path / "fit", *problem)
    return fitkit.FitResult.load(tmp_path / "fit", *make())


@pytest.fixture
def no_fits():
    """Any search for a minimum fails."""
    refuse = mock.Mock(side_effect=AssertionError("a fit was made"))
    with (
        mock.patch("fitkit._fit.minimise.search_on_numpy", refuse),
        mock.patch("fitkit._profile.best_fit.minimised", refuse),
        mock.patch("fitkit._profile.best_fit.minimise", refuse),
    ):
        yield


def assert_equal(one, other, rel=SAME):
    """All arrays of two results of one type are the same."""
    for name, value in vars(one).items():
        again = getattr(other, name)
        if isinstance(value, dict):
            for key in value:
                np.testing.assert_allclose(
                    _array(again[key]), _array(value[key]), rtol=rel
                )
        elif isinstance(value, (tuple, str)):
            assert again == value
        else:
            np.testing.assert_allclose(again, value, rtol=rel, atol=1e-300)


def _array(value):
    return np.array(list(value.values())) if isinstance(value, dict) else value


def test_everything_is_there(best, stored):
    assert stored.names == best.names
    for name in ("y", "twice_nll", "converged", "edm", "gradient", "hessian", "steps"):
        assert np.array_equal(getattr(stored, name), getattr(best, name)), name
    np.testing.assert_allclose(stored.covariance, best.covariance, rtol=EXACT)
    assert stored.stationarity.at_lower.tolist() == best.stationarity.at_lower.tolist()
    assert bool(stored.at_bounds["none"])
    assert repr(stored) == repr(best)


def test_covariance_of_a_result(problem, best):
    model, data = problem
    expected = fitkit.covariance(model, best.params, data)
    np.testing.assert_allclose(best.covariance, expected, rtol=SAME)
    widths = fitkit.uncertainties(model, best.params, data)
    for name, width in best.uncertainties.items():
        np.testing.assert_allclose(width, widths[name], rtol=SAME)
    assert float(best.uncertainties["eff"]) == 0.0
    assert np.isnan(best.uncertainties["none"])


USES = {
    "pulls": lambda model, data, **best: fitkit.pulls(model, data, **best),
    "impacts": lambda model, data, **best: fitkit.impacts(model, data, **best),
    "breakdown": lambda model, data, **best: fitkit.breakdown(
        model, data, {"jes": ["jes"], "rest": ["xs", "mc"]}, **best
    ),
    "yields": lambda model, data, **best: fitkit.predicted_yields(model, data, **best),
}


@pytest.mark.parametrize("use", USES)
def test_uses_without_a_fit(use, problem, stored, request):
    expected = USES[use](*problem)
    request.getfixturevalue("no_fits")
    assert_equal(expected, USES[use](*make(), best=stored))


def test_the_guard_against_fits_guards(problem, no_fits):
    with pytest.raises(AssertionError, match="a fit was made"):
        fitkit.fit(*problem)
    with pytest.raises(AssertionError, match="a fit was made"):
        fitkit.pulls(*problem)


def test_pictures_and_tables(stored, problem):
    plt = pytest.importorskip("matplotlib.pyplot")
    from fitkit import hepdata, plot

    plot.pulls(fitkit.pulls(*problem, best=stored))
    plot.ranking(fitkit.impacts(*problem, best=stored))
    plot.correlation(stored)
    plt.close("all")
    assert hepdata.parameters(stored).name


def test_impacts_are_the_covariance(problem, best):
    impacts = fitkit.impacts(*problem, best=best)
    names, table = list(best.names), best.covariance
    entry = {"mu": 0, "xs": 2, "jes": 3}
    assert names[:4] == ["mu", "eff", "xs", "jes"]
    for name in ("xs", "jes"):
        row = impacts.names.index(name)
        sigma = table[entry[name], entry[name]] ** 0.5
        shift = table[0, entry[name]] / sigma
        assert float(impacts.up[row]) == pytest.approx(shift, rel=SAME)
        assert float(impacts.down[row]) == pytest.approx(-shift, rel=SAME)
        # Fixed at +1 before the fit, in units of the constraint's width.
        assert float(impacts.prefit_up[row]) == pytest.approx(shift / sigma, rel=SAME)
    assert "eff" not in impacts.names
    # Those of ranking, by fits: up and down bend the same way, which cancels in the
    # difference up to the third derivative.
    by_fits = fitkit.ranking(*problem)
    for name in ("xs", "jes"):
        row = by_fits.names.index(name)
        exact = float(by_fits.up[row] - by_fits.down[row]) / 2
        assert float(impacts.up[impacts.names.index(name)]) == pytest.approx(
            exact, abs=0.03 * float(impacts.total)
        )
    assert impacts.group(["xs"]) == by_fits.group(["xs"])
    # Squares of all observations add up to the variance, for Asimov data exactly: those
    # of these counts have another Hessian than their expectation.
    total = float(np.sum(impacts.by_observable**2) + impacts.statistical**2)
    assert total == pytest.approx(float(impacts.total) ** 2, rel=1e-2)


def test_of_any_model(tmp_path):
    """Impacts by observable of a model with derivatives by autodiff need no fit."""
    import jax.numpy as jnp

    class Counting(fitkit.AbstractModel):
        parameter_names: tuple = ("mu", "b")
        poi: str = "mu"

        @property
        def parameters(self):
            constraint = fitkit.Normal(np.array(50.0), np.array(5.0))
            return {
                "mu": fitkit.Parameter(1.0),
                "b": fitkit.Parameter(50.0, constraint=constraint),
            }

        def expected_data(self, params):
            rate = 10.0 * params["mu"] + params["b"]
            return fitkit.Data({"SR": rate[None]}, {"b": params["b"]})

        def logpdf(self, params, data):
            rate = 10.0 * params["mu"] + params["b"]
            main = jnp.sum(fitkit.poisson_logpdf(data.main["SR"], rate))
            return main - ((params["b"] - data.aux["b"]) / 5.0) ** 2 / 2

    model = Counting()
    data = fitkit.Data({"SR": jnp.array([66.0])}, {"b": jnp.array(50.0)})
    best = fitkit.fit(model, data)
    best.save(tmp_path / "fit.npz", model, data)
    again = fitkit.FitResult.load(tmp_path / "fit.npz", Counting(), data)
    impacts = fitkit.impacts(model, data, best=again)
    assert float(impacts.up[0]) == pytest.approx(-0.5, rel=1e-6)  # 5 events of 10


# --- what is refused ------------------------------------------------------------------
def changes():
    model, data = make()
    counts = data.main["SR"] + np.array([0.0, 0.0, 1e-9])
    return {
        "settings": (model.with_fixed("jes"), data),
        "bounds": (model.with_bounds(mu=(0, 5)), data),
        "start": (model.with_init(mu=1.1), data),
        "mask": (model.with_masked("SR"), data),
        "data": (model, fitkit.Data({"SR": counts}, data.aux)),
        "auxiliary data": (
            model,
            fitkit.Data(data.main, data.aux | {"xs": np.array(0.1)}),
        ),
    }


@pytest.mark.parametrize("change", changes())
def test_another_model(change, problem, best, tmp_path):
    best.save(tmp_path / "fit.npz", *problem)
    with pytest.raises(ValueError, match="fit of another model, of other settings"):
        fitkit.FitResult.load(tmp_path / "fit.npz", *changes()[change])


def test_names_count(problem, best, tmp_path):
    best.save(tmp_path / "fit.npz", *problem)
    renamed = Model([Channel("CR", [Sample("s", [6.0, 9.0, 2.0], [NormFactor("mu")])])])
    with pytest.raises(ValueError, match="of another model"):
        fitkit.FitResult.load(
            tmp_path / "fit.npz", renamed, renamed.data({"CR": [1.0, 2.0, 3.0]})
        )


def test_a_fit_of_something_else(problem, best, tmp_path):
    model, data = problem
    other = model.data({"SR": [60.0, 48.0, 29.0]})
    with pytest.raises(ValueError, match=r"`pulls`: -2 log L is .* to other data"):
        fitkit.pulls(model, other, best=best)
    with pytest.raises(ValueError, match=r"`FitResult\.save`: -2 log L is"):
        best.save(tmp_path / "fit", model, other)
    single = fitkit.uncorrelated_background([1.0], [9.0], [1.0])
    with pytest.raises(ValueError, match="`impacts`: the fit is one of other param"):
        fitkit.impacts(single, single.data({"singlechannel": [9.0]}), best=best)
    with pytest.raises(TypeError, match=r"`pulls\(best=...\)` takes the result"):
        fitkit.pulls(model, data, best=best.params)
    with pytest.raises(ValueError, match="needs the data that were fitted"):
        fitkit.predicted_yields(model, best=best)


def test_a_fit_that_failed(problem, best):
    import dataclasses

    failed = dataclasses.replace(best, converged=np.array(False))
    with pytest.raises(fitkit.FitError, match="the fit that is given found no minimum"):
        fitkit.pulls(*problem, best=failed)


def test_several_fits(problem, best, tmp_path):
    import jax

    several = jax.tree.map(lambda x: np.stack([x, x]), best)
    with pytest.raises(ValueError, match=r"stores one fit.* of 2 fits"):
        several.save(tmp_path / "fit", *problem)


def test_broken_files(problem, best, tmp_path):
    path = tmp_path / "fit.npz"
    best.save(path, *problem)
    content = path.read_bytes()
    rng = random.Random(1)
    refused = 0
    for _ in range(150):
        broken = bytearray(content)
        for _ in range(rng.randrange(1, 20)):
            broken[rng.randrange(len(broken))] = rng.randrange(256)
        if rng.random() < 0.3:
            broken = broken[: rng.randrange(len(broken))]
        path.write_bytes(bytes(broken))
        try:
            fitkit.FitResult.load(path, *problem)
        except ValueError:
            refused += 1
    assert refused > 100


def test_other_files(problem, tmp_path):
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    np.save(tmp_path / "pickled.npy", np.array([object()]), allow_pickle=True)
    (tmp_path / "text").write_text("{}")
    for name in ("other.npz", "pickled.npy", "text"):
        with pytest.raises(ValueError, match="is no stored fit"):
            fitkit.FitResult.load(tmp_path / name, *problem)
    with pytest.raises(ValueError, match="cannot read"):
        fitkit.FitResult.load(tmp_path / "nowhere", *problem)
