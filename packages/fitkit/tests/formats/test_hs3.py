"""HS3 documents: read in every dialect, written, and read again."""

import copy
import json
import re
import tarfile

import jax
import numpy as np
import pytest

import fitkit
from fitkit import (
    Channel,
    HistoSys,
    Lumi,
    Model,
    NormFactor,
    NormSys,
    ParameterSettings,
    Sample,
    ShapeFactor,
    ShapeSys,
    StatError,
    WorkspaceError,
)

# Both sum the same few terms in double precision; what is asked for is 1e-10.
SAME = 1e-12


def points(model, number=10):
    """Random parameters around the nominal ones."""
    rng = np.random.default_rng(3)
    vectors = model.parameter_vectors()
    for _ in range(number):
        yield model.unravel(vectors.init + rng.normal(0, 0.1, vectors.init.shape))


def assert_same(one, other, rename=lambda name: name):
    """Both likelihoods, `(model, data)`, are equal at random points."""
    (model, data), (again, same) = one, other
    for params in points(model):
        named = {rename(name): value for name, value in params.items()}
        expected = float(model.logpdf(params, data))
        assert np.isfinite(expected)
        assert float(again.logpdf({**again.init, **named}, same)) == pytest.approx(
            expected, rel=SAME
        )


# --- documents of others --------------------------------------------------------------
TWINS = {
    "uncorrelated": fitkit.uncorrelated_background(
        [12.0, 11.0], [50.0, 52.0], [3.0, 7.0]
    ),
    "correlated": fitkit.correlated_background(
        [12.0, 11.0], [50.0, 52.0], up=[45.0, 55.0], down=[55.0, 45.0]
    ),
}
OBSERVED = {"simPdf_obsData": [51.0, 48.0], "simPdf_asimovData": [62.0, 63.0]}


@pytest.mark.parametrize("analysis", OBSERVED)
@pytest.mark.parametrize("twin", TWINS)
def test_documents_equal_their_twins(twin, analysis, data_folder):
    path = data_folder / f"formats/hs3/simplemodel_{twin}-background_hs3.json"
    model = TWINS[twin]
    data = model.data({model.channel_names[0]: OBSERVED[analysis]})
    read = fitkit.read_hs3(path, analysis=analysis)
    bends = {"correlated_bkg_uncertainty": "alpha_correlated_bkg_uncertainty"}
    assert_same((model, data), read, lambda name: bends.get(name, name))
    assert read[0].poi == "mu"
    assert read[0].parameters["Lumi"].fixed


def test_two_analyses_and_none_chosen(data_folder):
    path = data_folder / "formats/hs3/simplemodel_correlated-background_hs3.json"
    message = "'simPdf_asimovData', 'simPdf_obsData'"
    with pytest.raises(WorkspaceError, match=f"{re.escape(str(path))}.*{message}"):
        fitkit.read_hs3(path)
    with pytest.raises(WorkspaceError, match="Did you mean 'simPdf_obsData'"):
        fitkit.read_hs3(path, analysis="obsData")
    by_likelihood = fitkit.read_hs3(path, likelihood="simPdf_obsData")
    assert_same(by_likelihood, fitkit.read_hs3(path, analysis="simPdf_obsData"))
    with pytest.raises(WorkspaceError, match="is of the likelihood"):
        fitkit.read_hs3(path, analysis="simPdf_obsData", likelihood="simPdf_asimovData")


# --- there and back -------------------------------------------------------------------
def written(model, data, tmp_path, **options):
    path = tmp_path / "model.hs3.json"
    fitkit.write_hs3(path, model, data, **options)
    return path


def round_trip(document, tmp_path):
    model, data = fitkit.read_workspace(document, poi=None)
    again, same = fitkit.read_hs3(written(model, data, tmp_path))
    assert again.parameter_names == model.parameter_names
    assert_same((model, data), (again, same))
    ours, theirs = model.parameter_vectors(), again.parameter_vectors()
    for field in ("init", "lower", "upper", "fixed"):
        assert np.array_equal(getattr(ours, field), getattr(theirs, field)), field
    for name, aux in data.aux.items():
        assert np.array_equal(aux, same.aux[name])


