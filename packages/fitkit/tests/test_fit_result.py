"""What a fit says of itself: what is flat, what is at a bound, why it failed."""

import re
import warnings

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fitkit
from fitkit import Channel, HistoSys, Model, NormFactor, NormSys, Sample, ShapeSys


@pytest.fixture(scope="module")
def model():
    """A signal over two backgrounds of two bins."""
    return Model(
        [
            Channel(
                "SR",
                [
                    Sample("s", [5.0, 10.0], (NormFactor("mu"),)),
                    Sample("b", [50.0, 52.0], (ShapeSys("gamma", [3.0, 7.0]),)),
                    Sample("c", [20.0, 10.0], (NormSys("xs", 0.9, 1.1),)),
                ],
            )
        ],
        poi="mu",
    )


@pytest.fixture(scope="module")
def found(model):
    return fitkit.fit(model, model.data({"SR": [78.0, 80.0]}))


def test_gradient_and_hessian_are_those_at_the_minimum(model, found):
    data = model.data({"SR": [78.0, 80.0]})

    def value(y):
        return -model.logpdf(model.unravel(y), data)

    np.testing.assert_allclose(found.gradient, jax.grad(value)(found.y), atol=1e-9)
    hessian = jax.hessian(value)(found.y)
    np.testing.assert_allclose(found.hessian, hessian, rtol=1e-9, atol=1e-10)
    scaled = found.gradient / np.sqrt(np.diagonal(hessian))
    np.testing.assert_allclose(found.largest_gradient, np.max(np.abs(scaled)))
    assert float(found.largest_gradient) < 1e-4  # an EDM of 1e-8


def test_smallest_eigenvalue_and_its_direction(found):
    hessian = np.asarray(found.hessian)
    width = np.sqrt(np.diagonal(hessian))
    values, vectors = np.linalg.eigh(hessian / np.outer(width, width))
    np.testing.assert_allclose(found.smallest_eigenvalue, values[0], rtol=1e-10)
    direction = found.flattest_direction
    names = ["mu", "gamma[0]", "gamma[1]", "xs"]
    order = np.argsort(-np.abs(vectors[:, 0]))
    expected = vectors[:, 0] * np.sign(vectors[order[0], 0])
    listed = [i for i in order if abs(expected[i]) >= 0.05]
    assert list(direction) == [names[i] for i in listed]
    np.testing.assert_allclose(list(direction.values()), expected[listed], rtol=1e-9)


def test_fixed_entries_take_no_part(model):
    data = model.data({"SR": [78.0, 80.0]})
    held = fitkit.fit(model.with_fixed("gamma", "xs"), data)
    np.testing.assert_allclose(held.smallest_eigenvalue, 1.0)
    assert held.flattest_direction == {"mu": pytest.approx(1.0)}
    everything = {"gamma": True, "xs": True, "mu": True}
    nothing = fitkit.fit(model.with_fixed(*everything), data)
    assert float(nothing.smallest_eigenvalue) == np.inf
    assert float(nothing.largest_gradient) == 0
    assert "fixed" in repr(nothing)


def test_table(model, found):
    data = model.data({"SR": [78.0, 80.0]})
    first, *rows = repr(found).splitlines()
    assert re.match(r"converged in \d+ steps, -2 log L = [\d.]+, EDM .*gradient", first)
    assert [row.split()[0] for row in rows] == ["mu", "gamma[0]", "gamma[1]", "xs"]
    # the errors are those of `uncertainties`
    errors = model.ravel(fitkit.uncertainties(model, found.params, data))
    shown = [float(row.split("±")[1].split()[0]) for row in rows]
    np.testing.assert_allclose(shown, errors, rtol=5e-3)


def test_table_says_what_limits_a_parameter(model):
    low = model.data({"SR": [60.0, 50.0]})
    assert re.search(r"mu +0 +at its lower bound", repr(fitkit.fit(model, low)))
    high = model.data({"SR": [160.0, 350.0]})
    bounded = model.with_bounds(mu=(0.0, 10.0))
    assert re.search(r"mu +10 +at its upper bound", repr(fitkit.fit(bounded, high)))
    asimov = model.expected_data(model.init | {"mu": jnp.array(0.0)})
    assert re.search(r"mu .* on the edge", repr(fitkit.fit(model, asimov)))


def test_table_of_what_is_not_determined():
    sample = Sample("s", [50.0], (NormFactor("a"), NormFactor("b")))
    model = Model([Channel("SR", [sample])], poi=None)
    text = repr(fitkit.fit(model, model.data({"SR": [60.0]})))
    assert re.search(r"not determined: \+0.71 [ab], -0.71 [ab]", text)
    assert "±" not in text


