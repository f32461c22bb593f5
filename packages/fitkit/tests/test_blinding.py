"""Masked channels, expected results, frozen groups and pulls: one model for all."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

import fitkit
from fitkit import (
    Q0,
    Asymptotics,
    Channel,
    Model,
    NormFactor,
    NormSys,
    Sample,
    ShapeSys,
    StatError,
)

CONTROL = [55.0, 50.0]
UNSEEN = [np.nan, np.nan]


def signal_and_control(signal=(5.0, 3.0)):
    """A signal region whose background a control region measures."""
    shared = (NormFactor("norm"), NormSys("scale", lo=0.9, hi=1.2))
    background = Sample(
        "background", [20.0, 10.0], (*shared, StatError("mc_SR", [1.0, 1.5]))
    )
    signals = Sample("signal", jnp.asarray(signal), (NormFactor("mu"),))
    other = Sample(
        "background",
        [50.0, 60.0],
        (
            NormFactor("norm"),
            NormSys("scale", lo=0.8, hi=1.1),
            ShapeSys("fakes", [2.0, 1.0]),
        ),
    )
    return Model([Channel("SR", [signals, background]), Channel("CR", [other])])


@pytest.fixture(scope="module")
def model():
    return signal_and_control()


@pytest.fixture(scope="module")
def blind(model):
    return model.with_masked("S*")


@pytest.fixture(scope="module")
def data(model):
    return model.data({"SR": [26.0, 14.0], "CR": CONTROL})


class TestMasks:
    def test_what_is_masked(self, model, blind):
        assert blind.masked_channels == ("SR",)
        assert model.masked_channels == ()
        with pytest.raises(ValueError, match=r"no channel is called 'SB'.*SR, CR"):
            model.with_masked("SB")

    def test_a_fit_is_one_to_the_control_region_alone(self, model, blind):
        """The same fit with the signal region's counts exactly as expected."""
        best = fitkit.fit(blind.with_fixed("mu"), blind.data({"CR": CONTROL}))
        expected = blind.expected_data(best.params).main
        whole = model.data({**expected, "CR": CONTROL})
        whole = fitkit.fit(model.with_fixed("mu"), whole)
        # Counts that are as expected pull nothing anywhere.
        np.testing.assert_allclose(whole.y, best.y, rtol=1e-8, atol=1e-9)

    @pytest.mark.parametrize("unseen", [UNSEEN, [1e6, 0.0]])
    def test_what_was_counted_there_changes_nothing(self, model, blind, unseen):
        seen = fitkit.Data({"SR": unseen, "CR": CONTROL}, model.nominal_aux)
        without = blind.data({"CR": CONTROL})
        for result in (
            lambda data: fitkit.fit(blind, data).y,
            lambda data: blind.logpdf(blind.init, data),
            lambda data: fitkit.asimov_data(blind, 0.0, data).main["SR"],
            lambda data: fitkit.goodness_of_fit(blind, data).p_value,
            lambda data: fitkit.pulls(blind.with_fixed("mu"), data).pull[1:],
            lambda data: fitkit.predicted_yields(blind, data).error["CR"],
        ):
            one, other = np.asarray(result(seen)), np.asarray(result(without))
            assert np.isfinite(one).all()
            np.testing.assert_array_equal(one, other)

    def test_data_of_a_masked_model_hold_none_of_it(self, model, blind):
        assert set(blind.data({"SR": [9.0, 9.0], "CR": CONTROL}).main) == {"CR"}
        with pytest.raises(ValueError, match="no data for channel 'SR'"):
            fitkit.fit(model, blind.data({"CR": CONTROL}))

    def test_derivatives_know_nothing_of_it_either(self, blind):
        def summed(counts):
            data = fitkit.Data({"SR": counts, "CR": jnp.array(CONTROL)}, aux)
            best = fitkit.fit(blind.with_fixed("mu"), data).params
            return best["norm"]

        aux = blind.nominal_aux
        np.testing.assert_array_equal(jax.grad(summed)(jnp.array(UNSEEN)), [0.0, 0.0])

    def test_a_traced_mask_hides_as_well(self, model, blind, data):
        traced = []

        def value(any_model, data):
            traced.append(any_model)
            return any_model.logpdf(any_model.init, data)

        one, other = jax.jit(value), value
        hidden = fitkit.Data({**data.main, "SR": jnp.array(UNSEEN)}, data.aux)
        np.testing.assert_allclose(one(blind, hidden), other(blind, data), rtol=1e-13)
        assert float(one(model, data)) != float(one(blind, data))
        # once by the plain call, once for all calls of the compiled one
        assert len(traced) == 2, "a mask is no reason to compile"

    def test_goodness_of_fit_counts_seen_bins(self, model, blind, data):
        everything = fitkit.goodness_of_fit(model, data)
        control = fitkit.goodness_of_fit(blind, data)
        # 4 bins, mu and norm; 2 bins and norm: mu is nowhere to be seen
        assert int(everything.degrees_of_freedom) == 2
        assert int(control.degrees_of_freedom) == 1


