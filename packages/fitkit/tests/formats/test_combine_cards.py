"""Cards of CMS Combine: its printed results, and its formulas in plain loops."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from scipy import optimize, stats

import fitkit

pytest.importorskip("uproot")

_FILE = Path(__file__).with_name("plain_combine.py")
_SPEC = importlib.util.spec_from_file_location("plain_combine", _FILE)
plain_combine = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(plain_combine)
PlainCard = plain_combine.PlainCard

FIXED = " (nuisances fixed)"
QUANTILES = ("2.5%", "16%", "50%", "84%", "97.5%")


# Combine searches a limit to 5e-3 of itself (its default `rRelAcc`): what it prints is
# where that search ends, as `test_combine_limits` shows digit by digit. Most are within
# half of it.
_LIMIT = 5.5e-3
# The largest difference of each card that is further off. Those of one gamma factor
# have a likelihood that is flat where the search ends; templates of the last one are
# negative in places, which Combine once treated otherwise.
_FURTHER = {
    "benchmarks/gammas/counting-B5p5-Obs6-Syst30C-gmM.txt": 2.3e-2,
    "benchmarks/gammas/counting-B5p5-Obs6-Syst30S-gmM.txt": 1.9e-2,
    "benchmarks/summer11/hwws.130/comb_hww.txt": 6.8e-2,
}
# Observed limits are interpolated by Combine, and accurate to 2e-3. (The templates of
# the first one are negative in one bin of each channel.)
_OBSERVED = 2e-3
_OBSERVED_FURTHER = {
    "benchmarks/summer11/hwws.130/comb_hww0j.txt": 3e-3,
    "benchmarks/summer11/hwws.130/comb_hww.txt": 2.4e-2,
}


LIMITS = (
    *(
        f"benchmarks/simple-counting/counting-B5p5-Obs{n}-{kind}.txt"
        for n in (1, 6, 11)
        for kind in ("StatOnly", "Syst30B", "Syst30C", "Syst30S", "Syst30U")
    ),
    *(
        f"benchmarks/asymm/counting-B5p5-Obs6-Syst{kind}B.txt"
        for kind in ("1040", "4010")
    ),
    *(
        f"benchmarks/gammas/counting-B5p5-Obs6-Syst30{kind}-gmM.txt"
        for kind in ("B", "C", "S", "U")
    ),
    *(
        f"benchmarks/gammas/counting-{kind}.txt"
        for kind in (
            "S1-Sideband1-alpha0p3-Obs2",
            "S1-Sideband2-alpha0p3-Obs6",
            "S1-Sideband10-alpha0p2-Obs2",
            "S1-Sideband100-alpha0p05-Obs4",
            *(f"Sideband11-alpha0p5-Obs{n}" for n in (1, 6, 11, 20)),
        )
    ),
    *(
        f"benchmarks/hww4ch-1fb-{kind}.txt{fixed}"
        for kind in ("B+1-mH160", "B-1-mH140", "B-mH140")
        for fixed in ("", FIXED)
    ),
    "benchmarks/summer11/htt.125/comb_htt.txt",
    "benchmarks/summer11/hwws.130/comb_hww0j.txt",
    "benchmarks/summer11/hwws.130/comb_hww.txt",
)


def test_all_limits_are_tested(references):
    assert set(LIMITS) == set(references["asymptotic_limits_95"])
    assert len(LIMITS) == 38


@pytest.mark.parametrize("card", LIMITS)
def test_limits(cards, references, card):
    reference = references["asymptotic_limits_95"][card]
    model, data = fitkit.read_combine_card(cards / card.removesuffix(FIXED))
    if card.endswith(FIXED):
        model = model.with_fixed(*(n for n in model.parameter_names if n != "r"))
    limit = fitkit.upper_limit(
        model, data, calculator=fitkit.Asymptotics(quantiles=True)
    )
    expected = [reference[f"expected_{each}"] for each in QUANTILES]
    rtol = _FURTHER.get(card, _LIMIT)
    np.testing.assert_allclose(limit.expected, expected, rtol=rtol)
    rtol = _OBSERVED_FURTHER.get(card, _OBSERVED)
    np.testing.assert_allclose(limit.observed, reference["observed"], rtol=rtol)


def test_significances(cards, references):
    for card, reference in references["significance"].items():
        model, data = fitkit.read_combine_card(cards / card)
        found = fitkit.discovery(model, data).significance
        # What Minuit leaves of the likelihood ratio is at most 2e-5 of it.
        np.testing.assert_allclose(found, reference, rtol=2e-5, err_msg=card)
    assert len(references["significance"]) == 16


@pytest.mark.parametrize(
    "card",
    [
        "ci/template-analysis_shapeInterp.txt",
        "ci/template-analysis_shapeNInterp.txt",
        "ci/templ_datacard_largeYields.txt",
    ],
)
def test_best_fits(cards, references, card):
    reference = references["best_fits_68"][card]
    model, data = fitkit.read_combine_card(cards / card, mass=reference.get("mass"))
    model = model.with_bounds(r=tuple(reference["r_range"]))
    best = float(fitkit.fit(model, data).params["r"])
    low, high = map(float, fitkit.interval(model, data, "r")["r"])
    # Minuit stops where it expects 1e-4 in the likelihood, which may be 0.03 of the
    # error in r: the minimum is ours (`test_the_minimum`), the ends agree.
    error = (reference["down"] + reference["up"]) / 2
    assert abs(best - reference["r"]) < 0.03 * error
    assert abs(low - (reference["r"] - reference["down"])) < 0.05 * error
    assert abs(high - (reference["r"] + reference["up"])) < 0.02 * error


def test_two_strengths(cards, references):
    card = "tutorials/multiDim/toy-hgg-125.txt"
    names = references["best_fits_68"][card]["pois"]
    poi_map = {f".*/{name.removeprefix('r_')}": name for name in names}
    model, data = fitkit.read_combine_card(cards / card, poi_map=poi_map)
    best = fitkit.fit(model, data)
    intervals = fitkit.interval(model, data, list(names))
    # Of `test/references/multi-signal.out`.
    printed = {"r_ggH": (0.749, 0.795), "r_qqH": (2.746, 3.464)}
    for name, value in names.items():
        # As above; the errors are 0.76 and 3.1.
        np.testing.assert_allclose(best.params[name], value, rtol=1e-3)
        # The ends of its intervals do not depend on where Minuit stopped.
        low, high = printed[name]
        ends = value - low, value + high
        np.testing.assert_allclose(intervals[name], ends, rtol=0, atol=1e-3)
    # Two counts and two strengths: what is expected is what was observed.
    counts = model.expected_data(best.params).main
    np.testing.assert_allclose(counts["incl"], 166, rtol=1e-6)
    np.testing.assert_allclose(counts["dijet"], 8, rtol=1e-6)


@pytest.mark.parametrize(("kind", "scaled"), [("S", (1, 0)), ("C", (1, 1))])
def test_limits_with_one_gamma_factor_by_scipy(cards, kind, scaled):
    """One count and one factor x of relative error 0.3: scipy in one dimension."""
    k, observed, signal, background = 0.3, 6.0, 1.0, 5.5

    def best(r, count, aux):
        def twice_nll(log_x):
            x = np.exp(log_x)
            nu = r * signal * (x if scaled[0] else 1)
            nu += background * (x if scaled[1] else 1)
            return 2 * (nu - count * np.log(nu) + x / k**2 - aux * log_x)

        found = optimize.minimize_scalar(
            twice_nll, bounds=(-6, 4), method="bounded", options={"xatol": 1e-12}
        )
        return found.fun, np.exp(found.x)

    _, x = best(0.0, observed, k**-2 - 1)
    asimov = background * (x if scaled[1] else 1), x / k**2
    lowest, _ = best(0.0, *asimov)

    def cls(r, quantile):
        shift = stats.norm.ppf(quantile)
        root = np.sqrt(max(best(r, *asimov)[0] - lowest, 0.0))
        return stats.norm.sf(root - shift) / quantile

    expected = [
        optimize.brentq(lambda r, q=q: cls(r, q) - 0.05, 0.5, 60.0, xtol=1e-9)
        for q in (0.025, 0.16, 0.5, 0.84, 0.975)
    ]
    model, data = fitkit.read_combine_card(
        cards / f"benchmarks/gammas/counting-B5p5-Obs6-Syst30{kind}-gmM.txt"
    )
    limit = fitkit.upper_limit(
        model, data, calculator=fitkit.Asymptotics(quantiles=True)
    )
    # The minimiser of scipy is good to 1e-8 in log x.
    np.testing.assert_allclose(limit.expected, expected, rtol=1e-6)


# Those whose every kind of line `PlainCard` has.
PLAIN = (
    "benchmarks/asymm/counting-B5p5-Obs6-Syst1040B.txt",
    "benchmarks/gammas/counting-B5p5-Obs6-Syst30C-gmM.txt",
    "benchmarks/gammas/counting-B5p5-Obs6-Syst30S-gmM.txt",
    "benchmarks/gammas/counting-Sideband11-alpha0p5-Obs6.txt",
    "benchmarks/hww4ch-1fb-B-mH140.txt",
    "benchmarks/shapes/simple-shapes-TH1.txt",
    "benchmarks/summer11/htt.125/comb_htt.txt",
    "benchmarks/summer11/hwws.130/comb_hww.txt",
    "benchmarks/summer11/hwws.130/comb_hww0j.txt",
    "ci/templ_datacard_largeYields.txt",
    "ci/template-analysis_shapeInterp.txt",
    "ci/template-analysis_shapeNInterp.txt",
    "tutorials/CAT23001/datacard-2-template-analysis.txt",
    "tutorials/longexercise/datacard_part3.txt",
    "tutorials/longexercise/datacard_part3_ttbar_cr.txt",
)


@pytest.mark.parametrize("card", PLAIN)
def test_the_likelihood_is_that_of_plain_loops(cards, card):
    plain = PlainCard(cards / card, mass="200")
    model, data = fitkit.read_combine_card(cards / card, mass=200)
    likelihood = model.negative_log_likelihood(data)
    start = {name: float(value) for name, value in model.init.items()}
    # A gmN counts from what was observed, all others from their nominal values.
    random = np.random.default_rng(2023)
    differences = []
    for width in (0.0, 0.1, 0.3, 0.9):
        params = {
            name: value + width * random.normal() * max(1.0, value**0.5)
            if value == 0 or value > 2
            else value * np.exp(0.3 * width * random.normal())
            for name, value in start.items()
        }
        ours = float(likelihood.value(model.ravel(params)))
        differences.append(ours - plain.value(params))
    scale = max(1.0, abs(plain.value(start)))
    # Sums of up to a hundred terms in another order.
    np.testing.assert_allclose(differences, differences[0], rtol=0, atol=1e-12 * scale)


def test_the_minimum_is_lower_than_where_combine_stops(cards, references):
    """At Combine's own best fit, all else profiled, the likelihood is no larger."""
    card = "ci/templ_datacard_largeYields.txt"
    plain = PlainCard(cards / card)
    model, data = fitkit.read_combine_card(cards / card)
    best = fitkit.fit(model, data)
    theirs = fitkit.fixed_poi_fit(model, data, references["best_fits_68"][card]["r"])

    def value(result):
        return plain.value({n: float(v) for n, v in result.params.items()})

    assert 0 < value(theirs) - value(best) < 1e-3
    # No direction is left: the gradient of the plain loops, by differences.
    width = {"r": 0.09}
    for name, x in best.params.items():
        h = 1e-3 * width.get(name, 1.0)
        ends = (value_at(plain, best, name, float(x) + sign * h) for sign in (1, -1))
        slope = (next(ends) - next(ends)) / (2e-3)
        assert abs(slope) < 1e-3, name  # of 6e5, rounding leaves 1e-7 of 1e-3


