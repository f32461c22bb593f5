"""limit, hypotest, significance, toys: their numbers are the library's."""

import json

import jax
import numpy as np
import pytest

import fitkit


def test_limit(answer, problem, same):
    found = answer("limit", "w.json", "--level", 0.1, "--band", "quantiles")
    bands = fitkit.Asymptotics(quantiles=True)
    limit = fitkit.upper_limit(*problem, level=0.1, calculator=bands)
    same(found["observed"], limit.observed)
    same(found["expected"], limit.expected)
    assert found["band"] == bands.band
    assert found["converged"] == [True] * 6


@pytest.mark.parametrize(
    ("name", "statistic"),
    [
        ("qtilde", fitkit.QMuTilde),
        ("q", fitkit.QMu),
        ("t", fitkit.TMu),
        ("ttilde", fitkit.TMuTilde),
    ],
)
def test_hypotest(answer, problem, same, name, statistic):
    found = answer("hypotest", "w.json", "--mu", 1.5, "--statistic", name)
    test = fitkit.hypotest(*problem, 1.5, statistic=statistic())
    same(found["cls"], test.cls)
    same(found["cls_expected"], test.cls_expected)
    same(found["log_cl_sb"], test.log_cl_sb)


def test_significance_of_expected_data(answer, problem, same):
    found = answer("significance", "w.json", "--asimov", 1)
    data = fitkit.asimov_data(problem[0], 1.0)
    test = fitkit.discovery(problem[0], data)
    same(found["significance"], test.significance)
    same(found["significance_expected"], test.significance_expected)
    same(found["p0"], test.p0)
    same(found["p0_expected"], test.p0_expected)


def test_pseudo_experiments(answer, problem, same):
    toys = fitkit.Toys(jax.random.key(3), 50)
    test = fitkit.hypotest(*problem, 1.0, calculator=toys)
    found = answer("hypotest", "w.json", "--toys", 50, "--seed", 3)
    same(found["cls"], test.cls)
    same(found["cls_expected"], test.cls_expected)
    same(found["cls_error"], test.cls_error)
    assert found["failed_toys"] == [0, 0]
    found = answer("toys", "w.json", "-n", 50, "--seed", 3)
    same(found["toys_sb"], test.toys_sb)
    found = answer("significance", "w.json", "--toys", 50, "--seed", 3)
    test = fitkit.discovery(*problem, calculator=toys)
    same(found["p0"], test.p0)
    same(found["p0_error"], test.p0_error)


@pytest.mark.slow
def test_limit_by_pseudo_experiments(answer, problem, same):
    toys = fitkit.Toys(jax.random.key(3), 20)
    limit = fitkit.upper_limit(*problem, calculator=toys)
    found = answer("limit", "w.json", "--toys", 20, "--seed", 3)
    same(found["observed"], limit.observed)
    same(found["expected_error"], limit.expected_error)


@pytest.fixture
def uncertain(small):
    """The signal's uncertainty grows as fast as itself: CLs does not always fall."""
    document = small(signal=[10.0], names=())
    efficiency = {"name": "k", "type": "normsys", "data": {"lo": 0.01, "hi": 1.99}}
    document["channels"][0]["samples"][0]["modifiers"].append(efficiency)
    return document


def test_a_missing_limit_is_named_and_the_others_stand(run, uncertain, saved):
    limit = fitkit.upper_limit(*fitkit.read_workspace(uncertain), throw=False)
    there = np.asarray(limit.converged)
    assert there[0]
    assert not there[5]
    done = run("limit", saved("uncertain.json", uncertain), "--json")
    assert done.exit_code == 0, done.output
    assert "+2σ: CLs does not fall to 0.05 there" in done.stderr
    assert "observed" not in done.stderr
    found = json.loads(done.stdout)
    assert found["converged"] == there.tolist()
    np.testing.assert_allclose(found["observed"], limit.observed, rtol=1e-12)
    numbers = [number is not None for number in found["expected"]]
    assert numbers == np.isfinite(limit.expected).tolist()


def test_why_a_test_has_no_result(run, small, saved):
    impossible = small(signal=[5.0, 0.0], background=[10.0, 0.0], counts=[12.0, 2.0])
    file = saved("impossible.json", impossible)
    for command in ("hypotest", "significance", "limit"):
        done = run(command, file, "--json")
        assert done.exit_code == 3, done.output
        assert json.loads(done.stdout)["status"] == "failed"
        assert done.stderr.startswith(f"error: {command}: ")
        assert "channel 'c' bin 1 (2 seen, 0 expected)" in done.stderr


# --- which parameter is tested -------------------------------------------------------
TESTS = ["limit", "hypotest", "significance", "toys", "ranking"]


@pytest.mark.parametrize("command", TESTS)
def test_without_a_parameter_of_interest_the_way_out_is_an_option(
    error, small, saved, command
):
    many = [f"jes_{i}" for i in range(300)]
    file = saved("none.json", small(poi="strength", names=many, measured=""))
    message = error(command, file)
    assert message.startswith(f"error: {command} needs a parameter of interest")
    assert "--poi" in message
    assert "poi=" not in message
    assert len(message) < 400  # not all of 300 names


@pytest.mark.parametrize("command", TESTS)
def test_a_fixed_parameter_of_interest_is_freed_by_an_option(
    error, run, small, saved, command
):
    settings = [{"name": "the mu", "fixed": True}]
    file = saved("fixed_poi.json", small(poi="the mu", settings=settings))
    message = error(command, file)
    assert message.startswith(f"error: {command} compares with the best fit")
    assert "--free 'the mu'" in message
    if command != "toys":
        assert run(command, file, "--free", "the mu").exit_code == 0
    message = error(command, "w.json", "--fix", "mu=1")
    assert "--free mu" in message


@pytest.mark.parametrize("value", ["nan", "inf", "1e400", "one"])
@pytest.mark.parametrize(
    "command",
    [
        ("hypotest", "w.json", "--mu"),
        ("limit", "w.json", "--level"),
        ("fit", "w.json", "--asimov"),
        ("contour", "w.json", "mu", "xs", "--level"),
    ],
    ids=lambda command: " ".join((command[0], command[-1])),
)
def test_numbers_must_be_finite(run, command, value):
    done = run(*command, value)
    assert done.exit_code == 2
    assert f"Invalid value for '{command[-1]}'" in done.stderr
