"""Each package is what it says it is: ours, whole when built, alone when installed."""

import ast
import email
import importlib
import importlib.metadata
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

PACKAGES = ["relaxed", "fitkit", "neoskit"]


# Prints the distributions that came from a path, and any that has no name.
LOCAL_DISTRIBUTIONS = """
import json
from importlib.metadata import distributions
urls = {d.name: d.read_text("direct_url.json") for d in distributions()}
print(json.dumps({name: url for name, url in urls.items() if url or name == "UNKNOWN"}))
"""


@pytest.fixture(params=PACKAGES)
def package(request) -> str:
    return request.param


@pytest.fixture
def project(root, package) -> dict:
    return tomllib.loads((root / "packages" / package / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def built(root, tmp_path_factory) -> dict[str, Path]:
    """The folder with the sdist and the wheel of each package."""
    from hatchling.builders.sdist import SdistBuilder
    from hatchling.builders.wheel import WheelBuilder

    folders = {}
    for package in PACKAGES:
        folders[package] = tmp_path_factory.mktemp(package)
        for builder in (SdistBuilder, WheelBuilder):
            source = str(root / "packages" / package)
            list(builder(source).build(directory=str(folders[package])))
    return folders


def test_what_is_imported_is_ours(package):
    module = importlib.import_module(package)
    assert Path(module.__file__).with_name("py.typed").exists()
    license = importlib.metadata.metadata(package)["License-Expression"]
    assert license == "BSD-3-Clause"
    (author,) = importlib.metadata.metadata(package).get_all("Author")
    assert author == "The neoskit developers"


def test_versions_agree(project, package):
    installed = importlib.metadata.version(package)
    assert installed == project["project"]["version"]
    assert importlib.import_module(package).__version__ == installed


def test_major_minor_is_shared(root):
    versions = {importlib.metadata.version(package) for package in PACKAGES}
    assert len({tuple(version.split(".")[:2]) for version in versions}) == 1


def test_neoskit_pins_its_siblings_to_its_own_minor(root):
    project = tomllib.loads((root / "packages/neoskit/pyproject.toml").read_text())
    needs = project["project"]["dependencies"]
    minor = ".".join(project["project"]["version"].split(".")[:2])
    assert {f"relaxed~={minor}.0", f"fitkit~={minor}.0"} <= set(needs)


def test_relaxed_and_fitkit_need_no_sibling(root):
    for package in ("relaxed", "fitkit"):
        needs = importlib.metadata.requires(package)
        assert not [need for need in needs if need.startswith(tuple(PACKAGES))]


def test_sdist_carries_tests_and_licence(built, package):
    (sdist,) = built[package].glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = [name.split("/", 1)[1] for name in archive.getnames()]
    assert {"LICENSE", "README.md", "pyproject.toml"} <= set(names)
    assert any(name.startswith("tests/test_") for name in names)
    assert f"src/{package}/py.typed" in names


def wheel_sources(project: dict) -> list[str]:
    return project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]


def test_wheel_holds_the_package_and_its_licence_alone(built, package, project):
    (wheel,) = built[package].glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = (name for name in names if name.endswith("/METADATA"))
        fields = email.message_from_bytes(archive.read(metadata))
    assert f"{package}/__init__.py" in names
    assert f"{package}/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    version = project["project"]["version"]
    folders = {name.split("/")[0] for name in names}
    sources = {Path(path).name for path in wheel_sources(project)}
    assert sources <= {package, f"_{package}_cli"}
    assert folders == sources | {f"{package}-{version}.dist-info"}
    assert fields["Version"] == version


# Distributions that are imported under another name.
IMPORTED_AS = {"pillow": "PIL", "pyyaml": "yaml", "tomli-w": "tomli_w"}
# Imported beside the distribution that brings them, at a version of its choice.
BROUGHT = {"pydantic_core": "pydantic"}


def modules(requirements: list[str]) -> set[str]:
    """The names under which requirements such as `pyhf[minuit]>=0.7` are imported."""
    names = {re.match(r"[\w.-]+", requirement).group() for requirement in requirements}
    return {IMPORTED_AS.get(name, name) for name in names}


def imported(source: Path) -> set[str]:
    """The top-level names that a module imports from elsewhere, also lazily."""
    nodes = list(ast.walk(ast.parse(source.read_text())))
    names = [
        a.name for node in nodes if isinstance(node, ast.Import) for a in node.names
    ]
    names += [n.module for n in nodes if isinstance(n, ast.ImportFrom) and not n.level]
    tops = {name.split(".")[0] for name in names} - sys.stdlib_module_names
    return {BROUGHT.get(name, name) for name in tops}


def test_what_is_imported_is_declared_and_the_reverse(root, package, project):
    """Nothing by accident of another's needs, nothing that nobody uses."""
    extras = project["project"].get("optional-dependencies", {}).values()
    needs = [*project["project"]["dependencies"], *itertools.chain(*extras)]
    sources = (root / "packages" / package / "src").rglob("*.py")
    used = set().union(*map(imported, sources)) - {package}
    assert used == modules(needs)


def test_hatch_environment_holds_exactly_our_three(root, tmp_path):
    """A root without [project] must not be built beside its members."""
    copy = tmp_path / "clone"
    ignored = shutil.ignore_patterns(".*", "__pycache__", "shared", "runs", "_build")
    shutil.copytree(root, copy, ignore=ignored)
    (copy / "stray").mkdir()  # a second folder beside packages/ once broke the build
    (copy / "stray" / "__init__.py").touch()

    def hatch(*args: str) -> str:
        storage = ("--data-dir", str(tmp_path / "data"))
        command = [sys.executable, "-m", "hatch", *storage, *args]
        done = subprocess.run(
            command, cwd=copy, capture_output=True, text=True, env=outside
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    # nox names its environment in these: uv would install there, not into hatch's.
    named = ("VIRTUAL_ENV", "UV_PYTHON", "UV_PROJECT_ENVIRONMENT")
    outside = {k: v for k, v in os.environ.items() if k not in named}
    script = tmp_path / "local.py"
    script.write_text(LOCAL_DISTRIBUTIONS)
    hatch("env", "create")
    local = json.loads(hatch("run", "python", str(script)).splitlines()[-1])
    assert set(local) == set(PACKAGES)
    assert all(json.loads(url)["dir_info"]["editable"] for url in local.values())
