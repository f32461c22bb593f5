"""The digest of a model with its data: what a stored fit is a fit of."""

import dataclasses
import enum
import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from .._numerics.namespace import as_numpy, traced
from .model import AbstractModel, Data


def digest_of(model: AbstractModel, data: Data) -> str:
    """The digest of everything about a model and its data that a fit depends on.

    Numbers, names, settings and masks; the same in every process and on every machine.
    Of a function that a model of one's own holds only the name counts.

    Args:
        model: with concrete numbers.
        data: likewise.

    Returns:
        Hexadecimal, 64 characters.

    Raises:
        ValueError: for traced numbers, which have no value yet.
    """
    if traced(model, data):
        raise ValueError(
            "traced numbers have no digest. Store a fit outside of `jax.jit`."
        )
    sha = hashlib.sha256()
    _add(sha, model)
    _add(sha, data)
    return sha.hexdigest()


def _add(sha: Any, part: Any) -> None:
    """Add a part: its kind first, so that no two different ones give the same bytes."""
    part = as_numpy(part)
    match part:
        case None | bool() | int() | float() | str() | bytes():
            _text(sha, type(part).__name__, repr(part))
        case np.ndarray() | np.generic():
            # Widths of integers differ from machine to machine.
            kind = {"f": "<f8", "i": "<i8", "u": "<i8", "b": "|b1"}[part.dtype.kind]
            array = np.ascontiguousarray(part, dtype=kind)
            _text(sha, "array", f"{kind}{array.shape}")
            sha.update(array.tobytes())
        case enum.Enum():
            _text(sha, "enum", str(part))
        case tuple() | list():
            _text(sha, "list", str(len(part)))
            for each in part:
                _add(sha, each)
        case Mapping():
            _text(sha, "mapping", str(len(part)))
            # The order of a dict does not survive a compiled function.
            for key in sorted(part, key=str):
                _add(sha, key)
                _add(sha, part[key])
        case _ if dataclasses.is_dataclass(part) and not isinstance(part, type):
            fields = dataclasses.fields(part)
            _text(sha, type(part).__qualname__, str(len(fields)))
            for field in fields:
                _add(sha, field.name)
                _add(sha, getattr(part, field.name))
        case _:
            name = getattr(part, "__qualname__", type(part).__qualname__)
            _text(sha, "other", name)


def _text(sha: Any, kind: str, text: str) -> None:
    encoded = f"{kind}:{text}".encode("utf-8", "surrogatepass")
    sha.update(len(encoded).to_bytes(8, "little") + encoded)
