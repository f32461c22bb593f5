"""A user's own function that returns events, found and called."""

import importlib.util
import inspect
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from ..config import ConfigError, PythonTable
from .nearest import hint


def called(source: PythonTable, base: Path, name: str, wanted: type) -> Any:
    """What the user's function returns, checked to be of the wanted type."""
    function = look_up(source, base, name)
    try:
        inspect.signature(function).bind(**source.arguments)
    except TypeError as error:
        raise ConfigError(
            f"`source.arguments` do not fit `{name}{inspect.signature(function)}` of "
            f"{source.file}: {error}."
        ) from None
    result = function(**source.arguments)
    if not isinstance(result, wanted):
        raise ConfigError(
            f"`{name}` of {source.file} must return a {wanted.__name__}; "
            f"it returned a {type(result).__name__}."
        )
    return result


def look_up(source: PythonTable, base: Path, name: str) -> Callable[..., Any]:
    """The user's function itself, not called."""
    module = _module(base / source.file)
    function = getattr(module, name, None)
    if not callable(function):
        functions = [n for n, _ in inspect.getmembers(module, inspect.isfunction)]
        near = hint(name, functions or ["none"])
        raise ConfigError(f"{source.file} has no function `{name}`.{near}")
    return function


def _module(path: Path) -> ModuleType:
    if not path.is_file():
        raise ConfigError(
            f"`source.file` is `{path}`, which is no file. It is looked for relative "
            "to the configuration."
        )
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"`source.file` is `{path}`; it must be a Python file, *.py.")
    # Under the file's own name and not in `sys.modules`: a user's `events.py` must not
    # hide another module of that name.
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