SMALL = ("GammaGamma_Higgs", "SRee_SRmm_Srem_v2", "single_channel_big")


@pytest.mark.parametrize("name", SMALL)
def test_published_likelihoods(name, load_json, tmp_path):
    round_trip(load_json(f"likelihoods/small/{name}.json"), tmp_path)


@pytest.mark.slow
def test_all_published_likelihoods(likelihoods, tmp_path):
    tried = 0
    for path in sorted(likelihoods.glob("*/*.json")):
        try:
            document = json.loads(path.read_bytes())
        except ValueError:  # one of those that are broken on purpose
            continue
        if not isinstance(document, dict) or "observations" not in document:
            continue
        try:
            fitkit.read_workspace(document, poi=None)
        except WorkspaceError:
            assert path.parent.name == "bad_input"
            continue
        round_trip(document, tmp_path)
        tried += 1
    with tarfile.open(likelihoods / "sbottom_SUSY-2018-31.tar.gz") as archive:
        for member in archive:
            if member.name.endswith("BkgOnly.json"):
                round_trip(json.load(archive.extractfile(member)), tmp_path)
                tried += 1
    assert tried > 10


def test_what_pyhf_cannot_say(tmp_path):
    """Codes of each modifier, both kinds of MC statistics, single fixed bins."""
    norm = ShapeFactor("shape")
    control = [
        Sample("b", [40.0, 30.0], [norm, StatError("mc", [2.0, 3.0], fitkit.Poisson)]),
    ]
    signal = [
        Sample(
            "s",
            [5.0, 9.0],
            [
                NormFactor("mu"),
                NormSys("eff", 0.9, 1.2, "1"),
                HistoSys("scale", [4.0, 9.5], [5.5, 8.0], "0"),
                Lumi("lumi", 0.03),
            ],
        ),
        Sample(
            "b",
            [20.0, 0.0],
            [
                norm,
                NormSys("scale", 0.8, 1.1),
                HistoSys("jes", [18.0, 1.0], [23.0, 0.5], "2"),
                ShapeSys("mc_b", [2.0, 0.0]),
                Lumi("lumi", 0.03),
            ],
        ),
        Sample("c", [7.0, 3.0], [StatError("gaussian", [1.0, 0.5])]),
    ]
    model = Model(
        [Channel("CR", control), Channel("SR", signal)],
        settings={
            "lumi": ParameterSettings(aux=1.01),
            "shape": ParameterSettings(fixed=[False, True]),
            "mc": ParameterSettings(aux=[401.0, 99.0]),
            "gaussian": ParameterSettings(aux=[1.1, 0.9], sigma=[0.2, 0.3]),
            "eff": ParameterSettings(aux=0.5, bounds=(-3, 4)),
        },
    )
    data = model.data({"CR": [45.0, 28.0], "SR": [33.0, 15.0]})
    again, same = fitkit.read_hs3(written(model, data, tmp_path, analysis="mine"))
    assert again.parameter_names == model.parameter_names
    assert again.poi == "mu"
    assert_same((model, data), (again, same))
    ours, theirs = model.parameter_vectors(), again.parameter_vectors()
    assert np.array_equal(ours.fixed, theirs.fixed)
    # On kinked and parabolic codes also far away.
    far = {**model.init, "scale": -1.7, "jes": 1.6, "eff": -0.4}
    assert float(again.logpdf(far, same)) == pytest.approx(
        float(model.logpdf(far, data)), rel=SAME
    )


def test_staterror_of_two_channels(tmp_path):
    model = Model(
        [
            Channel("B", [Sample("b", [40.0], [StatError("mc", [2.0])])]),
            Channel("A", [Sample("b", [30.0, 9.0], [StatError("mc", [3.0, 1.0])])]),
        ],
        poi=None,
    )
    data = model.data({"A": [33.0, 7.0], "B": [41.0]})
    again, same = fitkit.read_hs3(written(model, data, tmp_path))
    assert again.parameter_shapes == model.parameter_shapes
    assert again.poi is None
    assert_same((model, data), (again, same))


