"""Each uncertainty stands for itself; routines agree on what is determined."""

import jax
import numpy as np
import pytest

import fitkit
from fitkit import Channel, Model, NormFactor, NormSys, Sample


def product_and_another():
    """Two factors of which only the product is known, and one that is known alone."""
    both = Sample("both", [50.0], (NormFactor("a"), NormFactor("b")))
    alone = Sample("alone", [100.0], (NormFactor("c"), NormSys("scale", 0.9, 1.1)))
    return Model([Channel("one", [both]), Channel("two", [alone])], poi="c")


@pytest.fixture(scope="module")
def flat():
    model = product_and_another()
    data = model.data({"one": [60.0], "two": [120.0]})
    return model, data, fitkit.fit(model, data)


class TestFlatDirections:
    def test_what_is_determined_has_its_uncertainty(self, flat):
        model, data, best = flat
        assert not best.unique
        errors = fitkit.uncertainties(model, best.params, data)
        assert np.isnan(errors["a"])
        assert np.isnan(errors["b"])
        # 120 counts, and a scale that is known to a tenth: c = 1.2 / scale
        error = 1.2 * np.hypot(1 / np.sqrt(120), _slope(0.9, 1.1))
        np.testing.assert_allclose(errors["c"], error, rtol=1e-7)
        np.testing.assert_allclose(errors["scale"], 1.0, rtol=1e-9)

    def test_nan_stands_in_their_rows_and_columns_alone(self, flat):
        model, data, best = flat
        known = np.array([name not in ("a", "b") for name in model.parameter_names])
        for of in (fitkit.covariance, fitkit.correlation):
            table = of(model, best.params, data)
            np.testing.assert_array_equal(np.isfinite(table), np.outer(known, known))
        fixed = fitkit.covariance(model.with_fixed("b"), best.params, data)
        inside = np.ix_(known, known)
        table = fitkit.covariance(model, best.params, data)
        np.testing.assert_allclose(table[inside], fixed[inside], rtol=1e-9)

    def test_the_yield_of_both_is_known(self, flat):
        model, data, _ = flat
        yields = fitkit.predicted_yields(model, data)
        np.testing.assert_allclose(yields.error["one"], np.sqrt(60.0), rtol=1e-7)
        np.testing.assert_allclose(yields.error["two"], np.sqrt(120.0), rtol=1e-7)

    def test_the_fit_tells_the_same(self, flat):
        rows = {line.split()[0]: line for line in repr(flat[2]).splitlines()[2:]}
        assert "±" not in rows["a"] + rows["b"]
        assert "±" in rows["c"]
        assert "±" in rows["scale"]

    def test_pulls_and_impacts_of_the_others(self, flat):
        model, data, best = flat
        errors = fitkit.uncertainties(model, best.params, data)
        pulls = fitkit.pulls(model, data)
        of = dict(zip(pulls.names, pulls.uncertainty, strict=True))
        assert np.isnan(of["a"])
        np.testing.assert_allclose(of["scale"], errors["scale"])
        ranked = fitkit.ranking(model, data)
        assert ranked.converged.all()
        np.testing.assert_allclose(ranked.total, errors["c"])
        assert ranked.names[0] == "scale"
        # 10 % more of each event is 10 % less of c
        np.testing.assert_allclose(ranked.up[0], 1.2 / 1.1 - 1.2, rtol=1e-6)
        assert np.isnan(ranked.up[1:]).all()
        assert "a  " in repr(ranked)
        with pytest.raises(
            fitkit.FitError, match=r"'a' has no uncertainty: the data do"
        ):
            fitkit.breakdown(model, data, parameter="a")
        np.testing.assert_allclose(fitkit.breakdown(model, data).total, errors["c"])

    def test_goodness_of_fit_counts_what_is_fitted(self):
        """Of two factors of one sample one: three bins leave two."""
        both = Sample("both", [50.0, 50.0, 50.0], (NormFactor("a"), NormFactor("b")))
        model = Model([Channel("SR", [both])], poi=None)
        result = fitkit.goodness_of_fit(model, model.data({"SR": [61.0, 59.0, 60.0]}))
        assert int(result.degrees_of_freedom) == 2

    def test_traced(self, flat):
        """The same numbers from a program, and derivatives of what is determined."""
        model, data, best = flat

        def errors(count):
            seen = fitkit.Data({**data.main, "two": count[None]}, data.aux)
            return model.ravel(fitkit.uncertainties(model, best.params, seen))

        count = np.float64(120.0)
        values, slopes = jax.jit(lambda c: jax.jvp(errors, (c,), (np.ones(()),)))(count)
        np.testing.assert_allclose(values, errors(count), rtol=1e-7)
        step = 1e-3
        refitted = (errors(count + step) - errors(count - step)) / (2 * step)
        known = np.isfinite(refitted)
        np.testing.assert_allclose(
            slopes[known], refitted[known], rtol=1e-5, atol=1e-12
        )
        assert known.sum() == 2


