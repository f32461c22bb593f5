"""Tests and limits against closed forms, published numbers, others' converged fits.

Tolerances: closed forms 1e-8 relative. Converged values CLs 2e-6, bands 3e-5 (what the
other fits reached). Published values 5e-4 (their fits' tolerance on the tails).
"""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.scipy.stats import norm

import fitkit
from fitkit import (
    Q0,
    Channel,
    Model,
    NormFactor,
    NormSys,
    QMu,
    QMuTilde,
    Sample,
    ShapeSys,
    StatError,
)
from fitkit._hypotest.asymptotics import expected_tails, observed_tails


def counting(signal, background):
    """A counting experiment without any uncertainty."""
    samples = [
        Sample("signal", [signal], (NormFactor("mu"),)),
        Sample("background", [background]),
    ]
    return Model([Channel("SR", samples)], poi="mu")


def on_off(signal, background, uncertainty, observed):
    """A counting experiment whose background a control region measures."""
    model = fitkit.uncorrelated_background([signal], [background], [uncertainty])
    return model, model.data({"singlechannel": [observed]})


# --- closed forms -------------------------------------------------------------------
@pytest.mark.parametrize("statistic", [QMu(), QMuTilde()])
def test_counting_experiment(statistic):
    """No fit: mu-hat is (n - b) / s, and every number has a formula."""
    model = counting(10.0, 5.0)
    result = fitkit.hypotest(
        model, model.data({"SR": [12.0]}), 1.0, statistic=statistic
    )
    for value, expected in (
        (result.best, 0.7),
        (result.statistic, 0.6445547684589741),
        (result.statistic_asimov, 9.013877113318902),
        (result.cl_sb, 0.2110331230531487),
        (result.cl_b, 0.9860777498628173),
        (result.cls, 0.21401266085),
    ):
        np.testing.assert_allclose(value, expected, rtol=1e-8)


def test_limit_of_a_counting_experiment():
    model = counting(10.0, 5.0)
    limit = fitkit.upper_limit(model, model.data({"SR": [12.0]}))
    np.testing.assert_allclose(limit.observed, 1.3672549802429903, rtol=1e-8)
    # at the limit CLs is the level
    result = fitkit.hypotest(model, model.data({"SR": [12.0]}), limit.observed)
    np.testing.assert_allclose(result.cls, 0.05, rtol=1e-7)


def test_expected_band_of_a_counting_experiment():
    """The band is the `normal` one: its upper end is not clipped at q = 0."""
    model = counting(10.0, 50.0)
    result = fitkit.hypotest(model, model.data({"SR": [50.0]}), 1.0)
    band = [0.019114146, 0.062484977, 0.183649086, 0.440782394, 0.766127097]
    np.testing.assert_allclose(result.cls_expected, band, rtol=2e-8)


def test_discovery_with_a_control_region():
    model, data = on_off(25.0, 50.0, 7.0, 80.0)
    result = fitkit.discovery(model, data, statistic=Q0())
    np.testing.assert_allclose(result.significance, 2.657435872052299, rtol=1e-8)
    np.testing.assert_allclose(result.p0, 0.003936878440204, rtol=1e-8)
    np.testing.assert_allclose(result.significance_expected[2], 2.2201171535, rtol=1e-8)
    band = [1.220877e-5, 6.406911e-4, 0.0132054, 0.1112102, 0.4128900]
    np.testing.assert_allclose(result.p0_expected, band, rtol=3e-6)  # digits given


def test_asimov_significance_with_a_control_region():
    """The closed form is the test of exactly the expected data, auxiliary ones too."""
    model, data = on_off(25.0, 50.0, 7.0, 75.0)
    result = fitkit.discovery(model, data, statistic=Q0())
    np.testing.assert_allclose(
        fitkit.asimov_significance(25.0, 50.0, 7.0),
        result.significance,
        rtol=1e-8,
    )


def li_ma(n, m, tau):
    """q0 of n on-counts and m off-counts of ratio tau (Li and Ma 1983, eq. 17)."""
    total = n + m
    return 2 * (
        n * np.log(n * (1 + tau) / total) + m * np.log(m * (1 + tau) / (tau * total))
    )


