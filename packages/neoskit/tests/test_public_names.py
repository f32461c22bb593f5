"""The names of the package: the same for a type checker and for a program."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import neoskit


def names_for_type_checkers():
    """By module, the names in the `if TYPE_CHECKING:` block."""
    tree = ast.parse(Path(neoskit.__file__).read_text())
    (block,) = (
        node
        for node in tree.body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    names = {}
    for node in block.body:
        for alias in node.names:
            assert alias.name == alias.asname
            names.setdefault(node.module, set()).add(alias.asname)
    return names


def test_both_tables_say_the_same():
    lazily = {module: set(names) for module, names in neoskit._NAMES.items()}
    assert lazily == names_for_type_checkers()
    assert len(neoskit.__all__) == sum(map(len, lazily.values()))


def test_every_name_is_there_and_listed():
    for name in neoskit.__all__:
        assert getattr(neoskit, name) is not None
    assert {*neoskit.__all__, "__version__"} <= set(dir(neoskit))


def test_a_name_that_is_not_there_is_an_error():
    with pytest.raises(AttributeError, match="'neoskit' has no attribute 'nosuch'"):
        neoskit.nosuch  # noqa: B018


def test_the_import_alone_loads_no_jax():
    script = "import sys, neoskit; assert 'jax' not in sys.modules; neoskit.Events"
    subprocess.run([sys.executable, "-c", script], check=True)
