"""What all tests and docstring examples get: names to use, and few programs."""

import importlib
import importlib.util
from pathlib import Path

import jax
import pytest

_MAPPINGS = Path("/proc/self/maps")
# Of the 65 530 that Linux gives a process. No file of tests ended above 24 000 so far.
_MOST_MAPPINGS = 20_000


@pytest.fixture(autouse=True, scope="module")
def _few_programs():
    """Drop jax's compiled programs before they have all of a process's mappings.

    Where one more is refused XLA ends the process by a segmentation fault
    (https://github.com/jax-ml/jax/issues/27201), and these tests compile thousands.
    """
    yield
    if _MAPPINGS.exists() and _MAPPINGS.read_bytes().count(b"\n") > _MOST_MAPPINGS:
        jax.clear_caches()


@pytest.fixture(autouse=True)
def _names_in_docstrings(doctest_namespace) -> None:
    names = {"jax": "jax", "jnp": "jax.numpy", "np": "numpy"}
    names |= {package: package for package in ("relaxed", "fitkit", "neoskit")}
    for name, module in names.items():
        if importlib.util.find_spec(module) is not None:
            doctest_namespace[name] = importlib.import_module(module)