def test_names_that_collide(tmp_path):
    model = Model(
        [
            Channel(
                "A",
                [
                    Sample("b", [30.0, 9.0], [ShapeSys("g", [3.0, 1.0])]),
                    Sample("s", [3.0, 1.0], [NormFactor("g_0"), NormFactor("g_bin_1")]),
                ],
            )
        ],
        poi="g_0",
    )
    data = model.data({"A": [33.0, 7.0]})
    again, same = fitkit.read_hs3(written(model, data, tmp_path))
    assert again.parameter_shapes == model.parameter_shapes
    assert_same((model, data), (again, same))


def test_what_hs3_cannot_say(tmp_path):
    model = TWINS["correlated"]
    data = model.data({"single_channel": [1.0, 2.0]})
    with pytest.raises(WorkspaceError, match="masked"):
        fitkit.write_hs3(tmp_path / "x", model.with_masked("*"), data)
    with pytest.raises(TypeError, match=r"`write_hs3` takes a `fitkit\.Model`"):
        fitkit.write_hs3(tmp_path / "x", data, model)
    both = [StatError("a", [1.0]), StatError("b", [2.0])]
    model = Model([Channel("A", [Sample("b", [9.0], both)])], poi=None)
    with pytest.raises(WorkspaceError, match="several staterrors"):
        fitkit.write_hs3(tmp_path / "x", model, model.data({"A": [1.0]}))


# --- dialects -------------------------------------------------------------------------
AXES = [{"name": "obs_x_SR", "min": 0.0, "max": 2.0, "nbins": 2}]


def document(modifiers, *, errors=None, root=False, **rest):
    """A channel of one background with some modifiers, and a signal."""
    background = {"contents": [50.0, 52.0]}
    if errors is not None:
        background["errors"] = errors
    channel = {
        "name": "model_SR",
        "type": "histfactory_dist",
        "axes": AXES,
        "samples": [
            {
                "name": "signal",
                "data": {"contents": [12.0, 11.0]},
                "modifiers": [{"name": "mu", "parameter": "mu", "type": "normfactor"}],
            },
            {"name": "background", "data": background, "modifiers": modifiers},
        ],
    }
    packages = [{"name": "ROOT", "version": "6.40.00"}] if root else []
    content = {
        "metadata": {"hs3_version": "0.2", "packages": packages},
        "distributions": [channel],
        "data": [{"name": "obs", "type": "binned", "contents": [51, 48], "axes": AXES}],
        "likelihoods": [{"name": "L", "distributions": ["model_SR"], "data": ["obs"]}],
        "analyses": [
            {"name": "A", "likelihood": "L", "parameters_of_interest": ["mu"]}
        ],
    }
    for key, value in rest.items():
        content[key] = content.get(key, []) + value
    return content


def reference(*modifiers, **options):
    model = Model(
        [
            Channel(
                "SR",
                [
                    Sample("signal", [12.0, 11.0], [NormFactor("mu")]),
                    Sample("background", [50.0, 52.0], modifiers),
                ],
            )
        ],
        **options,
    )
    return model, model.data({"SR": [51.0, 48.0]})


