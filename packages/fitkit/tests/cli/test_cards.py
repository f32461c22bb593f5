"""The commands on datacards of CMS Combine."""

import json

import numpy as np
import pytest

import fitkit

CARD = """# a search
imax 2
jmax 2
kmax *
bin         SR   CR
observation 12   55
bin         SR   SR   SR   CR
process     ggH  qqH  bkg  bkg
process     -1   0    1    1
rate        3.0  1.0  6.0  50.0
lumi   lnN  1.1  1.1  -    -
norm   rateParam * bkg 1 [0,5]
"""


@pytest.fixture(scope="module")
def card(folder):
    (folder / "search.txt").write_text(CARD)
    return "search.txt"


COMMANDS = (
    ("fit",),
    ("hypotest", "--mu", "0.8"),
    ("limit",),
    ("significance",),
    ("yields",),
    ("ranking",),
    ("scan", "r", "--points", "3"),
)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c[0])
def test_the_same_as_of_its_workspace(card, command, answer, printed, folder):
    """`convert` writes what pyhf reads; exponential factors of 1.1 are code 1."""
    verb, *options = command
    printed("convert", card, "-o", "search.json")
    document = json.loads((folder / "search.json").read_text())
    model, data = fitkit.read_workspace(document, normsys_code="1")
    ours, _ = fitkit.read_combine_card(folder / card)
    assert set(model.parameter_names) == set(ours.parameter_names)
    found = answer(verb, card, *options)
    assert found
    if verb == "limit":
        limit = fitkit.upper_limit(model, data)
        np.testing.assert_allclose(found["observed"], limit.observed, rtol=1e-6)
    if verb == "significance":
        expected = fitkit.discovery(model, data).significance
        np.testing.assert_allclose(found["significance"], expected, rtol=1e-6)


def test_inspect_names_what_is_there(card, answer):
    content = answer("inspect", card)
    assert content["poi"] == "r"
    assert [c["name"] for c in content["channels"]] == ["SR", "CR"]
    assert content["measurements"] == [{"name": "search", "poi": "r"}]


def test_strengths_by_a_map(card, answer, error):
    options = ("--poi-map", ".*/ggH:r_ggH[1,0,20]", "--poi-map", ".*/qqH:0")
    content = answer("inspect", card, *options)
    assert content["poi"] == "r_ggH"
    samples = {c["name"]: c["samples"] for c in content["channels"]}
    assert samples["SR"] == ["ggH", "bkg"]
    assert "CHANNEL/PROCESS:STRENGTH" in error("fit", card, "--poi-map", "x")
    assert "--poi-map: '.*/ggg' fits no process" in error(
        "fit", card, "--poi-map", ".*/ggg:r"
    )


def test_statistics_of_simulation_are_profiled_unless_told(folder, answer):
    uproot = pytest.importorskip("uproot")
    edges = np.array([0.0, 1.0, 2.0])
    with uproot.recreate(folder / "shapes.root") as file:
        for name, values in (("data_obs", [12, 7]), ("s", [2, 3]), ("b", [10, 4])):
            file[name] = np.array(values, dtype=float), edges
    (folder / "shapes.txt").write_text(
        "shapes * * shapes.root $PROCESS\nbin SR\nobservation -1\nbin SR SR\n"
        "process s b\nprocess 0 1\nrate -1 -1\nSR autoMCStats 0\n"
    )
    profiled, written = (
        answer("fit", "shapes.txt", *options)
        for options in ((), ("--mc-statistics", "parameters"))
    )
    assert [each["name"] for each in profiled["parameters"]] == ["r"]
    assert len(written["parameters"]) == 3
    assert np.isclose(written["twice_nll"], profiled["twice_nll"], rtol=1e-10)


def test_options_that_do_not_fit(card, error):
    assert "--mass is for datacards" in error("fit", "w.json", "--mass", "125")
    assert "datacard of CMS Combine" in error("fit", card, "--patch", "double.json")
    assert "no measurements" in error("fit", card, "--measurement", "m")


def test_errors_name_the_line(folder, error):
    (folder / "broken.txt").write_text(CARD.replace("lnN", "lmN"))
    said = error("fit", "broken.txt")
    assert "broken.txt, line 11" in said
    assert "Did you mean" in said
    (folder / "formula.txt").write_text(CARD + "two rateParam SR bkg @0*2 norm\n")
    said = error("convert", "formula.txt")
    assert "line 13: 'two' prevents a workspace" in said
    assert "read_combine_card" not in said
