"""Answers for people, as pictures and as tables of HEPData."""

import sys

import numpy as np
import pytest

SHOWN = [
    ("inspect", "w.json"),
    ("fit", "w.json", "--correlation", "--interval", "mu"),
    ("yields", "w.json"),
    ("gof", "w.json", "--fix", "mu"),
    ("limit", "w.json", "--level", 0.1),
    ("hypotest", "w.json"),
    ("hypotest", "w.json", "--toys", 10),
    ("significance", "w.json"),
    ("significance", "w.json", "--toys", 10),
    ("toys", "w.json", "-n", 10),
    ("scan", "w.json", "--range", "0:2", "--points", 5),
    ("contour", "w.json", "mu", "xs", "--level", 0.68, "--angles", 8),
    ("ranking", "w.json", "--top", 1),
    ("patchset", "inspect", "set.json"),
]


@pytest.mark.parametrize("command", SHOWN, ids=lambda c: " ".join(map(str, c)))
def test_tables(run, command):
    """Every answer can also be read by people, and names what it is about."""
    done = run(*command)
    assert done.exit_code == 0, done.output
    assert {"inspect": "SR", "yields": "SR", "gof": "p =", "patchset": "S_300"}.get(
        command[0], "mu"
    ) in done.output
    assert done.stderr == ""


DRAWN = [
    (("fit", "w.json", "--interval", "mu"), ["parameters", "intervals"]),
    (("fit", "w.json", "--correlation"), ["parameters", "correlations"]),
    (("yields", "w.json", "--prefit", "--mask", "SR"), ["yields_in_sr"]),
    (("limit", "w.json"), ["cls"]),
    pytest.param(("limit", "w.json", "--toys", 20), ["cls"], marks=pytest.mark.slow),
    (("scan", "w.json", "--range", "0:2", "--points", 5), ["scan_of_mu"]),
    (
        ("contour", "w.json", "mu", "xs", "--level", 0.68, "--angles", 8),
        ["contour_68_percent"],
    ),
    (("ranking", "w.json"), ["impacts"]),
    (("grid", "w.json", "--patchset", "set.json", "--limit"), ["upper_limits"]),
]


@pytest.mark.parametrize(
    ("command", "tables"), DRAWN, ids=lambda value: " ".join(map(str, value))
)
def test_pictures_and_tables(run, tmp_path, command, tables):
    pytest.importorskip("mplhep")
    pytest.importorskip("yaml")
    plot, folder = tmp_path / "picture.png", tmp_path / "tables"
    done = run(*command, "--plot", plot, "--hepdata", folder)
    assert done.exit_code == 0, done.output
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert {path.stem for path in folder.iterdir()} == {"submission", *tables}


@pytest.mark.parametrize(("name", "missing"), [("plot", "mplhep"), ("hepdata", "yaml")])
def test_a_missing_extra_is_named_before_the_work(error, monkeypatch, name, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    for module in [m for m in sys.modules if m.startswith(f"fitkit.{name}")]:
        monkeypatch.delitem(sys.modules, module)
    message = error("scan", "nowhere.json", f"--{name}", "made.pdf")
    assert f"needs `{missing}`" in message
    assert f"pip install 'fitkit[{name}]'" in message


def test_numbers_for_people():
    from fitkit._cli import show

    assert show.measured(1.21405, 0.13124) == "1.214 ± 0.131"
    assert show.measured(-0.0001, 0.13124) == "0.000 ± 0.131"
    assert show.measured(1.0, None) == "1"
    assert show.measured(None, None) == "–"
    assert show.number(None) == "–"
    assert show.number(-0.0) == "0"
    assert show.fixed(None, 3) == "–"
    assert show.plain({"a": np.array([1.0, np.nan])}) == {"a": [1.0, None]}