def value_at(plain, best, name, x):
    return plain.value({n: float(v) for n, v in best.params.items()} | {name: x})


def test_every_other_card_is_read_and_fitted_or_says_why_not(cards):
    refused = {}
    for path in sorted(cards.glob("**/*.txt")):
        try:
            model, data = fitkit.read_combine_card(path, mass=200)
        except fitkit.WorkspaceError as error:
            refused[path.name] = str(error)
            continue
        assert fitkit.fit(model, data).converged, path
    assert set(refused) == {
        "datacard-3-parametric-analysis.txt",
        "simple_sm_datacard.txt",
    }
    assert "line 19" in refused["datacard-3-parametric-analysis.txt"]
    assert "RooWorkspace" in refused["datacard-3-parametric-analysis.txt"]
    assert "line 18" in refused["simple_sm_datacard.txt"]


def test_tests_where_a_bin_expects_nothing_at_its_best(cards):
    """The last bin observes nothing, and its best shift leaves nothing expected."""
    path = cards / "ci/template-analysis_shapeInterp.txt"
    model, data = fitkit.read_combine_card(path, mass=200)
    best = fitkit.fit(model, data)
    assert float(model.expected_data(best.params).main["htt_tt_9_13TeV"][-1]) > 0
    expected = fitkit.asimov_data(model, 1.0, data)
    assert float(expected.main["htt_tt_9_13TeV"][-1]) == 0
    # q0 is a difference of two fits.
    found = fitkit.discovery(model, data)
    without = fitkit.fixed_poi_fit(model, data, 0.0)
    q = float(without.twice_nll - best.twice_nll)
    np.testing.assert_allclose(found.significance, np.sqrt(q), rtol=1e-6)
    assert fitkit.upper_limit(model, data).converged.all()


def test_limits_without_systematics_have_a_closed_form(cards):
    """One count: q of the Asimov data is 2 (r s - b log(1 + r s/b))."""
    card = cards / "benchmarks/simple-counting/counting-B5p5-Obs6-StatOnly.txt"
    model, data = fitkit.read_combine_card(card)
    limit = fitkit.upper_limit(
        model, data, calculator=fitkit.Asymptotics(quantiles=True)
    )

    def cls(r, quantile):
        q = 2 * (r - 5.5 * np.log1p(r / 5.5))
        shift = stats.norm.ppf(quantile)
        return stats.norm.sf(np.sqrt(q) - shift) / quantile

    expected = [
        optimize.brentq(lambda r, q=q: cls(r, q) - 0.05, 0.1, 50.0, xtol=1e-12)
        for q in (0.025, 0.16, 0.5, 0.84, 0.975)
    ]
    np.testing.assert_allclose(limit.expected, expected, rtol=1e-7)
