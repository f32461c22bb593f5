"""Documents read in series: bit by bit what each gives when it is read alone."""

import copy
import json
import re
import warnings

import jax
import numpy as np
import pytest

import fitkit
from fitkit._workspace.choices import Choices
from fitkit._workspace.many import SeriesReader


def document():
    """Two channels with every kind of modifier, two measurements."""
    return {
        "channels": [
            {
                "name": "SR",
                "samples": [
                    {
                        "name": "signal",
                        "data": [5.0, 6.0],
                        "modifiers": [
                            {"name": "mu", "type": "normfactor", "data": None},
                            {"name": "lumi", "type": "lumi", "data": None},
                        ],
                    },
                    {
                        "name": "background",
                        "data": [50.0, 40],
                        "modifiers": [
                            {
                                "name": "xs",
                                "type": "normsys",
                                "data": {"lo": 0.9, "hi": 1.15},
                            },
                            {
                                "name": "jes",
                                "type": "histosys",
                                "data": {"lo_data": [48, 37.5], "hi_data": [53, 44]},
                            },
                            {"name": "mc_SR", "type": "staterror", "data": [2.0, 0.0]},
                        ],
                    },
                ],
            },
            {
                "name": "CR",
                "samples": [
                    {
                        "name": "background",
                        "data": [200.0, 300.0, 1e-3],
                        "modifiers": [
                            {
                                "name": "jes",
                                "type": "normsys",
                                "data": {"lo": 0.97, "hi": 1.02},
                            },
                            {
                                "name": "error",
                                "type": "shapesys",
                                "data": [10.0, 0.0, 1e-4],
                            },
                        ],
                    },
                    {
                        "name": "other",
                        "data": [1.0, 0.0, 3.0],
                        "modifiers": [
                            {"name": "free", "type": "shapefactor", "data": None}
                        ],
                    },
                ],
            },
        ],
        "observations": [
            {"name": "CR", "data": [210, 280.0, 4]},
            {"name": "SR", "data": [55.0, 44]},
        ],
        "measurements": [
            {
                "name": "first",
                "config": {
                    "poi": "mu",
                    "parameters": [
                        {"name": "lumi", "auxdata": [1.0], "sigmas": [0.02]},
                    ],
                },
            },
            {
                "name": "second",
                "config": {
                    "poi": "mu",
                    "parameters": [
                        {"name": "lumi", "auxdata": [1.1], "sigmas": [0.05]},
                        {"name": "mu", "inits": [0.5], "bounds": [[-2.0, 7.0]]},
                    ],
                },
            },
        ],
        "version": "1.0.0",
    }


def operation(op, path, value=None):
    return [{"op": op, "path": path, **({} if value is None else {"value": value})}]


