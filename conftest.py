"""Names that every docstring example may use without importing them."""

import importlib
import importlib.util

import pytest


@pytest.fixture(autouse=True)
def _names_in_docstrings(doctest_namespace) -> None:
    names = {"jax": "jax", "jnp": "jax.numpy", "np": "numpy"}
    names |= {package: package for package in ("relaxed", "fitkit", "neoskit")}
    for name, module in names.items():
        if importlib.util.find_spec(module) is not None:
            doctest_namespace[name] = importlib.import_module(module)
