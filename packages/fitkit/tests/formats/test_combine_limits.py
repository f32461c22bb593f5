"""Why numbers of Combine differ from fitkit's: by independent calculations."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from scipy import optimize, stats

import fitkit

pytest.importorskip("uproot")


def _neighbour(name: str):
    spec = importlib.util.spec_from_file_location(
        name, Path(__file__).with_name(f"{name}.py")
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


combine = _neighbour("combine_prescription")
plain_combine = _neighbour("plain_combine")

FIXED = " (nuisances fixed)"
NAMES = ("2.5%", "16%", "50%", "84%", "97.5%")
# Templates of these have negative contents.
NEGATIVE = (
    "benchmarks/summer11/hwws.130/comb_hww.txt",
    "benchmarks/summer11/hwws.130/comb_hww0j.txt",
)
# Its uniform nuisance is at its bound, where the minimiser of 2013 stopped early.
AT_A_BOUND = "benchmarks/simple-counting/counting-B5p5-Obs6-Syst30U.txt"


def _of(references, card: str) -> tuple[float, list[float]]:
    reference = references["asymptotic_limits_95"][card]
    return reference["observed"], [reference[f"expected_{name}"] for name in NAMES]


def test_expected_limits_are_where_its_search_stops(cards, references):
    """Combine's digits from fitkit's likelihood, by Combine's search: all 36 cards."""
    exact = 0
    for card in references["asymptotic_limits_95"]:
        if card in NEGATIVE:
            continue
        model, data = fitkit.read_combine_card(cards / card.removesuffix(FIXED))
        if card.endswith(FIXED):
            model = model.with_fixed(*(n for n in model.parameter_names if n != "r"))
        asimov = fitkit.asimov_data(model, 0.0, data)

        def twice_nll(r, model=model, asimov=asimov):
            return float(fitkit.fixed_poi_fit(model, asimov, r).twice_nll)

        lowest = twice_nll(0.0)
        found = combine.expected_limits(
            lambda r, twice_nll=twice_nll, lowest=lowest: (twice_nll(r) - lowest) / 2
        )
        # Numbers of single precision: 6e-8; where one step went the other way, 5e-3.
        rtol = 5e-3 if card == AT_A_BOUND else 2e-7
        np.testing.assert_allclose(
            found, _of(references, card)[1], rtol=rtol, err_msg=card
        )
        exact += rtol < 1e-6
    assert exact == 35


@pytest.mark.parametrize(
    ("card", "significance", "upper"),
    # Of `test/validation/reference.json`: Summer11_Sig_HWWS_130(_0J)_ProfileLikelihood,
    # Summer11_HWWS_130(_0J)_ProfileLikelihood.
    [
        (NEGATIVE[0], 1.576599387655403, 1.9381016044763499),
        (NEGATIVE[1], 0.75243868614223908, 1.7404191952765087),
    ],
)
def test_negative_contents_were_kept_in_integrals(
    cards, references, card, significance, upper
):
    """With the templates of 2013 the numbers of 2013 come out, all of them."""
    theirs = combine.HistPdfCard(cards / card)
    best, lowest = theirs.minimum(theirs.counts, theirs.nominal)

    def q(r):
        return 2 * (theirs.profile(r, theirs.counts, theirs.nominal)[0] - lowest)

    # Minuit's digits, and the crossing of MINOS.
    np.testing.assert_allclose(np.sqrt(q(0.0)), significance, rtol=3e-5)
    np.testing.assert_allclose(q(upper), stats.chi2.ppf(0.95, 1), rtol=1e-5)

    asimov = theirs.asimov()
    zero, smallest = theirs.minimum(*asimov)
    assert zero == 0  # at the bound, with a slope: no true Asimov data

    def rise(r):
        return theirs.profile(r, *asimov)[0] - smallest

    observed, expected = _of(references, card)
    exact = [
        optimize.brentq(lambda r, q=q: rise(r) - combine.level(q), 0.1, 8.0, xtol=1e-9)
        for q in combine.QUANTILES
    ]
    # Its search ends within 5e-3.
    np.testing.assert_allclose(exact, expected, rtol=3.5e-3)

    def cls(r):
        mu, asimov = q(r), 2 * rise(r)
        root = np.sqrt(asimov)
        if mu < asimov:
            return stats.norm.sf(np.sqrt(mu)) / stats.norm.cdf(root - np.sqrt(mu))
        tails = stats.norm.sf([(mu + asimov) / (2 * root), (mu - asimov) / (2 * root)])
        return tails[0] / tails[1]

    found = optimize.brentq(lambda r: cls(r) - 0.05, best + 0.1, 8.0)
    np.testing.assert_allclose(found, observed, rtol=1.5e-3)


@pytest.mark.parametrize(
    "card",
    [
        "ci/template-analysis_shapeInterp.txt",
        "ci/template-analysis_shapeNInterp.txt",
        "ci/templ_datacard_largeYields.txt",
    ],
)
def test_best_fits_are_where_minuit_may_stop(cards, references, card):
    """Combine's digits, on the likelihood: its minimum and the ends of MINOS."""
    reference = references["best_fits_68"][card]
    plain = plain_combine.PlainCard(cards / card, mass=str(reference.get("mass", "")))
    model, data = fitkit.read_combine_card(cards / card, mass=reference.get("mass"))
    model = model.with_bounds(r=tuple(reference["r_range"]))
    best = fitkit.fit(model, data)

    def rise(r):
        fitted = fitkit.fixed_poi_fit(model, data, r)
        return value(fitted) - value(best)

    def value(result):
        return plain.value({n: float(v) for n, v in result.params.items()})

    # Minuit ends where it expects 1e-4 less (tolerance 0.1); it knows that to a factor.
    assert 0 <= rise(reference["r"]) < 4e-4
    # MINOS takes 0.1 of the rise that it looks for as good enough.
    for end in (
        reference["r"] - reference["down"],
        reference["r"] + reference["up"],
    ):
        assert abs(rise(end) - 0.5) < 0.05


@pytest.mark.slow
def test_minuit_at_combines_tolerance_prints_its_digits(cards, references):
    """The same minimiser, on fitkit's likelihood: 0.603 -0.606 +0.607."""
    iminuit = pytest.importorskip("iminuit")
    card = "ci/template-analysis_shapeNInterp.txt"
    reference = references["best_fits_68"][card]
    model, data = fitkit.read_combine_card(cards / card, mass=reference["mass"])
    likelihood = model.negative_log_likelihood(data)
    minuit = iminuit.Minuit(
        lambda y: float(likelihood.value(y)),
        model.ravel(model.init),
        name=model.parameter_names,
    )
    for name in model.parameter_names:
        minuit.limits[name] = (-7, 7)
        minuit.errors[name] = 1.4
    minuit.limits["r"], minuit.errors["r"] = reference["r_range"], 1.0
    minuit.errordef, minuit.strategy, minuit.tol = 0.5, 1, 0.1
    minuit.migrad()
    minuit.minos("r")
    errors = minuit.merrors["r"]
    printed = reference["r"], -reference["down"], reference["up"]
    found = minuit.values["r"], errors.lower, errors.upper
    np.testing.assert_allclose(found, printed, rtol=0, atol=6e-4)
