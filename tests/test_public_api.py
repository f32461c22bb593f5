"""Public names: each is there, described, on a page, and its changes are told.

The rules for docstrings are those of CONTRIBUTING that a program can see. Shapes are in
the signature, or in words where an argument is anything that becomes an array.
"""

import ast
import inspect
import re
import shutil
from functools import cache
from pathlib import Path

import _changelog
import _signatures
import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = _signatures.PACKAGES
NAMES = [
    (package, name)
    for package in PACKAGES
    for name in _signatures.public_names(package)
]
IDS = [f"{package}.{name}" for package, name in NAMES]
SECTION = r"^ *{}:\s*$"


@cache
def values(package: str) -> dict[str, object]:
    return _signatures.public_names(package)


def value_of(package: str, name: str) -> object:
    return values(package)[name]


def is_described(value: object) -> bool:
    """Functions and classes; an alias or a constant is described by its page."""
    return inspect.isclass(value) or inspect.isroutine(inspect.unwrap(value))


def functions() -> list[tuple[str, str]]:
    return [
        (package, name)
        for package, name in NAMES
        if inspect.isroutine(inspect.unwrap(value_of(package, name)))
    ]


def docstring(package: str, name: str) -> str:
    return inspect.getdoc(value_of(package, name)) or ""


def has_section(text: str, *titles: str) -> bool:
    return any(re.search(SECTION.format(title), text, re.M) for title in titles)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_name_is_there_once(package):
    for module in _signatures.modules(package):
        assert len(module.__all__) == len({*module.__all__})
        for name in module.__all__:
            assert getattr(module, name) is not None, name


@pytest.mark.parametrize("package", PACKAGES)
def test_every_name_stands_on_the_page(package):
    page = (ROOT / "docs" / package / "api.md").read_text()
    named = re.findall(rf"^\.\. (?:auto\w+|py:data):: {package}\.([\w.]+)$", page, re.M)
    # Whole modules, `.. automodule:: fitkit.plot` with `:members:`.
    whole = re.findall(rf"^\.\. automodule:: {package}\.(\w+)$", page, re.M)
    missing = [
        name
        for name in values(package)
        if name not in named and name.partition(".")[0] not in whole
    ]
    assert not missing


@pytest.mark.parametrize(("package", "name"), NAMES, ids=IDS)
def test_what_it_is_is_said(package, name):
    value = value_of(package, name)
    if not is_described(value):
        pytest.skip("an alias or a constant: the API page describes it")
    text = docstring(package, name)
    assert text, "no docstring"
    # A class that says nothing shows what its base says.
    inherited = inspect.isclass(value) and value.__doc__ is None
    assert not inherited, "the docstring is its base's"
    first, _, rest = text.partition("\n")
    assert first.endswith((".", "?", ":")), "the first line is no sentence"
    assert not rest.strip() or rest.startswith("\n"), "no empty line below the first"


@pytest.mark.parametrize(("package", "name"), functions(), ids=lambda each: str(each))
def test_every_argument_is_told(package, name):
    """By its name, somewhere in the docstring: `init, fixed, bounds: as in fit`."""
    node = _signatures.definition(value_of(package, name))
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    text = docstring(package, name)
    words = {*re.findall(r"\w+", text)}
    assert not [each.arg for each in arguments if each.arg not in words]


ARRAYS = re.compile(r"\b(ArrayLike|Array|np\.ndarray)\b")
IN_WORDS = re.compile(r"`[(\[]\w+(, ?\w+)*,?[)\]]`")
SHAPED = re.compile(r"\w+\[(?:Array|np\.ndarray|ArrayLike)[^\[\]]*, *'[^']*'\]")


@pytest.mark.parametrize(("package", "name"), functions(), ids=lambda each: str(each))
def test_shapes_are_in_the_signature(package, name):
    """Or, for arrays inside dictionaries and tuples, in words: `(entries,)`."""
    signature = _signatures.signature(_signatures.definition(value_of(package, name)))
    bare = {*ARRAYS.findall(SHAPED.sub("", signature))}
    # `ArrayLike` alone stands for a number.
    if bare - {"ArrayLike"}:
        assert IN_WORDS.search(docstring(package, name))


def raises(node: ast.AST) -> set[str]:
    """The exceptions that a function raises itself, by their names."""
    found = set()
    for each in ast.walk(node):
        if isinstance(each, ast.Raise) and each.exc is not None:
            called = each.exc.func if isinstance(each.exc, ast.Call) else each.exc
            found.add(ast.unparse(called).rpartition(".")[2])
    return {name for name in found if name[:1].isupper()}


@pytest.mark.parametrize(("package", "name"), functions(), ids=lambda each: str(each))
def test_errors_are_told(package, name):
    """What the function's own lines raise stands below `Raises:`."""
    raised = raises(_signatures.definition(value_of(package, name)))
    if not raised:
        return
    _, _, text = docstring(package, name).partition("Raises:")
    assert not {name for name in raised if name not in text}


# What is taken from a paper or a published program, and is to say from which.
FROM_THE_LITERATURE = {
    "relaxed": "scott_bandwidth silverman_bandwidth EpanechnikovKernel hist",
    "fitkit": """
        hypotest discovery upper_limit asimov_significance goodness_of_fit Q0 QMu
        QMuTilde TMu TMuTilde Asymptotics ShapeSys StatError NormSys HistoSys ranking
    """,
    "neoskit": """
        expected_cls inferno_synthetic gaussian_blobs generalised_variance
        AdversarialCrossEntropy
    """,
}
SOURCE = re.compile(r"arXiv|doi|10\.\d{4,}|CERN|\b(19|20)\d\d\b")


@pytest.mark.parametrize(
    ("package", "name"),
    [(p, name) for p in PACKAGES for name in FROM_THE_LITERATURE[p].split()],
)
def test_the_source_is_told(package, name):
    assert SOURCE.search(docstring(package, name))


@pytest.mark.parametrize("package", PACKAGES)
def test_examples_run_somewhere(package):
    """`tests` runs the docstrings of all modules; each package has many to run."""
    with_example = [n for n in values(package) if ">>> " in docstring(package, n)]
    assert len(with_example) > len(values(package)) / 4


@pytest.mark.parametrize("package", PACKAGES)
def test_the_signatures_are_those_of_the_file(package):
    differ = _signatures.changed(_signatures.read(package), _signatures.lines(package))
    assert not differ, f"`nox -s api` writes packages/{package}/api.txt anew"


@pytest.mark.parametrize("package", PACKAGES)
def test_every_change_has_a_line_in_the_changelog(package):
    missing = _signatures.untold(package)
    assert not missing, (
        f"name these under `## {_changelog.UNRELEASED}` of "
        f"packages/{package}/CHANGELOG.md: {', '.join(missing)}"
    )


def test_a_change_without_a_line_is_found(tmp_path):
    """The test above, on a copy in which one signature was another."""
    folder = tmp_path / "packages" / "relaxed"
    folder.mkdir(parents=True)
    for name in (_signatures.NOW, _signatures.RELEASED, "CHANGELOG.md"):
        shutil.copy(ROOT / "packages" / "relaxed" / name, folder)
    assert _signatures.untold("relaxed", tmp_path) == []
    released = folder / _signatures.RELEASED
    text = released.read_text()
    assert "regular_edges(low:" in text
    released.write_text(text.replace("regular_edges(low:", "regular_edges(first:"))
    assert _signatures.untold("relaxed", tmp_path) == ["regular_edges"]
