"""The recorded run of the benchmarks and its page: one made of the other."""

import json
import math
import sys

import pytest


@pytest.fixture
def page(root, monkeypatch):
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    import _page

    yield _page
    del sys.modules["_page"]


@pytest.fixture
def recorded(root):
    if not (root / "docs" / "benchmarks.json").exists():
        pytest.skip("no run is recorded: `nox -s bench -- --quick --record` does it")
    return json.loads((root / "docs" / "benchmarks.json").read_text())


def test_the_page_is_made_of_the_record(root, page, recorded):
    assert (root / "docs" / "benchmarks.md").read_text() == page.page(recorded)


def test_the_record_says_what_was_run_where(recorded):
    assert recorded["commit"]
    assert recorded["machine"]["cores"] >= 1
    assert recorded["versions"]["fitkit"]
    for measurement in recorded["measurements"]:
        assert measurement["status"] == 0, measurement["script"]
        assert measurement["command"].startswith("nox -s bench -- ")
        assert measurement["tables"]


def test_ratios_are_those_of_the_tables(page):
    head = ["model", "params", "side", "warm ms", "/ NumPy", "/ jit", "grad / fit"]
    table = {
        "head": head,
        "rows": [
            ["A", 100, "pyhf jax+scipy", 8.0, 2.0, 8.0, ""],
            ["B", 70, "pyhf jax+scipy", 2.0, 2.0, 2.0, ""],
            ["small", 60, "pyhf jax+scipy", 1.0, 0.1, 0.1, ""],
            ["L", 403, "pyhf jax+scipy", 1.0, 9.0, 60.0, ""],
            ["A", 100, "fitkit in jit", 1.0, 1.0, 1.0, 1.5],
            ["B", 70, "pyhf jax+scipy", "> 20 s", "", "", ""],
        ],
    }
    run = {"script": "fits", "command": "nox -s bench -- fits", "tables": [table]}
    told = {
        aim.what: [(case, ratio) for case, ratio, _ in page.found(aim, run_of(run))]
        for aim in page.AIMS
    }
    mean = math.sqrt(8.0 * 2.0)
    published = told["warm fit, published models above 60 parameters"]
    assert published == [("2 models", f"2 at least, {mean:.3g} in the mean")]
    assert told["warm fit, generated"] == [("L", "60")]
    gradient = told["fit and gradient with respect to all templates"]
    assert gradient == [("A", "1.5")]
    assert told["training step on CLs"] == []


def test_the_page_has_everything_that_was_recorded(page):
    table = {
        "head": ["model", "seconds", "fitkit fit / pyhf"],
        "rows": [["S", "processor", 0.75], ["S", "wall", 0.5]],
    }
    result = {
        "date": "2026-11-30",
        "asked": "nox -s bench -- --quick",
        "commit": "abc1234",
        "machine": {"cores": 2, "memory": "23 GiB"},
        "versions": {"fitkit": "0.5.0"},
        "measurements": [
            {
                "script": "cold",
                "command": "nox -s bench -- cold --rounds 1 S",
                "seconds": 6.4,
                "status": 1,
                "tables": [table],
                "printed": "a line that it printed   \n",
            }
        ],
    }
    text = page.page(result)
    ratio = "| a whole process, `fitkit fit` | `pyhf fit` | S | 0.75 | ≤ 1.5 for S | "
    assert ratio + "`nox -s bench -- cold --rounds 1 S` |" in text
    assert "0.5 |" not in text  # the wall's clock, which other work disturbs
    for said in ("2026-11-30", "`abc1234`", "| cores | 2 |", "| fitkit | 0.5.0 |"):
        assert said in text
    assert "\na line that it printed\n```\n" in text
    assert "6 s, ended with 1:" in text


def run_of(measurement):
    return {"measurements": [measurement]}


def test_a_second_column_of_a_name_is_told_apart(page):
    table = {"head": ["in jit", "in jit"], "rows": [[1.0, 2.0]]}
    (row,) = page.rows({"tables": [table]})
    assert row == {"in jit": 1.0, "in jit 2": 2.0}


def test_every_aim_names_a_script_that_is_there(root, page):
    for aim in page.AIMS:
        assert (root / "benchmarks" / f"{aim.script}.py").exists()
