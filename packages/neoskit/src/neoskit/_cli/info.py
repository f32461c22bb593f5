"""The command `info`: what a report of a fault should tell of the installation."""

import importlib.metadata
import json
import os
import platform
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from . import show

_PACKAGES = (
    *("neoskit", "fitkit", "relaxed", "numpy", "scipy", "jax", "jaxlib", "equinox"),
    *("jaxtyping", "optax", "optimistix", "pydantic", "typer", "rich", "matplotlib"),
    *("mplhep", "uproot", "awkward", "pyarrow", "numexpr"),
)
_CACHE = "JAX_COMPILATION_CACHE_DIR"
_VARIABLES = (
    *("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "JAX_PLATFORMS", "JAX_ENABLE_X64"),
    *(_CACHE, "XLA_FLAGS", "XLA_PYTHON_CLIENT_PREALLOCATE", "CUDA_VISIBLE_DEVICES"),
)


def info(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print it for a program to read.")
    ] = False,
) -> None:
    """Versions, platform, threads, devices, caches: for reports of faults."""
    content = installation()
    if as_json:
        print(json.dumps(content, indent=1, allow_nan=False))
        return
    show.line(f"Python {content['python']} on {content['platform']}")
    show.line(content["executable"])
    show.line(f"{content['processors']} processors")
    for name, version in content["packages"].items():
        show.line(f"{name} {version or '(not installed)'}")
    show.line(f"neoskit is in {content['installed_at']}")
    show.line(f"jax computes on: {', '.join(content['devices'])}")
    for name, value in content["environment"].items():
        if value is not None:
            show.line(f"{name}={value}")
    cache = content["cache"]
    size = f"{cache['files']} files, {cache['bytes'] / 1e6:.1f} MB"
    show.line(f"compiled programs of jax: {cache['folder']}, {size}")


def installation() -> dict[str, Any]:
    """All of it, as it stands in this process."""
    import jax

    devices = [f"{each.platform} {each.device_kind}" for each in jax.devices()]
    return {
        "python": platform.python_version(),
        "executable": sys.executable,
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "installed_at": str(Path(__file__).parents[1]),
        "devices": devices,
        "environment": {name: os.environ.get(name) for name in _VARIABLES},
        "cache": _cache(Path(os.environ[_CACHE])),
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _cache(folder: Path) -> dict[str, Any]:
    """The folder that the command line gives jax for what it compiles."""
    files = [path for path in folder.glob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    return {"folder": str(folder), "files": len(files), "bytes": size}
