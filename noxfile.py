#!/usr/bin/env -S uv run --script
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
import shutil
import tarfile
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
# The Pythons that every package says it takes.
OLDEST, *NEWER = nox.project.python_versions(PROJECTS[PACKAGES[0]])
NEWEST = [OLDEST, *NEWER][-1]

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.error_on_external_run = True


def user_cache() -> Path:
    """Where this user's programs keep what they can make again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


# uv leaves no bytecode: where none may be written either, every process would compile
# the sources of jax anew, 2.4 s of import instead of 0.8.
os.environ.setdefault("UV_COMPILE_BYTECODE", "1")
# A machine that is busy, or asleep for a while, is not one that fails.
os.environ.setdefault("UV_COMPILE_BYTECODE_TIMEOUT", "0")

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
    # XLA tells of each program that it reads from the cache.
    "TF_CPP_MIN_LOG_LEVEL": "3",
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


def by_path(
    package: str, with_extras: bool = True, at: Path | str | None = None
) -> str:
    """`fitkit[cli,plot] @ file:///…`: a folder, a wheel; by default this checkout's."""
    chosen = ",".join(extras(package)) if with_extras else ""
    path = Path(at or ROOT / "packages" / package).resolve()
    return f"{package}" + (f"[{chosen}]" if chosen else "") + f" @ {path.as_uri()}"


def everything() -> list[str]:
    return [by_path(package) for package in PACKAGES]


def needs_of_tests(*packages: str) -> list[str]:
    groups = (nox.project.dependency_groups(PROJECTS[p], "test") for p in packages)
    return sorted({need for group in groups for need in group})


def tools(name: str) -> tuple[str, ...]:
    """A dependency group of the root pyproject.toml."""
    return nox.project.dependency_groups(SHARED, name)


def per_package(packages: list[str]):
    return nox.parametrize("package", packages, ids=packages)


def absent(session: nox.Session, distributions: list[str]) -> None:
    """Fail if one of these can be imported or is installed."""
    script = str(ROOT / "tests" / "_absent.py")
    session.run("python", "-I", script, *sorted(distributions), silent=True)


def pytest(session: nox.Session, *args: str, **kwargs) -> None:
    env = ENVIRONMENT | kwargs.pop("env", {})
    # A file's tests stay in one process: they share what it has compiled. A process
    # that dies ends the run, for xdist then waits without end.
    options = ("-n", "auto", "--dist", "loadfile", "--max-worker-restart=0")
    options += ("--durations=10",)
    session.run("pytest", *options, *args, *session.posargs, env=env, **kwargs)


def install_alone(
    session: nox.Session, package: str, built: dict[str, Path] | None = None
) -> None:
    """Install one package and its siblings as a user gets them, then what tests need.

    Nothing of another package or of an extra may be there when it is first imported.
    """
    at = built or {}
    needed = siblings(package)
    foreign = [name for name in PACKAGES if name not in (package, *needed)]
    paths = [by_path(name, False, at.get(name)) for name in (package, *needed)]
    session.install(*paths)
    optional = [name_of(need) for needs in extras(package).values() for need in needs]
    absent(session, [*foreign, *optional])
    session.run("python", "-c", f"import {package}", env=ENVIRONMENT)

    whole = by_path(package, at=at.get(package))
    session.install(whole, *paths[1:], *needs_of_tests(package))
    absent(session, foreign)


