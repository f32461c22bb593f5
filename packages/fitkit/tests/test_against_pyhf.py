"""Random small workspaces with every modifier, evaluated by pyhf and by fitkit."""

import itertools
import json

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fitkit

CODES = list(itertools.product(("1", "4"), ("0", "4p")))


def random_workspace(seed):
    """A workspace in which names, bins and modifiers fall as they may.

    Some uncertainties and some yields are zero, some modifiers lack in some samples,
    some parameters are shared between samples, channels and kinds, some have settings.
    """
    rng = np.random.default_rng(seed)

    def numbers(low, high, bins):
        return [float(value) for value in rng.uniform(low, high, bins)]

    def with_a_zero(values):
        if rng.random() < 0.3:
            values[rng.integers(len(values))] = 0.0
        return values

    def modifiers(channel, sample, data):
        bins = len(data)
        for name in ("a", "b", "c"):
            if rng.random() < 0.6:
                lo, hi = rng.uniform(0.7, 1.3, 2)
                yield name, "normsys", {"lo": float(lo), "hi": float(hi)}
            if rng.random() < 0.5:
                lo, hi = (
                    [float(v) for v in data * rng.uniform(0.7, 1.3, bins)]
                    for _ in range(2)
                )
                yield name, "histosys", {"lo_data": lo, "hi_data": hi}
        if sample == "signal":
            yield "mu", "normfactor", None
        elif rng.random() < 0.4:
            yield "free", "normfactor", None
        if rng.random() < 0.5:
            yield "lumi", "lumi", None
        if rng.random() < 0.7:
            uncertainty = with_a_zero(numbers(0.0, 3.0, bins))
            yield f"stat_{channel}", "staterror", uncertainty
        if rng.random() < 0.4:
            uncertainty = with_a_zero(numbers(0.5, 5.0, bins))
            yield f"control_{channel}_{sample}", "shapesys", uncertainty
        if rng.random() < 0.2:
            yield f"shape_{bins}", "shapefactor", None

    channels = []
    for c in range(rng.integers(1, 4)):
        bins, samples = int(rng.integers(1, 4)), []
        for sample in ("signal", "ttbar", "wjets")[: rng.integers(1, 4)]:
            data = with_a_zero(numbers(5.0, 60.0, bins))
            if sample == "signal":  # so that no bin's total is zero or below
                data = [value + 20.0 for value in data]
            kinds = [
                {"name": name, "type": kind, "data": values}
                for name, kind, values in modifiers(f"ch{c}", sample, data)
            ]
            samples.append({"name": sample, "data": data, "modifiers": kinds})
        channels.append({"name": f"ch{c}", "samples": samples})
    # documents need not be in pyhf's alphabetical order
    channels = [channels[i] for i in rng.permutation(len(channels))]

    observations = [
        {
            "name": channel["name"],
            "data": [
                float(n) for n in rng.poisson(50, len(channel["samples"][0]["data"]))
            ],
        }
        for channel in channels
    ]
    settings = [
        {
            "name": "lumi",
            "inits": [1.0],
            "bounds": [[0.5, 1.5]],
            "auxdata": [1.02],
            "sigmas": [0.03],
        },
        {"name": "a", "inits": [0.3], "bounds": [[-4.0, 3.0]], "auxdata": [0.1]},
        {"name": "mu", "inits": [0.5], "bounds": [[-1.0, 5.0]]},
        {"name": "b", "fixed": bool(rng.random() < 0.5)},
        {"name": "not_in_the_model", "inits": [3.0]},
    ]
    return {
        "channels": channels,
        "observations": observations,
        "measurements": [
            {"name": "plain", "config": {"poi": "mu", "parameters": settings[:1]}},
            {"name": "settings", "config": {"poi": "mu", "parameters": settings}},
        ],
        "version": "1.0.0",
    }


@eqx.filter_jit
def evaluate(model, params, data):
    """Log-likelihoods and expected data of several points."""
    return jax.vmap(lambda p: (model.logpdf(p, data), model.expected_data(p)))(params)


def assert_same_likelihood(model, data, theirs, rng):
    """Parameters, data, expected data and log-likelihood at three points."""
    config = theirs.model.config
    assert set(model.parameter_names) == set(config.par_order)
    np.testing.assert_array_equal(theirs.vector(model.init), config.suggested_init())
    bounds = np.array(config.suggested_bounds(), dtype=float)
    for edge, side in (("lower", 0), ("upper", 1)):
        ours = {name: getattr(p, edge) for name, p in model.parameters.items()}
        # A factor has no upper bound that nobody gave, where pyhf's has 10.
        given = theirs.vector(ours)
        chosen = np.isfinite(given)
        np.testing.assert_array_equal(given[chosen], bounds[chosen, side])
        assert (bounds[~chosen, side] == 10).all()
    fixed = {name: p.fixed for name, p in model.parameters.items()}
    np.testing.assert_array_equal(theirs.vector(fixed), config.suggested_fixed())
    vector = theirs.data_vector(data)
    np.testing.assert_allclose(vector[config.nmaindata :], config.auxdata, rtol=1e-14)
    points = [config.suggested_init(), *(theirs.random_point(rng) for _ in range(2))]
    params = [theirs.params(point) for point in points]
    logpdfs, expected = evaluate(
        model, jax.tree.map(lambda *values: jnp.stack(values), *params), data
    )
    for i, point in enumerate(points):
        np.testing.assert_allclose(
            theirs.data_vector(jax.tree.map(lambda values, i=i: values[i], expected)),
            theirs.model.expected_data(point),
            rtol=1e-12,
            atol=1e-12,
        )
        np.testing.assert_allclose(
            logpdfs[i], theirs.model.logpdf(point, vector)[0], rtol=1e-11
        )


