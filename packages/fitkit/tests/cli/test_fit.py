"""fit, yields, gof: their numbers are the library's."""

import json

import jax
import numpy as np
import pytest

import fitkit


def test_fit(answer, problem, same):
    found = answer("fit", "w.json", "--correlation", "--interval", "mu")
    best = fitkit.fit(*problem)
    sigma = fitkit.uncertainties(problem[0], best.params, problem[1])
    assert found["status"] == "ok"
    same(found["twice_nll"], best.twice_nll)
    by_name = {each["name"]: each for each in found["parameters"]}
    assert list(by_name) == ["mu", "xs", "gamma[0]", "gamma[1]"]
    same(by_name["mu"]["value"], best.params["mu"])
    same(by_name["gamma[1]"]["error"], sigma["gamma"][1])
    (interval,) = found["intervals"]
    low, high = fitkit.interval(*problem, "mu")["mu"]
    same([interval["low"], interval["high"]], [low, high])
    matrix = fitkit.correlation(problem[0], best.params, problem[1])
    same(found["correlation"]["matrix"], matrix)


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        (["--fix", "mu"], lambda m: m.with_fixed("mu")),
        (["--fix", "mu=1.5"], lambda m: m.with_fixed(mu=1.5)),
        (["--fix", "gamma*=0.9"], lambda m: m.with_fixed(gamma=0.9)),
        (["--fix", "gamma[1]=1.1"], lambda m: m.with_fixed({"gamma[1]": 1.1})),
        (
            ["--bounds", "mu=0:0.5", "--init", "xs=0.3"],
            lambda m: m.with_bounds(mu=(0, 0.5)).with_init(xs=0.3),
        ),
        (["--bounds", "mu=-inf:inf"], lambda m: m.with_bounds(mu=(-np.inf, np.inf))),
        (
            ["--fix", "mu", "--init", "mu=2"],
            lambda m: m.with_init(mu=2.0).with_fixed("mu"),
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_settings(answer, problem, same, options, settings):
    model, data = problem
    best = fitkit.fit(settings(model), data)
    found = answer("fit", "w.json", *options)
    same(found["twice_nll"], best.twice_nll)
    same([each["value"] for each in found["parameters"]], best.y)
    fixed = [each["status"] == "fixed" for each in found["parameters"]]
    np.testing.assert_array_equal(fixed, settings(model).parameter_vectors().fixed)


def test_a_fixed_parameter_can_be_freed(answer, small, saved, same):
    settings = [{"name": "n", "fixed": True, "inits": [0.5]}]
    file = saved("fixed.json", small(settings=settings))
    assert answer("fit", file)["parameters"][1]["status"] == "fixed"
    free = answer("fit", file, "--free", "n")["parameters"][1]
    assert free["status"] == "free"
    assert free["error"] > 0.1


def test_what_is_at_a_bound_has_no_uncertainty(answer):
    (mu, xs, *_) = answer("fit", "w.json", "--bounds", "mu=0.7:3")["parameters"]
    assert mu == {
        "name": "mu",
        "value": 0.7,
        "error": None,
        "status": "at its lower bound",
    }
    assert xs["error"] > 0.1


# What the observed counts are must not matter where nobody may look at them.
MASKED = [{"op": "replace", "path": "/observations/0/data", "value": [1e4, 0.0]}]


def test_masked_channels_are_not_looked_at(answer, run, saved, problem):
    patched = ["--patch", saved("other.json", MASKED)]
    model, data = problem
    blind = fitkit.fit(model.with_masked("SR").with_fixed("mu"), data)
    for patch in ([], patched):
        found = answer("fit", "w.json", "--mask", "S*", "--fix", "mu", *patch)
        values = [each["value"] for each in found["parameters"]]
        # at the nominal values, to the precision of the fit itself
        np.testing.assert_allclose(values, blind.y, atol=1e-9)
        (channel,) = answer("yields", "w.json", "--prefit", "--mask", "SR", *patch)[
            "channels"
        ]
        assert channel["observed"] == [None, None]
    assert "masked" in run("inspect", "w.json", "--mask", "SR").output


def test_expected_data_after_a_fit(answer, problem, same):
    model, data = problem
    fixed = model.with_fixed(mu=2.0)
    found = answer("fit", "w.json", "--asimov", 2, "--postfit", "--fix", "mu=2")
    best = fitkit.fit(fixed, fitkit.asimov_data(fixed, 2.0, data))
    same(found["twice_nll"], best.twice_nll)
    nominal = fitkit.fit(fixed, fitkit.asimov_data(model, 2.0))
    assert abs(found["twice_nll"] - float(nominal.twice_nll)) > 1e-3


def test_expected_data_are_nominal_whatever_a_fit_fixes(answer, problem, same):
    """As when one looks how far a fixed parameter pulls the others away."""
    model, _ = problem
    found = answer("fit", "w.json", "--asimov", 1, "--fix", "xs=1")
    best = fitkit.fit(model.with_fixed(xs=1.0), fitkit.asimov_data(model, 1.0))
    same([each["value"] for each in found["parameters"]], best.y)


def test_intervals_of_many(answer):
    """All entries of a parameter by its name; of a pattern those that are fitted."""
    found = answer("fit", "w.json", "--interval", "gamma", "--fix", "xs")
    names = [each["name"] for each in found["intervals"]]
    assert names == ["gamma[0]", "gamma[1]"]
    found = answer(
        "fit", "w.json", "--interval", "*", "--fix", "xs", "--fix", "gamma[0]"
    )
    assert [each["name"] for each in found["intervals"]] == ["mu", "gamma[1]"]


def test_yields(answer, problem, same):
    (channel,) = answer("yields", "w.json")["channels"]
    same(channel["error"], fitkit.predicted_yields(*problem).error["SR"])
    (before,) = answer("yields", "w.json", "--prefit")["channels"]
    same(before["total"], [56.0, 49.0])


def test_goodness_of_fit(answer, problem, same):
    found = answer("gof", "w.json", "--fix", "mu=0")
    model, data = problem
    test = fitkit.goodness_of_fit(model.with_fixed(mu=0.0), data)
    same(found["p_value"], test.p_value)
    assert found["degrees_of_freedom"] == 2


def test_goodness_of_fit_by_pseudo_experiments(answer, problem, same):
    model, data = problem
    toys = fitkit.Toys(jax.random.key(3), 20)
    test = fitkit.goodness_of_fit(model.with_fixed(mu=0.0), data, toys=toys)
    found = answer("gof", "w.json", "--fix", "mu=0", "--toys", 20, "--seed", 3)
    same(found["p_value"], test.p_value)
    same(found["p_value_error"], test.p_value_error)


def test_a_failed_fit_is_printed_with_the_reason(run, small, saved):
    """Events where nothing can be: the answer says so, and the message why."""
    impossible = small(signal=[5.0, 0.0], background=[10.0, 0.0], counts=[12.0, 2.0])
    file = saved("impossible.json", impossible)
    done = run("fit", file)
    assert done.exit_code == 3, done.output
    assert "NOT CONVERGED" in done.stdout
    assert "mu (POI)" in done.stdout
    assert "channel 'c' bin 1 (2 seen, 0 expected)" in done.stderr
    found = json.loads(run("fit", file, "--json").stdout)
    assert found["status"] == "failed"
    assert found["twice_nll"] is None
    assert {each["error"] for each in found["parameters"]} == {None}


def test_the_way_out_of_a_failed_fit_is_an_option(error, run, small, saved):
    impossible = small(signal=[5.0, 0.0], background=[10.0, 0.0], counts=[12.0, 2.0])
    message = run("fit", saved("impossible.json", impossible)).stderr
    assert "--init" in message
    assert "--bounds" in message
    for word in ("with_", "throw", "fit_from_many_starts"):
        assert word not in message
