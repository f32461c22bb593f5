"""Fourteen published or generated likelihoods against numbers recorded with pyhf."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fitkit

MODELS = (
    "sbottom_A_1300_205_60",
    "sbottom_A_1400_950_60",
    "sbottom_B_1400_550_60",
    "3LRJR_ERJR_200p0_100p0",
    "3LRJR_ERJR_450p0_50p0",
    "3LRJR_bkgonly",
    "stau_SUSY-2018-04_bkgonly",
    "onshell_SUSY-2019-09_bkgonly",
    "ttZ_4l",
    "1Lbb_reconverted_700_400",
    "agc_ttbar",
    "GammaGamma_Higgs",
    "SRee_SRmm_Srem",
    "litehf_single_channel_big",
)
# One shapesys of 3LRJR has an auxiliary count n = 1.9e11, and pyhf sums n log n (5e12,
# where float64 is spaced by 1e-3) and log n!: its records carry that error.
CANCELLATION = {name: 5e-3 for name in MODELS if name.startswith("3LRJR")}
SLOW = pytest.mark.slow
CODES = {
    "normsys4_histosys4p": {"normsys_code": "4", "histosys_code": "4p"},
    "normsys1_histosys0": {"normsys_code": "1", "histosys_code": "0"},
}


@pytest.fixture(scope="module", params=MODELS)
def entry(request, load_json):
    """One record, with its name."""
    return load_json("reference_pyhf.json")[request.param] | {"name": request.param}


def read(entry, reference_document, **codes):
    document, patch = reference_document(entry)
    # background-only documents name a POI that they do not have
    return fitkit.read_workspace(document, patch=patch, poi=entry["poi"], **codes)


def by_name(names, vector):
    """Params from pyhf's flat vector: `name` is a scalar, `name[i]` one of an array."""
    params = {}
    for name, value in zip(names, vector, strict=True):
        if name.endswith("]"):
            params.setdefault(name.rpartition("[")[0], []).append(value)
        else:
            params[name] = value
    return {name: jnp.asarray(value, dtype=float) for name, value in params.items()}


def points(entry):
    params = [by_name(entry["par_names"], point) for point in entry["points"]]
    return jax.tree.map(lambda *values: jnp.stack(values), *params)


@eqx.filter_jit
def evaluate(model, data, params):
    """-2 log L and expected rates at several points."""
    return jax.vmap(
        lambda p: (-2 * model.logpdf(p, data), model.expected_data(p).main)
    )(params)


@pytest.mark.parametrize("codes", CODES)
def test_likelihood_at_four_points(entry, codes, reference_document):
    model, data = read(entry, reference_document, **CODES[codes])
    twice_nll, rates = evaluate(model, data, points(entry))
    np.testing.assert_allclose(
        twice_nll,
        entry[f"twice_nll_{codes}"],
        rtol=1e-10,
        atol=CANCELLATION.get(entry["name"], 0),
    )
    np.testing.assert_allclose(
        np.concatenate([rates[name][0] for name in sorted(rates)]),
        entry[f"expected_at_init_{codes}"],
        rtol=1e-12,
        atol=1e-12,
    )


def test_parameters_and_data(entry, reference_document):
    model, data = read(entry, reference_document)
    params = by_name(entry["par_names"], entry["points"][0])
    assert set(model.parameter_names) == set(params)
    for name, value in model.init.items():
        assert value.shape == params[name].shape
        np.testing.assert_array_equal(value, params[name])
    assert model.poi == entry["poi"]
    main = [data.main[name] for name in sorted(data.main)]
    aux = [np.atleast_1d(data.aux[name]) for name in params if name in data.aux]
    np.testing.assert_allclose(np.concatenate(main + aux), entry["data"], rtol=1e-14)


def test_likelihood_in_60_digits(entry, reference_document, plain_likelihood):
    """Where pyhf's sums cancel, and elsewhere: arithmetic that loses nothing."""
    import jsonpatch

    document, patch = reference_document(entry)
    model, data = fitkit.read_workspace(document, patch=patch, poi=entry["poi"])
    plain = plain_likelihood(jsonpatch.apply_patch(document, patch or []))
    ours, _ = evaluate(model, data, points(entry))
    for i in (0, 3):
        params = by_name(entry["par_names"], entry["points"][i])
        np.testing.assert_allclose(ours[i], plain.twice_nll(params), rtol=1e-12)


# From the catalogue of the data: best-fit parameter of interest, by fits of others, and
# how well they converged (the first stopped 0.002 standard deviations away).
KNOWN_POI = {
    "agc_ttbar": (0.9696, 3e-4),
    "ttZ_4l": (1.214049, 6e-5),
    "1Lbb_reconverted_700_400": (1.231177, 6e-5),
}
# 3LRJR: computed with deviances, 40-digit constants; pyhf's records are off by 1e-3.
KNOWN_MINIMUM = {"3LRJR_bkgonly": 240.430780, "3LRJR_ERJR_200p0_100p0": 272.298851}


# A shape of model takes seconds to compile: those that say most are in every run.
QUICK = (
    "sbottom_A_1300_205_60",
    "sbottom_A_1400_950_60",
    "agc_ttbar",
    "SRee_SRmm_Srem",
)


@pytest.mark.parametrize(
    "entry",
    [name if name in QUICK else pytest.param(name, marks=SLOW) for name in MODELS],
    indirect=True,
)
def test_fit_from_the_nominal_start(entry, reference_document):
    model, data = read(entry, reference_document)
    found = fitkit.fit(model, data)
    assert bool(found.converged)
    assert float(found.edm) < 1e-6
    assert int(found.steps) <= 30
    if entry["name"] in KNOWN_MINIMUM:
        minimum = KNOWN_MINIMUM[entry["name"]]
        np.testing.assert_allclose(found.twice_nll, minimum, rtol=0, atol=1e-6)
    elif not entry["name"].startswith("3LRJR"):
        fits = (entry["fit_scipy"], entry["fit_minuit"])
        best = min(fit["twice_nll"] for fit in fits if "twice_nll" in fit)
        assert float(found.twice_nll) <= best + 1e-4
        # not below the true minimum either: minimisers stop above it, by 2e-3 at most
        assert float(found.twice_nll) >= best - 2e-3
    if entry["name"] in KNOWN_POI:
        known, tolerance = KNOWN_POI[entry["name"]]
        np.testing.assert_allclose(found.params[entry["poi"]], known, atol=tolerance)
    # the value is the likelihood at the parameters that come with it
    at_best, _ = evaluate(
        model, data, jax.tree.map(lambda value: jnp.stack([value] * 4), found.params)
    )
    np.testing.assert_allclose(found.twice_nll, at_best[0], rtol=1e-12)


@pytest.mark.slow
def test_3lrjr_minima(load_json):
    """Thirteen signal points against deviances with 40-digit constants, to 1e-6."""
    true = load_json("likelihoods/3LRJR/reference_true.json")
    background = load_json("likelihoods/3LRJR/BkgOnly.json")
    patchset = load_json("likelihoods/3LRJR/patchset.json")
    patches = {p["metadata"]["name"]: p["patch"] for p in patchset["patches"]}
    assert len(true) == 13
    for name, expected in true.items():
        model, data = fitkit.read_workspace(background, patch=patches[name])
        found = fitkit.fit(model, data)
        np.testing.assert_allclose(
            found.twice_nll, expected["twice_nll_free"], rtol=0, atol=1e-6, err_msg=name
        )
        np.testing.assert_allclose(
            found.params["mu_SIG"], expected["muhat"], atol=2e-5, err_msg=name
        )