def _slope(lo, hi):
    """d log(factor)/d(alpha) at 0 of interpolation code 4, by differences."""
    only = Model(
        [Channel("c", [Sample("s", [1.0], (NormSys("a", lo, hi),))])], poi=None
    )
    up, down = (only.expected_data({"a": a}).main["c"][0] for a in (1e-4, -1e-4))
    return np.log(up / down) / 2e-4


class TestOnABound:
    """A parameter that the data push onto its bound has no width, the others have."""

    @pytest.fixture(scope="class")
    @staticmethod
    def published(load_json):
        document = load_json("likelihoods/measurements/atlas_ttZ_3l.json")
        return fitkit.read_workspace(document)

    def test_one_of_196(self, published):
        model, data = published
        best = fitkit.fit(model, data)
        (pushed,) = (name for name, at in best.at_bounds.items() if np.any(at))
        assert pushed == "mu_ZZ"
        errors = model.ravel(fitkit.uncertainties(model, best.params, data))
        (unknown,) = np.flatnonzero(np.isnan(errors))
        place = model.parameter_shapes.places["mu_ZZ"].start
        assert unknown == place
        fixed = model.with_fixed(mu_ZZ=best.params["mu_ZZ"])
        wanted = model.ravel(fitkit.uncertainties(fixed, best.params, data))
        others = np.arange(errors.size) != place
        np.testing.assert_allclose(errors[others], wanted[others], rtol=1e-9)
        rows = repr(best)
        assert "mu_ZZ" in rows
        assert "at its lower bound" in rows

    def test_impacts(self, published):
        model, data = published
        ranked = fitkit.ranking(model, data)
        assert ranked.converged.all()
        (unknown,) = np.flatnonzero(np.isnan(ranked.up))
        assert ranked.names[unknown] == "mu_ZZ"
        pulls = fitkit.pulls(model, data)
        for i, name in enumerate(ranked.names[:2]):
            j = pulls.names.index(name)
            shifted = {name: pulls.best[j] + pulls.uncertainty[j]}
            change = fitkit.fit(model.with_fixed(shifted), data).params["r_ttZ"]
            np.testing.assert_allclose(ranked.up[i], change - ranked.best, rtol=1e-6)

    def test_an_interval_has_its_other_end(self, published):
        ends = fitkit.interval(*published, "mu_ZZ")
        assert ends.low_at_bound.all()
        assert ends.low[0] == -10.0

    def test_what_has_none_says_so(self):
        model = fitkit.uncorrelated_background([10.0], [50.0], [5.0])
        data = model.data({"singlechannel": [30.0]})
        with pytest.raises(
            fitkit.FitError, match=r"'mu' has no uncertainty.*its bound"
        ):
            fitkit.breakdown(model, data)
        assert fitkit.breakdown(model.with_bounds(mu=(-9, 9)), data).total > 0


