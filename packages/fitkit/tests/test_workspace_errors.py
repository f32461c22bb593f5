"""Bad documents: one `WorkspaceError` that names the place and the way out."""

import copy
import json
import math

import pytest

import fitkit


def workspace():
    """A small document with every kind of modifier."""

    def modifier(kind, name, data=None):
        return {"name": name, "type": kind, "data": data}

    return {
        "channels": [
            {
                "name": "SR",
                "samples": [
                    {
                        "name": "signal",
                        "data": [5.0, 3.0],
                        "modifiers": [
                            modifier("normfactor", "mu"),
                            modifier("lumi", "lumi"),
                            modifier("normsys", "xs", {"lo": 0.9, "hi": 1.1}),
                        ],
                    },
                    {
                        "name": "background",
                        "data": [50.0, 40.0],
                        "modifiers": [
                            modifier(
                                "histosys",
                                "jes",
                                {"lo_data": [45.0, 39.0], "hi_data": [54.0, 43.0]},
                            ),
                            modifier("staterror", "mcstat", [1.0, 2.0]),
                            modifier("shapesys", "control", [3.0, 4.0]),
                        ],
                    },
                ],
            },
            {
                "name": "CR",
                "samples": [
                    {
                        "name": "background",
                        "data": [100.0],
                        "modifiers": [modifier("shapefactor", "free")],
                    }
                ],
            },
        ],
        "observations": [
            {"name": "SR", "data": [55.0, 44.0]},
            {"name": "CR", "data": [101.0]},
        ],
        "measurements": [
            {
                "name": "first",
                "config": {
                    "poi": "mu",
                    "parameters": [
                        {
                            "name": "lumi",
                            "inits": [1.0],
                            "bounds": [[0.9, 1.1]],
                            "auxdata": [1.0],
                            "sigmas": [0.02],
                        },
                        {"name": "mu", "fixed": False},
                    ],
                },
            }
        ],
        "version": "1.0.0",
    }


SIGNAL = ("channels", 0, "samples", 0)
BACKGROUND = ("channels", 0, "samples", 1)
SETTINGS = ("measurements", 0, "config", "parameters")

# (place to change, new value or REMOVE, place that the message names, part of the rest)
REMOVE = object()
CASES = {
    "string for a bool": (
        (*SETTINGS, 1, "fixed"),
        "true",
        "measurements[0].config.parameters[1].fixed",
        "without quotes",
    ),
    "string for a number": (
        (*SIGNAL, "data", 1),
        "3",
        "channels[0].samples[0].data[1]",
        "without quotes",
    ),
    "bool for a number": (
        (*SIGNAL, "data", 1),
        True,
        "channels[0].samples[0].data[1]",
        "number",
    ),
    "NaN": (
        (*BACKGROUND, "modifiers", 0, "data", "lo_data", 0),
        math.nan,
        "channels[0].samples[1].modifiers[0].data.lo_data[0]",
        "NaN",
    ),
    "infinity": (
        ("observations", 0, "data", 0),
        math.inf,
        "observations[0].data[0]",
        "finite",
    ),
    "negative count": (
        ("observations", 0, "data", 0),
        -1.0,
        "observations[0].data[0]",
        "negative",
    ),
    "zero normsys": (
        (*SIGNAL, "modifiers", 2, "data", "lo"),
        0.0,
        "channels[0].samples[0].modifiers[2].data.lo",
        "greater than 0",
    ),
    "unknown key": (
        (*SIGNAL, "colour"),
        "red",
        "channels[0].samples[0].colour",
        "Remove it",
    ),
    "missing key": ((*SIGNAL, "data"), REMOVE, "channels[0].samples[0].data", "Add it"),
    "no version": (("version",), REMOVE, "version", "Add it"),
    "unknown modifier": (
        (*SIGNAL, "modifiers", 0, "type"),
        "normfaktor",
        "channels[0].samples[0].modifiers[0]",
        "normfaktor",
    ),
    "modifier without type": (
        (*SIGNAL, "modifiers", 0, "type"),
        REMOVE,
        "channels[0].samples[0].modifiers[0]",
        "type",
    ),
    "empty channel": (("channels", 0, "samples"), [], "channels[0].samples", "missing"),
    "sample too short": (
        (*BACKGROUND, "data"),
        [50.0],
        "channels[0].samples[1].data",
        "2 bins",
    ),
    "observation too short": (
        ("observations", 0, "data"),
        [55.0],
        "observations[0].data",
        "2 bins",
    ),
    "variation too long": (
        (*BACKGROUND, "modifiers", 0, "data", "hi_data"),
        [1.0, 2.0, 3.0],
        "channels[0].samples[1].modifiers[0].data.hi_data",
        "2 bins",
    ),
    "uncertainty too short": (
        (*BACKGROUND, "modifiers", 1, "data"),
        [1.0],
        "channels[0].samples[1].modifiers[1].data",
        "2 bins",
    ),
    "no observation": (
        ("observations", 1, "name"),
        "other",
        "channels[1].name",
        "observations",
    ),
    "channel twice": (("channels", 1, "name"), "SR", "channels[1].name", "channels[0]"),
    "sample twice": (
        (*BACKGROUND, "name"),
        "signal",
        "channels[0].samples[1].name",
        "of samples[0]",
    ),
    "one name, two kinds": (
        (*BACKGROUND, "modifiers", 0, "name"),
        "mu",
        "channels[0].samples[1].modifiers[0].name",
        "channels[0].samples[0].modifiers[0]",
    ),
    "shapesys shared": (
        ("channels", 1, "samples", 0, "modifiers", 0),
        {"name": "control", "type": "shapesys", "data": [1.0]},
        "channels[1].samples[0].modifiers[0].name",
        "cannot be shared",
    ),
    "shapefactor of other size": (
        (*BACKGROUND, "modifiers", 1),
        {"name": "free", "type": "shapefactor", "data": None},
        "channels[1].samples[0].modifiers[0].name",
        "Rename",
    ),
    "modifier twice": (
        (*SIGNAL, "modifiers", 1),
        {"name": "mu", "type": "normfactor", "data": None},
        "channels[0].samples[0].modifiers[1]",
        "second",
    ),
    "lumi without sigma": (
        (*SETTINGS, 0),
        {"name": "other"},
        "measurements[0].config.parameters",
        "sigmas",
    ),
    "setting twice": (
        (*SETTINGS, 1, "name"),
        "lumi",
        "measurements[0].config.parameters[1].name",
        "parameters[0]",
    ),
    "setting of wrong size": (
        (*SETTINGS, 1, "inits"),
        [1.0, 1.0],
        "measurements[0].config.parameters[1].inits",
        "2 entries",
    ),
    "sigma of a free parameter": (
        (*SETTINGS, 1, "sigmas"),
        [1.0],
        "measurements[0].config.parameters[1].sigmas",
        "normfactor",
    ),
    "bounds upside down": (
        (*SETTINGS, 1, "bounds"),
        [[2.0, 1.0]],
        "measurements[0].config.parameters[1].bounds[0]",
        "not below",
    ),
    "bounds of three": (
        (*SETTINGS, 1, "bounds"),
        [[1.0, 2.0, 3.0]],
        "measurements[0].config.parameters[1].bounds[0]",
        "at most 2",
    ),
    "POI per bin": (
        ("measurements", 0, "config", "poi"),
        "free",
        "measurements[0].config.poi",
        "single number",
    ),
    "measurement twice": (
        ("measurements",),
        [{"name": "m", "config": {"poi": "", "parameters": []}}] * 2,
        "measurements[1].name",
        "Rename",
    ),
}


