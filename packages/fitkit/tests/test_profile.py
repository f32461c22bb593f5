"""Scans, contours, intervals, impacts, goodness of fit and yields."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from iminuit import Minuit
from scipy import optimize, stats

import fitkit


@pytest.fixture(scope="module")
def model():
    """Two bins with correlated, uncorrelated and asymmetric errors."""
    signal = fitkit.Sample("signal", [5.0, 12.0], (fitkit.NormFactor("mu"),))
    background = fitkit.Sample(
        "background",
        [40.0, 30.0],
        (
            fitkit.ShapeSys("gamma", [4.0, 5.0]),
            fitkit.HistoSys("tilt", lo=[43.0, 26.0], hi=[38.0, 35.0]),
            fitkit.NormSys("norm", lo=0.8, hi=1.35),
        ),
    )
    return fitkit.Model([fitkit.Channel("SR", [signal, background])], poi="mu")


@pytest.fixture(scope="module")
def data(model):
    return model.data({"SR": [47.0, 55.0]})


@pytest.fixture(scope="module")
def asimov(model):
    return model.expected_data({**model.init, "mu": 1.3})


@pytest.fixture(scope="module")
def best(model, data):
    return fitkit.fit(model, data)


@pytest.fixture(scope="module")
def wide(model):
    """The same model with negative signals."""
    return model.with_bounds(mu=(-5.0, 10.0))


def delta(model, data, best, **fixed):
    """-2 ln of the ratio with some parameters fixed, by a fit of its own."""
    fit = fitkit.fit(model.with_fixed(fixed), data)
    return float(fit.twice_nll - best.twice_nll)


class TestInterval:
    def test_a_count_has_a_closed_form(self):
        sample = fitkit.Sample("s", [10.0], (fitkit.NormFactor("mu"),))
        counting = fitkit.Model([fitkit.Channel("SR", [sample])], poi="mu")
        found = fitkit.interval(counting, counting.data({"SR": [9.0]}), sigmas=2.0)
        for end in found["mu"]:
            # 2 (nu - n + n log(n / nu)) = 2^2
            rate = 10 * float(end)
            np.testing.assert_allclose(
                2 * (rate - 9 + 9 * np.log(9 / rate)), 4.0, rtol=1e-6
            )

    def test_the_first_guess_may_be_impossible(self):
        """Four standard deviations below the best fit no event is expected at all."""
        sample = fitkit.Sample("s", [10.0], (fitkit.NormFactor("mu"),))
        counting = fitkit.Model([fitkit.Channel("SR", [sample])], poi="mu")
        data = counting.data({"SR": [9.0]})
        found = fitkit.interval(counting.with_bounds(mu=(-5.0, 10.0)), data, sigmas=4.0)
        assert bool(found.converged.all())
        for end in found["mu"]:
            rate = 10 * float(end)
            np.testing.assert_allclose(
                2 * (rate - 9 + 9 * np.log(9 / rate)), 16.0, rtol=1e-6
            )

    @pytest.mark.parametrize("deficit", [False, True])
    def test_it_is_minos(self, model, deficit):
        """To 1e-4 of an interval's length, which is where MINOS's own search stops: at
        its upper end of `mu` -2 log L is 1 - 4e-4. (The next test has ours to 1e-6.)"""
        data = model.data({"SR": [30.0, 22.0] if deficit else [47.0, 55.0]})
        likelihood = model.negative_log_likelihood(data)
        minuit = Minuit(
            lambda y: float(likelihood.value(y)),
            fitkit.fit(model, data).y,
            grad=likelihood.gradient,
        )
        minuit.errordef, minuit.strategy, minuit.tol = Minuit.LIKELIHOOD, 2, 1e-6
        box = model.parameter_vectors()
        minuit.limits = [
            (float(a), float(b)) for a, b in zip(box.lower, box.upper, strict=True)
        ]
        minuit.migrad()
        minuit.minos()
        found = fitkit.interval(model, data)
        assert set(found.names) == {"mu", "norm", "gamma[0]", "gamma[1]", "tilt"}
        for name, param in zip(found.names, minuit.params, strict=True):
            low, high = map(float, found[name])
            minos = minuit.merrors[param.number]
            # of a parameter at its bound only one half of the length is seen
            within = 2e-4 * max(high - param.value, param.value - low)
            np.testing.assert_allclose(
                high, param.value + minos.upper, atol=within, rtol=0, err_msg=name
            )
            if bool(found.low_at_bound[found.names.index(name)]):
                # where it says so, or from another start only that it found no end
                assert minos.at_lower_limit or not minos.lower_valid
                assert low == param.lower_limit
            else:
                np.testing.assert_allclose(
                    low, param.value + minos.lower, atol=within, rtol=0, err_msg=name
                )
        # What the two cases are for.
        low, high = found["norm"]
        asymmetry = abs(low + high - 2 * found.best[found.names.index("norm")])
        at_bound = float(found.best[found.names.index("mu")]) == 0.0
        assert at_bound if deficit else asymmetry > 0.05

    def test_ends_are_where_the_likelihood_says(self, wide, data, best):
        found = fitkit.interval(wide, data, ["mu", "tilt"])
        for name in found.names:
            for end in found[name]:
                np.testing.assert_allclose(
                    delta(wide, data, best, **{name: end}), 1.0, rtol=1e-6
                )

    def test_a_parameter_on_its_bound(self, model):
        deficit = model.data({"SR": [30.0, 22.0]})
        found = fitkit.interval(model, deficit, "mu")
        assert float(found.best[0]) == 0.0
        assert float(found.low[0]) == 0.0
        assert bool(found.low_at_bound[0])
        assert not bool(found.high_at_bound[0])
        assert "lower end at its bound" in repr(found)
        at_zero = fitkit.fit(model, deficit)
        np.testing.assert_allclose(
            delta(model, deficit, at_zero, mu=found.high[0]), 1.0, rtol=1e-6
        )

    def test_names(self, model, data):
        with pytest.raises(ValueError, match=r"one value per bin.*gamma\[0\]"):
            fitkit.interval(model, data, "gamma")
        with pytest.raises(ValueError, match="no single parameter 'nu'"):
            fitkit.interval(model, data, "nu")
        with pytest.raises(ValueError, match="'mu' is fixed"):
            fitkit.interval(model.with_fixed("mu"), data, "mu")

    def test_all_parameters_fixed(self, model, data):
        assert fitkit.interval(model.with_fixed("*"), data).names == ()


class TestScan:
    def test_points_are_conditional_fits(self, wide, data, best):
        values = [2.0, 0.5, 4.0]  # in no order
        found = fitkit.scan(wide, data, "mu", values)
        expected = [delta(wide, data, best, mu=value) for value in values]
        np.testing.assert_array_equal(found.values, values)
        np.testing.assert_array_equal(found.y[:, 0], values)
        np.testing.assert_allclose(found.delta, expected, atol=1e-9)
        assert bool(found.converged.all())

    def test_less_signal_than_the_nominal_background_allows(self, wide, data, best):
        """At -3 the second bin has -6 events where the others are at their best fit."""
        values = [-4.0, -3.0, -2.0]
        found = fitkit.scan(wide, data, "mu", values)
        assert bool(found.converged.all())
        possible = wide.with_init(gamma=[1.0, 1.5], norm=1.5, tilt=1.0)
        expected = [delta(possible, data, best, mu=value) for value in values]
        np.testing.assert_allclose(found.delta, expected, atol=1e-8)

    def test_many_points(self, model, data):
        few = fitkit.scan(model, data, "tilt", [-1.0, 0.3])
        many = fitkit.scan(model, data, "tilt", np.linspace(-1.0, 0.3, 131))
        np.testing.assert_allclose(many.delta[[0, -1]], few.delta, atol=1e-10)
        assert many.delta.shape == (131,)

    def test_traced(self, wide, data):
        """Inside `jax.jit` it is one program; derivatives are those of refits."""

        def deltas(counts):
            traced = fitkit.Data({"SR": counts}, data.aux)
            return fitkit.scan(wide, traced, "mu", [0.5, 2.0]).delta

        counts = jnp.array(data.main["SR"])
        value, slope = jax.jit(lambda c: jax.jvp(deltas, (c,), (jnp.ones(2),)))(counts)
        np.testing.assert_allclose(value, deltas(np.asarray(counts)), rtol=1e-9)
        step = 1e-3
        up, down = (deltas(np.asarray(counts) + s * step) for s in (1, -1))
        np.testing.assert_allclose(slope, (up - down) / (2 * step), rtol=1e-5)

    def test_the_range_respects_bounds(self, model, data):
        found = fitkit.scan(model.with_bounds(mu=(0.0, 2.0)), data, "mu", points=5)
        assert float(found.values.min()) >= 0.0
        assert float(found.values.max()) <= 2.0

    def test_a_fixed_parameter_has_no_range(self, model, data):
        with pytest.raises(ValueError, match="no curvature"):
            fitkit.scan(model.with_fixed("mu"), data, "mu")
        with pytest.raises(ValueError, match="is empty"):
            fitkit.scan(model, data, "mu", [])


class TestContour:
    @pytest.fixture(scope="class")
    @staticmethod
    def found(wide, data):
        return fitkit.contour(wide, data, ("mu", "tilt"), angles=9, tolerance=1e-6)

    def test_points_lie_on_it(self, wide, data, best, found):
        assert found.points.shape == (2, 9, 2)
        for level, line in zip(found.levels, found.points, strict=True):
            wanted = stats.chi2(2).ppf(level)
            for mu, tilt in line[::3]:
                np.testing.assert_allclose(
                    delta(wide, data, best, mu=mu, tilt=tilt), wanted, rtol=1e-5
                )

    def test_it_is_closed(self, found):
        np.testing.assert_allclose(found.points[:, 0], found.points[:, -1], rtol=1e-6)

    def test_it_stops_at_a_bound(self, model, data):
        narrow = model.with_bounds(mu=(0.5, 2.5))
        found = fitkit.contour(narrow, data, ("mu", "tilt"), angles=9)
        assert bool(found.at_bound.any())
        assert not bool(found.at_bound.all())
        assert float(found.points[..., 0].max()) <= 2.5 + 1e-12
        assert float(found.points[..., 0].min()) >= 0.5 - 1e-12

    def test_bad_arguments(self, model, data):
        with pytest.raises(ValueError, match="got 'mu' twice"):
            fitkit.contour(model, data, ("mu", "mu"))
        with pytest.raises(ValueError, match="between 0 and 1; got 68"):
            fitkit.contour(model, data, ("mu", "tilt"), levels=(68.0,))
        with pytest.raises(ValueError, match="'tilt' is fixed"):
            fitkit.contour(model.with_fixed("tilt"), data, ("mu", "tilt"))

    def test_around_a_best_fit_on_its_bound(self, model):
        deficit = model.data({"SR": [30.0, 22.0]})
        found = fitkit.contour(model, deficit, ("mu", "tilt"), angles=9, levels=[0.68])
        assert bool(found.converged.all())
        assert bool(found.at_bound.any())
        at_zero = fitkit.fit(model, deficit)
        wanted = stats.chi2(2).ppf(0.68)
        for (mu, tilt), stopped in zip(found.points[0], found.at_bound[0], strict=True):
            value = delta(model, deficit, at_zero, mu=mu, tilt=tilt)
            if stopped:
                assert mu == 0.0
                assert value < wanted
            else:
                np.testing.assert_allclose(value, wanted, rtol=1e-3)


class TestRanking:
    @pytest.fixture(scope="class")
    @staticmethod
    def found(wide, asimov):
        return fitkit.ranking(wide, asimov)

    def test_shifts_are_fits(self, wide, asimov, found):
        i = found.names.index("tilt")
        for change, value in (
            (found.prefit_up, 1.0),
            (found.prefit_down, -1.0),
            (found.up, float(found.constraint[i])),
        ):
            fit = fitkit.fit(wide.with_fixed(tilt=value), asimov)
            np.testing.assert_allclose(
                change[i], fit.params["mu"] - 1.3, rtol=1e-6, atol=1e-9
            )

    def test_largest_first(self, found):
        size = np.maximum(np.abs(found.up), np.abs(found.down))
        assert list(size) == sorted(size, reverse=True)
        assert "mu" not in found.names

    def test_auxiliary_impacts_add_up_to_the_uncertainty(self, found):
        # Exact for Asimov data, whose Hessian is the Fisher information.
        squares = found.statistical**2 + np.sum(found.by_observable**2)
        np.testing.assert_allclose(np.sqrt(squares), found.total, rtol=1e-10)
        np.testing.assert_allclose(
            found.group(["gamma"]),
            np.hypot(
                *(found.by_observable[found.names.index(f"gamma[{i}]")] for i in (0, 1))
            ),
            rtol=1e-12,
        )

    def test_auxiliary_impacts_are_refits(self, wide, asimov, found):
        step = 1e-4
        for name, error in (("tilt", 1.0), ("norm", 1.0)):
            ends = [
                fitkit.fit(
                    wide, fitkit.Data(asimov.main, asimov.aux | {name: sign * step})
                ).params["mu"]
                for sign in (1, -1)
            ]
            slope = (ends[0] - ends[1]) / (2 * step)
            i = found.names.index(name)
            np.testing.assert_allclose(found.by_observable[i], slope * error, rtol=1e-5)

    def test_the_table(self, found):
        assert "statistical" in repr(found)
        assert "gamma[1]" in repr(found)
        with pytest.raises(ValueError, match="'jes' is not ranked"):
            found.group(["jes"])


class TestGoodnessOfFit:
    def test_against_the_deviance_of_a_plain_fit(self):
        sample = fitkit.Sample("s", [50.0, 60.0, 70.0], (fitkit.NormFactor("mu"),))
        plain = fitkit.Model([fitkit.Channel("SR", [sample])], poi="mu")
        counts = np.array([61.0, 55.0, 66.0])
        found = fitkit.goodness_of_fit(plain, plain.data({"SR": counts}))
        rates = np.array([50.0, 60.0, 70.0]) * counts.sum() / 180
        deviance = 2 * np.sum(rates - counts + counts * np.log(counts / rates))
        np.testing.assert_allclose(found.statistic, deviance, rtol=1e-10)
        assert int(found.degrees_of_freedom) == 2
        np.testing.assert_allclose(found.p_value, stats.chi2(2).sf(deviance), rtol=1e-9)

    def test_constrained_parameters_cost_nothing(self, model, data):
        found = fitkit.goodness_of_fit(model, data)
        assert int(found.degrees_of_freedom) == 1
        saturated = model.negative_log_likelihood(data).saturated()
        value = fitkit.fit(model, data).twice_nll - 2 * saturated
        np.testing.assert_allclose(found.statistic, value, rtol=1e-9)

    def test_nothing_left(self):
        sample = fitkit.Sample("s", [50.0], (fitkit.NormFactor("mu"),))
        counting = fitkit.Model([fitkit.Channel("SR", [sample])], poi="mu")
        with pytest.raises(ValueError, match="no degree of freedom"):
            fitkit.goodness_of_fit(counting, counting.data({"SR": [50.0]}))


class TestYields:
    def test_before_a_fit(self, model):
        found = fitkit.predicted_yields(model)
        np.testing.assert_allclose(found.total["SR"], [45.0, 42.0])
        # Code 4p has the slope (hi - lo) / 2 at 0.
        tilt, gamma = np.array([-2.5, 4.5]), np.array([4.0, 5.0])
        norm = np.array([40.0, 30.0]) * _code4_slope(0.8, 1.35)
        np.testing.assert_allclose(
            found.error["SR"], np.sqrt(tilt**2 + gamma**2 + norm**2), rtol=1e-6
        )
        together = np.sqrt(tilt.sum() ** 2 + (gamma**2).sum() + norm.sum() ** 2)
        np.testing.assert_allclose(found.channel_error["SR"], together, rtol=1e-6)
        np.testing.assert_allclose(found.samples["SR"]["background"], [40.0, 30.0])

    def test_after_a_fit_a_free_sum_has_the_error_of_its_count(self):
        sample = fitkit.Sample("s", [50.0, 60.0], (fitkit.NormFactor("mu"),))
        plain = fitkit.Model([fitkit.Channel("SR", [sample])], poi="mu")
        found = fitkit.predicted_yields(plain, plain.data({"SR": [48.0, 52.0]}))
        np.testing.assert_allclose(found.channel_total["SR"], 100.0, rtol=1e-9)
        np.testing.assert_allclose(found.channel_error["SR"], 10.0, rtol=1e-9)
        np.testing.assert_allclose(
            found.error["SR"], 10 * np.array([50, 60]) / 110, rtol=1e-9
        )

    def test_after_a_fit(self, model, data, best):
        found = fitkit.predicted_yields(model, data)
        expected = model.expected_data(best.params).main["SR"]
        np.testing.assert_allclose(found.total["SR"], expected, rtol=1e-8)
        assert "background" in repr(found)
        assert "±" in repr(found)


def _code4_slope(lo, hi):
    """d(factor)/d(alpha) at 0 of interpolation code 4, by differences."""
    sample = fitkit.Sample("s", [1.0], (fitkit.NormSys("a", lo=lo, hi=hi),))
    only = fitkit.Model([fitkit.Channel("SR", [sample])], poi=None)
    up, down = (only.expected_data({"a": a}).main["SR"][0] for a in (1e-4, -1e-4))
    return (up - down) / 2e-4


class Counter(fitkit.AbstractModel):
    """A count with a signal and an uncertain background, written in `jax.numpy`."""

    parameters: dict
    parameter_names: tuple = eqx.field(static=True, default=("mu", "shift"))
    poi: str = eqx.field(static=True, default="mu")

    def expected_data(self, params):
        return fitkit.Data(
            {"n": 20 * params["mu"][None] + 50 + 5 * params["shift"]},
            {"shift": params["shift"]},
        )

    def logpdf(self, params, data):
        rate = self.expected_data(params).main["n"]
        pull = data.aux["shift"] - params["shift"]
        counts = fitkit.poisson_logpdf(data.main["n"], rate)
        return jnp.sum(counts) - pull**2 / 2


def test_a_model_of_ones_own():
    """Its fits are compiled, in one program for each call."""
    shift = fitkit.Parameter(0.0, constraint=fitkit.Normal(np.zeros(()), np.ones(())))
    model = Counter({"mu": fitkit.Parameter(1.0), "shift": shift})
    data = fitkit.Data({"n": np.array([75.0])}, {"shift": np.zeros(())})
    ranked = fitkit.ranking(model, data)
    assert ranked.names == ("shift",)
    # 5 events of 20; the total is that of the count and the background
    np.testing.assert_allclose(ranked.up, -5 / 20, rtol=1e-6)
    np.testing.assert_allclose(ranked.prefit_down, 5 / 20, rtol=1e-6)
    np.testing.assert_allclose(ranked.total, np.sqrt(75 + 25) / 20, rtol=1e-6)
    assert np.isnan(ranked.statistical)
    scanned = fitkit.scan(model, data, "mu", [0.7, 1.6])
    assert scanned.converged.all()

    def profiled(mu):
        value = lambda shift: 2 * _deviance(20 * mu + 50 + 5 * shift) + shift**2  # noqa: E731
        return optimize.minimize_scalar(value, (-1, 1), tol=1e-12).fun

    np.testing.assert_allclose(scanned.delta, [profiled(0.7), profiled(1.6)], rtol=1e-7)


def _deviance(rate, count=75.0):
    """Half the deviance of a count."""
    return rate - count + count * np.log(count / rate)