@pytest.mark.parametrize("seed", range(12))
def test_random_workspace(seed, pyhf_model):
    document = random_workspace(seed)
    normsys, histosys = CODES[seed % 4]
    measurement = ("plain", "settings")[seed % 3 > 0]
    model, data = fitkit.read_workspace(
        document,
        measurement=measurement,
        normsys_code=normsys,
        histosys_code=histosys,
    )
    theirs = pyhf_model(
        document,
        normsys=f"code{normsys}",
        histosys=f"code{histosys}",
        measurement=measurement,
    )
    assert_same_likelihood(model, data, theirs, np.random.default_rng(seed))


@pytest.mark.parametrize("seed", [1, 4, 7])
def test_written_workspace(seed, pyhf_model, tmp_path):
    """What `write_workspace` writes, pyhf reads, and it gives the same likelihood."""
    document = random_workspace(seed)
    model, data = fitkit.read_workspace(document, measurement="settings")
    path = tmp_path / "written.json"
    fitkit.write_workspace(path, model, data)
    theirs = pyhf_model(json.loads(path.read_text()))
    assert_same_likelihood(model, data, theirs, np.random.default_rng(seed))
    again, data_again = fitkit.read_workspace(path)
    assert again.parameter_names == model.parameter_names
    assert again.channel_names == model.channel_names
    assert again.poi == model.poi
    np.testing.assert_array_equal(
        again.logpdf(again.init, data_again), model.logpdf(model.init, data)
    )


def test_simple_models(pyhf_model):
    pyhf = pytest.importorskip("pyhf")
    signal, background = [12.0, 11.0], [50.0, 52.0]
    pairs = (
        (
            fitkit.uncorrelated_background(signal, background, [3.0, 7.0]),
            pyhf.simplemodels.uncorrelated_background(signal, background, [3.0, 7.0]),
        ),
        (
            fitkit.correlated_background(
                signal, background, up=[45.0, 57.0], down=[55.0, 47.0]
            ),
            pyhf.simplemodels.correlated_background(
                signal, background, [45.0, 57.0], [55.0, 47.0]
            ),
        ),
    )
    for ours, theirs in pairs:
        (channel,) = theirs.config.channels
        data = ours.data({channel: jnp.array([51.0, 48.0])})
        bridge = type(pyhf_model(random_workspace(0)))(theirs)
        assert_same_likelihood(ours, data, bridge, np.random.default_rng(5))


def test_settings_of_parameters_with_one_value_per_bin(pyhf_model, tmp_path):
    """A staterror over two channels, listed by their sorted names; shapesys widths."""
    document = {
        "channels": [
            {
                "name": channel,
                "samples": [
                    {
                        "name": "background",
                        "data": data,
                        "modifiers": [
                            {"name": "stat", "type": "staterror", "data": errors},
                            {"name": "mu", "type": "normfactor", "data": None},
                            {
                                "name": f"aux_{channel}",
                                "type": "shapesys",
                                "data": errors,
                            },
                        ],
                    }
                ],
            }
            for channel, data, errors in (
                ("z", [50.0, 60.0, 70.0], [5.0, 0.0, 7.0]),
                ("a", [80.0], [4.0]),
            )
        ],
        "observations": [
            {"name": "z", "data": [51.0, 62.0, 73.0]},
            {"name": "a", "data": [84.0]},
            {"name": "removed by a patch", "data": [1.0]},
        ],
        "measurements": [
            {
                "name": "m",
                "config": {
                    "poi": "mu",
                    "parameters": [
                        {
                            "name": "stat",
                            "inits": [0.8, 1.1, 1.2, 1.3],
                            "bounds": [[0.1, 2.0], [0.2, 3.0], [0.3, 4.0], [0.4, 5.0]],
                            "auxdata": [0.9, 1.01, 1.02, 1.03],
                            "sigmas": [0.2, 0.1, 0.3, 0.4],
                        },
                        {
                            "name": "aux_z",
                            "factors": [80.0, 90.0, 95.0],
                            "fixed": False,
                            "inits": [1.1, 1.2, 1.3],
                        },
                        {"name": "aux_a", "auxdata": [390.0], "fixed": True},
                    ],
                },
            }
        ],
        "version": "1.0.0",
    }
    path = tmp_path / "written.json"
    model, data = fitkit.read_workspace(document)
    fitkit.write_workspace(path, model, data)
    written = json.loads(path.read_text())
    # the bin without error is constrained by the width given for it
    for each, (ours, counts) in (
        (document, (model, data)),
        (written, fitkit.read_workspace(written)),
    ):
        assert ours.channel_names == ("z", "a")
        theirs = pyhf_model(each)
        # pyhf orders the entries by channel name: reorder ours for the comparison
        reorder = np.array([3, 0, 1, 2])
        np.testing.assert_array_equal(
            np.asarray(ours.init["stat"])[reorder], [0.8, 1.1, 1.2, 1.3]
        )
        point = np.array(theirs.model.config.suggested_init()) * 1.03
        params = theirs.params(point)
        params["stat"] = np.empty(4)
        params["stat"][reorder] = theirs.params(point)["stat"]
        vector = np.concatenate(
            [
                counts.main["a"],
                counts.main["z"],
                *(
                    counts.aux[name][reorder] if name == "stat" else counts.aux[name]
                    for name in theirs.model.config.auxdata_order
                ),
            ]
        )
        np.testing.assert_allclose(vector[4:], theirs.model.config.auxdata, rtol=1e-14)
        np.testing.assert_allclose(
            ours.logpdf(params, counts),
            theirs.model.logpdf(point, vector)[0],
            rtol=1e-11,
        )
