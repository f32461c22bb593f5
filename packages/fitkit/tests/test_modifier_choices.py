"""What each modifier may choose for itself: interpolation codes, constraints."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import fitkit
from fitkit import (
    Channel,
    HistoSys,
    Model,
    Normal,
    NormSys,
    Poisson,
    Sample,
    ShapeSys,
    StatError,
)

NOMINAL, LO, HI = (np.array(v) for v in ([50.0, 40.0], [44.0, 43.0], [53.0, 49.0]))
OTHER = np.array([20.0, 30.0])
FACTORS = (0.8, 1.3)
NORMSYS, HISTOSYS = ("1", "4"), ("0", "2", "4p")


def mixed_model():
    """Two samples that share `a`, with another code in each; each code somewhere."""
    first = [NormSys(f"n{code}", *FACTORS, code=code) for code in NORMSYS]
    first += [HistoSys(f"h{code}", LO, HI, code=code) for code in HISTOSYS]
    first += [NormSys("a", *FACTORS), HistoSys("b", LO, HI)]
    second = [
        NormSys("a", *FACTORS, code="4"),
        HistoSys("b", 0.9 * OTHER, 1.3 * OTHER, code="4p"),
    ]
    samples = [Sample("x", NOMINAL, first), Sample("y", OTHER, second)]
    return Model(
        [Channel("SR", samples)], poi=None, normsys_code="1", histosys_code="2"
    )


def additive(code, alpha, lo, nominal, hi):
    """CERN-OPEN-2012-016 section 4.1 and ROOT's `MathFuncs.h`, one number at a time."""
    up, down = hi - nominal, nominal - lo
    if code == "0" or (code == "4p" and abs(alpha) > 1):
        return alpha * (up if alpha > 0 else down)
    if code == "2":
        a, b = (hi + lo) / 2 - nominal, (hi - lo) / 2
        if abs(alpha) <= 1:
            return a * alpha**2 + b * alpha
        return (b + 2 * np.sign(alpha) * a) * (alpha - np.sign(alpha)) + (
            up if alpha > 0 else -down
        )
    t = alpha**2
    return alpha * (
        (up + down) / 2 + alpha * (up - down) * (15 + t * (3 * t - 10)) / 16
    )


def factor(code, alpha):
    lo, hi = FACTORS
    if code == "1" or abs(alpha) >= 1:
        return hi**alpha if alpha > 0 else lo**-alpha
    pyhf = pytest.importorskip("pyhf")
    # pyhf's code4 is checked against the definition in `test_interpolation.py`
    interpolate = pyhf.interpolators.code4([[[[lo], [1.0], [hi]]]])
    return float(np.squeeze(interpolate(np.array([[alpha]]))))


@pytest.mark.parametrize("seed", range(4))
def test_codes_of_single_modifiers(seed):
    model = mixed_model()
    values = np.random.default_rng(seed).normal(0, 1, len(model.parameter_names))
    at = dict(zip(model.parameter_names, values, strict=True))
    x = NOMINAL + sum(
        additive(code, at[name], LO, NOMINAL, HI)
        for code, name in [*((c, f"h{c}") for c in HISTOSYS), ("2", "b")]
    )
    x *= factor("1", at["n1"]) * factor("4", at["n4"]) * factor("1", at["a"])
    y = OTHER + additive("4p", at["b"], 0.9 * OTHER, OTHER, 1.3 * OTHER)
    y *= factor("4", at["a"])
    yields = model.expected_yields(at)["SR"]
    np.testing.assert_allclose(yields, [x, y], rtol=1e-12)


def test_the_structured_hessian_is_that_of_autodiff():
    """Also where one parameter has two codes: they are two rows of one table."""
    model = mixed_model()
    data = model.data({"SR": [64.0, 81.0]})
    y = jnp.asarray(np.random.default_rng(7).normal(0, 0.7, 7))
    ours = fitkit.hessian(model, model.unravel(y), data)
    plain = jax.hessian(lambda y: -model.logpdf(model.unravel(y), data))(y)
    np.testing.assert_allclose(ours, plain, rtol=1e-10, atol=1e-10)


