"""The value at a minimum alone, whose search may run outside of a compiled program."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fitkit
from fitkit import Channel, HistoSys, Model, NormFactor, NormSys, Sample, StatError

pytestmark = pytest.mark.usefixtures("x64")
COUNTS = {"SR": np.array([54.0, 47.0, 31.0])}
YIELDS = np.array([4.0, 6.0, 9.0])


@pytest.fixture
def x64():
    with jax.enable_x64(True):
        yield


def model_of(signal):
    background = Sample(
        "background",
        [50.0, 40.0, 20.0],
        (
            NormSys("norm", 0.9, 1.15),
            HistoSys("shape", [48.0, 39.0, 21.0], [53.0, 41.0, 19.0]),
            StatError("mc", [3.0, 3.0, 2.0]),
        ),
    )
    channel = Channel("SR", [Sample("signal", signal, (NormFactor("mu"),)), background])
    return Model([channel], mc_statistics="profiled")


def smallest(signal, poi_value=None, **options):
    model = model_of(signal)
    return fitkit.smallest_twice_nll(model, model.data(COUNTS), poi_value, **options)


def test_it_is_what_fits_find():
    model = model_of(YIELDS)
    data = model.data(COUNTS)
    assert not isinstance(smallest(YIELDS), jax.Array)  # but NumPy's
    assert smallest(YIELDS) == pytest.approx(
        float(fitkit.fit(model, data).twice_nll), rel=1e-15
    )
    wanted = float(fitkit.fixed_poi_fit(model, data, 2.0).twice_nll)
    assert smallest(YIELDS, 2.0) == pytest.approx(wanted, rel=1e-15)
    assert smallest(YIELDS, 2.0, on_host=True) == smallest(YIELDS, 2.0)


@pytest.mark.parametrize("on_host", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_first_and_second_derivatives_are_those_of_the_fit(on_host):
    def tested(both):
        signal, mu = both
        return smallest(signal, mu, on_host=on_host)

    at = jnp.asarray(YIELDS), jnp.asarray(1.3)
    value, gradient = jax.jit(jax.value_and_grad(tested))(at)
    assert float(value) == pytest.approx(float(smallest(YIELDS, 1.3)), rel=1e-12)

    def numeric(function, step):
        """Central differences along each of the four directions."""
        changes = []
        for i in range(4):
            sides = []
            for sign in (step, -step):
                signal, mu = YIELDS.copy(), 1.3 + sign * (i == 3)
                signal[:3] += sign * (np.arange(3) == i)
                sides.append(function(signal, mu))
            changes.append((sides[0] - sides[1]) / (2 * step))
        return np.array(changes)

    flat = np.append(*gradient)
    # Errors of central differences: step^2 times third derivatives, of about 1.
    np.testing.assert_allclose(flat, numeric(smallest, 1e-3), rtol=1e-5, atol=1e-6)

    compiled = jax.jit(jax.grad(tested))

    def gradient_at(signal, mu):
        return np.append(*compiled((jnp.asarray(signal), jnp.asarray(mu))))

    hessian = jax.jit(jax.hessian(lambda x: tested((x[:3], x[3]))))(jnp.append(*at))
    np.testing.assert_allclose(
        hessian, numeric(gradient_at, 1e-3), rtol=1e-4, atol=1e-5
    )


def primitives(jaxpr):
    """All primitives of a program, inner ones included."""
    for equation in jaxpr.eqns:
        yield equation.primitive.name
        for parameter in jax.tree.leaves(
            list(equation.params.values()),
            is_leaf=lambda x: hasattr(x, "jaxpr") or hasattr(x, "eqns"),
        ):
            inner = getattr(parameter, "jaxpr", parameter)
            if hasattr(inner, "eqns"):
                yield from primitives(inner)


def test_the_first_derivative_has_no_linear_system():
    def found(function):
        return set(primitives(jax.make_jaxpr(jax.grad(function))(YIELDS).jaxpr))

    of_fit = found(
        lambda signal: fitkit.fit(
            model_of(signal), model_of(signal).data(COUNTS)
        ).params["mu"]
    )
    assert {"while", "cholesky", "custom_linear_solve"} <= of_fit
    compiled = found(smallest)
    assert {"while", "cholesky"} <= compiled
    assert "custom_linear_solve" not in compiled
    on_host = found(lambda signal: smallest(signal, on_host=True))
    assert "pure_callback" in on_host
    assert not on_host & {"while", "cholesky", "custom_linear_solve"}


def test_many_at_once_and_none_where_there_is_no_minimum():
    signals = np.stack([YIELDS, 2 * YIELDS, [np.nan, 1.0, 1.0]])
    fits = jax.jit(jax.vmap(lambda signal: smallest(signal, 1.0, on_host=True)))
    got = np.asarray(fits(signals))
    wanted = [smallest(signal, 1.0) for signal in signals[:2]]
    np.testing.assert_allclose(got[:2], wanted, rtol=1e-12)
    assert np.isnan(got[2])


class Autodiff(fitkit.AbstractModel):
    """A model that is written in `jax.numpy`."""

    parameter_names = ("mu",)
    poi = "mu"

    @property
    def parameters(self):
        return {"mu": fitkit.Parameter(1.0)}

    def expected_data(self, params):
        return fitkit.Data({"SR": params["mu"]})

    def logpdf(self, params, data):
        return -jnp.sum((params["mu"] - data.main["SR"]) ** 2) / 2


def test_what_is_written_in_jax_cannot_be_fitted_outside():
    data = fitkit.Data({"SR": jnp.array(1.5)})
    assert float(fitkit.smallest_twice_nll(Autodiff(), data)) == pytest.approx(0.0)
    with pytest.raises(TypeError, match="on_host"):
        jax.jit(lambda data: fitkit.smallest_twice_nll(Autodiff(), data, on_host=True))(
            data
        )