@pytest.mark.parametrize(
    ("background", "uncertainty", "observed"), [(50.0, 7.0, 80.0), (5.0, 0.5, 9.0)]
)
def test_li_ma(background, uncertainty, observed):
    model, data = on_off(25.0, background, uncertainty, observed)
    result = fitkit.discovery(model, data, statistic=Q0())
    m = (background / uncertainty) ** 2
    expected = li_ma(observed, m, m / background)
    np.testing.assert_allclose(result.statistic, expected, rtol=1e-8)


def test_exclusion_with_a_control_region():
    model, data = on_off(10.0, 50.0, 7.0, 55.0)
    result = fitkit.hypotest(model, data, 1.0, statistic=QMu())
    np.testing.assert_allclose(result.statistic, 0.23960076181515, rtol=1e-8)
    np.testing.assert_allclose(result.statistic_asimov, 0.95693359144833, rtol=1e-8)
    np.testing.assert_allclose(result.cls, 0.4541865302155951, rtol=1e-8)
    band = [0.0637179827, 0.1509650148, 0.3279606683, 0.6046087047, 0.8662627474]
    np.testing.assert_allclose(result.cls_expected, band, rtol=3e-9)
    background_only = fitkit.fixed_poi_fit(model, data, 0.0)
    np.testing.assert_allclose(
        background_only.params["uncorr_bkguncrt"], [1.0494949494949495], rtol=1e-8
    )


# --- pyhf's published validation models -----------------------------------------------
VALIDATION = (
    "1bin_shapesys",
    "1bin_shapesys_q0",
    "1bin_lumi",
    "1bin_normsys",
    "2bin_histosys",
    "2bin_2channel",
    "2bin_2channel_couplednorm",
    "2bin_2channel_coupledshapefactor",
)


def validation_case(case):
    """Model and data of an entry: the settings are those of the published numbers."""
    channels, counts = case["spec"]["channels"], list(case["data"])
    observations = []
    for channel in sorted(channels, key=lambda each: each["name"]):
        bins = len(channel["samples"][0]["data"])
        observations.append({"name": channel["name"], "data": counts[:bins]})
        del counts[:bins]
    parameters = case["spec"].get("parameters", [])
    document = {
        "channels": channels,
        "observations": observations,
        "measurements": [
            {"name": "m", "config": {"poi": "mu", "parameters": parameters}}
        ],
        "version": "1.0.0",
    }
    return fitkit.read_workspace(document, normsys_code="1", histosys_code="0")


def check(result, case):
    """Against the converged and the published numbers."""
    if case["test_stat"] == "q0":
        observed, expected = result.p0, result.p0_expected
    else:
        observed, expected = result.cls, result.cls_expected
    converged, published = case["converged"]["newton"], case["expected"]
    np.testing.assert_allclose(observed, converged["obs"], rtol=2e-6)
    np.testing.assert_allclose(expected, converged["exp"], rtol=3e-5)
    np.testing.assert_allclose(observed, published["obs"], rtol=5e-4)
    np.testing.assert_allclose(expected, published["exp"], rtol=5e-4)


