"""Trainings that are killed, stopped, without space, or two in one folder."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys

import pytest
from typer.testing import CliRunner

import neoskit._atomic as atomic
import neoskit._cli.app
from neoskit._run.builders import absolute, build_dataset
from neoskit._run.compare import compared
from neoskit._run.config import parse_config
from neoskit._run.folder import RunFolder
from neoskit._run.lock import locked
from neoskit._run.start import begun
from neoskit._train import steps
from neoskit._train.checkpoint import standing

# Two folds of two stages that compile in a moment, with a memory of what is kept: a
# checkpoint after steps 2 and 4 (the stage), 6 and 8 (the end) of each.
SMALL = """
[source]
kind = "blobs"
events = 200
[split]
folds = 2
[binning]
edges = [0.0, 0.5, 1.0]
[observable]
kind = "network"
hidden = [4]
[measurement]
mc_statistics = false
floor = 1e-3
[evaluation]
bootstrap = 0
soft = false
[training]
keep = "average"
checkpoint_every = 2
[[training.stages]]
objective = "binary_cross_entropy"
steps = 4
batch = 50
[[training.stages]]
objective = "binary_cross_entropy_with_variations"
steps = 4
batch = 40
"""
# Runs the command, and stands still at one moment until it is killed or told to go on.
CHILD = """
import sys

from neoskit._cli.process import set_up

set_up()  # before jax, which the others import

import neoskit._atomic as atomic
import neoskit._cli as cli
import neoskit._run.folder as folder
import neoskit._run.start as start
import neoskit._train.loop as loop
import neoskit._train.steps as steps

moment, sys.argv = sys.argv[1], ["neoskit", *sys.argv[2:]]
counts = {}

def at(name):
    # Counted from 1, over the whole process.
    counts[name] = counts.get(name, 0) + 1
    if moment == f"{name} {counts[name]}":
        print("MOMENT", moment, flush=True)
        sys.stdin.readline()
        return True
    return False

def around(owner, name, before=None, after=None):
    inner = getattr(owner, name)
    def hooked(*args, **kwargs):
        if before:
            at(before)
        result = inner(*args, **kwargs)
        if after:
            at(after)
        return result
    setattr(owner, name, hooked)

write = atomic._write

