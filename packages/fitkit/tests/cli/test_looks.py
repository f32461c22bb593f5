"""inspect, validate, info."""

import json
import platform
import subprocess
import sys
from pathlib import Path

import jax

import fitkit


def test_inspect(answer, printed):
    found = answer("inspect", "w.json")
    assert found["channels"][0]["samples"] == ["signal", "background"]
    assert found["parameters"][2]["types"] == ["shapesys"]
    assert found["parameters"][2]["constraint"] == "Poisson"
    (first, second) = answer("inspect", "a.tar.gz")["folders"]
    assert first["points"] == second["points"] == ["S_300"]
    assert "S_300" in printed("inspect", "a.tar.gz")


def test_inspect_makes_the_parameters_once(answer, monkeypatch):
    """All of them for each name was minutes for hundreds."""
    made = []
    own = fitkit.Model.parameters.fget
    monkeypatch.setattr(
        fitkit.Model, "parameters", property(lambda self: made.append(1) or own(self))
    )
    answer("inspect", "w.json")
    assert len(made) == 1


def test_inspect_says_where_the_parameter_of_interest_is_none(run, small, saved):
    file = saved("wrong_poi.json", small(poi="mu", measured="strength"))
    done = run("inspect", file)
    assert done.stderr.startswith("warning: ")
    assert "--poi" in done.stderr
    assert "poi=" not in done.stderr
    first = "measurement m, parameter of interest strength, which is no parameter"
    assert done.stdout.startswith(first)
    assert "(POI)" not in done.stdout


def test_validate(answer, run, document, saved):
    assert answer("validate", "w.json") == {"status": "ok", "findings": []}
    bad = json.loads(json.dumps(document))
    bad["channels"][0]["samples"][0]["data"] = [0.0, 0.0]
    bad["channels"][0]["samples"][1]["data"] = [0.0, 40.0]
    file = saved("bad.json", bad)
    findings = fitkit.validate(bad)
    assert findings[0].severity == "problem"
    done = run("validate", file, "--json")
    assert done.exit_code == 4
    assert len(json.loads(done.stdout)["findings"]) == len(findings)
    assert findings[0].kind in run("validate", file).output


def test_validate_shows_the_worst_of_many(printed, small, saved):
    document = small(names=[f"jes[{i}]" for i in range(40)])
    modifiers = document["channels"][0]["samples"][1]["modifiers"]
    for i, modifier in enumerate(modifiers):
        modifier["data"] = {"lo": 0.4 - i / 200, "hi": 1.6 + i / 200}
    file = saved("strong.json", document)
    short = printed("validate", file)
    assert len(short.splitlines()) < 8
    assert "jes[39]" in short  # the strongest
    assert "--all" in short
    whole = printed("validate", file, "--all")
    assert all(modifier["name"] in whole for modifier in modifiers)


def test_info(answer, printed, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    found = answer("info")
    assert found["packages"]["jax"] == jax.__version__
    assert found["python"] == platform.python_version()
    assert found["processors"] >= 1
    assert found["installed_at"] == str(Path(fitkit.__file__).parent)
    blas = [each for each in found["linear_algebra"] if each["user_api"] == "blas"]
    assert blas
    assert all(each["num_threads"] >= 1 for each in blas)
    text = printed("info")
    assert f"jax {jax.__version__}" in text
    assert "OMP_NUM_THREADS=3" in text


def test_info_counts_what_is_cached(answer, printed, monkeypatch, tmp_path):
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    assert answer("info")["caches"] == {"compiled programs of jax": None}
    (tmp_path / "one").write_bytes(b"1234")
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path))
    (cache,) = answer("info")["caches"].values()
    assert cache == {"folder": str(tmp_path), "files": 1, "bytes": 4}
    assert f"{tmp_path}, 1 files" in printed("info")


def test_info_imports_no_jax():
    script = (
        "import sys; from fitkit._cli.app import app; "
        "app(['info'], standalone_mode=False); assert 'jax' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True, stdout=subprocess.PIPE)