def test_only_parameters_with_a_kinked_code_have_kinks():
    model = mixed_model()
    likelihood = model.negative_log_likelihood(model.data({"SR": [64.0, 81.0]}))
    kinked = dict(zip(model.parameter_names, likelihood.kinks(), strict=True))
    assert {name for name, kink in kinked.items() if kink} == {"n1", "h0", "a"}


def test_codes_by_name_in_a_document():
    model, data = fitkit.read_workspace(document())
    assert model.arrays.codes == ((("4", 2),), (("4p", 1),))
    mixed, _ = fitkit.read_workspace(
        document(), normsys_code={"n": "1"}, histosys_code={"m": "0"}
    )
    assert mixed.arrays.codes == ((("1", 1), ("4", 1)), (("0", 1),))
    # as pyhf at an integer, where all codes agree, and not between
    at = {"n": 1.0, "k": -1.0, "m": 1.0}
    np.testing.assert_allclose(mixed.logpdf(at, data), model.logpdf(at, data))
    half = {"n": 0.5, "k": 0.0, "m": 0.5}
    expected = (NOMINAL + 0.5 * (HI - NOMINAL)) * 1.3**0.5
    np.testing.assert_allclose(mixed.expected_data(half).main["SR"], expected)


def test_codes_of_modifiers_that_are_not_there():
    with pytest.raises(fitkit.WorkspaceError, match=r"'gone'.* It has: k, n"):
        fitkit.read_workspace(document(), normsys_code={"gone": "1"})
    with pytest.raises(fitkit.WorkspaceError, match=r"NormSys 'n'.*'7'"):
        fitkit.read_workspace(document(), normsys_code={"n": "7"})
    with pytest.raises(ValueError, match=r"HistoSys 'b'.*'1'"):
        HistoSys("b", LO, HI, code="1")


def document():
    data = {"lo": FACTORS[0], "hi": FACTORS[1]}
    modifiers = [
        {"name": "n", "type": "normsys", "data": data},
        {"name": "k", "type": "normsys", "data": data},
        {
            "name": "m",
            "type": "histosys",
            "data": {"lo_data": LO.tolist(), "hi_data": HI.tolist()},
        },
    ]
    sample = {"name": "s", "data": NOMINAL.tolist(), "modifiers": modifiers}
    return {
        "channels": [{"name": "SR", "samples": [sample]}],
        "observations": [{"name": "SR", "data": [52.0, 43.0]}],
        "measurements": [{"name": "m", "config": {"poi": "", "parameters": []}}],
        "version": "1.0.0",
    }


# --- the constraint of staterror ---
ERRORS = (np.array([4.0, 2.0]), np.array([3.0, 0.0]))


def stat_model(constraint, errors=ERRORS):
    samples = [
        Sample("x", NOMINAL, (StatError("stat", errors[0], constraint),)),
        Sample("y", OTHER, (StatError("stat", errors[1], constraint),)),
    ]
    return Model([Channel("SR", samples)], poi=None)


def test_staterror_with_a_poisson_constraint():
    """Closed form: tau is the effective number of simulated events."""
    model = stat_model(Poisson)
    total = NOMINAL + OTHER
    tau = total**2 / (ERRORS[0] ** 2 + ERRORS[1] ** 2)
    observed, gamma = np.array([75.0, 66.0]), np.array([1.03, 0.97])
    data = model.data({"SR": observed})
    np.testing.assert_allclose(data.aux["stat"], tau, rtol=1e-14)
    # counts need not be whole: log P with the gamma function
    expected = np.sum(stats.poisson.logpmf(observed, gamma * total)) + np.sum(
        tau * np.log(gamma * tau) - gamma * tau - jax.scipy.special.gammaln(tau + 1)
    )
    np.testing.assert_allclose(model.logpdf({"stat": gamma}, data), expected)
    # Conway: (n + tau) / (total + tau) maximises n log(g b) - g b + tau log g - tau g
    best = fitkit.fit(model, data).params["stat"]
    np.testing.assert_allclose(best, (observed + tau) / (total + tau), rtol=1e-10)