@pytest.mark.parametrize("name", VALIDATION)
def test_validation_models(name, load_json):
    (case,) = (c for c in load_json("acceptance_validation.json") if c["name"] == name)
    model, data = validation_case(case)
    statistic = {"q": QMu(), "q0": Q0()}[case["test_stat"]]
    if case["test_stat"] == "q0":
        check(fitkit.discovery(model, data, statistic=statistic), case)
        return
    # The published numbers are those with pyhf's default bounds, which hold there.
    bounded = model.with_bounds(mu=(0.0, 10.0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fitkit.ActiveBoundWarning)
        check(
            fitkit.hypotest(bounded, data, float(case["mu"]), statistic=statistic), case
        )


def test_a_model_with_two_minima(load_json):
    """The published number of this one belongs to a local minimum (bkg2 falls for both
    variations); which one a fit finds depends on where it starts. From the two sides of
    the nuisance parameter both minima are found, and the deeper ones are known."""
    name = "2bin_2channel_coupledhistosys"
    (case,) = (c for c in load_json("acceptance_validation.json") if c["name"] == name)
    model, data = validation_case(case)
    (nuisance,) = set(model.parameter_names) - {"mu"}

    def fits(poi, sides):
        for side in sides:
            there = model.with_init({nuisance: side})
            if poi is None:
                yield float(fitkit.fit(there, data).twice_nll)
            else:
                yield float(fitkit.fixed_poi_fit(there, data, poi).twice_nll)

    tested, free = min(fits(1.0, (-0.5, 0.4))), min(fits(None, (-0.5, 0.4)))
    np.testing.assert_allclose(tested, 30.8717, atol=1e-4)
    np.testing.assert_allclose(free, 29.2874, atol=1e-4)
    (local,) = fits(1.0, (0.4,))
    np.testing.assert_allclose(local, 31.3751, atol=1e-4)
    # Between the deeper minima; the published 2.088 is local - free.
    np.testing.assert_allclose(tested - free, 1.58433, atol=1e-5)
    np.testing.assert_allclose(local - free, 2.088, atol=5e-4)
    asimov = fitkit.asimov_data(model.with_init({nuisance: 0.4}), 0.0, data)
    at = (
        float(
            fitkit.fixed_poi_fit(
                model.with_init({nuisance: -0.5}), asimov, 1.0
            ).twice_nll
        ),
        float(
            fitkit.fit(model.with_init({"mu": 0.0, nuisance: 0.4}), asimov).twice_nll
        ),
    )
    np.testing.assert_allclose(at[0] - at[1], 3.76731, atol=1e-5)
    tails = observed_tails(
        QMu(), jnp.asarray(tested - free), jnp.asarray(at[0] - at[1])
    )
    np.testing.assert_allclose(jnp.exp(tails.log_cls), 0.13830515, rtol=2e-6)
    band = expected_tails(QMu(), jnp.asarray(at[0] - at[1]), fitkit.Asymptotics())
    expected = [0.00178368, 0.01031172, 0.05226370, 0.20605571, 0.53572967]
    np.testing.assert_allclose(jnp.exp(band.log_cls), expected, rtol=3e-5)
    # A plain test finds one pair of minima or another; that there are more is told.
    with pytest.warns(UserWarning, match="minim"):
        fitkit.fit_from_many_starts(model, data, starts=16)


# --- other published cases ------------------------------------------------------------
def test_a_bin_without_uncertainty_has_no_nuisance_parameter():
    """pyhf's comparison with ROOT of a filtered `shapesys` entry, to its 1e-4."""
    model = fitkit.uncorrelated_background([20.0, 10.0], [100.0, 10.0], [10.0, 0.0])
    result = fitkit.hypotest(model, observe(model, [100, 10]), 1.0)
    root = [2.702197937866914e-05, 0.00037099917612576155, 0.004360634386335687]
    root += [0.03815031509701916, 0.20203027564155074]
    np.testing.assert_allclose(result.cls, 0.004360634405484502, atol=1e-4)
    np.testing.assert_allclose(result.cls_expected, root, atol=1e-4)
    # The data are as expected: what is observed is the median.
    np.testing.assert_allclose(result.cls, result.cls_expected[2], rtol=1e-7)


@pytest.mark.slow
class TestCombine:
    """The counting card of Combine's documentation: nothing observed, gmN 4."""

    @pytest.fixture(scope="class")
    @staticmethod
    def case():
        def log_normal(name, kappa):
            return NormSys(name, lo=1 / kappa, hi=kappa)

        signal = Sample(
            "ggH",
            [1.47],
            (NormFactor("r"), log_normal("lumi", 1.11), log_normal("xs_ggH", 1.16)),
        )
        control = Sample("qqWW", [0.64], (ShapeSys("WW_norm", [0.64 / 2]),))
        minor = Sample(
            "ggWW", [0.06], (log_normal("lumi", 1.11), log_normal("xs_ggWW", 1.5))
        )
        others = Sample("others", [0.22], (log_normal("bg_others", 1.3),))
        channel = Channel("bin1", [signal, control, minor, others])
        model = Model([channel], poi="r", normsys_code="1")
        return model, model.data({"bin1": [0.0]})

    def test_limit(self, case):
        calculator = fitkit.Asymptotics(quantiles=True)
        limit = fitkit.upper_limit(*case, calculator=calculator)
        # 1 %: what the card's own fits are good for
        np.testing.assert_allclose(limit.observed, 1.6267, rtol=0.01)
        band = [0.9690, 1.4327, 2.3237, 3.9673, 6.6037]
        np.testing.assert_allclose(limit.expected, band, rtol=0.01)

    def test_no_excess_has_no_significance(self, case):
        result = fitkit.discovery(*case, statistic=Q0())
        assert float(result.significance) == 0.0
        np.testing.assert_allclose(result.p0, 0.5, rtol=1e-12)


class TestCabinetry:
    """Its test models: one count, with a statistical error on all of it."""

    @staticmethod
    def counting(signal, background):
        name = "staterror"
        samples = [
            Sample(
                "signal", signal[:1], (NormFactor("mu"), StatError(name, signal[1:]))
            ),
            Sample("background", background[:1], (StatError(name, background[1:]),)),
        ]
        return Model([Channel("SR", samples)], poi="mu")

    def test_fit(self):
        signal = Sample(
            "signal", [51.8], (NormFactor("mu"), StatError("staterror", [2.6]))
        )
        model = Model([Channel("SR", [signal])], poi="mu")
        fixed = model.with_fixed(staterror=[1.1])
        # The published error, 0.38182003, is a numerical second derivative.
        for count, published, value in (
            (475.0, 8.33624084, 7.82495235),
            (51.8, 0.90917877, 5.61189476),
        ):
            data = model.data({"SR": [count]})
            best = fitkit.fit(fixed, data)
            error = fitkit.uncertainties(fixed, best.params, data)["mu"]
            np.testing.assert_allclose(best.params["mu"], count / 56.98, rtol=1e-8)
            np.testing.assert_allclose(error, np.sqrt(count) / 56.98, rtol=1e-8)
            np.testing.assert_allclose(best.params["mu"], published, rtol=5e-4)
            np.testing.assert_allclose(best.twice_nll, value, rtol=5e-4)

    @pytest.mark.slow
    def test_limit(self):
        model = self.counting([50.0, 5.0], [150.0, 7.0])
        limit = fitkit.upper_limit(model, model.data({"SR": [160.0]}))
        # published with three digits, from a search to 1 %
        np.testing.assert_allclose(limit.observed, 0.749, rtol=0.01)
        band = [0.303, 0.411, 0.581, 0.833, 1.160]
        np.testing.assert_allclose(limit.expected, band, rtol=0.01)
        expected = fitkit.upper_limit(model, fitkit.asimov_data(model, 0.0))
        np.testing.assert_allclose(expected.observed, 0.586, rtol=0.01)
        test = fitkit.hypotest(model, model.data({"SR": [160.0]}), 0.1)
        np.testing.assert_allclose(test.cls, 0.780874, rtol=5e-4)
        band = [0.402421, 0.548538, 0.719383, 0.878530, 0.971678]
        np.testing.assert_allclose(test.cls_expected, band, rtol=5e-4)

    def test_significance(self):
        model = self.counting([50.0, 5.0], [150.0, 7.0])
        data = model.data({"SR": [196.0]})
        result = fitkit.discovery(model, data, statistic=Q0())
        np.testing.assert_allclose(result.p0, 0.00080517, rtol=5e-4)
        np.testing.assert_allclose(result.significance, 3.15402672, rtol=5e-4)
        np.testing.assert_allclose(
            result.significance_expected[2], 3.40293444, rtol=5e-4
        )
        np.testing.assert_allclose(result.p0_expected[2], 0.00033333, rtol=5e-4)

    def test_expected_significance(self):
        model = self.counting([30.0, 5.0], [150.0, 7.0])
        data = fitkit.asimov_data(model, 1.0)
        result = fitkit.discovery(model, data, statistic=Q0())
        np.testing.assert_allclose(result.significance, 2.04096523, rtol=5e-4)
        np.testing.assert_allclose(
            result.significance_expected[2], 2.04096523, rtol=5e-4
        )
        np.testing.assert_allclose(result.p0, 0.02062714, rtol=5e-4)

    @pytest.mark.slow
    def test_goodness_of_fit(self):
        """Its model of three bins; 1e-5, as the published minimum has seven digits."""
        mu = NormFactor("mu")
        first = Sample("Signal", [25.0, 5.0], (mu, StatError("stat_1", [5.0, 2.0])))
        second = Sample("Signal", [8.0], (mu, StatError("stat_2", [1.0])))
        model = Model([Channel("region_1", [first]), Channel("region_2", [second])])
        data = model.data({"region_1": [35.0, 8.0], "region_2": [10.0]})
        found = fitkit.goodness_of_fit(model, data)
        np.testing.assert_allclose(found.statistic / 2, 0.084185, atol=1e-6)
        np.testing.assert_allclose(found.p_value, 0.91926079, rtol=1e-5)
        np.testing.assert_allclose(
            fitkit.fit(model, data).twice_nll, 9.964913, atol=2e-6
        )


# --- pyhf beside us -------------------------------------------------------------------
def test_live_pyhf(documented, pyhf_model, load_json):
    """Three models, their tests by pyhf here and now.

    Its fits stop where -2 log L changes by 1e-10; what is left in CLs is 1e-5.
    """
    pyhf = pytest.importorskip("pyhf")
    specs = {
        case["name"]: case
        for case in load_json("acceptance_validation.json")
        if "spec" in case
    }
    for name in ("1bin_shapesys", "2bin_2channel", "2bin_2channel_couplednorm"):
        case = specs[name]
        model, data = validation_case(case)
        theirs = pyhf.Model(
            case["spec"],
            poi_name="mu",
            modifier_settings={
                "normsys": {"interpcode": "code1"},
                "histosys": {"interpcode": "code0"},
            },
        )
        pyhf.set_backend(
            "numpy", pyhf.optimize.scipy_optimizer(tolerance=1e-12), precision="64b"
        )
        observed, band = pyhf.infer.hypotest(
            1.0, case["data"], theirs, test_stat="qtilde", return_expected_set=True
        )
        ours = fitkit.hypotest(model, data, 1.0)
        np.testing.assert_allclose(ours.cls, observed, rtol=1e-5)
        np.testing.assert_allclose(ours.cls_expected, band, rtol=1e-5)


# --- the documented two-bin model ---------------------------------------------------
@pytest.fixture(scope="module")
def documented():
    return fitkit.uncorrelated_background([12.0, 11.0], [50.0, 52.0], [3.0, 7.0])


def observe(model, counts):
    return model.data({"singlechannel": jnp.array(counts, dtype=float)})


def test_documented_model(documented, load_json):
    cases = [c for c in load_json("acceptance_validation.json") if c["name"] == "M0"]
    assert {c["test_stat"] for c in cases} == {"q", "qtilde"}
    for case in cases:
        # Of "q" the best fit may be below zero.
        statistic = QMu() if case["test_stat"] == "q" else QMuTilde()
        data = observe(documented, case["obs"])
        result = fitkit.hypotest(documented, data, 1.0, statistic=statistic)
        np.testing.assert_allclose(result.cls, case["CLs"], rtol=2e-6)
        np.testing.assert_allclose(result.cls_expected, case["exp"], rtol=3e-5)


def test_documented_numbers(documented):
    result = fitkit.hypotest(documented, observe(documented, [51, 48]), 1.0)
    published = [0.00260626, 0.01382005, 0.06445321, 0.23525644, 0.57303621]
    np.testing.assert_allclose(result.cls, 0.05251497, rtol=5e-4)
    np.testing.assert_allclose(result.cls_expected, published, rtol=5e-4)
    np.testing.assert_allclose(result.cl_sb, 0.02332502, rtol=5e-4)
    np.testing.assert_allclose(result.cl_b, 0.4441594, rtol=5e-4)
    np.testing.assert_allclose(result.statistic, 3.93824492, rtol=5e-4)
    free = fitkit.hypotest(
        documented.with_bounds({"mu": (-10.0, 10.0)}),
        observe(documented, [51, 48]),
        1.0,
        statistic=QMu(),
    )
    np.testing.assert_allclose(free.statistic, 3.9549891, rtol=5e-4)


def test_the_example_of_pyhfs_readme():
    """Two bins, and as many counts as background: observed is expected."""
    model = fitkit.uncorrelated_background([5.0, 10.0], [50.0, 60.0], [5.0, 12.0])
    result = fitkit.hypotest(model, observe(model, [50, 60]), 1.0)
    np.testing.assert_allclose(result.cls, 0.35998409, rtol=1e-6)
    np.testing.assert_allclose(result.cls_expected[2], 0.35998409, rtol=1e-6)


def test_documented_discovery(documented):
    data = observe(documented, [60, 65])
    result = fitkit.discovery(documented, data, statistic=Q0())
    np.testing.assert_allclose(result.statistic, 2.98339447, rtol=5e-4)
    best = fitkit.fit(documented, data).params
    np.testing.assert_allclose(best["mu"], 0.95260667, rtol=5e-4)
    np.testing.assert_allclose(
        best["uncorr_bkguncrt"], [0.99635345, 1.02140172], rtol=5e-4
    )
    absent = fitkit.fixed_poi_fit(documented, data, 0.0).params
    np.testing.assert_allclose(
        absent["uncorr_bkguncrt"], [1.03050845, 1.12128752], rtol=5e-4
    )


def test_documented_limit(documented, load_json):
    (case,) = (
        c for c in load_json("acceptance_validation.json") if c["name"] == "M0_UL"
    )
    observed, band = case["ul"]
    limit = fitkit.upper_limit(documented, observe(documented, [51, 48]))
    np.testing.assert_allclose(limit.observed, observed, rtol=2e-6)
    np.testing.assert_allclose(limit.expected, band, rtol=2e-6)
    np.testing.assert_allclose(limit.observed, 1.01156939, rtol=5e-4)


def test_limit_on_a_grid(documented):
    """Published with linear interpolation between eleven tested values."""
    data = observe(documented, [51, 48])
    tested = jnp.linspace(0, 5, 11)
    results = jax.vmap(lambda mu: fitkit.hypotest(documented, data, mu, throw=False))(
        tested
    )
    curves = np.column_stack([results.cls, results.cls_expected])
    limits = [np.interp(0.05, curve[::-1], tested[::-1]) for curve in curves.T]
    published = [1.0262704738584554, 0.65765653, 0.87999725, 1.12453992, 1.50243428]
    np.testing.assert_allclose(limits, [*published, 2.09232927], rtol=5e-4)


# --- published likelihoods ----------------------------------------------------------
QUICK = "A_1400_950_60"


@pytest.mark.parametrize(
    "point",
    [
        point if point == QUICK else pytest.param(point, marks=pytest.mark.slow)
        for point in (
            "A_1300_205_60",
            QUICK,
            "A_1500_850_60",
            "B_1400_550_60",
            "C_1600_850_60",
        )
    ],
)
def test_sbottom(point, sbottom, load_json):
    expected = load_json("likelihoods/sbottom_converged.json")[point]
    region, signal = point.split("_", 1)
    model, data = fitkit.read_workspace(
        sbottom(f"Region{region}/BkgOnly.json"),
        patch=sbottom(f"Region{region}/patch.sbottom_{signal}.json"),
    )
    result = fitkit.hypotest(model, data, 1.0)
    np.testing.assert_allclose(result.cls, expected["CLs_obs"], rtol=2e-6)
    np.testing.assert_allclose(result.cls_expected, expected["CLs_exp"], rtol=3e-5)
    np.testing.assert_allclose(result.statistic, expected["q"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(result.statistic_asimov, expected["qA"], rtol=1e-4)
    np.testing.assert_allclose(result.best, expected["muhat"], atol=2e-4)


@pytest.mark.slow
def test_1lbb_grid(likelihoods, load_json):
    """125 signal points of a simplified likelihood; the published digest is stale."""
    background = load_json("likelihoods/1Lbb_simplified/BkgOnly.json")
    patchset = fitkit.read_patchset(likelihoods / "1Lbb_simplified" / "patchset.json")
    expected = load_json("likelihoods/1Lbb_simplified/expected_cls.json")
    by_values = {(each["x"], each["y"]): each for each in expected}
    assert len(patchset) == len(by_values) == 125
    for patch in patchset:
        model, data = fitkit.read_workspace(background, patch=patch)
        result = fitkit.hypotest(model, data, 1.0)
        known = by_values[patch.values]
        band = [known[k] for k in ("clsd2s", "clsd1s", "CLsexp", "clsu1s", "clsu2s")]
        np.testing.assert_allclose(
            result.cls, known["CLs"], rtol=2e-5, err_msg=patch.name
        )
        np.testing.assert_allclose(
            result.cls_expected, band, rtol=2e-4, err_msg=patch.name
        )


@pytest.mark.slow
def test_1lbb_beside_pyhf(likelihoods, load_json, pyhf_model):
    """Three of its points, by pyhf here and now, with fits that stop at 1e-12."""
    pyhf = pytest.importorskip("pyhf")
    background = load_json("likelihoods/1Lbb_simplified/BkgOnly.json")
    patchset = fitkit.read_patchset(likelihoods / "1Lbb_simplified" / "patchset.json")
    for values in ((1000, 0), (550, 200), (650, 300)):
        document = patchset[values].apply(background)
        model, data = fitkit.read_workspace(document)
        result = fitkit.hypotest(model, data, 1.0)
        theirs = pyhf_model(document)
        pyhf.set_backend(
            "numpy", pyhf.optimize.scipy_optimizer(tolerance=1e-12), precision="64b"
        )
        observed, band = pyhf.infer.hypotest(
            1.0,
            theirs.data_vector(data),
            theirs.model,
            test_stat="qtilde",
            return_expected_set=True,
        )
        np.testing.assert_allclose(result.cls, observed, rtol=1e-6)
        np.testing.assert_allclose(result.cls_expected, band, rtol=1e-6)


@pytest.mark.slow
def test_3lrjr(likelihoods, load_json):
    """Against deviances with 40-digit constants, where pyhf's sums lose digits."""
    background = load_json("likelihoods/3LRJR/BkgOnly.json")
    patchset = fitkit.read_patchset(likelihoods / "3LRJR" / "patchset.json")
    for name, known in load_json("likelihoods/3LRJR/reference_true.json").items():
        model, data = fitkit.read_workspace(background, patch=patchset[name])
        result = fitkit.hypotest(model, data, 1.0)
        np.testing.assert_allclose(
            result.cls, known["CLs_obs"], rtol=1e-5, err_msg=name
        )
        np.testing.assert_allclose(
            result.cls_expected, known["CLs_exp"], rtol=1e-5, err_msg=name
        )


# --- significance of a counting experiment ------------------------------------------
def test_asimov_significance_without_uncertainty():
    s, b = 12.0, 50.0
    expected = np.sqrt(2 * ((s + b) * np.log1p(s / b) - s))
    np.testing.assert_allclose(fitkit.asimov_significance(s, b), expected, rtol=1e-12)
    result = fitkit.discovery(
        counting(s, b), counting(s, b).data({"SR": [62.0]}), statistic=Q0()
    )
    np.testing.assert_allclose(result.significance, expected, rtol=1e-8)
    np.testing.assert_allclose(result.p0, norm.sf(expected), rtol=1e-8)


@pytest.mark.parametrize("uncertainty", [0.0, 7.0])
def test_asimov_significance_is_finite_and_differentiable_at_no_signal(uncertainty):
    gradient = jax.grad(fitkit.asimov_significance)(0.0, 50.0, uncertainty)
    np.testing.assert_allclose(gradient, 1 / np.sqrt(50 + uncertainty**2), rtol=1e-6)
    assert float(fitkit.asimov_significance(0.0, 50.0, uncertainty)) == 0.0


class TestBand:
    """STATISTICS: S = 10, B = 50, n = 50, no nuisance; the five outcomes."""

    @pytest.fixture(scope="class")
    @staticmethod
    def case():
        model = counting(10.0, 50.0)
        return model, model.data({"SR": [50.0]})

    @pytest.mark.parametrize(
        ("clipped", "highest"), [(False, 0.766127097), (True, 0.550554407)]
    )
    def test_normal_and_clipped(self, case, clipped, highest):
        calculator = fitkit.Asymptotics(clipped=clipped)
        result = fitkit.hypotest(*case, 1.0, calculator=calculator)
        lower = [0.019114146, 0.062484977, 0.183649086, 0.440782394]
        # the numbers are printed with nine digits
        np.testing.assert_allclose(result.cls_expected, [*lower, highest], atol=1e-9)
        assert calculator.band in repr(result)

    def test_quantiles(self, case):
        result = fitkit.hypotest(
            *case, 1.0, calculator=fitkit.Asymptotics(quantiles=True)
        )
        quantiles = np.array([0.025, 0.16, 0.5, 0.84, 0.975])
        root = np.sqrt(float(result.statistic_asimov))
        outcome = norm.ppf(quantiles)
        np.testing.assert_allclose(
            result.cls_expected,
            norm.sf(root - outcome) / quantiles,
            rtol=1e-10,
        )

    def test_a_limit_has_the_same_band(self, case):
        calculator = fitkit.Asymptotics(quantiles=True)
        limit = fitkit.upper_limit(*case, calculator=calculator)
        at = fitkit.hypotest(*case, limit.expected[3], calculator=calculator)
        np.testing.assert_allclose(at.cls_expected[3], 0.05, rtol=1e-6)
        assert "quantiles" in repr(limit)
