"""Runs the measurements one after the other; one JSON of all, and one page.

    _driver.py                  # every script, in full: hours
    _driver.py --quick          # the smallest case of some: under three minutes
    _driver.py --published      # published models and real events: half an hour
    _driver.py --record …       # into docs/, where the site shows it
    _driver.py NAME [OPTIONS]   # one script alone, with options of its own

Without `--record` the JSON and the page are in `runs/bench`. A script that fails is in
them with what it said, and the driver ends with 1.
"""

import datetime
import importlib.metadata
import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from _page import page

HERE = Path(__file__).parent
ROOT = HERE.parent
SCRIPTS = sorted(path.stem for path in HERE.glob("[a-z]*.py"))
# Each asks one question of PERFORMANCE's kind; together they end in three minutes on
# two cores.
QUICK = {
    "first_answer": "--only S --rounds 1 --limit 60",
    "fits": "--threads 1 --limit 60 S",
    "hypotests": "hypotest toys --models S --toys 200 --peer-toys 5",
    "cold": "--rounds 1 S",
    "grids": "--sample 2 --repeats 1 1Lbb",
    "histogram": "--quick 100000x10",
}
# The same of larger models, and of the training.
PUBLISHED = QUICK | {
    "first_answer": "--only S GammaGamma_Higgs agc_ttbar 'sbottom A' atlas_ttZ_4l "
    "--rounds 1 --limit 40",
    "fits": "--threads 1 --limit 30 S M AGC 'sbottom A' 1Lbb ttZ-4l",
    "hypotests": "--models S M --toys 500 --peer-toys 10",
    "cold": "--rounds 1 S M AGC 'sbottom A' 1Lbb ttZ-4l",
    "histogram": "--quick 100000x10 1000000x10",
    "first_step": "",
    "training_step": "",
}
PLANS = {"--quick": QUICK, "--published": PUBLISHED}
PACKAGES = (
    *("relaxed", "fitkit", "neoskit", "jax", "jaxlib", "numpy", "scipy", "equinox"),
    *("pyhf", "nextstat", "cabinetry", "iminuit", "boost-histogram"),
)
# A script that hangs ends here: a day for those that take hours.
PATIENCE = 86_400


def machine() -> dict[str, Any]:
    """What a reader needs to know to compare."""
    cpuinfo, meminfo = Path("/proc/cpuinfo"), Path("/proc/meminfo")
    cpu, memory = platform.processor(), ""
    if cpuinfo.exists():
        names = [
            line.partition(":")[2].strip()
            for line in cpuinfo.read_text().splitlines()
            if line.startswith("model name")
        ]
        cpu = names[0] if names else cpu
    if meminfo.exists():
        memory = f"{int(meminfo.read_text().split()[1]) / 2**20:.0f} GiB"
    return {
        "processor": cpu,
        "cores": len(os.sched_getaffinity(0)),
        "memory": memory,
        "platform": platform.platform(),
        "python": platform.python_version(),
        "threads of the linear algebra": os.environ.get("OPENBLAS_NUM_THREADS", "all"),
        "load at the start": round(os.getloadavg()[0], 2),
    }


def versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def commit() -> str:
    """The commit that is measured, and whether anything was changed since."""
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def measured(script: str, options: list[str]) -> dict[str, Any]:
    """One script's tables, all that it printed, and how long it took."""
    command = [sys.executable, str(HERE / f"{script}.py"), *options]
    with tempfile.TemporaryDirectory() as folder:
        tables = Path(folder) / "tables.jsonl"
        tables.touch()
        env = os.environ | {"BENCH_TABLES": str(tables), "PYTHONUNBUFFERED": "1"}
        begin = time.perf_counter()
        # What it warns of passes through; what it prints is kept.
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            text=True,
            env=env,
            cwd=folder,
            timeout=PATIENCE,
        )
        seconds = time.perf_counter() - begin
        found = [json.loads(line) for line in tables.read_text().splitlines()]
    asked = " ".join([script, *map(shlex.quote, options)])
    print(done.stdout, f"{asked}: {seconds:.0f} s", sep="", flush=True)
    return {
        "script": script,
        "command": f"nox -s bench -- {asked}",
        "seconds": round(seconds, 1),
        "status": done.returncode,
        "tables": found,
        "printed": done.stdout,
    }


def plan(words: list[str]) -> dict[str, list[str]]:
    """Which scripts with which options."""
    if not words:
        return {script: [] for script in SCRIPTS}
    if len(words) == 1 and words[0] in PLANS:
        return {script: shlex.split(text) for script, text in PLANS[words[0]].items()}
    script, *options = words
    script = script.removesuffix(".py")
    if script not in SCRIPTS:
        sys.exit(f"no benchmark is called {script!r}; there are {', '.join(SCRIPTS)}")
    return {script: options}


def main(words: list[str]) -> int:
    record = "--record" in words
    words = [word for word in words if word != "--record"]
    result = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "asked": shlex.join(["nox", "-s", "bench", *(["--", *words] if words else [])]),
        "commit": commit(),
        "machine": machine(),
        "versions": versions(),
        "measurements": [],
    }
    for script, options in plan(words).items():
        result["measurements"].append(measured(script, options))
    folder = ROOT / "docs" if record else ROOT / "runs" / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result, indent=1, ensure_ascii=False)
    (folder / "benchmarks.json").write_text(text + "\n")
    (folder / "benchmarks.md").write_text(page(result))
    print(f"written: {folder / 'benchmarks.json'} and its page")
    failed = [each["script"] for each in result["measurements"] if each["status"]]
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
