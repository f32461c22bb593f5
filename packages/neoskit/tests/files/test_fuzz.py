"""Every key of an analysis made wrong in every way: one message that names it."""

import copy
import importlib.util
import json
import math
import tomllib
from pathlib import Path

import pytest

import neoskit
from neoskit._run.config import ConfigError

pytest.importorskip("pyarrow", reason="needs the extra `neoskit[parquet]`")
pytest.importorskip("numexpr", reason="needs an extra of neoskit that reads files")

EXAMPLES = next(
    (
        folder / "examples"
        for folder in Path(__file__).parents
        if (folder / "examples" / "own_analysis.toml").is_file()
    ),
    None,
)
pytestmark = pytest.mark.skipif(
    EXAMPLES is None, reason="the examples are not part of a package's sdist"
)
# What stands in the place of a value; each is wrong for most keys.
WRONG = [
    *("", " ", "a\x07b", "no such thing", "__import__('os')", "pt >", "1 / 0"),
    *(-1, 0, 2**70, 1.5, -1e308, math.nan, math.inf, True, False),
    *([], [[]], [""], ["x", "x"], [1, "a"], [math.nan], {}, {"a": {}}, {"": 1}),
]


@pytest.fixture(scope="module")
def described(tmp_path_factory):
    """The example's description and the folder with its files, few events each."""
    folder = tmp_path_factory.mktemp("fuzz")
    spec = importlib.util.spec_from_file_location("own", EXAMPLES / "own_analysis.py")
    own = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(own)
    own.write(folder / "own_analysis_events", 400)
    (folder / "examples").mkdir()
    document = tomllib.loads((EXAMPLES / "own_analysis.toml").read_text())
    return document, folder / "examples"


def places(tree, above=()):
    """The path of every key and item, outer ones first."""
    items = (
        tree.items()
        if isinstance(tree, dict)
        else enumerate(tree)
        if isinstance(tree, list)
        else ()
    )
    for key, value in items:
        yield (*above, key)
        yield from places(value, (*above, key))


def at(tree, path):
    for key in path:
        tree = tree[key]
    return tree


def changed(document, path, change):
    """A copy with `change(container, key)` done at a path."""
    document = copy.deepcopy(document)
    change(at(document, path[:-1]), path[-1])
    return document


def outcome(document, base):
    """`None` where all is well, else what is told; anything but a message fails."""
    try:
        analysis = neoskit.Analysis.from_dict(document, base)
        analysis.dataset()
        # What can be read can be checked, and has a measurement.
        json.dumps(analysis.check().document(), allow_nan=False)
        analysis.measurement()
    except ConfigError as error:
        return str(error)
    return None


def named(message, path):
    """Whether a message names the key, or one above it, or its value's table."""
    keys = [key for key in path if isinstance(key, str)]
    return any(f"{key}" in message for key in reversed(keys))


def test_the_example_is_right(described):
    assert outcome(*described) is None


def test_every_key_left_out(described):
    document, base = described
    told = 0
    for path in places(document):
        if isinstance(path[-1], int):
            continue
        message = outcome(changed(document, path, lambda t, k: t.pop(k)), base)
        if message is not None:
            told += 1
            assert named(message, path), (path, message)
    assert told > 30  # most others have a default


def test_every_key_misspelt(described):
    document, base = described
    free = {"features", "columns", "missing", "files", "free"}  # names of one's own

    def misspelt(table, key):
        # In its place, so that nothing else changes its order.
        items = [(f"{k}x" if k == key else k, v) for k, v in table.items()]
        table.clear()
        table.update(items)

    for path in places(document):
        if isinstance(path[-1], int):
            continue
        message = outcome(changed(document, path, misspelt), base)
        if len(path) > 1 and path[-2] in free:
            assert message is None or named(message, path), (path, message)
        elif path[-1] == "kind":  # what a table is of tells which keys it may have
            assert "kind` is missing" in message, (path, message)
        else:
            assert message is not None, path
            assert f"{path[-1]}x" in message, (path, message)
            assert path[-1] in message.replace(f"{path[-1]}x", ""), (path, message)


@pytest.mark.parametrize("wrong", WRONG, ids=repr)
def test_every_value_wrong(described, wrong):
    document, base = described
    told = 0
    for path in places(document):

        def put(container, key):
            container[key] = copy.deepcopy(wrong)

        message = outcome(changed(document, path, put), base)
        if message is not None:
            told += 1
            assert named(message, path), (path, message)
            assert len(message) < 4000, path
    assert told > 20
