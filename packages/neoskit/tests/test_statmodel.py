"""Templates become the HistFactory model that the measurement declares."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fitkit
from neoskit import Measurement, ProcessTemplates, Template
from neoskit._statmodel import _root


def process(yields, variance=None, **variations):
    def template(values, var=None):
        values = jnp.asarray(values, float)
        return Template(values, values / 10 if var is None else jnp.asarray(var, float))

    return ProcessTemplates(
        template(yields, variance),
        {
            name: (template(up), template(down))
            for name, (up, down) in variations.items()
        },
    )


@pytest.fixture
def templates():
    return {
        "SR": {
            "signal": process([1.0, 5.0]),
            "Z": process([30.0, 20.0], tes=([33.0, 21.0], [27.0, 19.0])),
            "W": process([10.0, 4.0]),
        },
        "CR": {"W": process([100.0])},
    }


def test_each_declaration_becomes_its_modifier(templates):
    measurement = Measurement(
        ("signal",),
        {"Z": (fitkit.NormSys("z", 0.9, 1.1),), "W": (fitkit.NormFactor("w"),)},
        mc_statistics=("Z", "W"),
    )
    model = measurement.model(templates)
    assert model.poi == "mu"
    assert set(model.parameter_names) == {
        "mu",
        "z",
        "w",
        "tes",
        "staterror_SR",
        "staterror_CR",
    }
    yields = model.expected_yields(
        {**model.init, "mu": 2.0, "w": 0.5, "tes": 1.0, "z": -1.0}
    )
    samples = dict(zip(model.sample_names["SR"], yields["SR"], strict=True))
    assert np.asarray(samples["signal"]) == pytest.approx([2.0, 10.0])
    assert np.asarray(samples["Z"]) == pytest.approx([0.9 * 33.0, 0.9 * 21.0])
    assert np.asarray(samples["W"]) == pytest.approx([5.0, 2.0])
    assert np.asarray(yields["CR"][0]) == pytest.approx([50.0])


def test_mc_statistics_are_the_root_of_the_sum_of_squares(templates):
    model = Measurement(("signal",), mc_statistics=("Z", "W")).model(templates)
    sigma = model.parameters["staterror_SR"].constraint.sigma
    # Relative to the total of the samples that carry it.
    expected = np.sqrt([4.0, 2.4]) / [40.0, 24.0]
    assert np.asarray(sigma) == pytest.approx(expected)


def test_without_mc_statistics_there_are_none(templates):
    assert set(
        Measurement(("signal",), mc_statistics=False).model(templates).parameter_names
    ) == {
        "mu",
        "tes",
    }


def test_an_empty_bin_has_a_finite_derivative_of_its_error():
    slope = jax.grad(lambda variance: _root(variance).sum())(jnp.array([0.25, 0.0]))
    assert slope.tolist() == [1.0, 0.0]


def test_the_floor_lifts_negative_bins_alone():
    templates = {"SR": {"s": process([1.0, 1.0]), "qcd": process([-2.0, 3.0])}}
    for floor, expected in ((0.0, [0.0, 3.0]), (0.1, [0.1, 3.0])):
        model = Measurement(("s",), floor=floor, mc_statistics=False).model(templates)
        yields = model.expected_yields(model.init)["SR"]
        rows = dict(zip(model.sample_names["SR"], yields, strict=True))
        assert np.asarray(rows["qcd"]) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"signals": ("higgs",)}, r"signals=.*'higgs'.*signal, Z, W"),
        ({"signals": ("signal",), "modifiers": {"tt": ()}}, "modifiers=.*'tt'"),
        ({"signals": ("signal",), "mc_statistics": ("tt",)}, "mc_statistics=.*'tt'"),
    ],
)
def test_a_process_that_is_not_there_is_named(arguments, message, templates):
    with pytest.raises(ValueError, match=message):
        Measurement(**arguments).model(templates)


def test_declarations_that_make_no_sense_are_refused():
    with pytest.raises(TypeError, match="list of process names"):
        Measurement("signal", mc_statistics=False)
    with pytest.raises(ValueError, match="is empty"):
        Measurement((), mc_statistics=False)
    with pytest.raises(ValueError, match="must not be negative"):
        Measurement(("s",), floor=-1.0, mc_statistics=False)


def test_a_measurement_passes_through_jit(templates):
    measurement = Measurement(
        ("signal",), {"Z": (fitkit.NormSys("z", 0.9, 1.1),)}, mc_statistics=True
    )
    value = eqx.filter_jit(
        lambda m, t: (model := m.model(t)).logpdf(
            model.init, model.expected_data(model.init)
        )
    )(measurement, templates)
    assert jnp.isfinite(value)