class TestExpectations:
    def test_before_and_after_the_control_region(self, model, blind):
        """Expected limits from nominal values, and from where the control puts them."""
        before = fitkit.upper_limit(model, fitkit.asimov_data(model, 0.0))
        fitted = fitkit.asimov_data(blind, 0.0, blind.data({"CR": CONTROL}))
        after = fitkit.upper_limit(model, fitted)
        for limit in (before, after):
            # no fluctuation: observed is the median
            np.testing.assert_allclose(limit.observed, limit.expected[2], rtol=1e-7)
        # 105 events counted, 110 expected: less background, a lower limit
        assert float(after.observed) < float(before.observed)

    def test_limits_with_a_signal_present(self, model):
        """The limit from Asimov data is where their CLs, by a test, is the level."""
        asimov = fitkit.asimov_data(model, 1.0)
        limit = fitkit.upper_limit(model, asimov)
        at = fitkit.hypotest(model, asimov, limit.observed)
        np.testing.assert_allclose(at.cls, 0.05, rtol=1e-6)
        assert float(limit.observed) > float(limit.expected[2])

    @pytest.mark.parametrize("strength", [0.5, 1.0, 2.0])
    def test_significance_of_any_signal(self, model, data, strength):
        expected = fitkit.discovery(model, data, statistic=Q0(strength))
        asimov = fitkit.asimov_data(model, strength, data)
        seen = fitkit.discovery(model, asimov)
        np.testing.assert_allclose(
            expected.significance_expected[2], seen.significance, rtol=1e-7
        )
        assert f"for a signal of {strength:g}" in repr(expected)

    def test_band_of_the_significance(self, model, data):
        result = fitkit.discovery(model, data)
        np.testing.assert_allclose(
            norm.sf(result.significance_expected), result.p0_expected, rtol=1e-10
        )

    def test_nominal_auxiliary_data(self, model, data):
        """By hand: the expectation at the best fit, with untouched auxiliary data."""
        asimov = fitkit.asimov_data(model, 0.0, data, nominal_aux=True)
        fitted = fitkit.asimov_data(model, 0.0, data)
        np.testing.assert_array_equal(asimov.main["SR"], fitted.main["SR"])
        np.testing.assert_allclose(asimov.aux["scale"], 0.0)
        assert abs(float(fitted.aux["fakes"][0] - asimov.aux["fakes"][0])) > 1.0
        calculator = Asymptotics(nominal_aux=True)
        result = fitkit.hypotest(model, data, 1.0, calculator=calculator)
        best = fitkit.fit(model, asimov)
        conditional = fitkit.fixed_poi_fit(model, asimov, 1.0)
        np.testing.assert_allclose(
            result.statistic_asimov, conditional.twice_nll - best.twice_nll, rtol=1e-6
        )
        assert "nominal auxiliary data" in repr(result)

    def test_the_convention_is_told(self, model, data):
        convention = "QMuTilde, band normal at -2, -1, 0, 1, 2 sigma"
        assert convention in repr(fitkit.hypotest(model, data))
        assert convention in repr(fitkit.upper_limit(model, data))


