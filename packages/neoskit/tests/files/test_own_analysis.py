"""The example of the docs' page: written, checked and trained as typed there."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

from neoskit._cli.app import app

pytest.importorskip("pyarrow", reason="needs the extra `neoskit[parquet]`")
pytest.importorskip("numexpr", reason="needs an extra of neoskit that reads files")

PLACE = Path("docs", "neoskit", "analysis-file.md")
ROOT = next((f for f in Path(__file__).parents if (f / PLACE).is_file()), None)
if ROOT is None:
    pytest.skip("the docs are not part of a package's sdist", allow_module_level=True)
PAGE = ROOT / PLACE


@pytest.fixture(scope="module")
def typed():
    """The commands of the page's first block."""
    block = re.search(r"^```bash\n(.*?)^```$", PAGE.read_text(), re.M | re.S)
    commands = block[1].splitlines()
    assert [line.split()[0] for line in commands] == ["python", "neoskit", "neoskit"]
    return commands


@pytest.fixture
def here(tmp_path, monkeypatch):
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def run(command):
    done = CliRunner().invoke(app, command.split()[1:])
    assert done.exit_code == 0, done.output
    return done.output


def write(command):
    subprocess.run([sys.executable, *command.split()[1:]], check=True)


def test_every_command_of_the_pages_is_one():
    """Its options and arguments, without doing it."""
    commands = typer.main.get_command(app)
    lines = [
        shlex.split(line, comments=True)
        for page in sorted(PAGE.parent.glob("*.md"))
        for block in re.findall(r"^```bash\n(.*?)^```$", page.read_text(), re.M | re.S)
        for line in block.splitlines()
    ]
    typed = [words[1:] for words in lines if words and words[0] == "neoskit"]
    assert {words[0] for words in typed} >= {"check", "train", "compare", "export"}
    for name, *arguments in typed:
        command = commands.commands[name]
        # Wrong options and missing arguments raise.
        command.make_context(name, arguments)


def test_written_and_checked(typed, here):
    write(typed[0])
    output = run(typed[1])
    for said in ("top_shower", "no_jets", "data.parquet", "ready to train"):
        assert said in output
    document = json.loads(run(f"{typed[1]} --json"))
    assert [f for f in document["findings"] if f["level"] != "note"] == []
    raw = {(r["channel"], r["process"]): r for r in document["yields"]}
    assert raw["signal_region", "top"]["negative"] > 0.05


# pyhf's own use of jsonschema.
@pytest.mark.filterwarnings("ignore:jsonschema.RefResolver:DeprecationWarning")
@pytest.mark.slow
def test_trained_as_typed(typed, here):
    write(typed[0])
    output = run(f"{typed[2]} --no-pictures --no-progress")
    folder = here / "runs" / "own_analysis"
    evaluation = json.loads((folder / "seed-0" / "evaluation.json").read_text())
    assert 0 < evaluation["expected_cls"] < 0.05  # far below what no network gives
    assert evaluation["missing"] == {}
    workspace = json.loads((folder / "workspace.json").read_text())
    modifiers = {
        modifier["name"]: modifier["type"]
        for channel in workspace["channels"]
        for sample in channel["samples"]
        for modifier in sample["modifiers"]
    }
    for name in ("jet_energy_scale", "btag", "top_shower", "wjets_norm", "top_norm"):
        assert name in modifiers
    assert "runs/own_analysis" in output
    assert expected_cls(workspace) == pytest.approx(
        evaluation["expected_cls"], rel=1e-5
    )
    output = run(f"neoskit evaluate {folder} --unblind")
    assert "an illustration, not a measurement" in output


def expected_cls(document):
    """By pyhf, from the exported workspace, with the interpolation of our defaults."""
    pyhf = pytest.importorskip("pyhf")
    workspace = pyhf.Workspace(document)
    codes = {
        "normsys": {"interpcode": "code4"},
        "histosys": {"interpcode": "code4p"},
    }
    model = workspace.model(modifier_settings=codes)
    # At Minuit's default tolerance the CLs is wrong by up to 1e-4 of itself.
    pyhf.set_backend("numpy", pyhf.optimize.minuit_optimizer(tolerance=1e-6))
    try:
        _, expected = pyhf.infer.hypotest(
            1.0,
            workspace.data(model),
            model,
            test_stat="qtilde",
            return_expected_set=True,
        )
    finally:
        pyhf.set_backend("numpy", "scipy")
    return float(expected[2])