def test_table_of_many_parameters_is_short():
    modifiers = [NormSys(f"n{i}", 0.9, 1.1) for i in range(200)]
    sample = Sample("s", [50.0], (*modifiers, NormFactor("mu")))
    model = Model([Channel("SR", [sample])])
    data = model.data({"SR": [60.0]})
    result = fitkit.fit(model.with_bounds({"mu": (0.0, 1.0)}), data)
    lines = repr(result).splitlines()
    assert len(lines) <= 43
    assert any(re.search(r"mu +1 +at its upper bound", line) for line in lines)
    assert lines[-1].strip() == "… 161 more in `params`"


def test_printing_inside_a_transformation(model):
    data, shown = model.data({"SR": [78.0, 80.0]}), []

    @eqx.filter_jit
    def inside(data):
        result = fitkit.fit(model, data, throw=False)
        shown.append(repr(result))
        return result

    assert "converged" in repr(inside(data))
    assert shown == ["FitResult(3 parameters, not evaluated)"]
    batch = jax.tree.map(lambda x: jnp.stack([x, x]), data)
    both = jax.vmap(lambda d: fitkit.fit(model, d, throw=False))(batch)
    assert repr(both) == "FitResult(2 fits, 2 converged)"


def test_what_a_batch_says_of_each_of_its_fits(model):
    counts = jnp.array([[78.0, 80.0], [60.0, 95.0]])
    run = lambda n: fitkit.fit(model, model.data({"SR": n}), throw=False)  # noqa: E731
    both, each = jax.vmap(run)(counts), [run(n) for n in counts]
    alone = [float(result.smallest_eigenvalue) for result in each]
    assert alone[0] != alone[1]
    # Rounding of an eigenvalue of order one.
    np.testing.assert_allclose(both.smallest_eigenvalue, alone, rtol=1e-10)
    assert both.largest_gradient.shape == (2,)
    scaled = np.abs(both.gradient) / np.sqrt(
        np.diagonal(both.hessian, axis1=1, axis2=2)
    )
    expected = np.max(np.where(both.stationarity.free, scaled, 0.0), axis=1)
    np.testing.assert_allclose(both.largest_gradient, expected, rtol=1e-12)


def test_a_value_held_beyond_its_bounds_is_fitted_as_one_inside(model):
    data = model.data({"SR": [78.0, 80.0]})
    beyond = fitkit.fixed_poi_fit(model, data, 30.0)  # mu is bounded by 10
    inside = fitkit.fixed_poi_fit(model.with_bounds({"mu": (0.0, 50.0)}), data, 30.0)
    assert int(beyond.steps) == int(inside.steps)
    np.testing.assert_allclose(beyond.y, inside.y, rtol=1e-12)
    assert float(beyond.params["mu"]) == 30.0


# --- why a fit failed ----------------------------------------------------------------
def test_a_failure_names_channel_and_bin():
    sample = Sample("s", [10.0, 0.0, 3.0], (NormFactor("mu"),))
    model = Model([Channel("CR", [sample])])
    with pytest.raises(fitkit.FitError) as error:
        fitkit.fit(model, model.data({"CR": [9.0, 2.0, 3.0]}))
    assert "channel 'CR' bin 1 (2 seen, 0 expected)" in str(error.value)
    assert "bin 0" not in str(error.value)


def test_a_failure_names_the_steepest_parameters():
    class Endless(fitkit.AbstractModel):
        """A density without a maximum."""

        poi = None
        parameter_names = ("x", "y")

        @property
        def parameters(self):
            return {"x": fitkit.Parameter(1.0), "y": fitkit.Parameter(1.0)}

        def expected_data(self, params):
            return fitkit.Data({"c": params["x"][None]})

        def logpdf(self, params, data):
            # falls for ever along x; y is determined
            return params["x"] * data.main["c"][0] - params["y"] ** 2

    with pytest.raises(fitkit.FitError, match=r"width, are x \(") as error:
        fitkit.fit(Endless(), fitkit.Data({"c": jnp.array([1.0])}))
    assert "does not depend on" in str(error.value) or "flat along" in str(error.value)


# --- more than one minimum -----------------------------------------------------------
@pytest.fixture(scope="module")
def two_minima(load_json):
    """STATISTICS: bkg2 falls in its second bin for both variations."""
    name = "2bin_2channel_coupledhistosys"
    (case,) = (c for c in load_json("acceptance_validation.json") if c["name"] == name)
    # the recorded data follow the sorted names of the channels
    size_of = {
        c["name"]: len(c["samples"][0]["data"]) for c in case["spec"]["channels"]
    }
    names = sorted(size_of)
    sizes = [size_of[n] for n in names]
    split = np.split(np.array(case["data"][: sum(sizes)]), np.cumsum(sizes)[:-1])
    document = case["spec"] | {
        "observations": [
            {"name": n, "data": list(map(float, d))}
            for n, d in zip(names, split, strict=True)
        ],
        "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": []}}],
        "version": "1.0.0",
    }
    return fitkit.read_workspace(document)