class TestBreakdown:
    def test_squares_add_up(self, model, data):
        groups = {"simulation": [StatError, ShapeSys], "theory": ["sc*"]}
        result = fitkit.breakdown(model, data, groups)
        squares = result.statistical**2 + np.sum(result.contributions**2)
        np.testing.assert_allclose(np.sqrt(squares), result.total, rtol=1e-12)
        assert "statistical" in repr(result)

    def test_freezing_is_a_fit_with_them_fixed(self, model, data):
        best = fitkit.fit(model, data)
        frozen = fitkit.parameter_group(model, StatError, "fakes", "scale")
        assert frozen == ("scale", "mc_SR", "fakes")
        fixed = model.with_init(best.params).with_fixed(*frozen)
        result = fitkit.breakdown(model, data)
        errors = fitkit.uncertainties(fixed, best.params, data)
        np.testing.assert_allclose(result.statistical, errors["mu"], rtol=1e-8)
        whole = fitkit.uncertainties(model, best.params, data)
        np.testing.assert_allclose(result.total, whole["mu"], rtol=1e-8)
        # every call takes a frozen group; here the profile likelihood's interval
        low, high = fitkit.interval(fixed.with_bounds(mu=(-5, 10)), data, "mu")["mu"]
        free = model.with_bounds(mu=(-5, 10))
        free_low, free_high = fitkit.interval(free, data, "mu")["mu"]
        assert free_low < low
        assert high < free_high

    def test_unknown_members(self, model, data):
        with pytest.raises(ValueError, match="no parameter is called 'jes_"):
            fitkit.breakdown(model, data, {"jes": ["jes_*"]})
        with pytest.raises(ValueError, match="no parameter has a modifier Lumi"):
            fitkit.parameter_group(model, fitkit.Lumi)
        with pytest.raises(ValueError, match="'all' holds the parameter itself"):
            fitkit.breakdown(model, data, {"all": ["*"]})


class TestWhatIsNotDetermined:
    """The signal strength of a model whose signal region is masked."""

    @pytest.mark.parametrize("call", [fitkit.ranking, fitkit.breakdown])
    def test_there_is_no_silent_nan(self, blind, data, call):
        with pytest.raises(
            fitkit.FitError, match=r"'mu' has no uncertainty: nothing.*"
        ):
            call(blind, data)

    def test_fixed_it_does_not_matter(self, blind, data):
        yields = fitkit.predicted_yields(blind.with_fixed("mu"), data)
        assert np.isfinite(yields.error["SR"]).all()

    def test_what_is_determined_has_its_error(self, blind, data):
        """The background of the signal region has none, with an unknown signal."""
        yields = fitkit.predicted_yields(blind, data)
        assert np.isnan(yields.error["SR"]).all()
        fixed = fitkit.predicted_yields(blind.with_fixed("mu"), data)
        np.testing.assert_allclose(yields.error["CR"], fixed.error["CR"], rtol=1e-9)
        np.testing.assert_allclose(yields.total["SR"], fixed.total["SR"], rtol=1e-9)


class TestPulls:
    def test_each_kind_of_parameter(self, model, data):
        best = fitkit.fit(model, data)
        errors = fitkit.uncertainties(model, best.params, data)
        found = fitkit.pulls(model, data)
        rows = {name: i for i, name in enumerate(found.names)}
        # free: a value with an error, and no pull
        assert np.isnan(found.pull[rows["mu"]])
        np.testing.assert_allclose(found.best[rows["mu"]], best.params["mu"])
        np.testing.assert_allclose(found.uncertainty[rows["mu"]], errors["mu"])
        # a count of (50/2)^2 events has a relative error of 4 %
        gamma = (best.params["fakes"][0] - 1) / 0.04
        np.testing.assert_allclose(found.pull[rows["fakes[0]"]], gamma, rtol=1e-7)
        np.testing.assert_allclose(
            found.constraint[rows["fakes[0]"]], errors["fakes"][0] / 0.04, rtol=1e-7
        )
        np.testing.assert_allclose(
            found.pull[rows["scale"]], best.params["scale"], atol=1e-9
        )
        relative = (best.params["mc_SR"][1] - 1) / 0.15
        np.testing.assert_allclose(found.pull[rows["mc_SR[1]"]], relative, atol=1e-9)
        assert "free" in repr(found)

    def test_fixed_parameters_are_not_pulled(self, model, data):
        pulls = fitkit.pulls(model.with_fixed("scale"), data)
        assert "scale" not in pulls.names
        # mu alone is free of a constraint: no other pull is unknown
        assert np.isnan(pulls.pull).sum() == 2  # mu and norm
