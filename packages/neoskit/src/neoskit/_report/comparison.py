"""What `neoskit compare` found: head-room, and the gain over the baselines."""

import json
from pathlib import Path
from typing import Any

from .._run.config import ConfigError
from .._run.folder import RunFolder


def comparison(folder: RunFolder, compared: Path | None) -> dict[str, Any] | None:
    """The comparison that belongs to a run, if there is one.

    Args:
        folder: the run.
        compared: the folder of the comparison; by default the run itself, or the one
            that `neoskit compare` makes beside it.

    Raises:
        ConfigError: the folder that was named has no comparison, or one that cannot be
            read.
    """
    beside = folder.path.with_name(f"{folder.path.name}-compare")
    places = [folder.path, beside] if compared is None else [compared]
    for place in places:
        file = place / "comparison.json"
        if file.is_file():
            try:
                document = json.loads(file.read_text(encoding="utf-8"))
            except ValueError as error:
                raise ConfigError(f"{file}: is no JSON: {error}.") from None
            return {**document, "folder": place.name}
    if compared is not None:
        raise ConfigError(
            f"{compared}: has no `comparison.json`; `neoskit compare CONFIG.toml` "
            "makes a folder with one."
        )
    return None