def changed(place, value):
    document = workspace()
    inner = document
    for key in place[:-1]:
        inner = inner[key]
    if value is REMOVE:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    return document


@pytest.mark.parametrize("case", CASES)
def test_names_the_place_and_the_way_out(case):
    place, value, where, hint = CASES[case]
    with pytest.raises(fitkit.WorkspaceError) as error:
        fitkit.read_workspace(changed(place, value))
    assert str(error.value).startswith(f"{where}:") or f"{where} " in str(error.value)
    assert hint in str(error.value)
    assert "\n" not in str(error.value)


def test_the_document_itself_is_good():
    model, data = fitkit.read_workspace(workspace())
    assert set(model.parameter_names) == {
        "mu",
        "lumi",
        "xs",
        "jes",
        "mcstat",
        "control",
        "free",
    }
    assert float(data.main["CR"][0]) == 101.0


def test_published_document_with_a_string_for_a_bool(likelihoods):
    path = likelihoods / "bad_input" / "fixed_is_a_string.json"
    with pytest.raises(fitkit.WorkspaceError) as error:
        fitkit.read_workspace(path)
    assert "measurements[0].config.parameters[0].fixed" in str(error.value)
    assert path.name in str(error.value)


@pytest.mark.parametrize("document", [None, 3, [], "x", {}, {"channels": {}}])
def test_not_a_workspace(document):
    with pytest.raises(fitkit.WorkspaceError):
        fitkit.read_workspace(document)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"not json", b"\xff\xfe\x00", b"[" * 100_000, b'{"a": 1e999}', b"null"],
)
def test_not_json(tmp_path, content):
    path = tmp_path / "workspace.json"
    path.write_bytes(content)
    with pytest.raises(fitkit.WorkspaceError, match=r"workspace\.json"):
        fitkit.read_workspace(path)


def test_no_such_file(tmp_path):
    with pytest.raises(fitkit.WorkspaceError, match=r"missing\.json.*No such file"):
        fitkit.read_workspace(tmp_path / "missing.json")


def test_a_folder(tmp_path):
    with pytest.raises(fitkit.WorkspaceError, match="directory"):
        fitkit.read_workspace(tmp_path)


def test_a_huge_file(tmp_path):
    path = tmp_path / "huge.json"
    with path.open("wb") as file:
        file.truncate(100 * 1024**2)  # sparse: takes no space
    with pytest.raises(fitkit.WorkspaceError, match="bytes"):
        fitkit.read_workspace(path)


