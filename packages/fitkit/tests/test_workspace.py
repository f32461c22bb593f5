"""Reading and writing documents: what is chosen, applied and written."""

import copy
import json
import warnings

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fitkit


def document():
    """One channel, two measurements."""
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
                                "data": {"lo": 0.9, "hi": 1.1},
                            }
                        ],
                    },
                ],
            }
        ],
        "observations": [{"name": "SR", "data": [55.0, 44]}],
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
                    "poi": "xs",
                    "parameters": [
                        {
                            "name": "lumi",
                            "auxdata": [1.1],
                            "sigmas": [0.05],
                            "inits": [1.1],
                            "bounds": [[0.5, 1.5]],
                            "fixed": True,
                        },
                        {"name": "mu", "inits": [0.5], "bounds": [[-2.0, 7.0]]},
                        {"name": "gone", "inits": [1.0, 2.0]},
                    ],
                },
            },
        ],
        "version": "1.0.0",
    }


def test_first_measurement_by_default():
    model, data = fitkit.read_workspace(document())
    lumi = model.parameters["lumi"]
    assert model.poi == "mu"
    assert float(lumi.constraint.sigma) == 0.02
    assert not lumi.fixed
    assert float(data.aux["lumi"]) == 1.0
    assert (float(lumi.lower), float(lumi.upper)) == (0.0, 10.0)


@pytest.mark.parametrize("measurement", ["second", 1])
def test_chosen_measurement(measurement):
    model, data = fitkit.read_workspace(document(), measurement=measurement)
    lumi, mu = model.parameters["lumi"], model.parameters["mu"]
    assert model.poi == "xs"
    assert float(lumi.constraint.sigma) == 0.05
    assert float(data.aux["lumi"]) == 1.1
    assert bool(lumi.fixed)
    assert (float(lumi.init), float(lumi.lower), float(lumi.upper)) == (1.1, 0.5, 1.5)
    assert (float(mu.init), float(mu.lower), float(mu.upper)) == (0.5, -2.0, 7.0)


@pytest.mark.parametrize(("poi", "expected"), [("xs", "xs"), (None, None)])
def test_chosen_poi(poi, expected):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model, _ = fitkit.read_workspace(document(), poi=poi)
    assert model.poi == expected


def test_poi_that_the_model_lacks_warns_once():
    changed = document()
    changed["measurements"][0]["config"]["poi"] = "mu_SIG"
    with pytest.warns(
        UserWarning, match=r"measurements\[0\]\.config\.poi.*mu_SIG"
    ) as all:
        model, _ = fitkit.read_workspace(changed)
    assert len(all) == 1
    assert all[0].filename == __file__  # the caller's line, not ours
    assert model.poi is None


def test_empty_poi_is_none_without_a_warning():
    changed = document()
    changed["measurements"][0]["config"]["poi"] = ""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model, _ = fitkit.read_workspace(changed)
    assert model.poi is None


FIRST = [{"op": "replace", "path": "/channels/0/samples/0/data/0", "value": 7.0}]
SECOND = [
    {"op": "add", "path": "/channels/0/samples/0/data/2", "value": 8.0},
    {"op": "add", "path": "/channels/0/samples/1/data/2", "value": 9.0},
    {"op": "add", "path": "/observations/0/data/-", "value": 17.0},
]


@pytest.mark.parametrize("kind", ["list", "path", "str", "several", "mixed"])
def test_patches(kind, tmp_path):
    path = tmp_path / "patch.json"
    path.write_text(json.dumps(FIRST))
    patch = {
        "list": FIRST,
        "path": path,
        "str": str(path),
        "several": [FIRST, SECOND],
        "mixed": [path, SECOND],
    }[kind]
    before = document()
    given = copy.deepcopy(before)
    model, data = fitkit.read_workspace(given, patch=patch)
    bins = [7.0, 6.0, 8.0] if kind in ("several", "mixed") else [7.0, 6.0]
    yields = model.expected_yields(model.init)["SR"]
    np.testing.assert_array_equal(yields[0], bins)
    assert data.main["SR"].shape == (len(bins),)
    assert given == before


def test_a_patch_is_not_changed_by_a_later_operation():
    patch = [
        {
            "op": "add",
            "path": "/channels/0/samples/-",
            "value": document()["channels"][0]["samples"][1],
        },
        {"op": "replace", "path": "/channels/0/samples/2/name", "value": "other"},
    ]
    before = copy.deepcopy(patch)
    fitkit.read_workspace(document(), patch=patch)
    assert patch == before


def test_path_as_text(tmp_path):
    path = tmp_path / "workspace.json"
    path.write_text(json.dumps(document()))
    for source in (path, str(path)):
        model, _ = fitkit.read_workspace(source)
        assert model.channel_names == ("SR",)


