"""Variations: symmetrised, smoothed, split, pruned; what the model takes of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neoskit
from neoskit._systematics import (
    NegativeBin,
    Normalisation,
    Systematics,
    Treatment,
    negative_bins,
    smooth_353qh_twice,
)
from neoskit._templates import ProcessTemplates, Template

NOMINAL = jnp.array([40.0, 30.0, 20.0, 10.0])
UP = jnp.array([46.0, 31.0, 19.0, 12.0])
DOWN = jnp.array([37.0, 27.0, 22.0, 11.0])


@pytest.mark.parametrize("bins", [3, 4, 5, 6, 9, 14])
def test_smoothing_is_cabinetry_s(bins):
    smooth = pytest.importorskip("cabinetry.smooth", reason="an independent source")
    rng = np.random.default_rng(bins)
    for scale in (0.1, 1.0, 3.0):
        for rounded in (False, True):  # equal neighbours, which the parabola is for
            values = rng.normal(1.0, scale, bins)
            values = np.round(values) if rounded else values
            expected = smooth.smooth_353qh_twice(values.copy())
            # Both are sums of a few float64 products.
            np.testing.assert_allclose(
                smooth_353qh_twice(jnp.asarray(values)), expected, atol=1e-13
            )


def test_smoothing_of_few_bins_does_nothing():
    assert smooth_353qh_twice(jnp.array([1.0, 5.0])).tolist() == [1.0, 5.0]


def test_smoothed_templates_are_cabinetry_s():
    postprocessor = pytest.importorskip("cabinetry.templates.postprocessor")
    histo = pytest.importorskip("cabinetry.histo")
    arrays = [np.arange(7.0), np.array([8.0, 9, 20, 11, 12, 3]), np.ones(6)]
    varied = histo.Histogram.from_arrays(*arrays)
    nominal = histo.Histogram.from_arrays(arrays[0], np.arange(10.0, 16), np.ones(6))
    before = varied.yields.copy()
    postprocessor._apply_353qh_twice(varied, nominal, "it")
    _, (_, smoothed) = Treatment(symmetrise="one-sided", smooth=True)(
        jnp.asarray(nominal.yields), jnp.asarray(before), jnp.asarray(nominal.yields)
    )
    np.testing.assert_allclose(smoothed, varied.yields, rtol=1e-13)
    assert float(smoothed.sum()) == pytest.approx(before.sum(), rel=1e-13)


@pytest.mark.parametrize(
    ("symmetrise", "change"),
    [
        ("one-sided", UP - NOMINAL),
        ("two-sided", (UP - DOWN) / 2),
        # Bin by bin the larger: +6 (−(−3)), +3 of the lower, −2 of the lower, +2.
        ("maximum", jnp.array([6.0, 3.0, -2.0, 2.0])),
    ],
)
def test_symmetrised(symmetrise, change):
    _, (lo, hi) = Treatment(symmetrise)(NOMINAL, UP, DOWN)
    np.testing.assert_allclose(hi, NOMINAL + change)
    np.testing.assert_allclose(lo, NOMINAL - change)


def test_norm_and_shape_make_the_templates():
    (norm_lo, norm_hi), (lo, hi) = Treatment(effect="norm+shape")(NOMINAL, UP, DOWN)
    np.testing.assert_allclose(lo * norm_lo, DOWN)
    np.testing.assert_allclose(hi * norm_hi, UP)
    assert float(lo.sum()) == pytest.approx(100.0)
    assert float(hi.sum()) == pytest.approx(100.0)


def test_one_part_alone():
    norm, shape = Treatment(effect="norm")(NOMINAL, UP, DOWN)
    assert shape is None
    assert [float(x) for x in norm] == pytest.approx([0.97, 1.08])
    norm, shape = Treatment(effect="shape")(NOMINAL, UP, DOWN)
    assert norm is None
    assert float(shape[1].sum()) == pytest.approx(100.0)


def test_small_effects_are_pruned():
    both = Treatment(effect="norm+shape", prune_norm=0.1, prune_shape=0.01)
    norm, shape = both(NOMINAL, UP, DOWN)
    assert [float(x) for x in norm] == [1.0, 1.0]
    assert not np.allclose(shape[1], NOMINAL)
    norm, shape = Treatment(effect="norm+shape", prune_norm=0.05, prune_shape=0.3)(
        NOMINAL, UP, DOWN
    )
    assert float(norm[1]) == pytest.approx(1.08)
    np.testing.assert_array_equal(shape[0], NOMINAL)
    np.testing.assert_array_equal(shape[1], NOMINAL)


def test_a_process_without_yield_has_no_effect():
    none = jnp.zeros(4)
    for effect in ("norm", "norm+shape", "template", "shape"):
        treatment = Treatment("two-sided", smooth=True, effect=effect, prune_shape=0.1)
        norm, shape = treatment(none, none, none)
        assert norm is None or [float(x) for x in norm] == [1.0, 1.0]
        assert shape is None or np.all(np.asarray(shape) == 0)


def test_a_factor_stays_positive():
    norm, _ = Treatment("one-sided", effect="norm")(NOMINAL, 3 * NOMINAL, NOMINAL)
    assert [float(x) for x in norm] == pytest.approx([0.01, 3.0])


@pytest.mark.parametrize("effect", ["template", "norm+shape"])
@pytest.mark.parametrize("symmetrise", [None, "one-sided", "two-sided", "maximum"])
def test_gradients_are_finite_differences(effect, symmetrise):
    treatment = Treatment(symmetrise, smooth=True, effect=effect, prune_shape=1e-6)
    pull = jnp.array([0.3, -0.2, 0.7, 0.4])

    def number(nominal, up, down):
        norm, shape = treatment(nominal, up, down)
        parts = sum(pull @ template for template in shape)
        return parts + (0.0 if norm is None else norm[0] - 2 * norm[1])

    # No two ratios are equal: there a median has a kink.
    down = DOWN.at[3].add(0.7)
    gradient = jax.grad(number, (0, 1, 2))(NOMINAL, UP, down)
    step = 1e-5  # central differences in float64: errors of about 1e-10
    for which in range(3):
        for i in range(4):
            moved = [[NOMINAL, UP, down] for _ in range(2)]
            for sign, arguments in zip((1, -1), moved, strict=True):
                arguments[which] = arguments[which].at[i].add(sign * step)
            slope = (number(*moved[0]) - number(*moved[1])) / (2 * step)
            assert float(gradient[which][i]) == pytest.approx(float(slope), abs=1e-7)


def templates(**variations):
    def of(yields):
        return Template(jnp.asarray(yields), jnp.asarray(yields) / 10)

    background = ProcessTemplates(
        of(NOMINAL),
        {name: (of(up), of(down)) for name, (up, down) in variations.items()},
    )
    signal = ProcessTemplates(of([1.0, 2.0, 3.0, 4.0]), {})
    return {
        channel: {"signal": signal, "background": background} for channel in ("A", "B")
    }


MEASUREMENT = neoskit.Measurement(("signal",), mc_statistics=True, floor=0.5)


def measuring(systematics, **options):
    """The measurement, with what becomes of its variations."""
    options = {"mc_statistics": True, "floor": 0.5, **options}
    return neoskit.Measurement(("signal",), systematics=systematics, **options)


def expected(model, **values):
    parameters = {**model.init, **{k: np.asarray(v) for k, v in values.items()}}
    return {k: np.asarray(v) for k, v in model.expected_data(parameters).main.items()}


def test_without_treatments_it_is_the_measurement():
    filled = templates(jes=(UP, DOWN))
    plain, other = (
        MEASUREMENT.model(filled),
        measuring(Systematics({("A", "background"): {"jes": Treatment()}})).model(
            filled
        ),
    )
    assert plain.parameter_names == other.parameter_names
    for values in ({}, {"jes": 0.7, "mu": 2.0}, {"jes": -1.0}):
        one, two = expected(plain, **values), expected(other, **values)
        for channel in one:
            np.testing.assert_array_equal(one[channel], two[channel])


def test_without_the_statistics_of_the_samples():
    measurement = measuring(Systematics({("A", "signal"): {}}))
    filled = templates(jes=(UP, DOWN))
    names = measurement.model(filled).parameter_names
    assert {"staterror_A", "staterror_B"} < set(names)
    plain = measurement.without_mc_statistics().model(filled)
    assert set(plain.parameter_names) == {"mu", "jes"}
    profiled = measurement.model(filled, statistics="profiled")
    assert set(profiled.parameter_names) == {"mu", "jes"}


def test_what_acts_in_one_channel_alone():
    systematics = Systematics(
        {("A", "background"): {"jes": Treatment(effect="norm")}},
        {("B", "background"): [Normalisation("extra", 0.9, 1.3)]},
    )
    measurement = measuring(systematics)
    model = measurement.model(templates(jes=(UP, DOWN)))
    nominal, moved = expected(model), expected(model, jes=1.0)
    background = np.asarray(NOMINAL)
    np.testing.assert_allclose(moved["A"] - nominal["A"], 0.08 * background)
    np.testing.assert_allclose(moved["B"] - nominal["B"], UP - NOMINAL)
    moved = expected(model, extra=1.0)
    np.testing.assert_allclose(moved["A"], nominal["A"])
    np.testing.assert_allclose(moved["B"] - nominal["B"], 0.3 * background)
    assert measurement.signals == ("signal",)
    assert measurement.floor == 0.5


def test_the_bins_of_a_variable_are_treated_as_one():
    treatment = Treatment("two-sided", smooth=True, effect="norm+shape")
    whole = templates(jes=(UP, DOWN))
    apart = {
        f"A_{i}": {
            name: jax.tree.map(lambda x, i=i: x[i : i + 1], process)
            for name, process in whole["A"].items()
        }
        for i in range(4)
    }
    names = tuple(apart)
    one = Systematics({("A", "background"): {"jes": treatment}})
    bins = Systematics(
        {(name, "background"): {"jes": treatment} for name in names}, bins=[names]
    )
    options = {"mc_statistics": False, "floor": 0.0}
    model = measuring(one, **options).model({"A": whole["A"]})
    other = measuring(bins, **options).model(apart)
    for jes in (-1.0, 0.3, 1.0):
        found = expected(other, jes=jes)
        np.testing.assert_allclose(
            np.concatenate([found[name] for name in names]),
            expected(model, jes=jes)["A"],
            rtol=1e-14,
        )


# pyhf's own use of jsonschema.
@pytest.mark.filterwarnings("ignore:jsonschema.RefResolver:DeprecationWarning")
def test_norm_and_shape_are_read_by_pyhf_alike(tmp_path):
    pyhf = pytest.importorskip("pyhf")
    import json

    import fitkit

    treated = Treatment("maximum", smooth=True, effect="norm+shape")
    systematics = Systematics({(c, "background"): {"jes": treated} for c in "AB"})
    model = measuring(systematics).model(templates(jes=(UP, DOWN)))
    fitkit.write_workspace(tmp_path / "w.json", model, fitkit.asimov_data(model, 1.0))
    workspace = pyhf.Workspace(json.loads((tmp_path / "w.json").read_text()))
    theirs = workspace.model(
        modifier_settings={
            "normsys": {"interpcode": "code4"},
            "histosys": {"interpcode": "code4p"},
        }
    )
    for jes in (-1.0, 0.4, 1.0):
        values = theirs.config.suggested_init()
        values[theirs.config.par_slice("jes")] = [jes]
        ours = expected(model, jes=jes)
        found = np.concatenate([ours[c] for c in theirs.config.channels])
        np.testing.assert_allclose(
            found, theirs.expected_data(values, include_auxdata=False), rtol=1e-12
        )


def test_negative_bins_are_named():
    down = DOWN.at[3].set(-2.0)
    found = negative_bins(templates(jes=(UP, down)))
    assert str(found[0]) == (
        "background (jes:down) in A, bin 3: -2 events, raised to the floor of 0"
    )
    assert found == (
        NegativeBin("A", "background", "jes:down", 3, -2.0),
        NegativeBin("B", "background", "jes:down", 3, -2.0),
    )


def test_the_measurement_is_hashable_and_compiles_once():
    systematics = Systematics({("A", "background"): {"jes": Treatment(effect="norm")}})
    again = Systematics({("A", "background"): {"jes": Treatment(effect="norm")}})
    leaves, structure = jax.tree.flatten(systematics)
    assert leaves == []
    assert structure == jax.tree.structure(again)
    assert hash(structure) == hash(jax.tree.structure(again))