SHAPESYS = {"name": "sys", "type": "shapesys", "constraint": "Poisson"}
GAMMAS = {"parameters": ["gamma_sys_bin_0", "gamma_sys_bin_1"]}
POISSON = [
    {
        "name": f"gamma_sys_bin_{i}_constraint",
        "type": "poisson_dist",
        "x": f"nom_gamma_sys_bin_{i}",
        "mean": f"gamma_sys_bin_{i}_poisMean",
    }
    for i in range(2)
]
PRODUCTS = [
    {
        "name": f"gamma_sys_bin_{i}_poisMean",
        "type": "product",
        "factors": [f"gamma_sys_bin_{i}", f"gamma_sys_bin_{i}_tau"],
    }
    for i in range(2)
]
TAUS = [(50 / 3) ** 2, (52 / 7) ** 2]
CONSTANTS = [
    {
        "name": "default_values",
        "parameters": [
            {"name": f"{what}{i}{tail}", "value": TAUS[i], "const": True}
            for i in range(2)
            for what, tail in (("nom_gamma_sys_bin_", ""), ("gamma_sys_bin_", "_tau"))
        ],
    }
]
# What one writer or another makes of one shapesys, 3 of 50 and 7 of 52 events.
SHAPESYS_DIALECTS = {
    "draft": document([SHAPESYS | GAMMAS | {"data": {"vals": [3.0, 7.0]}}]),
    "ROOT": document(
        [SHAPESYS | GAMMAS | {"data": {"vals": [3 / 50, 7 / 52]}}], root=True
    ),
    "ROOT before 6.32": document([SHAPESYS | {"data": {"vals": TAUS}}], root=True),
    "ROOT after 6.40": document(
        [
            {"name": "sys", "type": "shapesys", "data": {"vals": [3 / 50, 7 / 52]}}
            | GAMMAS
            | {"constraints": [each["name"] for each in POISSON]}
        ],
        root=True,
        distributions=POISSON,
        functions=PRODUCTS,
        parameter_points=CONSTANTS,
    ),
    "by the ranges": document(
        [SHAPESYS | GAMMAS | {"data": {"vals": [3.0, 7.0]}}],
        root=True,
        domains=[
            {
                "name": "default_domain",
                "type": "product_domain",
                "axes": [
                    {"name": "gamma_sys_bin_0", "min": 0, "max": 1 + 5 * 3 / 50},
                    {"name": "gamma_sys_bin_1", "min": 0, "max": 1 + 5 * 7 / 52},
                ],
            }
        ],
    ),
}


@pytest.mark.parametrize("dialect", SHAPESYS_DIALECTS)
def test_shapesys(dialect):
    read = fitkit.read_hs3(SHAPESYS_DIALECTS[dialect])
    assert read[0].parameter_names == ("mu", "gamma_sys")
    assert_same(reference(ShapeSys("gamma_sys", [3.0, 7.0])), read)


def test_errors_of_a_shapesys_as_the_reader_says():
    content = document([SHAPESYS | GAMMAS | {"data": {"vals": [0.06, 0.5]}}])
    assert_same(
        reference(ShapeSys("gamma_sys", [3.0, 26.0])),
        fitkit.read_hs3(content, shapesys_errors="relative"),
    )
    assert_same(
        reference(ShapeSys("gamma_sys", [0.06, 0.5])),
        fitkit.read_hs3(content, shapesys_errors="absolute"),
    )


def test_shapesys_with_a_normal_constraint():
    content = document(
        [SHAPESYS | GAMMAS | {"constraint": "Gauss", "data": {"vals": [3.0, 7.0]}}]
    )
    # Of one sample alone the two are the same.
    assert_same(reference(StatError("gamma_sys", [3.0, 7.0])), fitkit.read_hs3(content))


def test_a_bin_without_error_is_constant():
    content = document([SHAPESYS | GAMMAS | {"data": {"vals": [3.0, 0.0]}}])
    model, _ = fitkit.read_hs3(content)
    assert model.parameters["gamma_sys"].fixed.tolist() == [False, True]


ALPHA = {"name": "sys", "parameter": "alpha_sys", "type": "normsys"}
SIDES = {"data": {"lo": 0.9, "hi": 1.2}}
GAUSS = {"name": "alpha_sysConstraint", "type": "gaussian_dist", "x": "alpha_sys"}
NOMINAL = [
    {
        "name": "default_values",
        "parameters": [{"name": "nom_alpha_sys", "value": 0.0, "const": True}],
    }
]
NORMSYS_DIALECTS = {
    "draft": document([ALPHA | SIDES | {"constraint": "Gauss"}]),
    "without a word": document([ALPHA | SIDES]),
    "by its own name": document([{"name": "sys", "type": "normsys"} | SIDES]),
    "ROOT 6.36": document(
        [
            ALPHA
            | SIDES
            | {"constraint_name": "alpha_sysConstraint", "constraint_type": "Gauss"}
        ],
        distributions=[GAUSS | {"mean": "nom_alpha_sys", "sigma": 1.0}],
        parameter_points=NOMINAL,
    ),
    "ROOT after 6.40": document(
        [ALPHA | SIDES | {"constraint": "alpha_sysConstraint"}],
        distributions=[GAUSS | {"mean": 0.0, "sigma": 1.0}],
    ),
    "not written": document(
        [
            ALPHA
            | SIDES
            | {"constraint_name": "alpha_sysConstraint", "constraint_type": "Gauss"}
        ],
    ),
    "the other way round": document(
        [ALPHA | SIDES],
        distributions=[
            {
                "name": "c",
                "type": "normal_dist",
                "x": "nom_alpha_sys",
                "mean": "alpha_sys",
                "sigma": 1,
            }
        ],
        likelihoods=[],
        parameter_points=NOMINAL,
    ),
    "ROOT's code": document([ALPHA | SIDES | {"interpolation": 5}]),
    "pyhs3's code": document(
        [ALPHA | {"data": SIDES["data"] | {"interpolation": "code4"}}]
    ),
}
NORMSYS_DIALECTS["the other way round"]["likelihoods"][0]["aux_distributions"] = ["c"]