# --- checks ------------------------------------------------------------------------
@nox.session(tags=["ci"])
def lint(session: nox.Session) -> None:
    """Ruff's rules and format, import rules, what the repository has to have."""
    session.install(*tools("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    sources = os.pathsep.join(f"packages/{package}/src" for package in PACKAGES)
    session.run("lint-imports", "--no-cache", env={"PYTHONPATH": sources})
    session.run("repo-review", ".")


@nox.session(tags=["ci"])
@per_package(PACKAGES)
def tests(session: nox.Session, package: str) -> None:
    """One package alone: as a user gets it, then its tests and its docstrings."""
    install_alone(session, package)
    docstrings = ("--doctest-modules", "--pyargs", package)
    pytest(session, "-m", "not slow", f"packages/{package}/tests", *docstrings)


@nox.session(python=NEWER, default=False, tags=["ci"])
@per_package(PACKAGES)
def tests_on(session: nox.Session, package: str) -> None:
    """The same on a newer Python, which has newer dependencies too."""
    tests.func(session, package)


@nox.session(default=False, tags=["ci"])
def slow(session: nox.Session) -> None:
    """The tests marked `slow`, of all packages."""
    session.install(*everything(), *needs_of_tests(*PACKAGES))
    pytest(session, "-m", "slow")


@nox.session(tags=["ci"])
def integration(session: nox.Session) -> None:
    """All three together: packaging, the examples of the docs, cross-package tests."""
    session.install(*everything(), *needs_of_tests(*PACKAGES), *tools("integration"))
    # Documents compile nothing in common, and some take minutes: side by side.
    pytest(session, "--dist", "load", "-m", "not slow", "tests")


@nox.session(default=False, tags=["ci"])
@per_package(PACKAGES)
def types(session: nox.Session, package: str) -> None:
    """A type checker over one package's sources."""
    needed = [by_path(name) for name in siblings(package)]
    session.install(by_path(package), *needed, *tools("types"))
    session.run("mypy", f"packages/{package}/src")


# --- other versions of what we need --------------------------------------------------
@nox.session(python=OLDEST, default=False, tags=["ci"])
@per_package(PACKAGES)
def minimum(session: nox.Session, package: str) -> None:
    """The tests of one package against the lowest versions it says it takes."""
    needed = [by_path(name, with_extras=False) for name in siblings(package)]
    needs = [by_path(package), *needed, *needs_of_tests(package)]
    session.install("--resolution=lowest-direct", *needs)
    session.run("python", "tests/_lowest.py", f"packages/{package}/pyproject.toml")
    # Warnings are not errors here: old versions warn of what newer ones have mended.
    paths = ("-W", "default", f"packages/{package}/tests")
    pytest(session, "-m", "not slow", *paths)


@nox.session(python=NEWEST, default=False, tags=["weekly"])
@per_package(PACKAGES)
def prerelease(session: nox.Session, package: str) -> None:
    """The tests of one package against what its dependencies will release next."""
    needed = [by_path(name) for name in siblings(package)]
    needs = [by_path(package), *needed, *needs_of_tests(package)]
    session.install("--prerelease=allow", "--upgrade", *needs)
    session.run("uv", "pip", "list", external=True)
    # A deprecation is to be seen here before it is an error for users.
    paths = ("-W", "default", f"packages/{package}/tests")
    pytest(session, "-m", "not slow", *paths)


@nox.session(default=False, tags=["ci"])
@per_package([package for package in PACKAGES if siblings(package)])
def floor(session: nox.Session, package: str) -> None:
    """The tests of one package against the oldest siblings that its pins allow."""
    session.install("packaging>=24")
    needed = {}
    for name in siblings(package):
        find = ("python", "tests/_released.py", package, name)
        tag = session.run(*find, silent=True).strip()
        if not tag:
            session.skip(f"git knows no release of {name} that {package} allows")
        session.log(f"the oldest {name} that {package} allows is {tag}")
        folder = Path(session.create_tmp()) / tag
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        archive = ("git", "archive", "--output", str(folder / "tag.tar"), tag)
        session.run(*archive, f"packages/{name}", external=True)
        with tarfile.open(folder / "tag.tar") as tar:
            tar.extractall(folder, filter="data")
        needed[name] = folder / "packages" / name
    install_alone(session, package, needed)
    pytest(session, "-m", "not slow", f"packages/{package}/tests")


@nox.session(default=False, tags=["weekly"])
@per_package(PACKAGES)
def gpu(session: nox.Session, package: str) -> None:
    """The tests of one package with jax on a GPU of NVIDIA's."""
    if shutil.which("nvidia-smi") is None:
        session.skip("no GPU here: there is no nvidia-smi")
    session.run("nvidia-smi", "-L", external=True)
    needed = [by_path(name) for name in siblings(package)]
    session.install(by_path(package), *needed, *needs_of_tests(package), "jax[cuda12]")
    env = {"JAX_PLATFORMS": "cuda,cpu"}
    seen = "import jax; print(jax.devices()); assert jax.default_backend() == 'gpu'"
    session.run("python", "-c", seen, env=ENVIRONMENT | env)
    # Processes side by side would each take the whole memory of the device.
    paths = ("-n", "0", f"packages/{package}/tests")
    pytest(session, "-m", "not slow", *paths, env=env)


# --- what is published ------------------------------------------------------------
def build(session: nox.Session, package: str, folder: Path) -> tuple[Path, Path]:
    """The sdist of a package, and the wheel that is made of it."""
    shutil.rmtree(folder, ignore_errors=True)
    source = str(ROOT / "packages" / package)
    session.run("uv", "build", "--quiet", "-o", str(folder), source, external=True)
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return sdist, wheel


@nox.session(default=False, tags=["ci"])
@per_package(PACKAGES)
def artifact(session: nox.Session, package: str) -> None:
    """What users will get: wheels made of sdists, tested out of the unpacked sdist."""
    folder = Path(session.create_tmp()).resolve()
    needed = (package, *siblings(package))
    built = {name: build(session, name, folder / name) for name in needed}
    wheels = {name: wheel for name, (_, wheel) in built.items()}
    install_alone(session, package, wheels)
    sdist, _ = built[package]
    with tarfile.open(sdist) as tar:
        tar.extractall(folder, filter="data")
    # The settings of pytest are shared by all packages, and in no sdist.
    settings = ("-c", str(ROOT / "pyproject.toml"), "--rootdir", ".")
    data = os.environ.get("NEOSKIT_TEST_DATA", str(ROOT.parent / "shared" / "data"))
    with session.chdir(folder / sdist.name.removesuffix(".tar.gz")):
        env = {"NEOSKIT_TEST_DATA": data}
        pytest(session, *settings, "-m", "not slow", "tests", env=env)


@nox.session(default=False, tags=["ci"])
@per_package(PACKAGES)
def release(session: nox.Session, package: str) -> None:
    """Version, tag, changelog and pins of one package, and what is built of it."""
    session.install(*tools("release"))
    session.run("python", "tests/_release.py", package)
    session.run("validate-pyproject", f"packages/{package}/pyproject.toml")
    files = build(session, package, ROOT / "dist" / package)
    session.run("twine", "check", "--strict", *map(str, files))
    session.run("check-wheel-contents", str(files[1]))


@nox.session(default=False)
def api(session: nox.Session) -> None:
    """Write the signatures of all public names to `packages/*/api.txt`."""
    session.install(*everything())
    session.run("python", "tests/_signatures.py", *session.posargs, env=ENVIRONMENT)


@nox.session(default=False, tags=["ci"])
def planted(session: nox.Session) -> None:
    """Faults planted in a copy of the repository: each must be found, and named."""
    session.install(*everything(), *needs_of_tests(*PACKAGES), *tools("integration"))
    session.run("python", "tests/_planted.py", *session.posargs, env=ENVIRONMENT)


# --- what a person looks at --------------------------------------------------------
@nox.session(default=False)
def demo(session: nox.Session) -> None:
    """Train an observable on the blobs problem; ends with its numbers and pictures."""
    paths = [by_path(name, with_extras=False) for name in siblings("neoskit")]
    session.install("./packages/neoskit[cli,plot]", *paths)
    command = session.posargs or ["blobs"]
    session.run("neoskit", "demo", *command, env=ENVIRONMENT)


@nox.session(default=False, tags=["ci"])
def docs(session: nox.Session) -> None:
    """The site, in `docs/_build/html`, with executed tutorials; its links lead."""
    session.install(*everything(), *tools("docs"))
    builder = ("sphinx-build", "-W", "--keep-going", "-j", "auto", "-b", "html")
    session.run(*builder, "docs", "docs/_build/html", env=ENVIRONMENT)
    # Of the packages as they are; the one in the repository is for its front page.
    film = ("docs/_scripts/front_page.py", "docs/_build/html/_static")
    session.run("python", *film, env=ENVIRONMENT)
    session.run("python", "docs/_scripts/internal_links.py", "docs/_build/html")


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """The measurements of `benchmarks/`: all, `--quick`, `--published`, or one."""
    session.install(*everything(), *tools("bench"))
    # relaxed 0.4.0 shares our import name, evermore needs an older flax: each lives in
    # an environment of its own.
    pythons = {}
    for variable, group in (
        ("RELAXED_040_PYTHON", "bench-relaxed-040"),
        ("RELAXED_040_OUR_JAX_PYTHON", "bench-relaxed-040-our-jax"),
        ("EVERMORE_PYTHON", "bench-evermore"),
    ):
        # Scripts run elsewhere: a whole path.
        peer = Path(session.create_tmp()).resolve() / group
        session.run("uv", "venv", "--quiet", "--clear", str(peer), external=True)
        session.run(
            *("uv", "pip", "install", "--quiet", "--python", str(peer)),
            *tools(group),
            external=True,
        )
        pythons[variable] = str(peer / "bin" / "python")
    # What a benchmark compiles must not be there from the last time.
    env = ENVIRONMENT | pythons | {"JAX_COMPILATION_CACHE_DIR": None}
    session.run("python", "benchmarks/_driver.py", *session.posargs, env=env)


if __name__ == "__main__":
    nox.main()
