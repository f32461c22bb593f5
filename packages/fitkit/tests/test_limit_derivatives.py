"""Derivatives of limits and significances by templates, against finite differences."""

import copy

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fitkit


def numbers(model, data):
    """Limits and significances, each observed and expected."""
    limit = fitkit.upper_limit(model, data)
    test = fitkit.discovery(model, data, statistic=fitkit.Q0())
    return jnp.array(
        [
            limit.observed,
            limit.expected[2],
            test.significance,
            test.significance_expected[2],
        ]
    )


def slopes(function, at, step):
    """Central differences of fourth order."""
    low2, low1, high1, high2 = (
        np.asarray(function(at + k * step)) for k in (-2, -1, 1, 2)
    )
    return (low2 - 8 * low1 + 8 * high1 - high2) / (12 * step)


def test_a_small_model():
    def of_signal(signal):
        model = fitkit.uncorrelated_background(signal, [50.0, 52.0], [3.0, 7.0])
        return numbers(model, model.data({"singlechannel": [58.0, 60.0]}))

    signal = np.array([12.0, 11.0])
    found = np.asarray(jax.jacrev(of_signal)(signal))
    for i in range(2):
        expected = slopes(
            lambda x, i=i: of_signal(np.where(np.arange(2) == i, x, signal)),
            signal[i],
            step=0.02,
        )
        # Limits are searched to 1e-8, and the steps move them by 1e-3 of them or more;
        # what differences of fourth order leave out is smaller.
        np.testing.assert_allclose(found[:, i], expected, rtol=1e-5)


@pytest.mark.slow
def test_a_published_likelihood(sbottom):
    """Region C, 69 parameters, whose data have an excess for this signal.

    The differences are of documents that are edited, read and analysed anew.
    """
    jsonpatch = pytest.importorskip("jsonpatch")
    document = jsonpatch.apply_patch(
        sbottom("RegionC/BkgOnly.json"),
        sbottom("RegionC/patch.sbottom_1600_850_60.json"),
    )
    model, data = fitkit.read_workspace(document)
    assert float(numbers(model, data)[2]) > 0.3
    nominal = jnp.asarray(model.arrays.nominal)

    def of_templates(nominal):
        changed = eqx.tree_at(lambda m: m.arrays.nominal, model, nominal)
        return numbers(changed, data)

    every = np.asarray(jax.jacrev(of_templates)(nominal))
    bins = [len(data.main[name]) for name in model.channel_names]
    start = dict(zip(model.channel_names, np.cumsum([0, *bins[:-1]]), strict=True))
    for channel, sample, i in (
        ("SR_metsigST", "sbottom_1600_850_60", 3),
        ("SR_metsigST", "Z", 3),
        ("CRz_cuts", "Z", 0),
        ("CRtt_cuts", "ttbar", 0),
    ):
        row = model.sample_names[channel].index(sample)
        found = every[:, row, start[channel] + i]
        yields, edited = _template(document, channel, sample)

        def of_document(value, i=i, yields=yields, edited=edited):
            yields[i] = value
            changed, same = fitkit.read_workspace(edited)
            return numbers(changed, same)

        expected = slopes(of_document, yields[i], step=1e-3 * yields[i])
        # Limits are searched to 1e-8, and the steps move them by 1e-3 of them or less.
        np.testing.assert_allclose(
            found, expected, rtol=2e-5, err_msg=f"{channel}, {sample}, bin {i}"
        )


def _template(document, channel, sample):
    """The yields of a sample, in a copy of the document, and the copy."""
    edited = copy.deepcopy(document)
    (samples,) = (c["samples"] for c in edited["channels"] if c["name"] == channel)
    (yields,) = (s["data"] for s in samples if s["name"] == sample)
    return yields, edited