@pytest.mark.parametrize("dialect", NORMSYS_DIALECTS)
def test_normsys(dialect):
    read = fitkit.read_hs3(NORMSYS_DIALECTS[dialect])
    assert_same(reference(NormSys("alpha_sys", 0.9, 1.2)), read)


@pytest.mark.parametrize("code", [1, "code1", "log"])
def test_exponential_interpolation(code):
    read = fitkit.read_hs3(document([ALPHA | SIDES | {"interpolation": code}]))
    assert_same(reference(NormSys("alpha_sys", 0.9, 1.2, "1")), read)


HISTOSYS = ALPHA | {
    "type": "histosys",
    "data": {"lo": {"contents": [45.0, 55.0]}, "hi": {"contents": [56.0, 40.0]}},
}


@pytest.mark.parametrize(
    ("code", "ours"),
    [
        *((None, "4p"), (4, "4p"), ("poly6", "4p")),
        *((0, "0"), ("lin", "0"), ("code2", "2"), ("parabolic", "2")),
    ],
)
def test_histosys(code, ours):
    content = document([HISTOSYS | ({} if code is None else {"interpolation": code})])
    lo, hi = [45.0, 55.0], [56.0, 40.0]
    assert_same(
        reference(HistoSys("alpha_sys", lo, hi, ours)), fitkit.read_hs3(content)
    )


STATERROR = {"name": "mcstat", "type": "staterror"}
ERRORS = [5.0, 6.0]


@pytest.mark.parametrize("kind", [fitkit.Normal, fitkit.Poisson])
def test_staterror(kind):
    word = "Gauss" if kind is fitkit.Normal else "Poisson"
    expected = reference(StatError("gamma_stat_SR", ERRORS, kind))
    entries = {"parameters": ["gamma_stat_SR_bin_0", "gamma_stat_SR_bin_1"]}
    told = document([STATERROR | entries | {"constraint": word}], errors=ERRORS)
    assert_same(expected, fitkit.read_hs3(told))
    untold = document([STATERROR], errors=ERRORS)
    with pytest.raises(WorkspaceError, match="`staterror_constraint=`"):
        fitkit.read_hs3(untold)
    assert_same(expected, fitkit.read_hs3(untold, staterror_constraint=kind))
    # pyhs3 may have the errors in the modifier.
    inside = document(
        [STATERROR | entries | {"constraint": word, "data": {"uncertainties": ERRORS}}]
    )
    assert_same(expected, fitkit.read_hs3(inside))
    # ROOT before 6.32 says it for the channel.
    of_channel = copy.deepcopy(untold)
    of_channel["distributions"][0]["statError"] = {"constraint": word}
    assert_same(expected, fitkit.read_hs3(of_channel))


def test_luminosity():
    lumi = {"name": "Lumi", "parameter": "Lumi", "type": "normfactor"}
    constraint = {
        "name": "lumiConstraint",
        "type": "gaussian_dist",
        "x": "Lumi",
        "mean": "nominalLumi",
        "sigma": 0.1,
    }
    value = {"name": "nominalLumi", "value": 1.0, "const": True}
    points = [{"name": "default_values", "parameters": [value]}]
    named = document(
        [lumi | {"constraint_name": "lumiConstraint"}],
        distributions=[constraint],
        parameter_points=points,
    )
    assert_same(reference(Lumi("Lumi", 0.1)), fitkit.read_hs3(named))
    inline = document([lumi], distributions=[constraint])
    inline["likelihoods"][0]["distributions"].append("lumiConstraint")
    inline["likelihoods"][0]["data"].append(1.02)
    expected = reference(
        Lumi("Lumi", 0.1), settings={"Lumi": ParameterSettings(aux=1.02)}
    )
    assert_same(expected, fitkit.read_hs3(inline))


