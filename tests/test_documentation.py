"""What the pages say is true: their code runs, their links lead, their names exist."""

import ast
import importlib
import importlib.util
import inspect
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ["relaxed", "fitkit", "neoskit"]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *ROOT.glob("packages/*/README.md"),
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("docs/[!_]*/**/*.md"),
    ]
)
# Their outputs are shown: `nox -s docs` runs them, and fails where one of them does.
EXECUTED_BY_THE_SITE = ("tutorials", "gallery")
FENCE = re.compile(r"^(?P<ticks>`{3,}) *python\n(?P<code>.*?)^(?P=ticks)$", re.M | re.S)
LINK = re.compile(r"\]\((?!https?:|mailto:|#)(?P<path>[^)#\s]+)")


def program(page: Path) -> str:
    """The page's Python blocks, each on its own lines, all else blank."""
    text = page.read_text()
    lines = [""] * (text.count("\n") + 1)
    for block in FENCE.finditer(text):
        first = text.count("\n", 0, block.start("code"))
        code = block["code"].splitlines()
        lines[first : first + len(code)] = code
    return "\n".join(lines)


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def is_run_here(page: Path) -> bool:
    """Whether a page has code that the build of the site does not execute."""
    executed = page.parent.name in EXECUTED_BY_THE_SITE
    return FENCE.search(page.read_text()) is not None and not executed


@pytest.mark.parametrize("page", list(filter(is_run_here, PAGES)), ids=name_of)
def test_code_runs_as_pasted(page, tmp_path):
    """A fresh interpreter, one namespace per page, warnings as errors."""
    warnings = ["-W", "error"]
    if "import pyhf" in page.read_text():  # a class that newer jsonschema deprecates
        warnings += ["-W", "ignore:jsonschema.RefResolver:DeprecationWarning"]
    if "import softjax" in page.read_text():
        if importlib.util.find_spec("softjax") is None:
            pytest.skip("softjax is not installed: it needs Python 3.12")
        warnings += ["-W", "ignore:JAXopt:DeprecationWarning"]  # which it imports
    script = tmp_path / f"{name_of(page).replace('/', '-')}.py"
    script.write_text(program(page))
    env = {key: os.environ[key] for key in os.environ if key != "JAX_ENABLE_X64"}
    env |= {"OPENBLAS_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
    command = [sys.executable, *warnings, str(script)]
    done = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr[-4000:]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_formulae_stand_between_dollars(page):
    """The site reads no other form, and would show LaTeX's brackets as they are."""
    code = re.compile(r"^(`{3,})(?!\{).*?^\1$|`[^`\n]+`", re.M | re.S)
    assert not re.search(r"\\[(\[]", code.sub("", page.read_text()))


def commands(page: Path) -> list[str]:
    """The lines of the page's bash blocks that call fitkit."""
    blocks = re.findall(r"^```bash\n(.*?)^```$", page.read_text(), re.M | re.S)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [line for line in lines if line.startswith("fitkit ")]


def test_the_site_executes_the_pages_left_to_it():
    """In the session that CI runs, and a block that fails ends it."""
    folder = ROOT / "docs"
    source = (folder / "_extensions" / "executed_pages.py").read_text()
    (folders,) = re.findall(r"^FOLDERS = (\(.+\))$", source, re.M)
    assert ast.literal_eval(folders) == tuple(f"{n}/" for n in EXECUTED_BY_THE_SITE)
    settings = (folder / "conf.py").read_text()
    assert "\nnb_execution_raise_on_error = True\n" in settings
    assert re.search(r"nox -s .*\bdocs\b", (ROOT / ".ci" / "run").read_text())


@pytest.mark.slow
def test_commands_run_as_pasted(data_folder, tmp_path):
    """Those of fitkit's command line, on the archive that they name, one by one."""
    archive = "sbottom_SUSY-2018-31.tar.gz"
    (tmp_path / archive).symlink_to(data_folder / "likelihoods" / archive)
    # the command beside this interpreter
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    lines = commands(ROOT / "docs" / "fitkit" / "command-line.md")
    assert len(lines) > 5
    for line in lines:
        done = subprocess.run(
            ["bash", "-c", f"set -o pipefail; {line}"],
            cwd=tmp_path,
            env=os.environ | {"PATH": path},
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, f"{line}\n{done.stderr[-4000:]}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    paths = [link["path"] for link in LINK.finditer(page.read_text())]
    missing = [path for path in paths if not (page.parent / path).exists()]
    assert not missing


@pytest.mark.parametrize("package", PACKAGES)
def test_api_page_names_every_public_name_once(package):
    page = (ROOT / "docs" / package / "api.md").read_text()
    named = re.findall(rf"^\.\. (?:auto\w+|py:data):: {package}\.([\w.]+)$", page, re.M)
    named = [name for name in named if not name.startswith(("plot.", "hepdata."))]
    public = importlib.import_module(package).__all__
    assert sorted(named) == sorted(name for name in public if name != "__version__")


def is_own_export(node: ast.AST) -> bool:
    return isinstance(node, ast.ImportFrom) and node.level == 1


@pytest.mark.parametrize("package", PACKAGES)
def test_all_lists_every_export(package):
    """`from ._cut import cut as cut` and `__all__` say the same, once each."""
    module = importlib.import_module(package)
    # Also those that only type checkers see, where names are imported on first use.
    tree = ast.walk(ast.parse(Path(module.__file__).read_text()))
    aliases = [name for node in tree if is_own_export(node) for name in node.names]
    exports = [alias.asname for alias in aliases if alias.asname]
    assert sorted(module.__all__) == sorted(exports)
    # A type alias cannot carry a docstring at run time; functions and classes do.
    values = [getattr(module, name) for name in exports]
    described = [v for v in values if inspect.isclass(v) or inspect.isroutine(v)]
    assert all(value.__doc__ for value in described)


def one_line_commands() -> list[str]:
    """The complete lines of the README that do all set-up and run a task."""
    lines = (ROOT / "README.md").read_text().splitlines()
    return [line for line in lines if line.startswith("python3 -m venv .venv && ")]


def test_readme_has_two_commands_that_do_everything():
    demo, tests = one_line_commands()
    install = '.venv/bin/python -m pip install -q "nox[uv]"'
    assert demo.split(" && ")[1:] == [install, ".venv/bin/python -m nox -s demo"]
    assert tests.split(" && ")[1:] == [
        install,
        ".venv/bin/python -m nox -s tests integration",
    ]


def test_ci_runs_the_readme_test_command():
    _, tests = one_line_commands()
    assert tests in (ROOT / ".ci" / "run").read_text().splitlines()


def test_pages_name_existing_sessions():
    noxfile = ast.parse((ROOT / "noxfile.py").read_text())
    sessions = {node.name for node in noxfile.body if isinstance(node, ast.FunctionDef)}
    named = re.compile(r"nox -s ((?:[a-z]+ ?)+)")
    for page in [*PAGES, ROOT / ".ci" / "run"]:
        for match in named.finditer(page.read_text()):
            assert set(match[1].split()) <= sessions, name_of(page)


def test_pages_name_existing_extras():
    extra = re.compile(r"packages/(\w+)\[([\w,]+)\]")
    for page in PAGES:
        for package, names in extra.findall(page.read_text()):
            path = ROOT / "packages" / package / "pyproject.toml"
            project = tomllib.loads(path.read_text())["project"]
            declared = project.get("optional-dependencies", {})
            assert set(names.split(",")) <= set(declared), name_of(page)
