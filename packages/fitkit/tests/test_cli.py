"""The command line: its numbers are the library's, and how it fails."""

import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from unittest import mock

import jax
import numpy as np
import pytest

import fitkit

pytest.importorskip("typer")
from typer.testing import CliRunner

from fitkit._cli.app import app

XS = {"lo": 0.9, "hi": 1.1}
DOCUMENT = {
    "channels": [
        {
            "name": "SR",
            "samples": [
                {
                    "name": "signal",
                    "data": [6.0, 9.0],
                    "modifiers": [{"name": "mu", "type": "normfactor", "data": None}],
                },
                {
                    "name": "background",
                    "data": [50.0, 40.0],
                    "modifiers": [
                        {
                            "name": "xs",
                            "type": "normsys",
                            "data": {"lo": 0.9, "hi": 1.1},
                        },
                        {"name": "gamma", "type": "shapesys", "data": [5.0, 4.0]},
                    ],
                },
            ],
        }
    ],
    "observations": [{"name": "SR", "data": [55.0, 44.0]}],
    "measurements": [
        {"name": "first", "config": {"poi": "mu", "parameters": []}},
        {"name": "second", "config": {"poi": "xs", "parameters": []}},
    ],
    "version": "1.0.0",
}
DOUBLED = [
    {"op": "replace", "path": "/channels/0/samples/0/data", "value": [12.0, 18.0]}
]


def patchset(digest):
    return {
        "metadata": {
            "labels": ["mass", "width"],
            "description": "two of them",
            "references": {"hepdata": "ins1234567"},
            "digests": {"sha256": digest},
        },
        "patches": [
            {"metadata": {"name": f"S_{m}", "values": [m, 5]}, "patch": DOUBLED}
            for m in (300, 400)
        ],
        "version": "1.0.0",
    }


@pytest.fixture(autouse=True)
def environment():
    """What a command sets for its process ends with the test."""
    with mock.patch.dict(os.environ):
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("documents")
    (folder / "w.json").write_text(json.dumps(DOCUMENT))
    (folder / "double.json").write_text(json.dumps(DOUBLED))
    good, stale = patchset(fitkit.digest(DOCUMENT)), patchset("0")
    (folder / "set.json").write_text(json.dumps(good))
    (folder / "stale.json").write_text(json.dumps(stale))
    (folder / "broken.json").write_text("{")
    with tarfile.open(folder / "a.tar.gz", "w:gz") as archive:
        for region in ("A", "B"):
            archive.add(folder / "w.json", f"{region}/BkgOnly.json")
            archive.add(folder / "double.json", f"{region}/patch.S_300.json")
    with tarfile.open(folder / "p.tar.gz", "w:gz") as archive:
        archive.add(folder / "w.json", "BkgOnly.json")
        archive.add(folder / "set.json", "patchset.json")
    return folder


@pytest.fixture
def run(folder, monkeypatch):
    """`run("fit", "w.json")` in the folder of the documents."""
    monkeypatch.chdir(folder)

    def run(*arguments, **kwargs):
        return CliRunner().invoke(app, [str(a) for a in arguments], **kwargs)

    yield run
    fitkit.keep_programs(None)  # as a process of its own would leave it


@pytest.fixture
def answer(run):
    """The JSON answer of a command that succeeds."""

    def answer(*arguments, **kwargs):
        done = run(*arguments, "--json", **kwargs)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    return answer


@pytest.fixture(scope="module")
def problem():
    return fitkit.read_workspace(DOCUMENT)


# The same program on the same numbers: only its last digits may differ, where one
# process compiled it for a batch of another size.
def same(found, expected):
    np.testing.assert_allclose(found, np.asarray(expected), rtol=1e-9)


def test_fit(answer, problem):
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


def test_limit(answer, problem):
    found = answer("limit", "w.json", "--level", 0.1, "--band", "quantiles")
    bands = fitkit.Asymptotics(quantiles=True)
    limit = fitkit.upper_limit(*problem, level=0.1, calculator=bands)
    same(found["observed"], limit.observed)
    same(found["expected"], limit.expected)
    assert found["band"] == bands.band