SIGNAL, BACKGROUND = "/channels/0/samples/0", "/channels/0/samples/1"
NEW = {
    "name": "new",
    "data": [1.0, 2.5],
    "modifiers": [
        {"name": "mu", "type": "normfactor", "data": None},
        {"name": "xs", "type": "normsys", "data": {"lo": 0.8, "hi": 1.3}},
        {"name": "mc_SR", "type": "staterror", "data": [0.5, 0.25]},
    ],
}
ANOTHER = {**NEW, "name": "other", "data": [3.0, 0.0]}
SETTINGS = "/measurements/0/config/parameters"
PATCHES = {
    "nothing": [],
    "a sample": operation("add", "/channels/0/samples/2", NEW),
    "the same with other numbers": operation("add", "/channels/0/samples/2", ANOTHER),
    "a sample in front": operation("add", "/channels/0/samples/0", NEW),
    "a sample that is changed at once": [
        *operation("add", "/channels/0/samples/-", NEW),
        *operation("replace", "/channels/0/samples/2/modifiers/1/data/lo", 0.7),
        *operation("remove", "/channels/0/samples/2/modifiers/2"),
    ],
    "a sample less": operation("remove", SIGNAL),
    "another name": operation("replace", f"{BACKGROUND}/name", "renamed"),
    "one number": operation("replace", f"{BACKGROUND}/data/1", 41.5),
    "no yield": operation("replace", f"{BACKGROUND}/data/0", 0.0),
    "all numbers": operation("replace", f"{SIGNAL}/data", [7.0, 8.0]),
    "one bin less": [
        *operation("remove", f"{SIGNAL}/data/1"),
        *operation("remove", f"{BACKGROUND}/data/1"),
        *operation("remove", f"{BACKGROUND}/modifiers/1/data/lo_data/1"),
        *operation("remove", f"{BACKGROUND}/modifiers/1/data/hi_data/1"),
        *operation("remove", f"{BACKGROUND}/modifiers/2/data/1"),
        *operation("remove", "/observations/1/data/1"),
    ],
    "a modifier more": operation(
        "add", f"{SIGNAL}/modifiers/0", NEW["modifiers"][1] | {"name": "theory"}
    ),
    "a modifier less": operation("remove", f"{BACKGROUND}/modifiers/0"),
    "another kind of modifier": operation(
        "replace",
        f"{BACKGROUND}/modifiers/1",
        {"name": "jes", "type": "normsys", "data": {"lo": 0.9, "hi": 1.1}},
    ),
    "another parameter": operation("replace", f"{BACKGROUND}/modifiers/0/name", "jes"),
    "a channel less": operation("remove", "/channels/1"),
    "channels in another order": [
        {"op": "move", "from": "/channels/1", "path": "/channels/0"}
    ],
    "a copied sample": [
        {"op": "copy", "from": BACKGROUND, "path": "/channels/0/samples/2"},
        *operation("replace", "/channels/0/samples/2/name", "copy"),
        *operation("replace", "/channels/0/samples/2/data/0", 9.0),
    ],
    "other counts": operation("replace", "/observations/1/data", [70.0, 30.0]),
    "an observation more": operation(
        "add", "/observations/-", {"name": "x", "data": [1]}
    ),
    "a setting": operation(
        "add", f"{SETTINGS}/-", {"name": "mu", "inits": [0.25], "bounds": [[-1, 5]]}
    ),
    "another setting": operation("replace", f"{SETTINGS}/0/sigmas/0", 0.3),
    "a given width": operation(
        "add", f"{SETTINGS}/-", {"name": "mc_SR", "sigmas": [1, 2]}
    ),
    "another parameter of interest": operation(
        "replace", "/measurements/0/config/poi", "xs"
    ),
    "no parameter of interest": operation("replace", "/measurements/0/config/poi", ""),
    "one that is not there": operation("replace", "/measurements/0/config/poi", "nu"),
    "everything": operation("replace", "", document()),
    "a successful test": operation("test", "/version", "1.0.0"),
}
BAD = {
    "does not apply": operation("remove", "/channels/7"),
    "no operation": [7],
    "a name twice": operation(
        "add", "/channels/0/samples/2", NEW | {"name": "background"}
    ),
    "another number of bins": operation(
        "add", "/channels/0/samples/2", NEW | {"data": [1.0]}
    ),
    "a text for a number": operation(
        "add", "/channels/0/samples/2", NEW | {"data": ["1", 2.0]}
    ),
    "unknown keys": [
        *operation("add", f"{SIGNAL}/weight", 1.0),
        *operation("add", "/channels/1/title", "control"),
    ],
    "no samples": operation("replace", "/channels/0/samples", []),
    "samples that are none": operation("replace", "/channels/0/samples", 3),
    "a parameter of two kinds": operation(
        "replace", f"{BACKGROUND}/modifiers/0/name", "mu"
    ),
    "a negative count": operation("replace", "/observations/1/data/0", -1.0),
    "a count too many": operation("add", "/observations/1/data/-", 1.0),
    "no counts": operation("remove", "/observations/1"),
    "counts twice": operation("add", "/observations/-", {"name": "SR", "data": [1, 1]}),
    "a channel twice": operation("replace", "/channels/1/name", "SR"),
    "no width of the luminosity": operation("remove", f"{SETTINGS}/0"),
    "bounds upside down": operation(
        "add", f"{SETTINGS}/-", {"name": "mu", "bounds": [[5, -1]]}
    ),
    "a parameter of interest for each bin": operation(
        "replace", "/measurements/0/config/poi", "mc_SR"
    ),
    "no workspace": operation("replace", "", 3),
    "a factor of zero": operation("replace", f"{BACKGROUND}/modifiers/0/data/lo", 0.0),
    "a negative error": operation("replace", f"{BACKGROUND}/modifiers/2/data/0", -1.0),
    "a negative width": operation("replace", f"{SETTINGS}/0/sigmas/0", -0.1),
    "a patch set": operation("replace", "", {"patches": []}),
}