def test_one_sample_is_a_shapesys():
    """With a single sample both say the same."""
    observed = {"SR": np.array([55.0, 37.0])}
    logpdfs = []
    for modifier in (
        StatError("g", ERRORS[0], Poisson),
        ShapeSys("g", ERRORS[0]),
    ):
        model = Model([Channel("SR", [Sample("x", NOMINAL, (modifier,))])], poi=None)
        params = {"g": np.array([1.1, 0.93])}
        logpdfs.append(model.logpdf(params, model.data(observed)))
        constraint = model.parameters["g"].constraint
        assert isinstance(constraint, Poisson)
    np.testing.assert_allclose(*logpdfs, rtol=1e-14)


def test_poisson_and_normal_agree_for_many_events():
    """The difference of the two is of third order in the shift over the error."""
    errors = tuple(1e-2 * error for error in ERRORS)
    best = [
        fitkit.fit(m, m.data({"SR": np.array([75.0, 66.0])})).params["stat"]
        for m in (stat_model(Normal, errors), stat_model(Poisson, errors))
    ]
    np.testing.assert_allclose(*best, rtol=1e-6)
    assert not np.array_equal(*best)


def test_gradient_with_respect_to_the_errors():
    observed = jnp.array([75.0, 66.0])

    def value(scale):
        model = stat_model(Poisson, (scale * ERRORS[0], scale * ERRORS[1]))
        return fitkit.fit(model, model.data({"SR": observed})).params["stat"][0]

    step = 1e-5
    difference = (value(1 + step) - value(1 - step)) / (2 * step)
    slope = jax.grad(value)(jnp.array(1.0))
    np.testing.assert_allclose(slope, difference, rtol=1e-6)


def test_a_width_from_the_settings():
    sample = Sample("x", NOMINAL, (StatError("g", ERRORS[0], Poisson),))
    settings = {"g": fitkit.ParameterSettings(sigma=[0.1, 0.05])}
    model = Model([Channel("SR", [sample])], poi=None, settings=settings)
    data = model.data({"SR": NOMINAL})
    np.testing.assert_allclose(data.aux["g"], [100.0, 400.0], rtol=1e-14)
    np.testing.assert_allclose(fitkit.fit(model, data).params["g"], 1.0, rtol=1e-9)


def test_what_no_document_can_say(tmp_path):
    for model, message in (
        (mixed_model(), "different interpolation codes"),
        (stat_model(Poisson), "'stat' has a Poisson constraint"),
    ):
        with pytest.raises(fitkit.WorkspaceError, match=message):
            fitkit.write_workspace(
                tmp_path / "no.json", model, model.data({"SR": NOMINAL})
            )
        assert not (tmp_path / "no.json").exists()


def test_constraints_that_cannot_be_shared():
    samples = [
        Sample("x", NOMINAL, (StatError("stat", ERRORS[0], Normal),)),
        Sample("y", OTHER, (StatError("stat", ERRORS[1], Poisson),)),
    ]
    with pytest.raises(ValueError, match=r"sample 'y'.*'stat'"):
        Model([Channel("SR", samples)], poi=None)
    with pytest.raises(ValueError, match=r"fitkit\.Poisson"):
        StatError("stat", ERRORS[0], "Poisson")


def test_staterror_constraint_of_a_document():
    plain = document()
    plain["channels"][0]["samples"][0]["modifiers"] = [
        {"name": "stat", "type": "staterror", "data": [4.0, 2.0]}
    ]
    model, data = fitkit.read_workspace(plain, staterror_constraint=Poisson)
    np.testing.assert_allclose(data.aux["stat"], (NOMINAL / [4.0, 2.0]) ** 2)
    assert isinstance(model.parameters["stat"].constraint, Poisson)
