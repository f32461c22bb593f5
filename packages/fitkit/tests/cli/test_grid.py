"""grid: many signal points."""

import json
import tarfile
from unittest import mock

import numpy as np
import pytest

import fitkit

POINTS = ("grid", "w.json", "--patchset", "set.json")


@pytest.fixture
def doubled_problem(document, doubled):
    return fitkit.read_workspace(document, patch=doubled)


# A grid may compile points together: the last digits are the compiler's.
def close(found, expected):
    np.testing.assert_allclose(found, np.asarray(expected), rtol=1e-8)


def test_limits(answer, doubled_problem):
    limit = fitkit.upper_limit(*doubled_problem)
    found = answer(*POINTS, "--limit")
    assert [point["name"] for point in found["points"]] == ["S_300", "S_400"]
    for point in found["points"]:
        close(point["observed"], limit.observed)
        close(point["expected"], limit.expected)


def test_tests_of_chosen_points(answer, doubled_problem):
    (one,) = answer(*POINTS, "--points", "S_4*", "--mu", 1.5)["points"]
    assert one["name"] == "S_400"
    close(one["cls"], fitkit.hypotest(*doubled_problem, 1.5).cls)


def test_settings_and_masks_hold_in_all_points(answer, doubled_problem):
    model, data = doubled_problem
    fixed = fitkit.hypotest(model.with_fixed(xs=0.5), data)
    for point in answer(*POINTS, "--fix", "xs=0.5")["points"]:
        close(point["cls"], fixed.cls)
    blind = fitkit.hypotest(model.with_masked("SR"), data)
    for point in answer(*POINTS, "--mask", "S*")["points"]:
        close(point["cls"], blind.cls)


def test_a_call_that_was_interrupted_goes_on(answer):
    given = (*POINTS, "--limit", "--folder", "results")
    found = answer(*given)
    with mock.patch("fitkit._grid.grid.run", side_effect=AssertionError):
        assert answer(*given) == found  # all from the folder
    other = answer(*given, "--fix", "xs=0.5")
    assert other["points"][0]["observed"] != found["points"][0]["observed"]


def test_points_of_an_archive_come_by_their_numbers(run, answer, folder, tmp_path):
    with tarfile.open(folder / "several.tar.gz", "w:gz") as archive:
        archive.add(folder / "w.json", "BkgOnly.json")
        for mass in (1000, 300):
            archive.add(folder / "double.json", f"patch.S_{mass}.json")
    given = ("grid", "several.tar.gz", "--limit")
    found = answer(*given)
    assert [point["name"] for point in found["points"]] == ["S_300", "S_1000"]
    pytest.importorskip("yaml")
    done = run(*given, "--hepdata", tmp_path)
    assert done.exit_code == 0, done.output
    (table,) = tmp_path.glob("upper_limits.yaml")
    text = table.read_text()
    assert 0 < text.index("value: 300.0") < text.index("value: 1000.0")


def test_a_failed_point_costs_no_other(run, patchset, document, saved, doubled_problem):
    points = patchset(fitkit.digest(document))
    points["patches"][0]["patch"] = [{"op": "remove", "path": "/nowhere"}]
    done = run("grid", "w.json", "--patchset", saved("bad_set.json", points), "--json")
    assert done.exit_code == 3
    bad, good = json.loads(done.stdout)["points"]
    assert not bad["converged"]
    assert "nowhere" in bad["message"]
    assert good["converged"]
    close(good["cls"], fitkit.hypotest(*doubled_problem).cls)
    assert "1 of 2 points" in done.stderr
    done = run("grid", "w.json", "--patchset", "bad_set.json")
    assert "nowhere" in done.stdout
    assert f"{good['cls']:.4g}" in done.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["w.json"], "Give --patchset"),
        ([*POINTS[1:], "--points", "T_300"], "--points: no signal point is called"),
        ([*POINTS[1:], "--mask", "CR"], "--mask: no channel is called 'CR'"),
        ([*POINTS[1:], "--fix", "nu"], "--fix: no parameter is called 'nu'"),
        ([*POINTS[1:], "--fix", "mu"], "--free mu"),
        ([*POINTS[1:], "--plot", "a.pdf"], "give --limit"),
        (
            ["w.json", "--patchset", "words.json", "--limit", "--plot", "a.pdf"],
            "'mass' has other values",
        ),
        (
            ["p.tar.gz", "--points", "S_3*", "--limit", "--plot", "a.pdf"],
            "along one line",
        ),
    ],
)
def test_mistakes_are_named_before_the_work(
    error, document, patchset, saved, options, message
):
    words = patchset(fitkit.digest(document))
    for patch, value in zip(words["patches"], ("light", "heavy"), strict=True):
        patch["metadata"]["values"][0] = value
    saved("words.json", words)
    with mock.patch("fitkit._grid.grid.run", side_effect=AssertionError):
        assert message in error("grid", *options)


def test_a_table_for_people(printed):
    text = printed(*POINTS, "--limit")
    assert text.startswith("95 % CLs upper limits on mu")
    assert "S_400" in text