@pytest.mark.parametrize(
    ("name", "statistic"), [("qtilde", fitkit.QMuTilde), ("t", fitkit.TMu)]
)
def test_hypotest(answer, problem, name, statistic):
    found = answer("hypotest", "w.json", "--mu", 1.5, "--statistic", name)
    test = fitkit.hypotest(1.5, *problem, statistic=statistic())
    same(found["cls_observed"], test.cls_observed)
    same(found["cls_expected"], test.cls_expected)


def test_significance_of_expected_data(answer, problem):
    found = answer("significance", "w.json", "--asimov", 1)
    data = fitkit.asimov_data(1.0, problem[0])
    test = fitkit.hypotest(0.0, problem[0], data, statistic=fitkit.Q0())
    same(found["significance_observed"], test.significance_observed)
    same(found["p0_expected"], test.p0_expected)


def test_pseudo_experiments(answer, problem):
    toys = fitkit.Toys(jax.random.key(3), 50)
    test = fitkit.hypotest(1.0, *problem, calculator=toys)
    found = answer("hypotest", "w.json", "--toys", 50, "--seed", 3)
    same(found["cls_observed"], test.cls_observed)
    assert found["failed_toys"] == [0, 0]
    found = answer("toys", "w.json", "-n", 50, "--seed", 3)
    same(found["toys_sb"], test.toys_sb)


@pytest.mark.slow
def test_limit_by_pseudo_experiments(answer, problem):
    toys = fitkit.Toys(jax.random.key(3), 50)
    limit = fitkit.upper_limit(*problem, calculator=toys)
    found = answer("limit", "w.json", "--toys", 50, "--seed", 3)
    same(found["observed"], limit.observed)
    same(found["expected_error"], limit.expected_error)
    test = fitkit.goodness_of_fit(*problem, toys=toys)
    found = answer("gof", "w.json", "--toys", 50, "--seed", 3)
    same(found["p_value"], test.p_value)
    same(found["p_value_error"], test.p_value_error)


# What the observed counts are must not matter where nobody may look at them.
MASKED = [{"op": "replace", "path": "/observations/0/data", "value": [1e4, 0.0]}]


def test_masked_channels_are_not_looked_at(answer, run, folder, problem):
    (folder / "other.json").write_text(json.dumps(MASKED))
    model, data = problem
    blind = fitkit.fit(model.masking("SR"), data, fixed={"mu": True})
    for patch in ([], ["--patch", "other.json"]):
        found = answer("fit", "w.json", "--mask", "S*", "--fix", "mu", *patch)
        values = [each["value"] for each in found["parameters"]]
        # at the nominal values, to the precision of the fit itself
        np.testing.assert_allclose(values, blind.y, atol=1e-9)
        (channel,) = answer("yields", "w.json", "--prefit", "--mask", "SR", *patch)[
            "channels"
        ]
        assert channel["observed"] == [None, None]
    assert "masked" in run("inspect", "w.json", "--mask", "SR").output


def test_expected_data_after_a_fit(answer, problem):
    model, data = problem
    found = answer("fit", "w.json", "--asimov", 2, "--postfit", "--fix", "mu=2")
    expected = fitkit.asimov_data(2.0, model, data)
    best = fitkit.fit(model, expected, fixed={"mu": True}, init={"mu": 2.0})
    same(found["twice_nll"], best.twice_nll)
    nominal = fitkit.fit(
        model, fitkit.asimov_data(2.0, model), fixed={"mu": True}, init={"mu": 2.0}
    )
    assert abs(found["twice_nll"] - float(nominal.twice_nll)) > 1e-3


def test_grid(answer, run, folder, problem):
    limit = fitkit.upper_limit(*fitkit.read_workspace(DOCUMENT, patch=DOUBLED))
    given = ("grid", "w.json", "--patchset", "set.json", "--limit", "--folder", "kept")
    found = answer(*given)
    assert [point["name"] for point in found["points"]] == ["S_300", "S_400"]
    for point in found["points"]:
        same(point["observed"], limit.observed)
        same(point["expected"], limit.expected)
    with mock.patch("fitkit._grid.grid.run", side_effect=AssertionError):
        again = answer(*given)
    assert again == found  # all from the folder
    (one,) = answer("grid", "w.json", "--patchset", "set.json", "--points", "S_4*")[
        "points"
    ]
    test = fitkit.hypotest(1.0, *fitkit.read_workspace(DOCUMENT, patch=DOUBLED))
    same(one["cls_observed"], test.cls_observed)


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