def test_data_as_weighted_entries():
    content = document([])
    content["data"] = [
        {
            "name": "obs",
            "type": "unbinned",
            "entries": [[0.5], [1.5]],
            "weights": [51.0, 48.0],
        }
    ]
    assert_same(reference(), fitkit.read_hs3(content))


def test_names_as_keys():
    content = document([ALPHA | SIDES])
    for component in ("distributions", "data", "likelihoods", "analyses"):
        content[component] = {each.pop("name"): each for each in content[component]}
    assert_same(reference(NormSys("alpha_sys", 0.9, 1.2)), fitkit.read_hs3(content))


def test_ranges_and_values():
    content = document(
        [ALPHA | SIDES],
        domains=[
            {
                "name": "default_domain",
                "axes": [
                    {"name": "mu", "min": -1, "max": 1e30},
                    {"name": "alpha_sys", "min": 2.0, "max": 2.0},
                ],
            }
        ],
        parameter_points=[
            {
                "name": "default_values",
                "parameters": [
                    {"name": "mu", "value": 0.5},
                    {"name": "alpha_sys", "value": 2.0},
                ],
            }
        ],
    )
    model, _ = fitkit.read_hs3(content)
    mu, alpha = (model.parameters[name] for name in ("mu", "alpha_sys"))
    assert (mu.init, mu.lower, mu.upper, bool(mu.fixed)) == (0.5, -1.0, np.inf, False)
    assert (alpha.init, bool(alpha.fixed)) == (2.0, True)


@pytest.mark.parametrize("code", [None, "log"])
def test_modifiers_that_stand_twice_in_a_sample(code):
    """All factors multiply, all variations add up, as ROOT has it."""
    said = {} if code is None else {"interpolation": code}
    again = {"data": {"lo": 0.8, "hi": 1.1}}
    modifiers = [
        ALPHA | SIDES | said,
        {"name": "k", "type": "normfactor"},
        HISTOSYS,
        ALPHA | SIDES | said | again,
        HISTOSYS,
        {"name": "k", "type": "normfactor"},
    ]
    model, data = fitkit.read_hs3(document(modifiers))
    once, twice = (
        reference(NormSys("alpha_sys", *sides, "4" if code is None else "1"))[0]
        for sides in ((0.9, 1.2), (0.8, 1.1))
    )
    moved = reference(HistoSys("alpha_sys", [45.0, 55.0], [56.0, 40.0]))[0]
    nominal = np.array([50.0, 52.0])
    for alpha in (-1.7, -0.4, 0.3, 2.2):
        params = {"mu": 0.0, "alpha_sys": alpha}
        factors, variation = 1.0, 0.0
        for each in (once, twice):
            factors = factors * each.expected_data(params).main["SR"] / nominal
        variation = 2 * (moved.expected_data(params).main["SR"] - nominal)
        expected = 1.5**2 * factors * (nominal + variation)
        got = model.expected_data(params | {"k": 1.5}).main["SR"]
        np.testing.assert_allclose(got, expected, rtol=1e-12)
    likelihood = model.negative_log_likelihood(data)
    y = model.ravel({"mu": 0.7, "alpha_sys": 0.4, "k": 0.9})
    at = likelihood.derivatives(y)
    gradient, hessian = (
        jax.jit(of(likelihood.value))(y) for of in (jax.grad, jax.hessian)
    )
    np.testing.assert_allclose(at.gradient, gradient, rtol=1e-10)
    np.testing.assert_allclose(at.hessian.dense(), hessian, rtol=1e-9, atol=1e-9)


# --- what cannot be read --------------------------------------------------------------
def changed(content, *keys, to):
    content = copy.deepcopy(content)
    inner = content
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = to
    return content