def test_all_minima_of_the_published_model(two_minima):
    """Against a scan of the whole plane, with the default codes (4 and 4p)."""
    model, data = two_minima
    with pytest.warns(fitkit.AnotherMinimumWarning, match="2 minima") as warned:
        minima = fitkit.fit_from_many_starts(model, data, starts=16)
    alpha, mu = np.meshgrid(np.linspace(-3, 3, 601), np.linspace(0, 3, 301))
    points = {"coupled_histosys": alpha.ravel(), "mu": mu.ravel()}
    scan = -2 * jax.vmap(lambda p: model.logpdf(p, data))(
        {name: jnp.asarray(values) for name, values in points.items()}
    )
    scan = np.asarray(scan).reshape(alpha.shape)
    profile, at = scan.min(axis=0), alpha[0]
    inner = profile[1:-1]
    lowest = (inner < profile[:-2]) & (inner < profile[2:])
    seen = sorted(zip(inner[lowest], at[1:-1][lowest], strict=True))
    assert len(seen) == 2 == 1 + len(minima.others)
    for (value, place), each in zip(seen, (minima.best, *minima.others), strict=True):
        # half a grid step of 0.01 from a minimum whose curvature is about 100
        np.testing.assert_allclose(each.twice_nll, value, atol=5e-3)
        np.testing.assert_allclose(each.params["coupled_histosys"], place, atol=0.011)
    text = str(warned[0].message)
    assert "coupled_histosys" in text
    nominal = fitkit.fit(model, data)
    np.testing.assert_allclose(nominal.twice_nll, minima.nominal.twice_nll, rtol=1e-9)
    is_lowest = abs(float(nominal.twice_nll - minima.best.twice_nll)) < 1e-4
    assert ("`fit` finds the lowest" in text) == is_lowest
    assert "another: -2 log L higher by" in repr(minima)


@pytest.mark.slow
def test_a_published_likelihood_with_two_minima(load_json, pyhf_model):
    """What pyhf's two minimisers recorded is a local minimum, by pyhf's own account."""
    document = load_json("likelihoods/bkgonly/stau_SUSY-2018-04.json")
    entry = load_json("reference_pyhf.json")["stau_SUSY-2018-04_bkgonly"]
    model, data = fitkit.read_workspace(document, poi=None)
    with pytest.warns(fitkit.AnotherMinimumWarning, match="does not lead to the low"):
        minima = fitkit.fit_from_many_starts(model, data, starts=16)
    theirs = pyhf_model(document)
    vector = theirs.data_vector(data)

    def by_pyhf(result):
        point = theirs.vector(result.params)
        return -2 * float(theirs.model.logpdf(point, vector)[0])

    recorded = entry["fit_scipy"]["twice_nll"]
    np.testing.assert_allclose(by_pyhf(minima.nominal), recorded, atol=1e-6)
    assert by_pyhf(minima.best) < recorded - 0.08
    for each in (minima.nominal, minima.best):
        np.testing.assert_allclose(each.twice_nll, by_pyhf(each), rtol=1e-11)


def test_one_minimum_is_no_news(model):
    data = model.data({"SR": [78.0, 80.0]})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        minima = fitkit.fit_from_many_starts(model, data, starts=8)
    assert minima.others == ()
    assert minima.converged == 8
    assert repr(minima).startswith("1 minimum from 8 starts, of which 8 converged")


def test_both_sides_of_a_symmetric_variation():
    """Equal sides give two minima of equal depth, one of each sign."""
    sample = Sample("s", [50.0], (HistoSys("a", lo=[56.0], hi=[56.0]),))
    model = Model([Channel("c", [sample])], poi=None)
    data = model.data({"c": [70.0]})
    with pytest.warns(fitkit.AnotherMinimumWarning):
        minima = fitkit.fit_from_many_starts(model, data, starts=8)
    (other,) = minima.others
    np.testing.assert_allclose(other.params["a"], -minima.best.params["a"], rtol=1e-6)
    np.testing.assert_allclose(other.twice_nll, minima.best.twice_nll, rtol=1e-12)


def test_starts_without_any_minimum():
    sample = Sample("s", [10.0, 0.0], (NormFactor("mu"),))
    model = Model([Channel("c", [sample])])
    data = model.data({"c": [9.0, 2.0]})
    with pytest.raises(fitkit.FitError, match="none of 4 starts"):
        fitkit.fit_from_many_starts(model, data, starts=4)
    with pytest.raises(ValueError, match="1 or more"):
        fitkit.fit_from_many_starts(model, data, starts=0)