@pytest.mark.parametrize("measurement", ["second", 1, -1, 1.5, ()])
def test_no_such_measurement(measurement):
    with pytest.raises(fitkit.WorkspaceError, match="'first'"):
        fitkit.read_workspace(workspace(), measurement=measurement)


def test_no_such_poi():
    with pytest.raises(fitkit.WorkspaceError, match=r"nu.*mcstat"):
        fitkit.read_workspace(workspace(), poi="nu")


def test_unknown_interpolation_code():
    with pytest.raises(fitkit.WorkspaceError, match="'7'"):
        fitkit.read_workspace(workspace(), histosys_code="7")


BAD_PATCHES = {
    "not a list": {"op": "remove", "path": "/channels/0"},
    "no such path": [{"op": "remove", "path": "/channels/7"}],
    "no such operation": [{"op": "shift", "path": "/channels/0"}],
    "no path": [{"op": "remove"}],
    "no value": [{"op": "add", "path": "/channels/0"}],
    "path of another type": [{"op": "remove", "path": 3}],
    "into a number": [{"op": "add", "path": "/version/0/1", "value": 1}],
    "index of letters": [{"op": "add", "path": "/channels/a", "value": 1}],
    "failed test": [{"op": "test", "path": "/version", "value": "2.0.0"}],
    "not an operation": [7],
    "a number": 7,
    "a missing file": "missing_patch.json",
}


@pytest.mark.parametrize("case", BAD_PATCHES)
def test_bad_patches(case):
    document = workspace()
    before = copy.deepcopy(document)
    with pytest.raises(fitkit.WorkspaceError):
        fitkit.read_workspace(document, patch=BAD_PATCHES[case])
    assert document == before


def test_the_message_says_which_operation_fails():
    patch = [
        {"op": "test", "path": "/version", "value": "1.0.0"},
        {"op": "remove", "path": "/channels/7"},
    ]
    with pytest.raises(fitkit.WorkspaceError, match=r"patch\[1\] \(remove /channels/7"):
        fitkit.read_workspace(workspace(), patch=patch)


def test_error_in_a_file_names_the_file(tmp_path):
    path = tmp_path / "broken.json"
    path.write_text(json.dumps(changed((*SIGNAL, "data", 1), "3")))
    with pytest.raises(fitkit.WorkspaceError, match=r"broken\.json: channels\[0\]"):
        fitkit.read_workspace(path)


# Changes to a document, and whether the two schemas let it pass.
FORMAT = {
    "as it is": ((), None, True, True),
    "no modifiers": ((*BACKGROUND, "modifiers"), [], True, True),
    "an empty name": ((*SIGNAL, "name"), "", True, True),
    "null for a start": ((*SETTINGS, 1, "inits"), None, False, False),
    "null for fixed": ((*SETTINGS, 1, "fixed"), None, False, False),
    "a number for fixed": ((*SETTINGS, 1, "fixed"), 1, False, False),
    "a string for a number": ((*SIGNAL, "data", 0), "5.0", False, False),
    "no parameters": ((*SETTINGS,), REMOVE, False, False),
    "no data": ((*SIGNAL, "modifiers", 0, "data"), REMOVE, False, False),
    "another luminosity": ((*SIGNAL, "modifiers", 1, "name"), "L", False, False),
    "another version": (("version",), "1.0.1", False, False),
    "an empty list": ((*SETTINGS, 0, "sigmas"), [], False, False),
    **{
        f"an unknown key: {'.'.join(map(str, place))}": (
            (*place, "new"),
            1,
            False,
            False,
        )
        for place in (
            (),
            ("channels", 0),
            SIGNAL,
            (*SIGNAL, "modifiers", 0),
            (*SIGNAL, "modifiers", 2, "data"),
            (*BACKGROUND, "modifiers", 0, "data"),
            ("observations", 0),
            ("measurements", 0),
            ("measurements", 0, "config"),
            (*SETTINGS, 0),
        )
    },
    # stricter than pyhf's
    "NaN": ((*SIGNAL, "data", 0), math.nan, True, False),
    "a truth value for a number": ((*SIGNAL, "data", 0), True, True, False),
    "bounds of one": ((*SETTINGS, 0, "bounds"), [[1.0]], True, False),
    "bounds of three": ((*SETTINGS, 0, "bounds"), [[1.0, 2.0, 3.0]], True, False),
}


@pytest.mark.parametrize("case", FORMAT)
def test_the_format_is_that_of_pyhf(case):
    pyhf = pytest.importorskip("pyhf")
    place, value, theirs, ours = FORMAT[case]
    document = changed(place, value) if place else workspace()
    if theirs:
        pyhf.schema.validate(document, "workspace.json")
    else:
        with pytest.raises(pyhf.exceptions.InvalidSpecification):
            pyhf.schema.validate(document, "workspace.json")
    if ours:
        fitkit.read_workspace(document)
    else:
        with pytest.raises(fitkit.WorkspaceError):
            fitkit.read_workspace(document)
