"""scan, contour, ranking: their numbers are the library's."""

import numpy as np
import pytest

import fitkit


def test_scan(answer, problem, same):
    found = answer("scan", "w.json", "--range", "0:2", "--points", 5)
    scan = fitkit.scan(*problem, "mu", np.linspace(0, 2, 5))
    same(found["values"], scan.values)
    same(found["delta_twice_nll"], scan.delta)
    found = answer("scan", "w.json", "gamma[1]", "--points", 5)
    scan = fitkit.scan(*problem, "gamma[1]", points=5)
    same(found["values"], scan.values)


def test_contour(answer, problem, same):
    found = answer("contour", "w.json", "mu", "xs", "--level", 0.68, "--angles", 8)
    contour = fitkit.contour(*problem, ("mu", "xs"), levels=(0.68,), angles=8)
    same(found["contours"][0]["points"], contour.points[0])


def test_ranking(answer, problem, same):
    found = answer("ranking", "w.json", "--group", "all=*", "--group", "mc=gamma*")
    ranking = fitkit.ranking(*problem)
    assert [each["name"] for each in found["parameters"]] == list(ranking.names)
    same([each["up"] for each in found["parameters"]], ranking.up)
    same(found["groups"]["mc"], ranking.group(["gamma"]))
    same(found["groups"]["all"], ranking.group(ranking.names))


@pytest.mark.parametrize(
    ("group", "meant"),
    [
        ("g=a=b", ["a=b"]),
        ("g=c,d", ["c,d"]),
        ("g=e[f]", ["e[f]"]),
        ("g=a=*,e[[]*", ["a=b", "e[f]"]),
    ],
)
def test_groups_of_any_names(answer, small, saved, group, meant):
    """A comma, an equals sign and brackets may belong to a parameter's name."""
    names = ("a=b", "c,d", "e[f]", "other")
    found = answer(
        "ranking", saved("groups.json", small(names=names)), "--group", group
    )
    by_name = {each["name"]: each["by_observable"] for each in found["parameters"]}
    together = np.linalg.norm([by_name[name] for name in meant])
    np.testing.assert_allclose(found["groups"]["g"], together)


def test_stored_fit(answer, error, problem, same, folder):
    plain = answer("fit", "w.json")
    assert answer("fit", "w.json", "--save", "fit.npz") == plain
    assert (folder / "fit.npz").exists()
    impacts = fitkit.impacts(*problem)
    for options in (("--fit", "fit.npz"), ("--first-order",)):
        found = answer("ranking", "w.json", *options, "--group", "mc=gamma*")
        assert [each["name"] for each in found["parameters"]] == list(impacts.names)
        same([each["up"] for each in found["parameters"]], impacts.up)
        same(found["groups"]["mc"], impacts.group(["gamma"]))
    stored = answer("yields", "w.json", "--fit", "fit.npz")
    assert stored == answer("yields", "w.json")
    # It is a fit of these options to these data.
    for options in (("--fix", "xs"), ("--asimov", "1"), ("--measurement", "second")):
        message = error("ranking", "w.json", "--fit", "fit.npz", *options)
        assert "fit of another model, of other settings" in message
    assert "--prefit is before" in error("yields", "w.json", "--fit", "f", "--prefit")
    assert "is no stored fit" in error("ranking", "w.json", "--fit", "w.json")
