"""Traced programs that outlive the process that traced them.

jax keeps compiled programs on disk, but each process traces and lowers them anew: for
the program of a fit that takes a hundred times as long as the fit. A process that
makes a single fit, as a command line does, has the traced program kept too.
"""

import hashlib
import logging
import os
import tempfile
from collections.abc import Callable, Hashable
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.export

from .._room import room

_log = logging.getLogger(__name__)
_SOURCES = Path(__file__).parent.parent
_CHECKSUM = hashlib.sha256().digest_size

_folders: list[Path] = []
_programs: dict[Hashable, Callable[..., Any]] = {}


def keep_programs(folder: str | Path | None) -> None:
    """Keep the traced programs of fits in `folder`, and use those that are there.

    jax's own cache (`jax_compilation_cache_dir`, with
    `jax_persistent_cache_min_compile_time_secs` at 0) spares a process the compilation,
    this one the tracing before it: together a first fit takes 0.3 s, not 3. The command
    line does this by itself.

    Args:
        folder: made where it does not exist; None: keep none any more. As with any
            cache of programs, only you should be able to write there.

    Raises:
        ModuleNotFoundError: without the package `flatbuffers`, which writes them.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     fitkit.keep_programs(folder)
        ...     model = fitkit.uncorrelated_background([5.0], [50.0], [5.0])
        ...     result = fitkit.fit(model, model.data({"singlechannel": [53.0]}))
        ...     fitkit.keep_programs(None)
        >>> round(float(result.params["mu"]), 6)
        0.6
    """
    if folder is not None:
        try:
            import flatbuffers  # noqa: F401  (jax.export writes with it)
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                "`keep_programs` needs `flatbuffers`; it comes with `fitkit[cli]`.",
                name="flatbuffers",
            ) from error
    _folders[:] = [] if folder is None else [Path(folder)]
    _programs.clear()


def keeps_programs() -> bool:
    """Whether a folder for traced programs has been given."""
    return bool(_folders)


def call_kept(function: Callable[..., Any], *args: Any) -> list[jax.Array]:
    """The leaves of `function(*args)`, by a program kept for arguments of these shapes.

    They carry no derivative.

    Args:
        function: a pure function of arrays, part of fitkit: its own sources are all
            that tells two versions of it apart.
        args: pytrees whose leaves are all arrays, and whose structure says by its
            `repr` all that the program depends on.
    """
    leaves, structure = jax.tree.flatten(args)
    shapes = tuple(jax.ShapeDtypeStruct(x.shape, x.dtype) for x in leaves)
    key = (function, structure, shapes)
    room.make()
    if key not in _programs:
        room.taken()
        path = _folders[0] / f"{_name(function, structure, shapes)}.program"
        exported = _read(path)
        if exported is None:

            def flat(*leaves: jax.Array) -> list[jax.Array]:
                return jax.tree.leaves(function(*jax.tree.unflatten(structure, leaves)))

            exported = jax.export.export(jax.jit(flat))(*shapes)
            _write(path, bytes(exported.serialize()))
        _programs[key] = jax.jit(exported.call)
    return _programs[key](*leaves)


def _name(function: Callable[..., Any], structure: Any, shapes: tuple) -> str:
    """A digest of all that the traced program depends on."""
    what = [function.__qualname__, str(structure), str(shapes), jax.default_backend()]
    what += [jax.__version__, _sources()]
    return hashlib.sha256("\n".join(what).encode()).hexdigest()[:32]


@cache
def _sources() -> str:
    """A digest of fitkit's own sources: an installed version may have been edited."""
    digest = hashlib.sha256()
    for path in sorted(_SOURCES.rglob("*.py")):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _read(path: Path) -> jax.export.Exported | None:
    """The program of a file; None where there is none, or it was cut off."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    checksum, program = content[:_CHECKSUM], content[_CHECKSUM:]
    if hashlib.sha256(program).digest() != checksum:
        _log.warning("%s is damaged and is written anew.", path)
        return None
    return jax.export.deserialize(bytearray(program))


def _write(path: Path, program: bytes) -> None:
    """Write a file as a whole or not at all: another process may be reading."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(hashlib.sha256(program).digest() + program)
        Path(name).replace(path)
    except OSError as error:
        _log.warning("The program of a fit could not be kept: %s.", error)