def slowly(path, content):
    name = path.name.removesuffix(".part")
    kind = "checkpoint" if name.startswith("checkpoint") else name
    write(path, content[: len(content) // 2])  # and no rest, where it is killed
    at(f"in write of {kind}")
    write(path, content)
    at(f"before move of {kind}")

log = folder.RunFolder.log

def half(self, **numbers):
    before = self._metrics.read_bytes() if self._metrics.exists() else b""
    log(self, **numbers)
    whole = self._metrics.read_bytes()
    self._metrics.write_bytes(whole[: (len(before) + len(whole)) // 2])
    at("in line")
    self._metrics.write_bytes(whole)

atomic._write = slowly
folder.RunFolder.log = half
around(start, "provenance", before="provenance")
around(steps, "advance", before="before step", after="step")
around(loop, "_next_stage", before="before stage end", after="stage end")
around(loop, "steps_of", before="stage begin")
cli.main()
"""
LATER = {  # moment → the phase that it is of
    **{f"in write of checkpoint {n}": "checkpoint" for n in (1, 2, 3, 4, 7, 8)},
    "before move of checkpoint 5": "checkpoint",
    "provenance 1": "before",
    "in write of config.toml 1": "before",
    "before step 1": "before",
    "step 1": "before",
    "in line 2": "before",
    "step 2": "before",
    "before stage end 1": "stages",
    "stage end 1": "stages",
    "stage begin 2": "stages",
    "stage begin 3": "folds",
    "step 11": "steps",
    "in write of parameters.eqx 1": "after",
    "in write of evaluation.json 1": "after",
}
FEW = ("in write of checkpoint 3", "in line 2", "before stage end 1")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def neoskit_(*arguments):
    arguments = [str(argument) for argument in arguments]
    return CliRunner().invoke(neoskit._cli.app.app, arguments)


def command(config, folder):
    return ("train", config, "--out", folder, "--no-pictures")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The description, and the folder of a training that nothing ended."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "small.toml").write_text(SMALL)
    done = neoskit_(*command(folder / "small.toml", folder / "run"))
    assert done.exit_code == 0, done.output
    return folder / "small.toml", folder / "run"


RESULT = (
    "config.toml",
    "metrics.jsonl",
    "seed-0/checkpoint-fold-0.eqx",
    "seed-0/checkpoint-fold-1.eqx",
    "seed-0/parameters.eqx",
    "seed-0/evaluation.json",
    "workspace.json",
)


def assert_same(run, whole):
    for name in RESULT:
        assert (run / name).read_bytes() == (whole / name).read_bytes(), name


def child(moment, *arguments):
    """The command in a process of its own, at its moment."""
    # Beside the description, which all tests share: compiled once for all of them.
    cache = {"JAX_COMPILATION_CACHE_DIR": str(arguments[1].parent / "jax")}
    # Into a file: the messages of XLA would fill a pipe that nobody reads.
    run = arguments[arguments.index("--out") + 1]
    said = run.with_name("stderr.txt")
    with said.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, "-c", CHILD, moment, *map(str, arguments)],
            env=cache | os.environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stream,
            text=True,
        )
    for line in process.stdout:
        if line.strip() == f"MOMENT {moment}":
            return process
    process.wait()
    pytest.fail(f"never at {moment!r}: {said.read_text()}")


def kept_steps(run):
    return {
        path.name[-5]: standing(path).step
        for path in sorted(run.glob("seed-0/checkpoint-fold-*.eqx"))
    }


def kill_at(moment, config, run):
    """Kill it there, and see on the disk that it was there."""
    process = child(moment, *command(config, run))
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    number = moment.rpartition(" ")[2]
    kept = kept_steps(run)
    match LATER[moment]:
        case "before":
            assert kept == {}
        case "checkpoint":
            # Half of it, or all, beside the whole one of before.
            assert len([*run.glob("seed-0/checkpoint-fold-*.eqx.part")]) == 1
            assert sum(kept.values()) == 2 * (int(number) - 1)
        case "stages":
            ended = moment == "stage begin 2"
            assert kept == {"0": 4 if ended else 2}
        case "folds":
            assert kept == {"0": 8}
        case "steps":
            assert kept == {"0": 8, "1": 2}
        case "after":
            assert kept == {"0": 8, "1": 8}
    return kept


def test_the_moments_are_enough():
    phases = [*LATER.values()]
    assert len(phases) == 20
    assert [phases.count(of) for of in ("checkpoint", "before", "stages")] == [7, 6, 3]


def killed_and_gone_on_with(moment, whole, tmp_path):
    config, result = whole
    kill_at(moment, config, tmp_path / "run")
    # In another process than the one that was killed: this one.
    done = neoskit_(*command(config, tmp_path / "run"))
    assert done.exit_code == 0, done.output
    assert_same(tmp_path / "run", result)
    assert not [*tmp_path.glob("run-2")]


@pytest.mark.parametrize("moment", FEW)
def test_a_killed_training_ends_as_if_it_had_not_been(moment, whole, tmp_path):
    killed_and_gone_on_with(moment, whole, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("moment", [one for one in LATER if one not in FEW])
def test_killed_at_any_other_moment(moment, whole, tmp_path):
    killed_and_gone_on_with(moment, whole, tmp_path)


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (signal.SIGTERM, 143),
        pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow),
    ],
)
def test_a_signal_ends_it_after_the_step(number, status, whole, tmp_path):
    config, result = whole
    run = tmp_path / "run"
    process = child("step 5", *command(config, run))
    process.send_signal(number)
    process.communicate("\n")
    said = (tmp_path / "stderr.txt").read_text()
    assert process.returncode == status, said
    assert f"goes on with: neoskit train --resume {run}" in said
    assert kept_steps(run) == {"0": 5}  # of no multiple of `checkpoint_every`
    done = neoskit_("train", "--resume", run, "--no-pictures")
    assert done.exit_code == 0, done.output
    assert f"going on with {run}" in done.output
    assert_same(run, result)


@pytest.fixture(scope="module")
def ended(whole, tmp_path_factory):
    """A run that Ctrl-C ended in its second fold."""
    config, _ = whole
    run = tmp_path_factory.mktemp("ended") / "run"
    log = RunFolder.log

    def interrupt(self, **numbers):
        log(self, **numbers)
        if numbers["fold"] == 1 and numbers["step"] == 3:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunFolder, "log", interrupt)
        done = neoskit_(*command(config, run))
    assert done.exit_code == 130, done.output
    assert kept_steps(run) == {"0": 8, "1": 3}
    return run


@pytest.fixture
def interrupted(whole, ended, tmp_path):
    """Its description, and a copy of it."""
    shutil.copytree(ended, tmp_path / "run")
    return whole[0], tmp_path / "run"


def test_a_run_of_another_description_is_refused_by_its_keys(
    interrupted, whole, tmp_path
):
    config, run = interrupted
    other = tmp_path / "other.toml"
    other.write_text(SMALL.replace("batch = 40", "batch = 41"))
    done = neoskit_("train", other, "--resume", run, "--no-pictures")
    assert done.exit_code == 1
    assert "`training.stages.1.batch` 40 → 41" in done.output
    # How often a state is written makes no other run.
    done = neoskit_("train", config, "--resume", run, "--checkpoint-every", 3)
    assert done.exit_code == 0, done.output
    assert_same(run, whole[1])


def test_a_new_description_does_not_touch_what_is_unfinished(interrupted, tmp_path):
    _, run = interrupted
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    other = tmp_path / "other.toml"
    other.write_text(SMALL.replace("steps = 4\nbatch = 40", "steps = 1\nbatch = 40"))
    done = neoskit_(*command(other, run))
    assert done.exit_code == 0, done.output
    assert "run is of another description (`training.stages.1.steps` 4 → 1)" in (
        " ".join(done.output.split())
    )
    assert (tmp_path / "run-2" / "workspace.json").exists()
    assert {p: p.read_bytes() for p in run.rglob("*") if p.is_file()} == before


def test_other_inputs_are_refused_by_name(interrupted):
    _, run = interrupted
    provenance = json.loads((run / "provenance.json").read_text())
    assert provenance["events"].keys() == {
        "process 'signal' of channel 'SR'",
        "process 'background' of channel 'SR'",
        "process 'background' of channel 'SR', variation 'shape:up'",
        "process 'background' of channel 'SR', variation 'shape:down'",
    }
    provenance["events"]["process 'signal' of channel 'SR'"] = "0"
    (run / "provenance.json").write_text(json.dumps(provenance))
    done = neoskit_("train", "--resume", run)
    assert done.exit_code == 1
    assert "the events of process 'signal' of channel 'SR' differ." in done.output


def test_other_versions_are_told(interrupted, whole):
    config, run = interrupted
    provenance = json.loads((run / "provenance.json").read_text())
    assert provenance["seeds"]["training"] == [0]
    ours = provenance["versions"]["optax"]
    provenance["versions"]["optax"] = "0.0.1"
    (run / "provenance.json").write_text(json.dumps(provenance))
    done = neoskit_(*command(config, run))
    assert done.exit_code == 0, done.output
    assert f"other versions (optax 0.0.1 → {ours})" in " ".join(done.output.split())


def test_a_damaged_checkpoint_is_named(interrupted):
    _, run = interrupted
    path = run / "seed-0" / "checkpoint-fold-1.eqx"
    path.write_bytes(path.read_bytes()[:-1])
    done = neoskit_("train", "--resume", run)
    assert done.exit_code == 1
    assert f"{path} is damaged" in done.output


def test_two_trainings_in_one_folder(interrupted):
    config, run = interrupted
    with locked(run):
        for arguments in (command(config, run), ("train", "--resume", run)):
            done = neoskit_(*arguments)
            assert done.exit_code == 1
            assert f"is being trained by process {os.getpid()} on " in done.output
    # The lock of a process that is gone is no lock.
    with locked(run):
        pass


def test_a_folder_that_becomes_full(whole, tmp_path, monkeypatch):
    """One message; what was kept is, and is gone on with to the same end."""
    config, result = whole
    run = tmp_path / "run"
    write, calls = atomic._write, 0

    def full(path, content):
        nonlocal calls
        calls += path.name.startswith("checkpoint")
        if calls < 3:
            return write(path, content)
        write(path, content[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(atomic, "_write", full)
    done = neoskit_(*command(config, run))
    monkeypatch.setattr(atomic, "_write", write)
    assert done.exit_code == 1
    (error,) = (line for line in done.output.splitlines() if "error" in line)
    assert "cannot be written: No space left on device." in error
    assert f"checkpoint of seed 0, step 4 of fold 1, is kept in {run}" in error
    assert kept_steps(run) == {"0": 4}
    assert not [*run.rglob("*.part")]
    assert neoskit_(*command(config, run)).exit_code == 0
    assert_same(run, result)


def test_a_folder_that_cannot_be_written(tmp_path, whole, monkeypatch):
    config, _ = whole
    (tmp_path / "file").write_text("")
    done = neoskit_(*command(config, tmp_path / "file" / "run"))
    assert done.exit_code == 1
    assert "run: cannot be written: Not a directory." in done.output
    if os.geteuid() == 0:
        pytest.skip("nothing is read-only to root")
    (tmp_path / "closed").mkdir(mode=0o500)
    done = neoskit_(*command(config, tmp_path / "closed" / "run"))
    assert done.exit_code == 1
    assert "run: cannot be written: Permission denied." in done.output


@pytest.mark.slow
def test_a_limit_on_the_size_of_files(whole, tmp_path):
    """As the system itself says it, and not only our own exception."""
    config, result = whole
    resource = pytest.importorskip("resource")
    run = tmp_path / "run"
    script = (
        "import resource, sys; from neoskit._cli import main\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, (2500, {resource.RLIM_INFINITY}))\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, command(config, run))],
        capture_output=True,
        text=True,
        check=False,
        # Compiled programs are larger than the limit, too.
        env=os.environ | {"JAX_ENABLE_COMPILATION_CACHE": "0"},
    )
    assert done.returncode == 1, done.stderr
    assert "cannot be written: File too large." in done.stderr
    assert "Traceback" not in done.stderr
    assert neoskit_(*command(config, run)).exit_code == 0
    assert_same(run, result)


def test_nothing_to_train(tmp_path):
    done = neoskit_("train")
    assert done.exit_code == 1
    assert "name a TOML file that describes a run" in " ".join(done.output.split())
    done = neoskit_("train", "--resume", tmp_path, "--out", tmp_path)
    assert "leave --out out" in done.output


WAYS = SMALL.replace("[split]\nfolds = 2\n", "").replace(
    "[training]\n",
    '[compare]\nbootstrap = 2\nbaselines = ["binary_cross_entropy"]\n[training]\n',
)


def test_a_comparison_goes_on(tmp_path, monkeypatch):
    (tmp_path / "ways.toml").write_text(WAYS)

    def typed(folder):
        return neoskit_("compare", "ways.toml", "--out", folder, "--no-pictures")

    whole = typed("whole")
    assert whole.exit_code == 0, whole.output
    step, made = steps.advance, 0

    def interrupted(*arguments):
        nonlocal made
        made += 1
        # The baseline has 300 steps of a warm start; then comes the objective.
        if made > 305:
            raise KeyboardInterrupt
        return step(*arguments)

    monkeypatch.setattr(steps, "advance", interrupted)
    done = typed("run")
    assert done.exit_code == 130, done.output
    assert "goes on with: neoskit compare --resume run" in done.output
    assert not (tmp_path / "run" / "comparison.json").exists()
    made = -1000
    done = typed("run")
    assert done.exit_code == 0, done.output
    assert made == -1000 + 3  # what was finished is not trained again
    for name in (
        "comparison.json",
        "binary_cross_entropy/seed-0/parameters.eqx",
        "binary_cross_entropy_with_variations/metrics.jsonl",
    ):
        written = (tmp_path / "run" / name).read_bytes()
        assert written == (tmp_path / "whole" / name).read_bytes()
    # All is done: the same command would be another comparison.
    folder = RunFolder(tmp_path / "run")
    assert compared(folder, folder.config)


def test_a_file_that_changed_is_named(tmp_path):
    """Also where the events that come out of it are the same."""
    (tmp_path / "events.py").write_text(
        "import neoskit\n\ndef dataset():\n    return neoskit.gaussian_blobs(50)\n"
    )
    source = {"kind": "python", "file": "events.py"}
    config = absolute(parse_config({"source": source}), tmp_path)
    dataset = build_dataset(config, tmp_path)
    with begun(tmp_path / "run", config, tmp_path, dataset) as folder:
        assert folder.provenance["files"].keys() == {str(tmp_path / "events.py")}
    with (tmp_path / "events.py").open("a") as file:
        file.write("# a note\n")
    again = begun(tmp_path / "run", config, tmp_path, dataset, resume=True)
    with pytest.raises(ValueError, match=r"the file .*events\.py differs"), again:
        pass