def test_interpolation_codes_are_passed_on():
    model, _ = fitkit.read_workspace(document(), normsys_code="1", histosys_code="0")
    assert (model.normsys_code, model.histosys_code) == ("1", "0")


def test_written_document_is_minimal_and_plain(tmp_path):
    path = tmp_path / "workspace.json"
    model, data = fitkit.read_workspace(document(), measurement="second")
    fitkit.write_workspace(path, model, data, measurement="second")
    written, original = json.loads(path.read_text()), document()
    assert written["channels"] == original["channels"]
    assert written["observations"] == original["observations"]
    (measurement,) = written["measurements"]
    assert measurement["name"] == "second"
    assert measurement["config"]["poi"] == "xs"
    settings = {each["name"]: each for each in measurement["config"]["parameters"]}
    expected = {
        each["name"]: each
        for each in original["measurements"][1]["config"]["parameters"]
    }
    del expected["gone"]  # no parameter of the model
    assert settings == expected


def test_no_poi_is_written_and_read_again(tmp_path):
    path = tmp_path / "workspace.json"
    model, data = fitkit.read_workspace(document(), poi=None)
    fitkit.write_workspace(path, model, data)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fitkit.read_workspace(path)[0].poi is None


def test_data_away_from_nominal_are_written(tmp_path):
    path = tmp_path / "workspace.json"
    model = fitkit.uncorrelated_background([12.0, 11.0], [50.0, 52.0], [3.0, 7.0])
    params = {"mu": jnp.array(0.3), "uncorr_bkguncrt": jnp.array([1.1, 0.9])}
    asimov = model.expected_data(params)
    fitkit.write_workspace(path, model, asimov)
    again, data = fitkit.read_workspace(path)
    np.testing.assert_array_equal(
        data.main["singlechannel"], asimov.main["singlechannel"]
    )
    np.testing.assert_array_equal(
        data.aux["uncorr_bkguncrt"], asimov.aux["uncorr_bkguncrt"]
    )
    np.testing.assert_array_equal(
        again.logpdf(params, data), model.logpdf(params, asimov)
    )


def in_arrays(value):
    """A document as programs make it, with NumPy's numbers."""
    if isinstance(value, dict):
        return {key: in_arrays(item) for key, item in value.items()}
    if isinstance(value, list) and value and isinstance(value[0], (int, float)):
        return np.array(value)
    if isinstance(value, list):
        return [in_arrays(item) for item in value]
    return np.float64(value) if isinstance(value, float) else value


@pytest.mark.parametrize("kind", ["numpy", "jax", "tuples"])
def test_a_document_of_arrays(kind):
    """Read, changed, compared and digested as one of lists."""
    plain = document()
    plain["channels"][0]["samples"][1]["data"] = [50.0, 40.0]
    plain["observations"][0]["data"] = [55.0, 44.0]
    plain["channels"][0]["samples"][1]["modifiers"] += [
        {"name": "stat", "type": "staterror", "data": [2.0, 1.0]},
        {
            "name": "jes",
            "type": "histosys",
            "data": {"lo_data": [45.0, 39.0], "hi_data": [56.0, 42.0]},
        },
    ]
    normsys = plain["channels"][0]["samples"][1]["modifiers"][0]
    normsys["data"] = {"lo": 0.5, "hi": 1.5}  # which single precision has
    given = in_arrays(plain)
    normsys = given["channels"][0]["samples"][1]["modifiers"][0]
    normsys["data"] = {"lo": np.float32(0.5), "hi": np.array(1.5)}
    if kind == "jax":
        given["channels"][0]["samples"][0]["data"] = jnp.array([5.0, 6.0])
    elif kind == "tuples":
        given["channels"][0]["samples"][0]["data"] = (5.0, np.float64(6.0))
    (model, data), (expected, same) = map(fitkit.read_workspace, (given, plain))
    assert float(model.logpdf(model.init, data)) == float(
        expected.logpdf(expected.init, same)
    )
    assert fitkit.digest(given) == fitkit.digest(plain)
    assert repr(fitkit.validate(given)) == repr(fitkit.validate(plain))
    assert fitkit.prune(given, modifiers=["jes"]) == fitkit.prune(
        plain, modifiers=["jes"]
    )
    names = {"measurements": {"first": "third"}}
    renamed = fitkit.rename(given, **names)
    assert renamed == fitkit.rename(plain, **names)
    assert fitkit.combine(given, renamed) == fitkit.combine(plain, renamed)
    patched, _ = fitkit.read_workspace(given, patch=FIRST)
    np.testing.assert_array_equal(
        patched.expected_yields(patched.init)["SR"][0], [7.0, 6.0]
    )