def test_a_grid_with_a_failed_point_ends_with_3(run, folder):
    points = patchset(fitkit.digest(DOCUMENT))
    points["patches"][0]["patch"] = [{"op": "remove", "path": "/nowhere"}]
    (folder / "bad_set.json").write_text(json.dumps(points))
    done = run("grid", "w.json", "--patchset", "bad_set.json", "--json")
    assert done.exit_code == 3
    bad, good = json.loads(done.stdout)["points"]
    assert not bad["converged"]
    assert good["converged"]
    assert "nowhere" in bad["message"]
    assert "1 of 2 points" in done.stderr


@pytest.mark.slow
def test_a_grid_shared_by_processes(answer):
    given = ("grid", "w.json", "--patchset", "set.json")
    assert answer(*given, "--workers", 2) == answer(*given)


def test_profiles(answer, problem):
    found = answer("scan", "w.json", "--range", "0:2", "--points", 5)
    scan = fitkit.scan(*problem, "mu", np.linspace(0, 2, 5))
    same(found["values"], scan.values)
    same(found["delta_twice_nll"], scan.delta)
    found = answer("contour", "w.json", "mu", "xs", "--level", 0.68, "--angles", 8)
    contour = fitkit.contour(*problem, ("mu", "xs"), levels=(0.68,), angles=8)
    same(found["contours"][0]["points"], contour.points[0])


def test_ranking(answer, problem):
    found = answer("ranking", "w.json", "--group", "all=*", "--group", "mc=gamma*")
    ranking = fitkit.ranking(*problem)
    assert [each["name"] for each in found["parameters"]] == list(ranking.names)
    same([each["up"] for each in found["parameters"]], ranking.up)
    same(found["groups"]["mc"], ranking.group(["gamma"]))
    same(found["groups"]["all"], ranking.group(ranking.names))


def test_yields_and_goodness_of_fit(answer, problem):
    (channel,) = answer("yields", "w.json")["channels"]
    same(channel["error"], fitkit.predicted_yields(*problem).error["SR"])
    (before,) = answer("yields", "w.json", "--prefit")["channels"]
    same(before["total"], [56.0, 49.0])
    found = answer("gof", "w.json")
    same(found["p_value"], fitkit.goodness_of_fit(*problem).p_value)


def test_what_is_said_of_parameters(answer, problem):
    found = answer(
        *("fit", "w.json", "--fix", "gamma[1]=1.1", "--bounds", "mu=0:0.5"),
        *("--init", "xs=0.3"),
    )
    bounds = {"mu": (0.0, 0.5)}
    fixed = {"gamma": [False, True]}
    init = {"gamma": [1.0, 1.1], "xs": 0.3}
    best = fitkit.fit(*problem, bounds=bounds, fixed=fixed, init=init)
    same(found["twice_nll"], best.twice_nll)
    gamma = found["parameters"][3]
    assert gamma.pop("name") == "gamma[1]"
    assert gamma == {"value": 1.1, "error": None, "status": "fixed"}
    held = answer("fit", "w.json", "--fix", "gamma*", "--fix", "mu=0")
    assert [p["status"] for p in held["parameters"]] == ["fixed", "free"] + 2 * [
        "fixed"
    ]


def test_where_a_document_comes_from(answer, problem):
    doubled, data = fitkit.read_workspace(DOCUMENT, patch=DOUBLED)
    expected = fitkit.fit(doubled, data).twice_nll
    mu = float(fitkit.fit(doubled, data).params["mu"])
    for given in (
        ("w.json", "--patch", "double.json"),
        ("w.json", "--patchset", "set.json", "--point", "S_300"),
        ("w.json", "--patchset", "stale.json", "--point", "300,5", "--no-verify"),
        ("a.tar.gz", "--region", "A", "--point", "S_300"),
        ("a.tar.gz", "--member", "B/BkgOnly.json", "--patch", "patch.S_300.json"),
        ("p.tar.gz", "--point", "400,5"),
    ):
        found = answer("fit", *given)
        same(found["twice_nll"], expected)
        same(found["parameters"][0]["value"], mu)
    piped = answer("fit", "-", "--measurement", "second", input=json.dumps(DOCUMENT))
    assert piped["poi"] == "xs"
    assert answer("fit", "w.json", "--poi", "xs")["poi"] == "xs"


