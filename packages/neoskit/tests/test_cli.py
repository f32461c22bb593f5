"""The command line: what a run leaves behind, what it says, and how it fails."""

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import jax
import jax.export
import numpy as np
import pytest
from typer.testing import CliRunner

from neoskit._cli import show
from neoskit._cli.app import app
from neoskit._run.builders import build_dataset
from neoskit._run.folder import RunFolder
from neoskit._run.run import load, untrained
from neoskit._train import steps as step_module
from neoskit._train.checkpoint import standing

# All runs have two bins: they share what is compiled for the fits.
SMALL = """
[source]
kind = "blobs"
events = 300
[binning]
edges = [0.0, 0.5, 1.0]
[observable]
kind = "network"
hidden = [8]
[measurement]
mc_statistics = false
floor = 1e-3
[evaluation]
bootstrap = 3
[training]
steps = 3
batch = 100
learning_rate = 1e-2
warm_start = { steps = 2 }
"""
EVENTS = """
import numpy as np
import neoskit

def dataset(events=300):
    # Names that rich would take for markup, if it were allowed to.
    processes = neoskit.gaussian_blobs(events, seed=4).channels["SR"]
    background = processes["background"]
    variations = {"shape [/]": background.variations["shape"]}
    processes["background"] = neoskit.Process(background.nominal, variations)
    return neoskit.Dataset({"SR [x]": processes})

def one_feature(events=300):
    return neoskit.gaussian_blobs(events, seed=4).map(
        lambda _, events: neoskit.Events(
            events.features[:, :1], events.weights, names=("x",)
        )
    )

def observed(events=300):
    generator = np.random.default_rng(5)
    features = generator.normal((1, -1), 1, (100, 2))
    return {"SR [x]": neoskit.Events(features, names=("x", "y"))}

def nothing(events=300):
    return None
"""
PYTHON = SMALL.replace(
    'kind = "blobs"\nevents = 300',
    'kind = "python"\nfile = "events.py"\nobserved = "observed"',
)
SELECTION = SMALL.replace(
    'kind = "network"\nhidden = [8]',
    'kind = "selection"\nthresholds = [0, 0]\nscale = [1, 1]\n'
    'keep = ["below", "above"]',
).replace("\nsteps = 3", '\nsteps = 3\nobjective = "poi_variance"')
# The cross entropy of one run compiles in a moment; what is judged is the same.
QUICK = ("\nsteps = 3", '\nsteps = 3\nobjective = "binary_cross_entropy"')


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Runs and compilations go to a folder of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def neoskit(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def written(folder, text=SMALL, name="small.toml"):
    (folder / "events.py").write_text(EVENTS)
    (folder / name).write_text(text)
    return folder / name


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A trained run with recorded events, and what was printed."""
    folder = tmp_path_factory.mktemp("module")
    config = written(folder, PYTHON + "seeds = [3, 4]\n")
    done = neoskit("train", config, "--out", folder / "run", "--animate")
    assert done.exit_code == 0, done.output
    return folder / "run", done.output


def test_a_run_s_folder(run):
    folder, output = run
    files = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    assert files == {
        "config.toml",
        "provenance.json",
        "lock",
        "metrics.jsonl",
        "workspace.json",
        *(
            f"seed-{seed}/{name}"
            for seed in (3, 4)
            for name in (
                "checkpoint.eqx",
                "parameters.eqx",
                "evaluation.json",
                "workspace.json",
                "snapshots/plane.npz",
                *(f"snapshots/{step:07d}.npz" for step in range(6)),
            )
        ),
        "pictures/seed-3.png",
        "pictures/seed-3.gif",
        "pictures/seed-4.png",
    }
    lines = RunFolder(folder).metrics()
    assert [(x["seed"], x["stage"], x["step"]) for x in lines] == [
        (seed, int(step > 2), step) for seed in (3, 4) for step in range(6)
    ]
    assert all("loss" in x and "expected_cls" in x for x in lines if x["step"])
    for path in ("workspace.json", "pictures/seed-3.png", "pictures/seed-3.gif"):
        assert str(folder / path) in output


# pyhf's own use of jsonschema.
@pytest.mark.filterwarnings("ignore:jsonschema.RefResolver:DeprecationWarning")
def test_the_numbers_printed_are_those_of_the_workspace(run):
    pyhf = pytest.importorskip("pyhf")
    folder, output = run
    document = json.loads((folder / "workspace.json").read_text())
    codes = {
        "normsys": {"interpcode": "code4"},
        "histosys": {"interpcode": "code4p"},
    }
    workspace = pyhf.Workspace(document)
    model = workspace.model(modifier_settings=codes)
    _, expected = pyhf.infer.hypotest(
        1.0, workspace.data(model), model, test_stat="qtilde", return_expected_set=True
    )
    evaluation = json.loads((folder / "seed-3" / "evaluation.json").read_text())
    assert evaluation["expected_cls"] == pytest.approx(float(expected[2]), rel=1e-5)
    assert f"{evaluation['expected_cls']:#.3g}" in output


def test_the_numbers_have_errors_and_a_bias(run):
    folder, output = run
    for seed in (3, 4):
        found = evaluation(folder, seed)
        names = {"expected_cls", "upper_limit", "poi_uncertainty", "significance"}
        assert found["errors"].keys() == found["soft"].keys() == names
        assert found["bootstrap_replicas"] == 3
        for name in names:
            both = f"{found[name]:#.3g} ± {found['errors'][name]:.2g}"
            assert both in output
            bias = found["soft"][name] - found[name]
            assert found["soft_minus_hard"][name] == pytest.approx(bias, abs=1e-12)
        assert f"seed {seed}: soft − hard bins: expected CLs " in output


def test_what_is_minimised_is_judged_and_raised_bins_are_named(tmp_path):
    text = SMALL.replace(
        "\nsteps = 3", '\nsteps = 3\nobjective = "0.5 * binary_cross_entropy"'
    )
    # No bin of a process of 20 and 100 events is expected to have as many.
    text = text.replace("floor = 1e-3", "floor = 150.0")
    done = neoskit("train", written(tmp_path, text), "--out", "run", "--no-pictures")
    assert done.exit_code == 0, done.output
    found = evaluation(tmp_path / "run")
    value = found["objectives"]["0.5 * binary_cross_entropy"]
    assert 0 < value < 1
    error = found["errors"]["0.5 * binary_cross_entropy"]
    assert f"seed 0: 0.5 * binary_cross_entropy {value:#.3g} ± {error:.2g}" in (
        done.output
    )
    assert len(found["negative_bins"]) == 2 * 2 + 2 * 2  # and shape up and down
    first = found["negative_bins"][0]
    assert first["floor"] == 150.0
    assert first["yields"] < 150.0
    assert "seed 0: signal in SR, bin 0: " in done.output
    assert "events, raised to the floor of 150" in done.output
    assert "and 3 more such bins, all in evaluation.json" in done.output


def test_evaluate_says_the_same_again(run):
    folder, _ = run
    before = (folder / "seed-4" / "evaluation.json").read_text()
    done = neoskit("evaluate", folder)
    assert done.exit_code == 0, done.output
    assert (folder / "seed-4" / "evaluation.json").read_text() == before
    assert "recorded" not in done.output


def test_recorded_events_are_opened_on_request_only(run, monkeypatch):
    folder, _ = run
    done = neoskit("evaluate", folder, "--unblind")
    assert done.exit_code == 0, done.output
    assert "mu = " in done.output
    assert "shape [/]" in done.output


def test_export_writes_the_same_workspace(run):
    folder, _ = run
    before = (folder / "workspace.json").read_bytes()
    (folder / "workspace.json").unlink()
    done = neoskit("export", folder)
    assert done.exit_code == 0, done.output
    assert (folder / "workspace.json").read_bytes() == before


def test_export_writes_what_others_read(run):
    for package in ("uproot", "hist", "yaml"):
        pytest.importorskip(package)
    folder, _ = run
    kinds = ("--root", "--uhi", "--hepdata", "--observable")
    done = neoskit("export", folder, "--seed", 4, *kinds)
    assert done.exit_code == 0, done.output
    seed = folder / "seed-4"
    for name in (
        "templates.root",
        "templates.json",
        "hepdata/submission.yaml",
        "observable/observable.stablehlo",
        "observable/score.py",
    ):
        assert (seed / name).is_file()
    # Events that the file scores are as many in each bin as the result says.
    opened = RunFolder(folder)
    judges = load(opened, build_dataset(opened.config, folder), 4).judges
    file = (seed / "observable" / "observable.stablehlo").read_bytes()
    observable = jax.export.deserialize(bytearray(file))
    for name, yields in evaluation(folder, 4)["yields"]["SR [x]"].items():
        events = judges.channels["SR [x]"][name].nominal
        bins = np.asarray(observable.call(np.asarray(events.features))["bin"])
        counts = np.bincount(bins, np.asarray(events.weights), len(yields))
        assert counts == pytest.approx(yields)


def test_a_run_never_overwrites_another(tmp_path):
    config = written(tmp_path)
    first, second = (
        neoskit("train", config, "--out", tmp_path / "run", "--no-pictures")
        for _ in range(2)
    )
    assert first.exit_code == second.exit_code == 0, second.output
    assert str(tmp_path / "run-2" / "workspace.json") in second.output
    # The same description and seed, the same numbers.
    metrics = [(tmp_path / n / "metrics.jsonl").read_text() for n in ("run", "run-2")]
    assert metrics[0] == metrics[1]
    assert list((tmp_path / "run" / "pictures").iterdir()) == []


def test_ctrl_c_keeps_what_is_there(tmp_path, monkeypatch):
    log = RunFolder.log

    def interrupt(self, **numbers):
        log(self, **numbers)
        if numbers["step"] == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(RunFolder, "log", interrupt)
    config = written(tmp_path, SMALL + "seeds = [0, 1]\n")
    done = neoskit("train", config, "--out", tmp_path / "run", "--no-pictures")
    assert done.exit_code == 130
    assert "interrupted" in done.output
    assert len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) == 3
    assert (tmp_path / "run" / "workspace.json").exists()
    assert not (tmp_path / "run" / "seed-1").exists()
    monkeypatch.undo()
    assert neoskit("evaluate", tmp_path / "run").exit_code == 0


def files(folder):
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


def evaluation(folder, seed=0):
    return json.loads((folder / f"seed-{seed}" / "evaluation.json").read_text())


OTHERS = {
    "one feature": PYTHON.replace("[bin", 'function = "one_feature"\n[bin', 1).replace(
        *QUICK
    ),
    "selection": SELECTION,
    "selection with folds": SELECTION + "[split]\nfolds = 2\n",
}


@pytest.mark.parametrize("text", OTHERS.values(), ids=OTHERS)
def test_runs_without_contours_are_judged_drawn_and_read_again(text, tmp_path):
    config = written(tmp_path, text.replace('observed = "observed"\n', ""))
    done = neoskit("train", config, "--out", tmp_path / "run", "--animate")
    assert done.exit_code == 0, done.output
    assert {
        "workspace.json",
        "seed-0/parameters.eqx",
        "seed-0/evaluation.json",
        "pictures/seed-0.png",
    } <= files(tmp_path / "run")
    before = evaluation(tmp_path / "run")
    assert neoskit("evaluate", tmp_path / "run").exit_code == 0
    assert evaluation(tmp_path / "run") == before


def test_what_fails_after_a_training_costs_nothing_else(tmp_path, monkeypatch):
    def fails(*args, **kwargs):
        raise IndexError("[no] such axes")

    monkeypatch.setattr("neoskit._run.pictures.picture", fails)
    monkeypatch.setattr("neoskit._run.run.export_workspace", fails)
    done = neoskit("train", written(tmp_path), "--out", tmp_path / "run")
    assert done.exit_code == 1
    assert "seed 0: the workspace, the pictures: [no] such axes" in done.output
    assert f"{evaluation(tmp_path / 'run')['expected_cls']:#.3g}" in done.output
    assert (tmp_path / "run" / "seed-0" / "parameters.eqx").exists()


def test_a_training_that_fails_keeps_its_good_steps_and_the_other_seeds(
    tmp_path, monkeypatch
):
    advance = step_module.advance
    bad = iter([0, 2])  # seed 0 fails at its first step, seed 1 at its third
    at = next(bad)

    steps = 0

    def failing(pipeline, memory, *args):
        nonlocal at, steps
        *moved, value, finite = advance(pipeline, memory, *args)
        steps += 1
        if steps - 1 != at:
            return *moved, value, finite
        at, steps = next(bad, -1), 0
        return pipeline, memory, value, False

    monkeypatch.setattr(step_module, "advance", failing)
    text = SMALL.replace("warm_start = { steps = 2 }", "warm_start = false")
    config = written(tmp_path, text + "seeds = [0, 1]\n")
    done = neoskit("train", config, "--out", tmp_path / "run", "--no-pictures")
    assert done.exit_code == 1
    assert "not trained: seed 0: Training stopped at step 0" in done.output
    assert "seed 1: the training: Training stopped at step 2" in done.output
    kept = files(tmp_path / "run")
    assert "seed-0/parameters.eqx" not in kept
    # The start of a training is in its description; what was trained is kept.
    assert "seed-0/checkpoint.eqx" not in kept
    assert standing(tmp_path / "run" / "seed-1" / "checkpoint.eqx").step == 2
    assert evaluation(tmp_path / "run", 1)["expected_cls"] < 1


def test_a_number_that_does_not_exist_is_said_and_the_others_are_there(tmp_path):
    lumi = "[measurement]\nlumi = { uncertainty = 0.9, processes = ['signal'] }"
    text = SMALL.replace("[measurement]", lumi).replace(*QUICK)
    config = written(tmp_path, text)
    done = neoskit("train", config, "--out", tmp_path / "run", "--no-pictures")
    assert done.exit_code == 0, done.output
    assert "seed 0: no 95 % limit: for " in done.output
    numbers = evaluation(tmp_path / "run")
    assert numbers["upper_limit"] is None
    assert "upper_limit" in numbers["missing"]
    for name in ("expected_cls", "poi_uncertainty", "significance"):
        assert numbers[name] > 0
    assert (tmp_path / "run" / "workspace.json").exists()


def test_tables_print_names_as_they_are(capsys):
    template = SimpleNamespace(yields=np.ones(1), variance=np.ones(1))
    process = SimpleNamespace(nominal=template)
    one = SimpleNamespace(
        templates={"[b]SR": {"b": process, "s": process}},
        raw_counts={"[b]SR": {"b": np.ones(1), "s": np.ones(1)}},
    )
    show.bins([(0, one)], ("s",), "[b]SR")
    pulls = SimpleNamespace(names=("[/] :boom:",), pull=[0.1], constraint=[0.9])
    fit = SimpleNamespace(
        strength=(1.0, 0.5), poi="[red]mu", limit=None, cls=0.1, pulls=pulls, missing={}
    )
    show.unblinded(0, fit, note="[dim] data")
    show.error("[bold]not[/bold] found")
    output = capsys.readouterr()
    for text in ("[b]SR", "[/] :boom:", "[red]mu = 1.000", "[dim] data"):
        assert text in output.out
    assert "error: [bold]not[/bold] found" in output.err


def test_compare_writes_every_number(tmp_path):
    text = SMALL + "seeds = [0, 1]\n[compare]\nbootstrap = 3\nhead_room = 9.0\n"
    done = neoskit("compare", written(tmp_path, text), "--out", tmp_path / "run")
    assert done.exit_code == 0, done.output
    written_down = json.loads((tmp_path / "run" / "comparison.json").read_text())
    assert written_down["seeds"] == [0, 1]
    assert written_down["bootstrap_replicas"] == 3
    ways = ("expected_cls", "binary_cross_entropy")
    assert set(written_down["numbers"]) == set(ways)
    assert written_down["baselines"] == ["binary_cross_entropy"]
    assert written_down["head_room"]["ratio"] >= 1
    assert written_down["head_room"]["least"] == 9.0
    assert not written_down["head_room"]["enough"]
    assert list(written_down["head_room"]["costs"]) == ["shape"]
    for way in ways:
        for seed in (0, 1):
            found = evaluation(tmp_path / "run" / way, seed)
            for name, values in written_down["numbers"][way].items():
                assert values[seed] == pytest.approx(found[name], rel=1e-9)
    assert [(w["name"], w["folder"]) for w in written_down["ways"]] == [
        (way, way) for way in reversed(ways)
    ]
    assert [s["steps"] for s in written_down["ways"][1]["stages"]] == [2, 3]
    assert written_down["left_out"] == []
    for way, steps in (("expected_cls", 5), ("binary_cross_entropy", 2)):
        # A run of its own: what was trained, step by step, and judged again.
        part = RunFolder.open(tmp_path / "run" / way)
        assert [(m["seed"], m["step"]) for m in part.metrics()] == [
            (seed, step) for seed in (0, 1) for step in range(steps + 1)
        ]
        assert all("loss" in m for m in part.metrics() if m["step"])
    again = neoskit("evaluate", tmp_path / "run" / "binary_cross_entropy")
    assert again.exit_code == 0, again.output
    limit = written_down["numbers"]["binary_cross_entropy"]["upper_limit"][1]
    assert f"{limit:#.3g} ±" in again.output
    assert (tmp_path / "run" / "pictures" / "comparison.png").stat().st_size > 10_000
    for number, difference in written_down["difference"][ways[1]].items():
        ours, theirs = (written_down["numbers"][way][number] for way in ways)
        by_seed = np.subtract(ours, theirs)
        assert difference["by_seed"] == pytest.approx(by_seed)
        assert difference["mean"] == pytest.approx(by_seed.mean())
        assert difference["bootstrap_error"] > 0
        assert difference["verdict"] in ("better", "equal", "worse")
        assert difference["better"]["of"] == 2
        said = f"{difference['verdict']}: {difference['improvement']:+.1%} ("
        said += f"± {difference['improvement_error_events']:.1%} events"
        assert said in done.output
    assert f"{written_down['numbers'][ways[0]]['significance'][1]:#.3g}" in done.output
    assert "The head-room is below 9" in done.output
    # What there is to win is told before the first step on the objective.
    assert done.output.index("head-room") < done.output.index("expected_cls")
    assert "expected_cls against binary_cross_entropy: expected CLs" in done.output


def test_compare_leaves_out_the_seed_that_fails(tmp_path, monkeypatch):
    """And compares the others: here all are untrained."""

    def fake(config, dataset, seed, **options):
        if seed == 1:
            raise ValueError("no such luck")
        return untrained(config, dataset, seed)

    monkeypatch.setattr("neoskit._run.compare.train_seed", fake)
    text = SMALL + "seeds = [0, 1, 2]\n[compare]\nbootstrap = 3\n"
    done = neoskit("compare", written(tmp_path, text), "--out", tmp_path / "run")
    assert done.exit_code == 1
    assert "no such luck" in done.output
    written_down = json.loads((tmp_path / "run" / "comparison.json").read_text())
    assert written_down["seeds"] == [0, 2]
    assert written_down["left_out"] == [
        {"what": f"seed 1 on {way}", "why": "no such luck"}
        for way in ("binary_cross_entropy", "expected_cls")
    ]
    assert (tmp_path / "run" / "expected_cls" / "seed-0" / "parameters.eqx").exists()


@pytest.mark.slow
def test_compare(tmp_path):
    text = SMALL + "seeds = [0, 1]\n[split]\nfolds = 2\n[compare]\nbootstrap = 5\n"
    text += "[rebinning]\nlargest_error = 0.5\nraw_events = 3\n"
    done = neoskit("compare", written(tmp_path, text), "--out", tmp_path / "run")
    assert done.exit_code == 0, done.output
    assert "expected_cls − binary_cross_entropy" in done.output
    written_down = json.loads((tmp_path / "run" / "comparison.json").read_text())
    assert written_down["seeds"] == [0, 1]


def test_demo_cut(tmp_path):
    done = neoskit("demo", "cut", "--events", 20_000, "--out", tmp_path / "cut")
    assert done.exit_code == 0, done.output
    (line,) = (x for x in done.output.splitlines() if x.startswith("difference"))
    assert abs(float(line.split()[-1])) < 0.5
    assert (tmp_path / "cut" / "cut.png").stat().st_size > 1000


@pytest.mark.slow
def test_demo_blobs(tmp_path):
    small = ("--events", 200, "--hidden", "4", "--steps", 2, "--no-animate")
    done = neoskit("demo", "blobs", *small, "--out", tmp_path / "blobs")
    assert done.exit_code == 0, done.output
    assert str(tmp_path / "blobs" / "workspace.json") in done.output


@pytest.mark.slow
def test_demo_inferno():
    done = neoskit("demo", "inferno", "--events", 500, "--steps", 2)
    assert done.exit_code == 0, done.output
    assert "16.95" in done.output  # the published number of benchmark 2


ERRORS = {
    "wrong path": (["train", "nowhere.toml"], "nowhere.toml: no such file"),
    "no run": (["evaluate", "."], "is not a run"),
    "unknown key": (["train", "unknown.toml"], "Did you mean `steps`?"),
    "edges": (["train", "edges.toml"], "`edges` must increase"),
    "no file": (["train", "file.toml"], "which is no file"),
    "no function": (["train", "function.toml"], "Did you mean `dataset`?"),
    "argument": (["train", "argument.toml"], "unexpected keyword argument 'event'"),
    "not a dataset": (["train", "nothing.toml"], "it returned a NoneType"),
    "signal": (["train", "signal.toml"], "names the process 'signl'"),
    "process": (
        ["train", "process.toml"],
        "`measurement.lumi.processes` names the process 'backgrund', which no channel "
        "has. Did you mean `background`?",
    ),
    "parameter": (["train", "parameter.toml"], "`measurement.poi` is 'shape [/]'"),
    "observed": (["train", "observed.toml"], "Did you mean `observed`?"),
    "thresholds": (["train", "thresholds.toml"], "the events have 2 features: x, y"),
    "[brackets]": (["train", "[a].toml"], "[a].toml: no such file"),
    "same": (["compare", "same.toml"], "nothing to compare"),
    "nothing recorded": (["evaluate", "blind", "--unblind"], "no recorded events"),
    "layers": (["demo", "blobs", "--hidden", "8;8"], "separated by commas"),
    "objective": (["demo", "blobs", "--objective", "cls"], "training.objective"),
}


@pytest.mark.parametrize(("command", "message"), ERRORS.values(), ids=ERRORS)
def test_errors_are_one_message(command, message, tmp_path):
    for name, text in {
        "unknown": SMALL.replace("steps", "step"),
        "edges": SMALL.replace("0.5, 1.0]", "0.6, 0.5]"),
        "file": PYTHON.replace("events.py", "event.py"),
        "function": PYTHON.replace("[bin", 'function = "datasets"\n[bin', 1),
        "argument": PYTHON.replace("[bin", "[source.arguments]\nevent = 3\n[bin", 1),
        "nothing": PYTHON.replace("[bin", 'function = "nothing"\n[bin', 1),
        "signal": SMALL.replace("[measurement]", '[measurement]\nsignals = ["signl"]'),
        "same": SMALL
        + "[compare]\nbaselines = []\n[[compare.ways]]\nname = 'expected_cls'\n"
        "stages = [{}]\n",
        "process": SMALL.replace(
            "floor", 'lumi = {uncertainty = 0.1, processes = ["backgrund"]}\nfloor'
        ),
        "parameter": PYTHON.replace("floor", 'poi = "shape [/]"\nfloor'),
        "observed": PYTHON.replace('"observed"', '"obsreved"'),
        "thresholds": SELECTION.replace("[0, 0]", "[0]")
        .replace("[1, 1]", "[1]")
        .replace('["below", "above"]', '["below"]'),
    }.items():
        written(tmp_path, text, f"{name}.toml")
    if "blind" in command:
        done = neoskit("train", written(tmp_path), "--out", "blind", "--no-pictures")
        assert done.exit_code == 0, done.output
    done = neoskit(*command)
    assert done.exit_code == 1
    assert message in done.output
    assert "Traceback" not in done.output
    assert "error" in done.output
    # What can be known before a training leaves no folder behind.
    assert not list(tmp_path.glob("runs/*"))


def test_debug_shows_where():
    done = neoskit("--debug", "train", "nowhere.toml")
    assert isinstance(done.exception, ValueError)


def run_python(script, **env):
    # jax, which this process has imported, sets it too: to 1.
    inherited = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env=inherited | env,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_process():
    """What jax and its BLAS find is set before they are loaded."""
    output = run_python(
        "import os, sys\n"
        "from neoskit import _cli\n"
        "from neoskit._cli.app import app\n"
        "sys.argv = ['neoskit', '--version']\n"
        "try:\n    _cli.main()\n"
        "finally:\n    assert 'scipy.linalg' not in sys.modules\n"
        "    assert os.environ['OPENBLAS_NUM_THREADS'] == '1'\n"
        "    assert os.environ['TF_CPP_MIN_LOG_LEVEL'] == '3'\n"
        "    import jax\n    assert jax.config.jax_enable_x64\n"
        "    assert jax.config.jax_compilation_cache_dir\n",
        JAX_ENABLE_X64="0",
    )
    assert output.startswith("neoskit 0.")


@pytest.mark.parametrize("option", [[], ["--json"]])
def test_a_reader_that_has_left(option, tmp_path):
    """As in `neoskit … | head`: no message, no traceback."""
    reading, writing = os.pipe()
    os.close(reading)
    script = "from neoskit._cli import main; main()"
    command = ["check", str(written(tmp_path)), *option]
    done = subprocess.run(
        [sys.executable, "-c", script, *command],
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.parametrize("command", [[], ["train"], ["demo"], ["demo", "blobs"]])
def test_help_needs_no_jax(command):
    output = run_python(
        "import sys\n"
        "from neoskit import _cli\n"
        f"sys.argv = {['neoskit', *command, '--help']}\n"
        "try:\n    _cli.main()\n"
        "finally:\n    assert 'jax' not in sys.modules\n"
    )
    assert "Usage: " in output