SAMPLE = ("distributions", 0, "samples", 1)
BAD = {
    "not a list": (
        changed(document([]), "data", to=3),
        "data: should be a list; got int",
    ),
    "no name": (
        changed(document([]), "data", 0, "name", to=3),
        r"data\[0\]: needs a `name`",
    ),
    "no such data": (
        changed(document([]), "likelihoods", 0, "data", to=["obz"]),
        r"likelihoods\[0\].data\[0\]: there is no 'obz'.*Did you mean 'obs'",
    ),
    "text for a number": (
        changed(document([]), *SAMPLE, "data", "contents", to=["50", 52.0]),
        r"distributions\[0\].samples\[1\].data.contents\[0\]: .*'50'",
    ),
    "unknown modifier": (
        document([{"name": "x", "type": "spline"}]),
        r"samples\[1\].modifiers\[0\]: .*Use one of these kinds",
    ),
    "unknown code": (
        document([ALPHA | SIDES | {"interpolation": 0}]),
        r"modifiers\[0\]: interpolation 0 of a normsys",
    ),
    "another kind of constraint": (
        document([ALPHA | SIDES | {"constraint": "LogNormal"}]),
        r"modifiers\[0\].constraint: a normsys with a LogNormal constraint",
    ),
    "no such constraint": (
        document([ALPHA | SIDES | {"constraint": "conztraint"}]),
        r"modifiers\[0\].constraint: 'conztraint' is neither a kind",
    ),
    "two constraints": (
        NORMSYS_DIALECTS["ROOT after 6.40"]
        | {
            "likelihoods": [
                {
                    "name": "L",
                    "distributions": ["model_SR"],
                    "data": ["obs"],
                    "aux_distributions": ["other"],
                }
            ],
            "distributions": [
                *NORMSYS_DIALECTS["ROOT after 6.40"]["distributions"],
                GAUSS | {"name": "other", "mean": 0.5, "sigma": 1.0},
            ],
        },
        r"distributions\[2\]: 'alpha_sys' has a constraint already",
    ),
    "a function": (
        document(
            [ALPHA | SIDES],
            functions=[{"name": "alpha_sys", "type": "generic_function"}],
        ),
        "'alpha_sys' is a function of parameters",
    ),
    "another model": (
        changed(document([]), "distributions", 0, "type", to="gaussian_dist"),
        r"likelihoods\[0\].data\[0\]: 'obs' is no point data",
    ),
    "another model of one number": (
        changed(
            changed(document([]), "distributions", 0, "type", to="gaussian_dist"),
            *("likelihoods", 0, "data"),
            to=[1.0],
        ),
        "none is a histfactory_dist",
    ),
    "too few bins": (
        changed(document([]), *SAMPLE, "data", "contents", to=[50.0]),
        r"samples\[1\].data.contents: has 1 numbers, but the channel has 2 bins",
    ),
    "negative counts": (
        changed(document([]), "data", 0, "contents", to=[51, -48]),
        r"data\[0\].contents\[1\]: got -48",
    ),
    "negative factor": (
        document([ALPHA | {"data": {"lo": -0.9, "hi": 1.2}}]),
        r"distributions\[0\].samples\[1\].modifiers\[0\].lo .*greater than 0",
    ),
    "names too few": (
        document([SHAPESYS | {"parameters": ["g"], "data": {"vals": [3.0, 7.0]}}]),
        r"modifiers\[0\].parameters: has 1 names",
    ),
    "a workspace": ({"channels": []}, "a workspace. Read it with `read_workspace`"),
}


@pytest.mark.parametrize("case", BAD)
def test_errors(case):
    content, message = BAD[case]
    with pytest.raises(WorkspaceError, match=message):
        fitkit.read_hs3(content)


def test_poi():
    content = document([])
    assert fitkit.read_hs3(content, poi=None)[0].poi is None
    with pytest.raises(WorkspaceError, match="`poi='nu'` is no parameter"):
        fitkit.read_hs3(content, poi="nu")
    content["analyses"][0]["parameters_of_interest"] = ["nu"]
    with pytest.warns(UserWarning, match="'nu' is no parameter of the model"):
        assert fitkit.read_hs3(content)[0].poi is None