def test_inspect(answer, run):
    found = answer("inspect", "w.json")
    assert found["channels"][0]["samples"] == ["signal", "background"]
    assert found["parameters"][2]["types"] == ["shapesys"]
    assert found["parameters"][2]["constraint"] == "Poisson"
    (first, second) = answer("inspect", "a.tar.gz")["folders"]
    assert first["points"] == second["points"] == ["S_300"]
    assert "S_300" in run("inspect", "a.tar.gz").output
    points = answer("patchset", "inspect", "set.json")["points"]
    assert points[1] == {"name": "S_400", "values": [400, 5]}


def test_validate(answer, run, folder):
    assert answer("validate", "w.json") == {"status": "ok", "findings": []}
    bad = json.loads(json.dumps(DOCUMENT))
    bad["channels"][0]["samples"][0]["data"] = [0.0, 0.0]
    bad["channels"][0]["samples"][1]["data"] = [0.0, 40.0]
    (folder / "bad.json").write_text(json.dumps(bad))
    findings = fitkit.validate(bad)
    assert findings[0].severity == "problem"
    done = run("validate", "bad.json", "--json")
    assert done.exit_code == 4
    assert len(json.loads(done.stdout)["findings"]) == len(findings)
    assert findings[0].message in run("validate", "bad.json").output


def test_documents(run, folder):
    def made(*arguments):
        done = run(*arguments)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    assert made("prune", "w.json", "--modifier", "gamma") == fitkit.prune(
        DOCUMENT, modifiers=["gamma"]
    )
    renamed = made("rename", "w.json", "--channel", "SR=CR", "--modifier", "xs=scale")
    assert renamed == fitkit.rename(
        DOCUMENT, channels={"SR": "CR"}, modifiers={"xs": "scale"}
    )
    other = ("--channel", "SR=CR", "--modifier", "gamma=gamma_CR")
    done = run("rename", "w.json", *other, "-o", "cr.json")
    assert (done.exit_code, done.output) == (0, "")
    other = json.loads((folder / "cr.json").read_text())
    assert made("combine", "w.json", "cr.json") == fitkit.combine(DOCUMENT, other)
    applied = made("patchset", "apply", "w.json", "set.json", "--point", "S_400")
    assert applied["channels"][0]["samples"][0]["data"] == [12.0, 18.0]
    assert made("patchset", "extract", "set.json", "--point", "S_400") == DOUBLED
    assert run("patchset", "verify", "w.json", "set.json").exit_code == 0
    assert run("digest", "w.json").output == f"sha256:{fitkit.digest(DOCUMENT)}\n"


@pytest.mark.parametrize(
    "command",
    [
        ("inspect", "w.json"),
        ("fit", "w.json", "--correlation", "--interval", "mu"),
        ("yields", "w.json"),
        ("gof", "w.json"),
        ("limit", "w.json", "--level", 0.1),
        ("hypotest", "w.json"),
        ("hypotest", "w.json", "--toys", 50),
        ("significance", "w.json"),
        ("toys", "w.json", "-n", 50),
        ("scan", "w.json", "--range", "0:2", "--points", 5),
        ("contour", "w.json", "mu", "xs", "--level", 0.68, "--angles", 8),
        ("ranking", "w.json", "--top", 1),
        ("patchset", "inspect", "set.json"),
    ],
    ids=lambda command: " ".join(map(str, command)),
)
def test_tables(run, command):
    """Every answer can also be read by people, and names what it is about."""
    done = run(*command)
    assert done.exit_code == 0, done.output
    assert {"inspect": "SR", "yields": "SR", "gof": "p =", "patchset": "S_300"}.get(
        command[0], "mu"
    ) in done.output
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("command", "tables"),
    [
        (("fit", "w.json", "--interval", "mu"), ["parameters", "intervals"]),
        (("fit", "w.json", "--correlation"), ["parameters", "correlations"]),
        (("yields", "w.json", "--prefit", "--mask", "SR"), ["yields_in_sr"]),
        pytest.param(("limit", "w.json"), ["cls"], marks=pytest.mark.slow),
        pytest.param(
            ("limit", "w.json", "--toys", 20), ["cls"], marks=pytest.mark.slow
        ),
        (
            ("scan", "w.json", "--range", "0:2", "--points", 5),
            ["scan_of_mu"],
        ),
        (
            ("contour", "w.json", "mu", "xs", "--level", 0.68, "--angles", 8),
            ["contour_68_percent"],
        ),
        (("ranking", "w.json"), ["impacts"]),
        (
            ("grid", "w.json", "--patchset", "set.json", "--limit"),
            ["upper_limits"],
        ),
    ],
    ids=lambda value: " ".join(map(str, value)),
)
def test_pictures_and_tables(run, tmp_path, command, tables):
    pytest.importorskip("mplhep")
    pytest.importorskip("yaml")
    plot, folder = tmp_path / "picture.png", tmp_path / "tables"
    done = run(*command, "--plot", plot, "--hepdata", folder)
    assert done.exit_code == 0, done.output
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert {path.stem for path in folder.iterdir()} == {"submission", *tables}