def alone(given, patch, **choices):
    """Model and likelihood of `read_workspace`, and its warning."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model, data = fitkit.read_workspace(given, patch=patch, **choices)
    warned = [str(each.message) for each in caught]
    return model, model.negative_log_likelihood(data), "".join(warned)


def problem(read, *args, **choices):
    """What is wrong with a document, as the reader says it; empty for nothing."""
    try:
        read(*args, **choices)
    except fitkit.WorkspaceError as error:
        return str(error)
    return ""


def same(reader, given, patch, **choices):
    common, likelihood = reader(given, patch)
    model, wanted, warned = alone(given, patch, **choices)
    assert common.model.layout.parameters == model.layout.parameters
    assert common.model.poi == model.poi
    assert common.without_poi == warned
    leaves, structure = jax.tree.flatten(likelihood)
    wanted_leaves, wanted_structure = jax.tree.flatten(wanted)
    assert structure == wanted_structure
    for leaf, of in zip(map(np.asarray, leaves), wanted_leaves, strict=True):
        of = np.asarray(of)
        assert (leaf.dtype, leaf.shape) == (of.dtype, of.shape)
        assert leaf.tobytes() == of.tobytes()


@pytest.mark.parametrize(
    "choices",
    [
        {},
        {"measurement": "second", "histosys_code": {"jes": "0"}},
        {"poi": "xs", "staterror_constraint": fitkit.Poisson, "normsys_code": "1"},
    ],
    ids=["as they are", "second measurement", "other choices"],
)
def test_each_patch_gives_the_same_as_alone(choices):
    """Twice, in both orders: the first time a structure is new, then it is known."""
    given, reader = document(), SeriesReader(Choices(**choices))
    for name in [*PATCHES, *reversed(PATCHES)]:
        # With these choices some are bad, such as a code for what is not there.
        if wrong := problem(alone, given, PATCHES[name], **choices):
            assert problem(reader, given, PATCHES[name]) == wrong
        else:
            same(reader, given, PATCHES[name], **choices)


@pytest.mark.parametrize("name", BAD)
def test_bad_patches_give_the_message_that_they_give_alone(name):
    given, reader = document(), SeriesReader(Choices())
    wanted = problem(alone, given, BAD[name])
    assert wanted
    for _ in range(2):
        # as the first, and when all of it that is right is known
        assert problem(reader, given, BAD[name]) == wanted
        same(reader, given, PATCHES["a sample"])
        same(reader, given, PATCHES["nothing"])


def test_errors_that_are_left_out_are_told_as_alone():
    given, reader = document(), SeriesReader(Choices())
    negative = operation("replace", f"{BACKGROUND}/data/0", -1.0)
    *_, wanted = alone(given, negative)
    assert "negative yields" in wanted
    for _ in range(2):
        with pytest.warns(UserWarning, match=re.escape(wanted)):
            reader(given, negative)


def test_a_document_of_arrays():
    """Its parts are known all the same."""
    plain, given, reader = document(), document(), SeriesReader(Choices())
    given["channels"][0]["samples"][0]["data"] = np.array([5.0, 6.0])
    for name in ("a sample", "one number", "all numbers", "nothing"):
        _, likelihood = reader(given, PATCHES[name])
        _, wanted, _ = alone(plain, PATCHES[name])
        for leaf, of in zip(*map(jax.tree.leaves, (likelihood, wanted)), strict=True):
            np.testing.assert_array_equal(leaf, of)


def test_a_document_that_only_its_patches_make_valid():
    """Where its names contradict each other, or it does not fit the format."""
    bad, number = document(), operation("replace", f"{SIGNAL}/data", [5.0, 6.0])
    kind = {"name": "xs", "type": "normfactor", "data": None}
    bad["channels"][1]["samples"][0]["modifiers"].insert(1, kind)
    repair = operation("remove", "/channels/1/samples/0/modifiers/1")
    reader = SeriesReader(Choices())
    with pytest.raises(fitkit.WorkspaceError, match="another kind"):
        reader(bad, number)
    same(reader, bad, repair)
    bad["channels"][0]["samples"][0]["data"] = "5.0"
    reader = SeriesReader(Choices())
    with pytest.raises(fitkit.WorkspaceError, match="list"):
        reader(bad, repair)
    same(reader, bad, number + repair)


def test_neither_document_nor_patches_are_changed():
    given, patches = document(), copy.deepcopy(PATCHES)
    for patch in patches.values():
        SeriesReader(Choices())(given, patch)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fitkit.read_workspace(given, patch=patch)
    assert given == document()
    assert patches == PATCHES


def test_what_a_patch_gives_is_the_callers_own():
    """`Patch.apply` shares nothing with the document that it was applied to."""
    given = document()
    patch = fitkit.Patch("point", (), PATCHES["a sample"])
    result = patch.apply(given)
    assert type(result["channels"][0]["samples"][2]) is dict
    for sample in result["channels"][0]["samples"]:
        sample["data"][0] = 1e6
        sample["modifiers"].clear()
    result["observations"].clear()
    assert given == document()
    assert patch.operations == operation("add", "/channels/0/samples/2", NEW)
    assert NEW["data"] == [1.0, 2.5]


def test_several_documents():
    """Parts are known by identity: not those of a document that was read before."""
    reader = SeriesReader(Choices())
    for scale in (1.0, 2.0, 1.0):
        given = document()
        given["channels"][0]["samples"][1]["data"][0] *= scale
        same(reader, given, PATCHES["a sample"])
        same(reader, given, None)


@pytest.mark.parametrize("folder", ["1Lbb_simplified", "3LRJR"])
def test_published_patch_sets(likelihoods, load_json, folder):
    given = load_json(f"likelihoods/{folder}/BkgOnly.json")
    reader = SeriesReader(Choices())
    patches = fitkit.read_patchset(likelihoods / folder / "patchset.json").patches
    # all kinds of points: those without some channel come with small masses
    for patch in patches if folder == "1Lbb_simplified" else patches[::6]:
        same(reader, given, patch)


@pytest.mark.parametrize("region", "ABC")
def test_published_patches_of_sbottom(sbottom, region):
    given = sbottom(f"Region{region}/BkgOnly.json")
    names = [n for n in sbottom.names if n.startswith(f"Region{region}/patch")]
    lengths = {name: len(sbottom(name)) for name in names}
    odd = [n for n in names if list(lengths.values()).count(lengths[n]) < 9]
    reader = SeriesReader(Choices())
    for name in [*names[::40], *odd]:
        same(reader, given, sbottom(name))


def test_any_json_of_the_shared_data(likelihoods):
    """Single documents, of which nothing is known."""
    reader = SeriesReader(Choices())
    for path in sorted(likelihoods.glob("*/*.json")):
        content = json.loads(path.read_text())
        workspace = isinstance(content, dict) and "channels" in content
        if workspace and not problem(alone, content, None):
            same(reader, content, None)
