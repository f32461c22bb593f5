"""Real documents mutated in thousands of seeded ways: nothing but `WorkspaceError`.

A mutation may well leave a good document, which then must give a model.
"""

import contextlib
import copy
import json
import math
import random
import warnings

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

import fitkit

DOCUMENTS = (
    "likelihoods/small/GammaGamma_Higgs.json",
    "likelihoods/small/SRee_SRmm_Srem_v2.json",
    "likelihoods/1Lbb_simplified/BkgOnly.json",
)
VALUES = (
    None,
    True,
    False,
    0,
    -1,
    -1.5,
    3.7,
    1e308,
    10**400,
    math.nan,
    math.inf,
    -math.inf,
    "",
    "mu",
    "staterror",
    "\ud800",
    [],
    {},
    [[]],
    [1.0],
    [1.0, 2.0, 3.0],
    {"name": "mu"},
    {"lo": 1, "hi": 1},
    b"bytes",
    (1.0, 2.0),
    {1.0},
    object(),
    np.array([1.0, 2.0]),
    np.array([1.0, math.nan]),
    np.array(["a", "b"]),
    np.array(3),
    np.True_,
    np.float32(-1.5),
)


def places(value, path=()):
    """All places in a document."""
    yield path
    items = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, item in items:
        yield from places(item, (*path, key))


def mutate(document, rng):
    """One change at a random place: replace, remove, repeat, rename, swap."""
    document = copy.deepcopy(document)
    *outer, last = rng.choice([place for place in places(document) if place])
    inner = document
    for key in outer:
        inner = inner[key]
    match rng.randrange(6):
        case 0 | 1:
            inner[last] = rng.choice(VALUES)
        case 2:
            del inner[last]
        case 3 if isinstance(inner, list):
            inner.insert(rng.randrange(len(inner) + 1), copy.deepcopy(inner[last]))
        case 4 if isinstance(inner, dict):
            inner[rng.choice(("x", "name", "type", "data", 3, None))] = inner.pop(last)
        case _:
            inner[last] = rng.choice([item for _, item in _leaves(document)])
    return document


def _leaves(value, path=()):
    if isinstance(value, (dict, list)):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from _leaves(item, (*path, key))
    else:
        yield path, value


def read(document, **options):
    """Reads it or raises a WorkspaceError of one line; warnings are fine."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            fitkit.read_workspace(document, **options)
        except fitkit.WorkspaceError as error:
            message = str(error)
            assert message
            assert "\n" not in message
            assert len(message) < 2000
            return False
    return True


@pytest.mark.parametrize("path", DOCUMENTS)
def test_mutated_documents(path, load_json):
    original, rng = load_json(path), random.Random(path)
    assert read(original)
    refused = 0
    for _ in range(700):
        document = original
        for _ in range(rng.randrange(1, 4)):
            document = mutate(document, rng)
        refused += not read(document)
    assert refused > 300


def test_mutated_bytes(load_json, tmp_path):
    text = json.dumps(load_json(DOCUMENTS[1])).encode()
    rng, path = random.Random(1), tmp_path / "mutated.json"
    for _ in range(300):
        content = bytearray(text)
        for _ in range(rng.randrange(1, 5)):
            at = rng.randrange(len(content))
            match rng.randrange(3):
                case 0:
                    content[at] = rng.randrange(256)
                case 1:
                    del content[at : at + rng.randrange(1, 50)]
                case 2:
                    content[at:at] = bytes(rng.choices(b'[]{}",:0e-\xff', k=3))
        path.write_bytes(content)
        read(path)


def test_mutated_patches(load_json):
    original = load_json(DOCUMENTS[2])
    patchset = load_json("likelihoods/1Lbb_simplified/patchset.json")
    patch = patchset["patches"][0]["patch"]
    assert read(original, patch=patch)
    rng = random.Random(2)
    for _ in range(300):
        read(original, patch=mutate(patch, rng))
    for _ in range(100):
        mutated = mutate({"it": patchset | {"patches": patchset["patches"][:2]}}, rng)
        with contextlib.suppress(fitkit.WorkspaceError):
            fitkit.read_patchset(mutated.get("it"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["name", "data", "type", "samples", "modifiers", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@hypothesis.settings(max_examples=200, deadline=None, derandomize=True)
@hypothesis.given(
    channels=JSON, observations=JSON, measurements=JSON, patch=st.none() | JSON
)
def test_any_json(channels, observations, measurements, patch):
    document = {
        "channels": channels,
        "observations": observations,
        "measurements": measurements,
        "version": "1.0.0",
    }
    read(document, patch=patch)


@pytest.mark.parametrize("depth", [50, 100_000])
def test_nested_documents(depth):
    nested = []
    for _ in range(depth):
        nested = [nested]
    assert not read({"channels": nested})
    assert not read(
        {"channels": []}, patch=[{"op": "add", "path": "/x", "value": nested}]
    )
    assert not read({"channels": nested}, patch=[])
