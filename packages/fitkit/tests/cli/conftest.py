"""Documents, and commands that are run on them in this process."""

import json
import os
import tarfile
import warnings
from unittest import mock

import numpy as np
import pytest

import fitkit

pytest.importorskip("typer")


def _normsys(name):
    return {"name": name, "type": "normsys", "data": {"lo": 0.9, "hi": 1.1}}


@pytest.fixture(scope="session")
def document():
    """A workspace with a parameter of each kind, and two measurements."""
    signal = {"name": "mu", "type": "normfactor", "data": None}
    gamma = {"name": "gamma", "type": "shapesys", "data": [5.0, 4.0]}
    samples = [
        {"name": "signal", "data": [6.0, 9.0], "modifiers": [signal]},
        {
            "name": "background",
            "data": [50.0, 40.0],
            "modifiers": [_normsys("xs"), gamma],
        },
    ]
    return {
        "channels": [{"name": "SR", "samples": samples}],
        "observations": [{"name": "SR", "data": [55.0, 44.0]}],
        "measurements": [
            {"name": "first", "config": {"poi": "mu", "parameters": []}},
            {"name": "second", "config": {"poi": "xs", "parameters": []}},
        ],
        "version": "1.0.0",
    }


@pytest.fixture(scope="session")
def doubled():
    """A JSON Patch that doubles the signal."""
    path = "/channels/0/samples/0/data"
    return [{"op": "replace", "path": path, "value": [12.0, 18.0]}]


@pytest.fixture(scope="session")
def patchset(doubled):
    """`patchset(digest)` is a patch set with two signal points."""

    def patchset(digest):
        return {
            "metadata": {
                "labels": ["mass", "width"],
                "description": "two of them",
                "references": {"hepdata": "ins1234567"},
                "digests": {"sha256": digest},
            },
            "patches": [
                {"metadata": {"name": f"S_{m}", "values": [m, 5]}, "patch": doubled}
                for m in (300, 400)
            ],
            "version": "1.0.0",
        }

    return patchset


@pytest.fixture(scope="session")
def small():
    """`small(...)` is a workspace with one channel `c`, and parameters of any name."""

    def small(
        *,
        poi="mu",
        names=("n",),
        signal=(5.0,),
        background=(50.0,),
        counts=(53.0,),
        channel="c",
        settings=(),
        measured=None,
    ):
        strength = {"name": poi, "type": "normfactor", "data": None}
        systematics = [_normsys(name) for name in names]
        samples = [
            {"name": "s", "data": list(signal), "modifiers": [strength]},
            {"name": "b", "data": list(background), "modifiers": systematics},
        ]
        config = {
            "poi": poi if measured is None else measured,
            "parameters": list(settings),
        }
        return {
            "channels": [{"name": channel, "samples": samples}],
            "observations": [{"name": channel, "data": list(counts)}],
            "measurements": [{"name": "m", "config": config}],
            "version": "1.0.0",
        }

    return small


@pytest.fixture(scope="session")
def folder(tmp_path_factory, document, doubled, patchset):
    """The documents as files, also in archives."""
    folder = tmp_path_factory.mktemp("documents")
    (folder / "w.json").write_text(json.dumps(document))
    (folder / "double.json").write_text(json.dumps(doubled))
    good, stale = patchset(fitkit.digest(document)), patchset("0")
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
def saved(folder):
    """`saved("name.json", document)` writes another file there; its name."""

    def saved(name, content):
        (folder / name).write_text(json.dumps(content))
        return name

    return saved


@pytest.fixture(autouse=True)
def environment():
    """What a command sets for its process ends with the test."""
    with mock.patch.dict(os.environ):
        yield


@pytest.fixture
def run(folder, monkeypatch):
    """`run("fit", "w.json")` in the folder of the documents."""
    from typer.testing import CliRunner

    from fitkit._cli.app import app

    monkeypatch.chdir(folder)

    def run(*arguments, **kwargs):
        with warnings.catch_warnings():
            warnings.simplefilter("default")  # as in a process of its own
            return CliRunner().invoke(app, [str(a) for a in arguments], **kwargs)

    return run


@pytest.fixture
def answer(run):
    """The JSON answer of a command that succeeds."""

    def answer(*arguments, **kwargs):
        done = run(*arguments, "--json", **kwargs)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    return answer


@pytest.fixture
def printed(run):
    """What a command that succeeds prints for people."""

    def printed(*arguments, **kwargs):
        done = run(*arguments, **kwargs)
        assert done.exit_code == 0, done.output
        return done.stdout

    return printed


@pytest.fixture
def error(run):
    """The message of a command that fails, and nothing else."""

    def error(*arguments, code=1):
        done = run(*arguments)
        assert done.exit_code == code, done.output
        assert "Traceback" not in done.stderr
        assert done.stderr.startswith("error: "), done.stderr
        assert done.stderr.count("error: ") == 1
        return done.stderr

    return error


@pytest.fixture(scope="session")
def problem(document):
    """The model and the data that the commands read."""
    return fitkit.read_workspace(document)


@pytest.fixture(scope="session")
def same():
    """`same(found, expected)`: the same numbers, written to a document and back."""

    def same(found, expected):
        np.testing.assert_allclose(found, np.asarray(expected), rtol=1e-12)

    return same
