"""What every test across packages needs: float64, one BLAS thread, the data folder."""

import os
import sys
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

# What sessions of nox run as scripts, `_signatures.py` and its like, is tested too.
sys.path.insert(0, str(Path(__file__).parent))

import jax
import pytest

jax.config.update("jax_enable_x64", True)


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's root."""
    return Path(__file__).parents[1]


@pytest.fixture(scope="session")
def data_folder(root: Path) -> Path:
    """The folder of real inputs, which is no part of the repository."""
    folder = Path(os.environ.get("NEOSKIT_TEST_DATA", root.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no test data at {folder}: set NEOSKIT_TEST_DATA to their folder")
    return folder