@pytest.mark.parametrize("name", ["plot", "hepdata"])
def test_a_missing_extra_is_named_before_the_work(run, tmp_path, name):
    missing = {"plot": "mplhep", "hepdata": "yaml"}[name]
    error = ModuleNotFoundError(name=missing)
    with mock.patch("importlib.import_module", side_effect=error):
        done = run("scan", "w.json", f"--{name}", tmp_path / "made.pdf")
    assert (done.exit_code, done.stdout) == (1, "")
    assert f"needs `{missing}`" in done.stderr
    assert f"pip install 'fitkit[{name}]'" in done.stderr


ERRORS = {
    "no file": (["fit", "nowhere.json"], "cannot read nowhere.json"),
    "no JSON": (["fit", "broken.json"], "broken.json is not JSON"),
    "no archive": (["fit", "nowhere.zip"], "cannot read"),
    "schema": (["fit", "double.json"], "double.json: "),
    "parameter": (["fit", "w.json", "--fix", "gama"], "Did you mean gamma?"),
    "entry": (["fit", "w.json", "--fix", "gamma[7]"], "gamma[1]"),
    "pattern": (["fit", "w.json", "--fix", "alpha_*"], "matches none"),
    "value": (["fit", "w.json", "--init", "mu=one"], "'one' is no number"),
    "no value": (["fit", "w.json", "--init", "mu"], "NAME=VALUE"),
    "interval": (["fit", "w.json", "--bounds", "mu=2:1"], "is no interval"),
    "poi": (["limit", "w.json", "--poi", "nu"], "--poi: 'nu'"),
    "measurement": (["fit", "w.json", "--measurement", "frist"], "mean first?"),
    "scanned": (["scan", "w.json", "gamma[5]"], "PARAMETER: 'gamma[5]'"),
    "region": (["fit", "a.tar.gz", "--region", "C"], "--member: 'C'"),
    "which": (["fit", "a.tar.gz"], "choose with --member"),
    "member": (["fit", "w.json", "--member", "A"], "is for archives"),
    "point": (["fit", "a.tar.gz", "--region", "A", "--point", "S_30"], "mean S_300?"),
    "no points": (["fit", "w.json", "--point", "S_300"], "Give --patchset"),
    "stale": (
        ["fit", "w.json", "--patchset", "stale.json", "--point", "S_300"],
        "--no-verify",
    ),
    "mask": (["fit", "w.json", "--mask", "CR*"], "--mask: 'CR*' matches none"),
    "postfit": (["fit", "w.json", "--postfit"], "give --asimov"),
    "format": (["scan", "w.json", "--plot", "scan.jpeg"], ".pdf, .png, .svg"),
    "folder": (["scan", "w.json", "--plot", "no/scan.pdf"], "no such folder"),
    "no grid": (["grid", "w.json"], "Give --patchset"),
    "points": (
        ["grid", "w.json", "--patchset", "set.json", "--points", "T_300"],
        "mean S_300 or",
    ),
    "no limit": (
        ["grid", "w.json", "--patchset", "set.json", "--plot", "a.pdf"],
        "give --limit",
    ),
    "no line": (
        ["grid", "p.tar.gz", "--points", "S_3*", "--limit", "--plot", "a.pdf"],
        "along one line",
    ),
    "channel": (["prune", "w.json", "--channel", "SSR"], "Did you mean SR?"),
    "rename": (["rename", "w.json", "--channel", "SR"], "OLD=NEW"),
    "verify": (["patchset", "verify", "w.json", "stale.json"], "digest"),
}


