"""`neoskit info`: what it tells is that of this process."""

import json
from pathlib import Path

import jax
import pytest
from typer.testing import CliRunner

import neoskit
from neoskit._cli.app import app


@pytest.fixture
def cache(tmp_path, monkeypatch):
    (tmp_path / "program").write_bytes(b"12345")
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    return tmp_path


def test_info_for_programs(cache):
    done = CliRunner().invoke(app, ["info", "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["packages"]["jax"] == jax.__version__
    assert found["packages"]["neoskit"] == neoskit.__version__
    assert found["installed_at"] == str(Path(neoskit.__file__).parent)
    assert len(found["devices"]) == len(jax.devices())
    assert found["environment"]["OMP_NUM_THREADS"] == "3"
    assert found["cache"] == {"folder": str(cache), "files": 1, "bytes": 5}


def test_info_for_people(cache):
    done = CliRunner().invoke(app, ["info"])
    assert done.exit_code == 0, done.output
    assert f"jax {jax.__version__}\n" in done.stdout
    assert "OMP_NUM_THREADS=3" in done.stdout
    assert f"{cache}, 1 files" in done.stdout