def test_traced_arrays_are_no_document():
    @jax.jit
    def read(yields):
        changed = document()
        changed["channels"][0]["samples"][0]["data"] = yields
        return fitkit.read_workspace(changed)[0].arrays.nominal

    with pytest.raises(fitkit.WorkspaceError, match=r"traced arrays.*`Model`"):
        read(jnp.array([5.0, 6.0]))


def test_what_holds_in_fits_is_written(tmp_path):
    """Only what a reader would not assume: a bin without error is fixed anyway."""
    path = tmp_path / "workspace.json"
    sample = fitkit.Sample(
        "b",
        [50.0, 60.0],
        (
            fitkit.NormSys("xs", 0.9, 1.1),
            fitkit.StatError("stat", [5.0, 0.0]),
            fitkit.ShapeFactor("free"),
        ),
    )
    model = fitkit.Model([fitkit.Channel("SR", [sample])], poi=None)
    data = model.data({"SR": [50.0, 60.0]})

    def settings(model):
        fitkit.write_workspace(path, model, data)
        (measurement,) = json.loads(path.read_text())["measurements"]
        again, _ = fitkit.read_workspace(path)
        for name, parameter in model.parameters.items():
            for field in ("init", "lower", "upper", "fixed"):
                np.testing.assert_array_equal(
                    getattr(again.parameters[name], field), getattr(parameter, field)
                )
        return {each.pop("name"): each for each in measurement["config"]["parameters"]}

    assert settings(model) == {}
    fixed = {"inits": [0.5], "fixed": True}
    assert settings(model.with_fixed(xs=0.5)) == {"xs": fixed}
    assert settings(model.with_fixed(xs=0.5).with_free("xs")) == {
        "xs": {"inits": [0.5]}
    }
    assert settings(model.with_fixed("stat")) == {"stat": {"fixed": True}}
    assert settings(model.with_free("stat")) == {"stat": {"fixed": False}}
    assert settings(model.with_bounds(xs=(-1, 2))) == {"xs": {"bounds": [[-1, 2]]}}
    with pytest.raises(fitkit.WorkspaceError, match="'free' is fixed in some bins"):
        fitkit.write_workspace(path, model.with_fixed("free[1]"), data)


def test_what_cannot_be_written(tmp_path):
    path = tmp_path / "no.json"
    model = fitkit.uncorrelated_background([5.0], [50.0], [3.0])
    data = model.data({"singlechannel": [55.0]})
    masked = model.with_masked("singlechannel")
    with pytest.raises(fitkit.WorkspaceError, match=r"masked \(singlechannel\)"):
        fitkit.write_workspace(path, masked, masked.data({}))
    with pytest.raises(fitkit.WorkspaceError, match="no data for channel"):
        fitkit.write_workspace(path, model, fitkit.Data({}, data.aux))
    with pytest.raises(
        fitkit.WorkspaceError, match="'uncorr_bkguncrt': there are none"
    ):
        fitkit.write_workspace(path, model, fitkit.Data(data.main))
    with pytest.raises(TypeError, match="got Data and Model"):
        fitkit.write_workspace(path, data, model)

    @jax.jit
    def write(signal):
        made = fitkit.uncorrelated_background(signal, [50.0], [3.0])
        fitkit.write_workspace(path, made, data)

    with pytest.raises(fitkit.WorkspaceError, match="traced numbers"):
        write(jnp.array([5.0]))
    assert not path.exists()


def test_what_the_format_cannot_express(tmp_path):
    sample = fitkit.Sample(
        "b",
        [50.0, 60.0],
        (fitkit.NormSys("xs", 0.9, 1.1), fitkit.ShapeFactor("free")),
    )
    for name, setting, message in (
        ("xs", fitkit.ParameterSettings(sigma=2.0), "width"),
        ("free", fitkit.ParameterSettings(fixed=np.array([True, False])), "some bins"),
    ):
        model = fitkit.Model(
            [fitkit.Channel("SR", [sample])], poi=None, settings={name: setting}
        )
        data = model.data({"SR": [50.0, 60.0]})
        with pytest.raises(fitkit.WorkspaceError, match=message) as error:
            fitkit.write_workspace(tmp_path / "no.json", model, data)
        assert repr(name) in str(error.value)
        assert not (tmp_path / "no.json").exists()


def test_numbers_that_are_not_finite_are_not_written(tmp_path):
    good = fitkit.uncorrelated_background([5.0], [50.0], [3.0])
    # as what was traced may be, once it is there
    model = eqx.tree_at(lambda m: m.arrays.nominal, good, np.full((2, 1), np.nan))
    with pytest.raises(
        fitkit.WorkspaceError, match=r"channels\[0\]\.samples\[0\]\.data"
    ):
        fitkit.write_workspace(
            tmp_path / "no.json", model, model.data({"singlechannel": [1.0]})
        )