@pytest.mark.parametrize(("command", "message"), ERRORS.values(), ids=ERRORS)
def test_errors_are_one_message(run, command, message):
    done = run(*command)
    assert done.exit_code == 1
    assert done.stdout == ""
    assert message in done.stderr
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


def test_a_wrong_option_ends_with_2(run):
    assert run("limit", "w.json", "--statistic", "q0").exit_code == 2


def test_debug_shows_where(run):
    done = run("--debug", "fit", "w.json", "--fix", "gama")
    assert isinstance(done.exception, ValueError)


def test_a_failed_fit_ends_with_3(run, folder):
    """Events where nothing can be: the answer says so, and the message why."""
    bad = fitkit.prune(DOCUMENT, samples=["signal"], modifiers=["gamma"])
    bad["channels"][0]["samples"][0]["data"] = [0.0, 40.0]
    (folder / "impossible.json").write_text(json.dumps(bad))
    done = run("fit", "impossible.json", "--poi", "xs", "--json")
    assert done.exit_code == 3, done.output
    found = json.loads(done.stdout)
    assert found["status"] == "failed"
    assert found["twice_nll"] is None
    assert "channel 'SR' bin 0 (55 seen, 0 expected)" in done.stderr


def test_a_document_without_its_poi_is_read_with_a_warning(run, folder):
    document = fitkit.prune(DOCUMENT, samples=["signal"], measurements=["second"])
    (folder / "blind.json").write_text(json.dumps(document))
    with pytest.warns(UserWarning, match="no parameter of the model"):
        fitkit.read_workspace(document)
    with mock.patch("warnings.filters", []):  # as in a process of its own
        done = run("fit", "blind.json")
    assert done.exit_code == 0, done.output
    assert done.stderr.startswith("warning: ")


# --- in a process of its own ---------------------------------------------------------
def process(folder, *arguments, **kwargs):
    # A shell's background job ignores Ctrl-C, and so do its children.
    script = (
        "import signal, fitkit._cli\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "fitkit._cli.main()"
    )
    command = [sys.executable, "-c", script]
    return subprocess.Popen(
        [*command, *map(str, arguments)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **kwargs,
    )


def test_help_and_wrong_options_need_no_jax(folder):
    script = (
        "import sys, fitkit._cli\n"
        "sys.argv = ['fitkit', *sys.argv[1:]]\n"
        "try:\n    fitkit._cli.main()\n"
        "finally:\n    assert not {'jax', 'numpy', 'rich'} & set(sys.modules)\n"
    )
    for arguments, code in ((["--help"], 0), (["limit", "-h"], 0), (["fit", "-x"], 2)):
        command = [sys.executable, "-c", script, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr


def test_a_process(folder, tmp_path):
    """float64, a cache in the user's folder, plain text into a pipe."""
    # jax, which this process has imported, sets XLA's level of messages too.
    ours = ("JAX_", "TF_CPP_MIN_LOG_LEVEL")
    env = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    env |= {"XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path)}
    with process(folder, "yields", "w.json", "--prefit", env=env) as yields:
        out, err = yields.communicate(timeout=300)
    assert (yields.returncode, err) == (0, "")
    assert "\x1b" not in out
    assert "background" in out
    assert any(path.is_file() for path in tmp_path.rglob("fitkit/jax-*/*"))


@pytest.mark.slow
def test_ctrl_c_inside_compiled_code(folder):
    with process(folder, "toys", "w.json", "-n", 10**7) as toys:
        time.sleep(20)  # imported, traced and compiled: now it runs for hours
        assert toys.poll() is None
        toys.send_signal(signal.SIGINT)
        try:
            _, err = toys.communicate(timeout=30)
        finally:
            toys.kill()  # leaving the block waits for it
    assert toys.returncode == 130
    assert "interrupted" in err
    assert "Traceback" not in err


def test_numbers_for_people():
    from fitkit._cli import show

    assert show.measured(1.21405, 0.13124) == "1.214 ± 0.131"
    assert show.measured(1.0, None) == "1"
    assert show.number(None) == "–"
    assert show.plain({"a": np.array([1.0, np.nan])}) == {"a": [1.0, None]}
