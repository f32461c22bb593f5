"""HS3 documents mutated in thousands of seeded ways: nothing but `WorkspaceError`."""

import copy
import random
import warnings

import numpy as np
import pytest

import fitkit

VALUES = (
    *(None, True, False, 0, -1, 3.7, 1e308, 10**400, float("nan"), float("inf")),
    *("", "mu", "gaussian_dist", "\ud800", "alpha_xs", "1.5", "x_constraint"),
    *([], {}, [[]], [1.0], [1.0, 2.0], ["mu"], {"name": "mu"}, {"lo": 1, "hi": 1}),
    *(b"bytes", (1.0, 2.0), {1.0}, object(), np.array([1.0, np.nan]), np.float32(-1)),
)


def seed_document():
    """A document with every part that is looked at."""
    model = fitkit.Model(
        [
            fitkit.Channel(
                "SR",
                [
                    fitkit.Sample(
                        "s",
                        [5.0, 6.0],
                        [fitkit.NormFactor("mu"), fitkit.Lumi("lumi", 0.1)],
                    ),
                    fitkit.Sample(
                        "b",
                        [50.0, 60.0],
                        [
                            fitkit.NormSys("alpha_xs", 0.9, 1.1, "1"),
                            fitkit.HistoSys("jes", [45.0, 60.0], [55.0, 61.0]),
                            fitkit.ShapeSys("shape", [4.0, 5.0]),
                            fitkit.StatError("mc", [2.0, 3.0]),
                            fitkit.ShapeFactor("free"),
                        ],
                    ),
                ],
            )
        ],
        settings={
            "shape": fitkit.ParameterSettings(aux=[100.0, 140.0], fixed=[True, False]),
            "alpha_xs": fitkit.ParameterSettings(aux=0.3),
        },
    )
    from fitkit._formats.hs3.write import hs3_document

    return hs3_document(model, model.data({"SR": [55.0, 66.0]}))


def places(value, path=()):
    yield path
    if isinstance(value, dict):
        items = value.items()
    else:
        items = enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*path, key))


def mutate(document, rng):
    """One change at a random place: replace, remove, repeat, rename, swap."""
    document = copy.deepcopy(document)
    every = [place for place in places(document) if place]
    *outer, last = rng.choice(every)
    inner = document
    for key in outer:
        inner = inner[key]
    match rng.randrange(5):
        case 0 | 1:
            inner[last] = rng.choice(VALUES)
        case 2:
            del inner[last]
        case 3 if isinstance(inner, list):
            inner.insert(rng.randrange(len(inner) + 1), copy.deepcopy(inner[last]))
        case 3:
            inner[rng.choice(("x", "name", "type", "data", 3, None))] = inner.pop(last)
        case _:
            *way, end = rng.choice(every)
            other = document
            for key in way:
                if not isinstance(other, (dict, list)):
                    return document
                try:
                    other = other[key]
                except (KeyError, IndexError):  # it was under what has changed
                    return document
            inner[last] = copy.deepcopy(
                other[end] if isinstance(other, dict) and end in other else "swapped"
            )
    return document


def read(document):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        message = ""
        try:
            model, data = fitkit.read_hs3(document)
        except fitkit.WorkspaceError as error:
            message = str(error)
    assert "\n" not in message
    if message:
        return 0
    float(model.logpdf(model.init, data))  # one that is read can be used
    return 1


def many(number, seed):
    document, rng = seed_document(), random.Random(seed)
    good = 0
    for _ in range(number):
        mutant = mutate(document, rng)
        if rng.random() < 0.3:
            mutant = mutate(mutant, rng)
        good += read(mutant)
    # Neither all refused nor all read: else the mutations would test nothing.
    assert number / 20 < good < 0.95 * number


def test_mutations():
    many(400, seed=1)


@pytest.mark.slow
def test_thousands_of_mutations():
    many(6000, seed=2)


def test_text_that_is_cut(tmp_path):
    import json

    text = json.dumps(seed_document())
    path = tmp_path / "cut.hs3.json"
    rng = random.Random(3)
    for _ in range(50):
        path.write_text(text[: rng.randrange(len(text) - 1)])
        with pytest.raises(fitkit.WorkspaceError, match=r"cut\.hs3\.json"):
            fitkit.read_hs3(path)


def test_nested_without_end():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    document = seed_document()
    document["distributions"] = deep
    with pytest.raises(fitkit.WorkspaceError):
        fitkit.read_hs3(document)
