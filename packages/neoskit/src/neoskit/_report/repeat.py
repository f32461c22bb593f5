"""How to repeat a run: configuration, versions, seeds, digests."""

import hashlib
from typing import Any

from .._run.config import RunConfig
from .._run.folder import RunFolder


def repeat(folder: RunFolder, config: RunConfig) -> dict[str, Any]:
    """What a run depends on."""
    text = (folder.path / "config.toml").read_text(encoding="utf-8")
    known = folder.provenance
    return {
        "command": f"neoskit train {folder.path.name}/config.toml",
        "config": text,
        "started": known.get("started"),
        "versions": known.get("versions", {}),
        "seeds": known.get("seeds", {}),
        "files": known.get("files", {}),
        "events": known.get("events", {}),
        "parameters": {
            f"seed-{seed}/parameters.eqx": hashlib.sha256(
                (folder.path / f"seed-{seed}" / "parameters.eqx").read_bytes()
            ).hexdigest()
            for seed in folder.seeds
        },
        "note": getattr(config.source, "note", None),
    }
