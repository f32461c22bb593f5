# /// script
# requires-python = ">=3.11"
# dependencies = ["nox[uv]>=2025.2.9"]
# ///
"""The one list of tasks. `nox -l` shows them, `nox -s demo` runs one.

The packages are found here, not listed: every folder of `packages/` with a
`pyproject.toml` is one, and its siblings are installed by path, in the same command,
because other projects hold two of our names on the public index.
"""

import os
import re
import tomllib
from pathlib import Path

import nox

ROOT = Path(__file__).parent.resolve()
SHARED = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECTS = {
    path.parent.name: tomllib.loads(path.read_text())
    for path in sorted(ROOT.glob("packages/*/pyproject.toml"))
}
PACKAGES = list(PROJECTS)

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["lint", "tests", "integration"]
nox.options.error_on_external_run = True


def user_cache() -> Path:
    """Where this user's programs keep what they can make again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


# uv leaves no bytecode: where none may be written either, every process would compile
# the sources of jax anew, 2.4 s of import instead of 0.8.
os.environ.setdefault("UV_COMPILE_BYTECODE", "1")

ENVIRONMENT = {
    # One compilation cache for all sessions and clones; without the two zeroes jax
    # keeps nothing that compiled in under a second, which is most of a test suite.
    "JAX_COMPILATION_CACHE_DIR": os.environ.get(
        "JAX_COMPILATION_CACHE_DIR", str(user_cache() / "fitkit-tests" / "jax")
    ),
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    "JAX_PLATFORMS": os.environ.get("JAX_PLATFORMS", "cpu"),
    # jax's CPU Cholesky calls OpenBLAS, whose threads only get in each other's way.
    "OPENBLAS_NUM_THREADS": "1",
    "MPLBACKEND": "Agg",
}


# --- what a package needs, read from its own pyproject.toml ------------------------
def name_of(requirement: str) -> str:
    """The distribution that a requirement names: `pyhf[minuit]>=0.7` is `pyhf`."""
    return re.match(r"[A-Za-z0-9._-]+", requirement).group().lower()


def siblings(package: str) -> list[str]:
    """The packages of this repository that `package` needs."""
    needs = map(name_of, PROJECTS[package]["project"]["dependencies"])
    return [name for name in needs if name in PACKAGES]


def extras(package: str) -> dict[str, list[str]]:
    return PROJECTS[package]["project"].get("optional-dependencies", {})


def by_path(package: str, with_extras: bool = True) -> str:
    """`./packages/fitkit[cli,plot]`: what pip and uv install from this folder."""
    chosen = ",".join(extras(package)) if with_extras else ""
    return f"./packages/{package}" + (f"[{chosen}]" if chosen else "")


def everything() -> list[str]:
    return [by_path(package) for package in PACKAGES]


def needs_of_tests(*packages: str) -> list[str]:
    groups = (nox.project.dependency_groups(PROJECTS[p], "test") for p in packages)
    return sorted({need for group in groups for need in group})


def tools(name: str) -> tuple[str, ...]:
    """A dependency group of the root pyproject.toml."""
    return nox.project.dependency_groups(SHARED, name)


def absent(session: nox.Session, distributions: list[str]) -> None:
    """Fail if one of these can be imported or is installed."""
    session.run("python", "-I", "tests/_absent.py", *sorted(distributions), silent=True)


def pytest(session: nox.Session, *args: str, **kwargs) -> None:
    env = ENVIRONMENT | kwargs.pop("env", {})
    # A file's tests stay in one process: they share what it has compiled. A process
    # that dies ends the run, for xdist then waits without end.
    options = ("-n", "auto", "--dist", "loadfile", "--max-worker-restart=0")
    options += ("--durations=10",)
    session.run("pytest", *options, *args, *session.posargs, env=env, **kwargs)


# --- checks ------------------------------------------------------------------------
@nox.session
def lint(session: nox.Session) -> None:
    """Ruff's rules and format, and which module may import which."""
    session.install(*tools("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    sources = os.pathsep.join(f"packages/{package}/src" for package in PACKAGES)
    session.run("lint-imports", "--no-cache", env={"PYTHONPATH": sources})


@nox.session
@nox.parametrize("package", PACKAGES, ids=PACKAGES)
def tests(session: nox.Session, package: str) -> None:
    """One package alone: as a user gets it, then its tests and its docstrings."""
    needed = siblings(package)
    foreign = [name for name in PACKAGES if name not in (package, *needed)]
    paths = [by_path(name, with_extras=False) for name in (package, *needed)]
    session.install(*paths)
    optional = [name_of(need) for needs in extras(package).values() for need in needs]
    absent(session, [*foreign, *optional])
    session.run("python", "-c", f"import {package}", env=ENVIRONMENT)

    session.install(by_path(package), *paths[1:], *needs_of_tests(package))
    absent(session, foreign)
    docstrings = ("--doctest-modules", "--pyargs", package)
    pytest(session, "-m", "not slow", f"packages/{package}/tests", *docstrings)


@nox.session
def slow(session: nox.Session) -> None:
    """The tests marked `slow`, of all packages."""
    session.install(*everything(), *needs_of_tests(*PACKAGES))
    pytest(session, "-m", "slow")


@nox.session
def integration(session: nox.Session) -> None:
    """All three together: packaging, the examples of the docs, cross-package tests."""
    session.install(*everything(), *needs_of_tests(*PACKAGES), *tools("integration"))
    # Documents compile nothing in common, and some take minutes: side by side.
    pytest(session, "--dist", "load", "-m", "not slow", "tests")


@nox.session
@nox.parametrize("package", PACKAGES, ids=PACKAGES)
def types(session: nox.Session, package: str) -> None:
    """A type checker over one package's sources."""
    needed = [by_path(name) for name in siblings(package)]
    session.install(by_path(package), *needed, *tools("types"))
    session.run("mypy", f"packages/{package}/src")


@nox.session
@nox.parametrize("package", PACKAGES, ids=PACKAGES)
def minimum(session: nox.Session, package: str) -> None:
    """The tests of one package against the lowest versions it says it takes."""
    needed = [by_path(name, with_extras=False) for name in siblings(package)]
    needs = [by_path(package), *needed, *needs_of_tests(package)]
    session.install("--resolution=lowest-direct", *needs)
    # Warnings are not errors here: old versions warn of what newer ones have mended.
    paths = ("-W", "default", f"packages/{package}/tests")
    pytest(session, "-m", "not slow", *paths)


# --- what a person looks at --------------------------------------------------------
@nox.session
def demo(session: nox.Session) -> None:
    """Train an observable on the blobs problem; ends with its numbers and pictures."""
    paths = [by_path(name, with_extras=False) for name in siblings("neoskit")]
    session.install("./packages/neoskit[cli,plot]", *paths)
    command = session.posargs or ["blobs"]
    session.run("neoskit", "demo", *command, env=ENVIRONMENT)


@nox.session
def docs(session: nox.Session) -> None:
    """The site, in `docs/_build/html`; `integration` executes its code blocks."""
    session.install(*everything(), *tools("docs"))
    builder = ("sphinx-build", "-W", "--keep-going", "-b", "html")
    session.run(*builder, "docs", "docs/_build/html", env=ENVIRONMENT)


@nox.session
def bench(session: nox.Session) -> None:
    """The measurements of `benchmarks/`: all, or those named after `--`."""
    session.install(*everything(), *tools("bench"))
    # relaxed 0.4.0 shares our import name, evermore needs an older flax: each lives in
    # an environment of its own.
    pythons = {}
    for variable, group in (
        ("RELAXED_040_PYTHON", "bench-relaxed-040"),
        ("RELAXED_040_OUR_JAX_PYTHON", "bench-relaxed-040-our-jax"),
        ("EVERMORE_PYTHON", "bench-evermore"),
    ):
        peer = Path(session.create_tmp()) / group
        session.run("uv", "venv", "--quiet", "--clear", str(peer), external=True)
        session.run(
            *("uv", "pip", "install", "--quiet", "--python", str(peer)),
            *tools(group),
            external=True,
        )
        pythons[variable] = str(peer / "bin" / "python")
    named = [f"benchmarks/{name.removesuffix('.py')}.py" for name in session.posargs]
    found = sorted(ROOT.glob("benchmarks/[a-z]*.py"))
    # What a benchmark compiles must not be there from the last time.
    env = ENVIRONMENT | pythons | {"JAX_COMPILATION_CACHE_DIR": None}
    for script in named or map(str, found):
        session.run("python", script, env=env)


if __name__ == "__main__":
    nox.main()
