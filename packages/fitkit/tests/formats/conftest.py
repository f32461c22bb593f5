"""What tests of formats share: Combine's own cards, and what it printed."""

import json
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def cards(data_folder) -> Path:
    folder = data_folder / "formats/combine"
    if not folder.exists():
        pytest.skip(f"no datacards at {folder}")
    return folder


@pytest.fixture(scope="module")
def references(cards):
    return json.loads((cards / "references.json").read_text())
