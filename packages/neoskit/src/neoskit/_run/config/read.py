"""TOML → a description, and back."""

import difflib
import tomllib
from pathlib import Path
from typing import Any

import pydantic

from .problems import explain, place
from .run import RunConfig
from .table import ConfigError


def read_config(path: str | Path) -> RunConfig:
    """The run that a TOML file describes.

    Args:
        path: The file.

    Raises:
        ConfigError: Where the file is missing, is not TOML, or does not
            describe a run; the message names the file, each key, and for an
            unknown one its nearest relative.

    Examples:
        >>> import tempfile, pathlib
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> _ = (folder / "run.toml").write_text('''
        ... [source]
        ... kind = "blobs"
        ... ''')
        >>> read_config(folder / "run.toml").training.steps
        100
    """
    path = Path(path)
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    # Python's words name neither the way out nor, for some, the file.
    except FileNotFoundError:
        raise ConfigError(_not_there(path)) from None
    except IsADirectoryError:
        raise ConfigError(f"{path}: is a folder; a run is one TOML file.") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text, as TOML must be.") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}.") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: is not valid TOML: {error}.") from None
    return parse_config(document, where=str(path))


def parse_config(document: dict[str, Any], *, where: str = "config") -> RunConfig:
    """The run that a parsed document describes.

    Args:
        document: As `tomllib` returns it.
        where: What to call the document in errors.

    Raises:
        ConfigError: As `read_config`.
    """
    try:
        return RunConfig.model_validate(document)
    except pydantic.ValidationError as error:
        # One line for a place: of a list that is too short, pydantic names each item.
        lines = {
            place(problem, document): explain(problem, document)
            for problem in error.errors()
        }
        message = "\n".join(f"{where}: {line}" for line in lines.values())
        raise ConfigError(message) from None


def config_document(config: RunConfig) -> dict[str, Any]:
    """The inverse of `parse_config`, every default written out.

    `None` is left out: TOML cannot say it, and every key that may be `None`
    is so by default.
    """
    return config.model_dump(mode="json", exclude_none=True)


def _not_there(path: Path) -> str:
    siblings = sorted(p.name for p in path.parent.glob("*.toml"))
    if not path.parent.is_dir():
        return f"{path}: no such file, and no folder `{path.parent}`."
    near = difflib.get_close_matches(path.name, siblings, n=1)
    hint = f" Did you mean `{path.parent / near[0]}`?" if near else ""
    return f"{path}: no such file.{hint}"
