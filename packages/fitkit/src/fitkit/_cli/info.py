"""The command `info`: what a report of a fault should tell of the installation.

It does not import jax: to ask for versions alone, that takes too long.
"""

import importlib.metadata
import os
import platform
import sys
from pathlib import Path
from typing import Any

from .options import Output
from .process import CHOSEN, VARIABLES
from .signature import with_options

_PACKAGES = (
    *("fitkit", "relaxed", "neoskit", "numpy", "scipy", "jax", "jaxlib", "equinox"),
    *("jaxtyping", "optimistix", "pydantic", "jsonpatch", "threadpoolctl", "typer"),
    *("rich", "matplotlib", "mplhep", "pyyaml", "uproot"),
)
_CACHE = "JAX_COMPILATION_CACHE_DIR"


@with_options
def info(output: Output) -> None:
    """Versions, platform, threads, engines, caches: for reports of faults."""
    from . import show

    content = {
        "python": platform.python_version(),
        "executable": sys.executable,
        "platform": platform.platform(),
        "processors": _processors(),
        "packages": {name: version_of(name) for name in _PACKAGES},
        "installed_at": str(Path(__file__).parents[1]),
        "engines": {
            "concrete numbers": "NumPy",
            "many pseudo-experiments": f"jax on {os.environ['JAX_PLATFORMS']}",
            "jax plug-ins": _plug_ins(),
        },
        "linear_algebra": _linear_algebra(),
        "environment": {name: os.environ.get(name) for name in VARIABLES},
        "set_by_fitkit": sorted(CHOSEN),
        "caches": {"compiled programs of jax": _cache()},
    }
    show.answer(content, output, _print)


def version_of(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processors() -> int:
    """Those that this process may use: a batch job may have a few of many."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _plug_ins() -> list[str]:
    """What lets jax use a GPU or TPU, if installed."""
    found = importlib.metadata.distributions()
    names = {name for each in found if (name := each.metadata["Name"])}
    devices = ("jax-cuda", "jax-rocm", "jax-metal", "libtpu")
    return sorted(f"{n} {version_of(n)}" for n in names if n.startswith(devices))


def _linear_algebra() -> list[dict[str, Any]]:
    """The libraries that NumPy and SciPy have loaded, with their threads."""
    import scipy.linalg  # noqa: F401 - what is not loaded is not seen
    import threadpoolctl

    keys = ("user_api", "internal_api", "version", "architecture", "num_threads")
    loaded = threadpoolctl.threadpool_info()
    return [{key: library.get(key) for key in keys} for library in loaded]


def _cache() -> dict[str, Any] | None:
    """Where jax keeps what it has compiled: nowhere, unless it is told a folder."""
    if not os.environ.get(_CACHE):
        return None
    folder = Path(os.environ[_CACHE])
    files = [path for path in folder.glob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    return {"folder": str(folder), "files": len(files), "bytes": size}


def _print(content: dict[str, Any]) -> None:
    from . import show

    show.line(f"Python {content['python']} on {content['platform']}")
    show.line(content["executable"])
    show.line(f"{content['processors']} processors")
    for name, version in content["packages"].items():
        show.line(f"{name} {version or '(not installed)'}")
    show.line(f"fitkit is in {content['installed_at']}")
    for what, engine in content["engines"].items():
        said = ", ".join(engine) or "none" if isinstance(engine, list) else engine
        show.line(f"{what}: {said}")
    for library in content["linear_algebra"]:
        show.line(
            f"{library['internal_api']} {library['version'] or ''} "
            f"({library['architecture'] or library['user_api']}): "
            f"{library['num_threads']} threads"
        )
    for name, value in content["environment"].items():
        if value is not None:
            by_us = " (set by fitkit)" if name in content["set_by_fitkit"] else ""
            show.line(f"{name}={value}{by_us}")
    for what, cache in content["caches"].items():
        said = "none"
        if cache:
            size = f"{cache['bytes'] / 1e6:.1f} MB"
            said = f"{cache['folder']}, {cache['files']} files, {size}"
        show.line(f"{what}: {said}")
