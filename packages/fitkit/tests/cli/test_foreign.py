"""The commands on HS3 documents and HistFactory XML, as on workspaces."""

import json

import numpy as np
import pytest

import fitkit


@pytest.fixture(scope="module")
def hs3(folder, document):
    model, data = fitkit.read_workspace(document)
    fitkit.write_hs3(folder / "w.hs3.json", model, data)
    content = json.loads((folder / "w.hs3.json").read_text())
    other = content["analyses"][0] | {"name": "other", "parameters_of_interest": ["xs"]}
    content["analyses"].append(other)
    (folder / "two.hs3.json").write_text(json.dumps(content))
    return "w.hs3.json"


@pytest.fixture(scope="module")
def xml(folder):
    uproot = pytest.importorskip("uproot")
    inputs = folder / "analysis/config"
    inputs.mkdir(parents=True)
    (inputs / "top.xml").write_text(
        """<Combination OutputFilePrefix="x"><Input>config/SR.xml</Input>
        <Measurement Name="first" Lumi="1" LumiRelErr="0.1"><POI>mu</POI>
        <ParamSetting Const="True">Lumi</ParamSetting></Measurement>
        <Measurement Name="second" Lumi="1" LumiRelErr="0.1"><POI>xs</POI>
        <ParamSetting Const="True">Lumi</ParamSetting></Measurement></Combination>"""
    )
    (inputs / "SR.xml").write_text(
        """<Channel Name="SR" InputFile="h.root"><Data HistoName="data"/>
        <Sample Name="signal" HistoName="signal">
        <NormFactor Name="mu" Val="1" Low="0" High="100"/></Sample>
        <Sample Name="background" HistoName="background">
        <OverallSys Name="xs" Low="0.9" High="1.1"/>
        <ShapeSys Name="gamma" HistoName="gamma" ConstraintType="Poisson"/></Sample>
        </Channel>"""
    )
    edges = np.array([0.0, 1.0, 2.0])
    with uproot.recreate(folder / "analysis/h.root") as file:
        file["data"] = np.array([55.0, 44.0]), edges
        file["signal"] = np.array([6.0, 9.0]), edges
        file["background"] = np.array([50.0, 40.0]), edges
        file["gamma"] = np.array([0.1, 0.1]), edges
    return "analysis"


def test_statistics_of_simulation_by_an_option(folder, hs3, xml, document, answer):
    """Profiled factors are no parameters, and change no number of the others."""
    (folder / "plain.json").write_text(json.dumps(document))
    for source in ("plain.json", hs3, xml):
        written, profiled = (
            answer("fit", source, "--mc-statistics", way)
            for way in ("parameters", "profiled")
        )
        assert np.isclose(written["twice_nll"], profiled["twice_nll"], rtol=1e-10)
        names = [
            [each["name"] for each in content["parameters"]]
            for content in (written, profiled)
        ]
        assert set(names[1]) < set(names[0])
        assert answer("fit", source)["parameters"] == written["parameters"]
    limits = [
        answer("limit", hs3, "--mc-statistics", way)["observed"]
        for way in ("parameters", "profiled")
    ]
    np.testing.assert_allclose(*limits, rtol=1e-6)


COMMANDS = (
    ("hypotest", "--mu", "0.8"),
    ("limit",),
    ("significance",),
    ("gof",),
    ("yields",),
    ("ranking",),
    ("scan", "mu", "--points", "3"),
)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c[0])
@pytest.mark.parametrize("kind", ["hs3", "xml"])
def test_same_answers(kind, command, answer, request):
    name = request.getfixturevalue(kind)
    verb, *options = command

    def numbers(content):
        # Luminosity, which the files of ROOT add, is fixed: no command ranks it.
        return json.dumps(content, sort_keys=True)

    expected = answer(verb, "w.json", *options)
    found = answer(verb, name, *options)
    assert _rounded(found) == _rounded(expected)
    assert numbers(found)


def _rounded(content):
    """All numbers to six digits: searches end within that of each other."""
    if isinstance(content, dict):
        return {k: _rounded(v) for k, v in content.items() if k != "steps"}
    if isinstance(content, list):
        return [_rounded(v) for v in content]
    return float(f"{content:.5g}") if isinstance(content, float) else content


def test_fit(answer, hs3, xml):
    expected = {p["name"]: p for p in answer("fit", "w.json")["parameters"]}
    for name in (hs3, xml):
        for found in answer("fit", name)["parameters"]:
            if found["name"] == "lumi":
                assert found["status"] == "fixed"
                continue
            wanted = expected[found["name"]]
            assert found["value"] == pytest.approx(wanted["value"], rel=1e-6)
            assert found["error"] == pytest.approx(wanted["error"], rel=1e-6)


def test_inspect(answer, printed, hs3, xml):
    expected = answer("inspect", "w.json")
    found = answer("inspect", hs3)
    assert found["channels"] == expected["channels"]
    assert [p["types"] for p in found["parameters"]] == [
        p["types"] for p in expected["parameters"]
    ]
    assert found["measurements"] == [{"name": "analysis", "poi": "mu"}]
    assert answer("inspect", xml)["measurements"] == [
        {"name": "first", "poi": "mu"},
        {"name": "second", "poi": "xs"},
    ]
    assert "measurement second, parameter of interest xs" in printed("inspect", xml)


def test_measurement(answer, error, hs3, xml):
    assert answer("fit", "two.hs3.json", "--measurement", "other")["poi"] == "xs"
    assert answer("fit", xml, "--measurement", "second")["poi"] == "xs"
    message = error("fit", "two.hs3.json")
    assert "two.hs3.json" in message
    assert "Choose one: --measurement 'analysis', 'other'" in message
    assert "'firts'" in error("fit", xml, "--measurement", "firts")
    assert answer("fit", xml, "--poi", "xs")["poi"] == "xs"
    assert "--poi 'nu' is no parameter" in error("fit", xml, "--poi", "nu")


def test_options_for_workspaces_alone(error, hs3, xml):
    assert "--patch is for JSON" in error("fit", hs3, "--patch", "double.json")
    assert "analysis is HistFactory XML" in error("fit", xml, "--patchset", "set.json")


def test_validate(answer, hs3, xml):
    assert answer("validate", hs3)["status"] == "ok"
    assert answer("validate", xml)["status"] == "ok"


def test_from_standard_input(answer, folder, hs3):
    text = (folder / hs3).read_text()
    assert answer("fit", "-", input=text)["poi"] == "mu"


def test_documents_of_other_formats(run, hs3, document, folder):
    made = json.loads(run("prune", hs3, "--modifier", "xs").stdout)
    model, _ = fitkit.read_workspace(made)
    assert model.parameter_names == ("mu", "gamma")