class TestDefaultBounds:
    """Bounds that nobody gave must not change an answer."""

    @staticmethod
    def counting(signal):
        sample = Sample("s", [signal], (NormFactor("mu"),))
        return Model([Channel("c", [sample, Sample("b", [50.0])])])

    # Of 15/9 the best fit is 9, and the upper end beyond 10.
    @pytest.mark.parametrize("signal", [10.0, 15 / 9, 1.0, 0.1])
    def test_results_do_not_depend_on_the_units_of_the_signal(self, signal):
        """65 counts over 50: 15 ± √65 events, whatever mu is called."""
        model = self.counting(signal)
        data = model.data({"c": [65.0]})
        unit = fitkit.interval(self.counting(10.0), data)
        events = fitkit.interval(model, data)
        np.testing.assert_allclose(signal * events.best, 15.0, rtol=1e-8)
        np.testing.assert_allclose(signal * events.low, 10 * unit.low, rtol=1e-6)
        np.testing.assert_allclose(signal * events.high, 10 * unit.high, rtol=1e-6)
        assert not (events.low_at_bound | events.high_at_bound).any()
        error = fitkit.pulls(model, data).uncertainty[0]
        np.testing.assert_allclose(signal * error, np.sqrt(65.0), rtol=1e-7)
        scanned = fitkit.scan(model, data, "mu", [0.0, 20.0 / signal]).delta
        wanted = [2 * (r - 65 + 65 * np.log(65 / r)) for r in (50.0, 70.0)]
        np.testing.assert_allclose(scanned, wanted, rtol=1e-9)

    @pytest.mark.parametrize("counts", [[65.0, 66.0], [40.0, 41.0]])
    def test_goodness_of_fit(self, counts):
        """As with bounds that are far away, above and below."""
        signal = Sample("s", [0.1, 0.1], (NormFactor("mu"),))
        model = Model([Channel("c", [signal, Sample("b", [50.0, 50.0])])])
        data = model.data({"c": counts})
        result = fitkit.goodness_of_fit(model, data)
        wide = fitkit.goodness_of_fit(model.with_bounds(mu=(-1e3, 1e3)), data)
        np.testing.assert_allclose(result.statistic, wide.statistic, rtol=1e-7)
        assert result.statistic < 0.02

    def test_one_that_was_given_holds(self):
        model = self.counting(0.1)
        given = model.with_bounds(mu=(0.0, 10.0))
        data = model.data({"c": [65.0]})
        assert fitkit.interval(given, data).high_at_bound.all()

    def test_there_may_be_no_minimum_beyond(self):
        """No counts, and no background: the yield falls to 0, where the bound is."""
        sample = Sample("s", [5.0, 5.0], (NormFactor("mu"),))
        model = Model([Channel("c", [sample])])
        result = fitkit.goodness_of_fit(model, model.data({"c": [0.0, 0.0]}))
        np.testing.assert_allclose(result.statistic, 0.0, atol=1e-9)

    def test_traced(self):
        """The bound is released in a program too, where the fit ends at it."""
        signal = Sample("s", [0.1, 0.1], (NormFactor("mu"),))
        model = Model([Channel("c", [signal, Sample("b", [50.0, 50.0])])])

        def statistic(counts):
            data = fitkit.Data({"c": counts}, {})
            return fitkit.goodness_of_fit(model, data).statistic

        for counts in (np.array([40.0, 41.0]), np.array([65.0, 66.0])):
            np.testing.assert_allclose(
                jax.jit(statistic)(counts), statistic(counts), rtol=1e-9
            )


class TestWithoutParameters:
    """Nothing to fit: every call has its answer."""

    @pytest.fixture(scope="class")
    @staticmethod
    def known():
        sample = Sample("b", [50.0, 20.0])
        model = Model([Channel("c", [sample])], poi=None)
        return model, model.data({"c": [55.0, 30.0]})

    def test_goodness_of_fit(self, known):
        counts, rates = np.array([55.0, 30.0]), np.array([50.0, 20.0])
        q = 2 * np.sum(counts * np.log(counts / rates) - (counts - rates))
        result = fitkit.goodness_of_fit(*known)
        np.testing.assert_allclose(result.statistic, q, rtol=1e-12)
        assert int(result.degrees_of_freedom) == 2

    def test_the_others(self, known):
        model, data = known
        for yields in (
            fitkit.predicted_yields(model),
            fitkit.predicted_yields(model, data),
        ):
            np.testing.assert_array_equal(yields.total["c"], [50.0, 20.0])
            np.testing.assert_array_equal(yields.error["c"], [0.0, 0.0])
        assert fitkit.pulls(model, data).names == ()
        assert fitkit.interval(model, data).names == ()
        assert (
            "no" in repr(fitkit.fit(model, data)) or fitkit.fit(model, data).converged
        )
        assert repr(fitkit.pulls(model, data))
        assert repr(fitkit.interval(model, data))

    def test_only_a_parameter_of_interest(self):
        sample = Sample("s", [50.0, 20.0], (NormFactor("mu"),))
        model = Model([Channel("c", [sample])])
        ranked = fitkit.ranking(model, model.data({"c": [55.0, 30.0]}))
        assert ranked.names == ()
        np.testing.assert_allclose(ranked.total, np.sqrt(85) / 70, rtol=1e-8)
        np.testing.assert_allclose(ranked.statistical, ranked.total, rtol=1e-8)


class TestSettingsOfTheModel:
    def test_yields_before_a_fit_are_at_its_starts(self):
        model = fitkit.uncorrelated_background([10.0], [50.0], [5.0])
        moved = fitkit.predicted_yields(model.with_fixed(mu=3.0))
        np.testing.assert_allclose(moved.total["singlechannel"], [80.0])
        np.testing.assert_allclose(moved.error["singlechannel"], [5.0])
        fixed = fitkit.predicted_yields(model.with_fixed("uncorr*"))
        np.testing.assert_allclose(fixed.error["singlechannel"], [0.0])

    def test_pulls_with_others_fixed(self):
        model = fitkit.correlated_background([12.0], [50.0], [55.0], [45.0])
        data = model.data({"single_channel": [55.0]})
        pulls = fitkit.pulls(model.with_fixed(mu=0.0), data)
        assert pulls.names == ("correlated_bkg_uncertainty",)
        assert np.isfinite(pulls.pull).all()
        assert np.isfinite(pulls.constraint).all()
