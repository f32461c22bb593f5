"""Parameters as functions of parameters: the language, derivatives, fits."""

import contextlib
import random

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fitkit
from fitkit import (
    Channel,
    CustomModifier,
    ExpressionFactor,
    GammaNorm,
    HistoSys,
    Model,
    NormFactor,
    NormSys,
    ParameterSettings,
    Sample,
    ShapeSys,
)
from fitkit._histfactory.expression import Expression, parse_expression
from fitkit._histfactory.functions import ExpressionFunction
from fitkit._histfactory.problem import SpecificationError

# Central differences of a function near 1: rounding leaves eps^(2/3) of it.
DIFFERENCES = 3e-9


# --- the language ---------------------------------------------------------------------
TEXTS = (
    "1 + a*c + b*c**2",
    "sqrt(a) * exp(-b) / (1 + c**2)",
    "log(a) + log10(b) - abs(c)",
    "pow(a, 3) - pow(b, c) + a**b",
    "sin(a)*cos(b) + tan(c/4)",
    "sinh(a) - cosh(b) + tanh(c)",
    "max(a*b, c) - min(a, b*c)",
    "-a + +b - -c",
    "a**2 / b**-1 + c**0 + 1.5e-1",
    "2**a",
)
POINT = {"a": 0.7, "b": 1.3, "c": 0.9}


@pytest.mark.parametrize("text", TEXTS)
def test_value_and_derivatives(text):
    parsed = parse_expression(text)
    function = ExpressionFunction(parsed, parsed.names, 1, {})
    x = np.array([POINT[name] for name in parsed.names])
    names = ("sqrt", "exp", "log", "log10", "sin", "cos", "tan", "sinh", "cosh", "tanh")
    words = {name: getattr(np, name) for name in names}
    words |= {"abs": abs, "max": max, "min": min, "pow": pow}
    value, slope = function.first(x)
    np.testing.assert_allclose(value, eval(text, words, POINT), rtol=1e-15)

    h = 1e-5

    def moved(i, sign):
        return x + sign * h * np.eye(len(x))[i]

    for i in range(len(x)):
        ends = [function.first(moved(i, sign)) for sign in (1, -1)]
        difference = (ends[0][0] - ends[1][0]) / (2 * h)
        np.testing.assert_allclose(slope[i], difference, rtol=0, atol=DIFFERENCES)
        second = (ends[0][1] - ends[1][1]) / (2 * h)
        bend = function.curvature(x, np.ones(1))[i]
        np.testing.assert_allclose(bend, second[:, 0], rtol=0, atol=10 * DIFFERENCES)


@pytest.mark.parametrize("text", TEXTS)
def test_the_same_where_traced(text):
    parsed = parse_expression(text)
    function = ExpressionFunction(parsed, parsed.names, 1, {})
    x = np.array([POINT[name] for name in parsed.names])
    value, slope = function.first(x)
    np.testing.assert_allclose(jax.jit(function.first)(x)[0], value, rtol=1e-14)
    automatic = jax.jacfwd(lambda x: function.first(x)[0][0])(x)
    np.testing.assert_allclose(automatic, slope[:, 0], rtol=1e-13)
    hessian = jax.hessian(lambda x: function.first(x)[0][0])(x)
    np.testing.assert_allclose(
        hessian, function.curvature(x, np.ones(1)), rtol=1e-12, atol=1e-13
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sqr(x)", "Did you mean 'sqrt'"),
        ("x ^ 2", "write `**`"),
        ("x % 2", "remainder"),
        ("x // 2", "write `/`"),
        ("x @ y", "write `*`"),
        ("x.real", "not part of the language"),
        ("x[0]", "not part of the language"),
        ("x if y else z", "not part of the language"),
        ("lambda: x", "not part of the language"),
        ("[x for x in y]", "not part of the language"),
        ("x > 1", "not part of the language"),
        ("x and y", "not part of the language"),
        ("f'{x}'", "not part of the language"),
        ("(x := 1)", "not part of the language"),
        ("__import__('os')", "no function '__import__'"),
        ("exp(*x)", "1 argument"),
        ("exp(x, y)", "1 argument"),
        ("exp(x=1)", "not part of the language"),
        ("pow(x)", "2 argument"),
        ("exp + 1", "is a function"),
        ("'x'", "no real number"),
        ("True + x", "no real number"),
        ("1j * x", "no real number"),
        ("1e999", "too large"),
        ("9" * 400, "too large"),
        ("x +", "no formula"),
        ("", "no formula"),
        ("x; y", "no formula"),
        ("x\0", "no formula"),
        ("(" * 300 + "x" + ")" * 300, "no formula"),
        ("-" * 200 + "x", "nested"),
        ("x+" * 3000 + "x", "characters"),
    ],
)
def test_what_the_language_does_not_have(text, said):
    with pytest.raises(SpecificationError, match=said.replace("*", r"\*")):
        parse_expression(text)
    with pytest.raises(ValueError, match="Factor 'f'"):
        ExpressionFactor("f", text)


def test_random_texts_end_in_one_kind_of_error():
    source, read = random.Random(5), 0
    parts = [*"abxy()+-*/^%.,[]{}:=<>!@#'\\\n\t 0123456789", "**", "sqrt(", "exp", "é"]
    parts += ["lambda ", " if ", " else ", "1e", "pow(a,", "\0", "None", "__x__", "1j"]
    for _ in range(3000):
        text = "".join(source.choices(parts, k=source.randint(1, 12)))
        with contextlib.suppress(SpecificationError):
            parse_expression(text)
            read += 1
    assert read > 50


def test_an_expression_is_a_constant_of_compiled_programs():
    one, other = parse_expression("1 + a*b"), parse_expression("1 + a*b")
    assert hash(one) == hash(other)
    assert one == other
    assert isinstance(one, Expression)


# --- models ---------------------------------------------------------------------------
def _interference(c, k):
    return jnp.array([1.0, 2.0]) * c * k + jnp.exp(-c) * k**2


def _by_hand(c, k):
    scale, e = np.array([1.0, 2.0]), fitkit.xp.exp(-c)
    by_c, by_k = scale * k - e * k**2, scale * c + 2 * e * k
    mixed = scale - 2 * e * k
    first = fitkit.xp.stack([by_c, by_k])
    second = fitkit.xp.stack(
        [
            fitkit.xp.stack([e * k**2 * np.ones(2), mixed]),
            fitkit.xp.stack([mixed, 2 * e * np.ones(2)]),
        ]
    )
    return first, second


def _value_by_hand(c, k):
    return np.array([1.0, 2.0]) * c * k + fitkit.xp.exp(-c) * k**2


SETTINGS = {
    "c": ParameterSettings(init=0.5, bounds=(-5, 5)),
    "k": ParameterSettings(init=1.0, aux=1.1, sigma=0.2, bounds=(0.1, 4)),
}


def _model(**given):
    """Functions beside every other modifier, two of them on one sample."""
    operator = ExpressionFactor(
        "eft", "1 + a * c + b * c**2", a=[0.2, 0.4], b=[0.1, 0.3]
    )
    shared = ExpressionFactor("shared", "sqrt(k) * mu")
    custom = CustomModifier("custom", ["c", "k"], _interference, **given)
    bent = HistoSys("z", [9.0, 6.0], [12.0, 4.4], "4p@0.5")
    signal = Sample(
        "signal",
        [10.0, 5.0],
        [operator, shared, NormSys("z", 0.9, 1.4, "lnN"), bent, custom],
    )
    background = Sample(
        "background",
        [50.0, 40.0],
        [
            NormFactor("mu"),
            NormSys("x", 0.9, 1.3),
            HistoSys("x", [45.0, 38.0], [52.0, 44.0]),
            ShapeSys("gamma", [5.0, 4.0]),
        ],
    )
    control = Sample("background", [0.5], [shared, GammaNorm("count", 40, 2.0)])
    channels = [Channel("SR", [signal, background]), Channel("CR", [control])]
    return Model(channels, poi="c", settings=SETTINGS)


def _with_derivatives():
    custom = CustomModifier("custom", ["c", "k"], _value_by_hand, _by_hand)
    sample = Sample("signal", [10.0, 5.0], [custom, NormSys("x", 0.9, 1.3)])
    background = Sample("background", [50.0, 40.0], [NormFactor("mu")])
    return Model([Channel("SR", [sample, background])], poi="c", settings=SETTINGS)


def _point(model):
    random = np.random.default_rng(1)
    return model.ravel(model.init) + 0.2 * random.uniform(
        -1, 1, model.parameter_shapes.size
    )


@pytest.mark.parametrize("make", [_model, _with_derivatives])
def test_the_structured_hessian_is_exact(make):
    model = make()
    data = model.data(
        {n: m + 3 for n, m in model.expected_data(model.init).main.items()}
    )
    likelihood, y = model.negative_log_likelihood(data), _point(model)
    found = likelihood.derivatives(y)
    hessian = found.hessian.dense()
    unit = 1e-5 * np.eye(len(y))
    slopes = [(likelihood.value(y + u) - likelihood.value(y - u)) / 2e-5 for u in unit]
    np.testing.assert_allclose(found.gradient, slopes, rtol=0, atol=1e-7)
    bends = [
        (likelihood.gradient(y + u) - likelihood.gradient(y - u)) / 2e-5 for u in unit
    ]
    # Of second derivatives up to 2e2.
    np.testing.assert_allclose(hessian, bends, rtol=0, atol=1e-6)
    compiled = jax.jit(lambda y: likelihood.derivatives(y).hessian.dense())(y)
    np.testing.assert_allclose(compiled, hessian, rtol=1e-11, atol=1e-10)


@pytest.mark.slow  # the Hessian by automatic differentiation takes long to compile
def test_the_structured_hessian_is_that_of_automatic_differentiation():
    model = _model()
    data = model.expected_data(model.init)
    likelihood, y = model.negative_log_likelihood(data), _point(model)
    automatic = jax.hessian(lambda y: likelihood.value(y))(y)
    hessian = likelihood.derivatives(y).hessian.dense()
    np.testing.assert_allclose(hessian, automatic, rtol=1e-11, atol=1e-10)


def test_functions_beside_parameters_of_single_bins():
    """Where the Hessian has a diagonal block, arguments are none of it."""
    bins = 20
    yields = np.linspace(20.0, 60.0, bins)
    factor = ExpressionFactor("f", "1 + 0.1 * mu + c**2", c=0.3)
    sample = Sample("s", yields, [factor, NormFactor("mu"), ShapeSys("g", yields**0.5)])
    model = Model([Channel("SR", [sample])])
    assert model.arrays.partition is not None
    data = model.data({"SR": np.round(1.3 * yields)})
    likelihood, y = model.negative_log_likelihood(data), _point(model)
    hessian = likelihood.derivatives(y).hessian.dense()
    bends = [
        (likelihood.gradient(y + u) - likelihood.gradient(y - u)) / 2e-5
        for u in 1e-5 * np.eye(len(y))
    ]
    # Of second derivatives up to 5e3.
    np.testing.assert_allclose(hessian, bends, rtol=0, atol=1e-5)


def test_best_fit_and_errors_are_those_of_minuit():
    iminuit = pytest.importorskip("iminuit")
    model = _model()
    data = model.data({"SR": [70.0, 60.0], "CR": [25.0]})
    model = model.with_fixed("k")
    best = fitkit.fit(model, data)
    likelihood = model.negative_log_likelihood(data)
    vectors = model.parameter_vectors()
    minuit = iminuit.Minuit(
        likelihood.value, np.array(vectors.init), grad=likelihood.gradient
    )
    minuit.errordef, minuit.strategy, minuit.tol = 0.5, 2, 1e-4
    minuit.fixed = vectors.fixed
    minuit.limits = list(zip(vectors.lower, vectors.upper, strict=True))
    minuit.migrad().hesse()
    assert minuit.valid
    value = float(likelihood.value(model.ravel(best.params)))
    assert value <= minuit.fval + 1e-9
    # Minuit stops where 1e-7 are left of the likelihood: 3e-4 of the errors.
    free = ~vectors.fixed
    off = (model.ravel(best.params) - np.array(minuit.values))[free]
    assert (np.abs(off) < 1e-3 * np.array(minuit.errors)[free]).all()
    # HESSE takes differences, over steps that leave 1e-2 of an error.
    errors = model.ravel(fitkit.uncertainties(model, best.params, data))
    np.testing.assert_allclose(errors[free], np.array(minuit.errors)[free], rtol=1e-2)


def test_transfer_factors():
    """The ABCD method has a closed form: A = B C / D, and its relative errors add."""
    counts = {"B": 50.0, "C": 100.0, "D": 500.0, "A": 16.0}
    names = {"B": "beta", "C": "gamma", "D": "delta"}
    channels = [
        Channel(region, [Sample("bkg", [1.0], [NormFactor(name)])])
        for region, name in names.items()
    ]
    transfer = ExpressionFactor("alpha", "beta * gamma / delta")
    signal = Sample("sig", [3.0], [NormFactor("r")])
    channels.append(Channel("A", [signal, Sample("bkg", [1.0], [transfer])]))
    model = Model(channels, poi="r").with_bounds(r=(-10, 10))
    data = model.data({name: [count] for name, count in counts.items()})
    best = fitkit.fit(model, data)
    np.testing.assert_allclose(best.params["r"], (16 - 10) / 3, rtol=1e-9)
    background = 10 * np.sqrt(1 / 50 + 1 / 100 + 1 / 500)
    error = np.sqrt(16 + background**2) / 3
    np.testing.assert_allclose(
        fitkit.uncertainties(model, best.params, data)["r"], error, rtol=1e-8
    )


def test_gradients_flow_through_constants():
    def expected(a):
        factor = ExpressionFactor("eft", "1 + a * c", a=a)
        model = Model(
            [Channel("SR", [Sample("s", [10.0, 5.0], [factor])])],
            poi="c",
            settings={"c": ParameterSettings(init=0.0)},
        )
        data = model.data({"SR": [12.0, 5.0]})
        return fitkit.fit(model, data).params["c"]

    a = np.array([0.5, 0.1])
    slope = jax.grad(expected)(a)
    for i, unit in enumerate(1e-5 * np.eye(2)):
        difference = (expected(a + unit) - expected(a - unit)) / 2e-5
        np.testing.assert_allclose(slope[i], difference, rtol=1e-6)


def test_limits_and_scans_take_them():
    factor = ExpressionFactor("square", "exp(r) - 1")
    signal = Sample("s", [5.0, 8.0], [factor])
    background = Sample("b", [50.0, 40.0], [NormSys("x", 0.9, 1.1)])
    model = Model(
        [Channel("SR", [signal, background])],
        poi="r",
        settings={"r": ParameterSettings(init=1.0, bounds=(0, 20))},
    )
    data = model.data({"SR": [52.0, 45.0]})
    plain = Model(
        [Channel("SR", [Sample("s", [5.0, 8.0], [NormFactor("mu")]), background])]
    )
    # The same limit in another variable.
    limit, other = (fitkit.upper_limit(m, data).observed for m in (model, plain))
    np.testing.assert_allclose(np.expm1(limit), other, rtol=1e-6)


# --- what is wrong with a model -------------------------------------------------------
def _with(modifier, settings=None, poi="mu"):
    sample = Sample("s", [5.0, 8.0], [NormFactor("mu"), modifier])
    return Model([Channel("SR", [sample])], poi=poi, settings=settings)


def test_a_name_that_is_no_parameter_is_a_misprint():
    with pytest.raises(ValueError, match=r"'muu' is no parameter.*Did you mean 'mu'"):
        _with(ExpressionFactor("f", "1 + muu"))
    with pytest.raises(ValueError, match="channel 'SR', sample 's'"):
        _with(CustomModifier("f", ["lambda"], jnp.exp))


def test_wrong_shapes_are_named():
    with pytest.raises(ValueError, match="3 numbers, but the channel has 2 bins"):
        _with(ExpressionFactor("f", "mu * a", a=[1.0, 2.0, 3.0]))
    with pytest.raises(ValueError, match="constant 'b' has shape"):
        ExpressionFactor("f", "mu * a + b", a=[1.0, 2.0], b=[1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="one number or an array"):
        CustomModifier("f", ["mu"], lambda mu: jnp.ones((2, 2)) * mu)
    with pytest.raises(ValueError, match="does not take 2 numbers"):
        CustomModifier("f", ["mu", "nu"], lambda mu: mu)
    with pytest.raises(ValueError, match="has no name 'b'"):
        ExpressionFactor("f", "mu * a", a=1.0, b=2.0)
    with pytest.raises(ValueError, match="must be finite"):
        _with(ExpressionFactor("f", "mu * a", a=np.nan))
    per_bin = Sample(
        "s", [5.0, 8.0], [ShapeSys("g", [1.0, 1.0]), ExpressionFactor("f", "g")]
    )
    with pytest.raises(ValueError, match="needs a single number"):
        Model([Channel("SR", [per_bin])], poi=None)


def test_a_workspace_cannot_say_them():
    model = _with(ExpressionFactor("f", "1 + mu"))
    data = model.data({"SR": [5.0, 9.0]})
    with pytest.raises(fitkit.WorkspaceError, match="no such modifier"):
        fitkit.write_workspace("never.json", model, data)


# --- documents with modifiers of the reader's own -------------------------------------
def _document(expression="1 + k*k*a"):
    data = {"expr": expression, "a": [0.1, 0.2]} if "a" in expression else {}
    custom = {"name": "f", "type": "customfunc", "data": {"expr": expression} | data}
    xs = {"name": "xs", "type": "normsys", "data": {"lo": 0.9, "hi": 1.1}}
    samples = [
        {"name": "signal", "data": [5.0, 6.0], "modifiers": [custom]},
        {"name": "bkg", "data": [50.0, 40.0], "modifiers": [xs]},
    ]
    k = {"name": "k", "inits": [0.5], "bounds": [[-3, 3]]}
    return {
        "channels": [{"name": "SR", "samples": samples}],
        "observations": [{"name": "SR", "data": [57.0, 49.0]}],
        "measurements": [
            {"name": "first", "config": {"poi": "k", "parameters": [k]}},
            {"name": "second", "config": {"poi": "xs", "parameters": [k]}},
        ],
        "version": "1.0.0",
    }


def _from_document(name, data):
    constants = {key: value for key, value in data.items() if key != "expr"}
    return ExpressionFactor(name, data["expr"], **constants)


def test_documents_may_have_modifiers_of_the_reader():
    types = {"customfunc": _from_document}
    for measurement in ("first", "second"):
        model, data = fitkit.read_workspace(
            _document(), measurement=measurement, modifier_types=types
        )
        assert set(model.parameter_names) == {"k", "xs"}
        assert float(model.parameters["k"].init) == 0.5
        assert float(model.parameters["k"].upper) == 3
        at = model.init | {"k": np.array(2.0)}
        counts = model.expected_data(at).main["SR"]
        np.testing.assert_allclose(counts, [5 * 1.4 + 50, 6 * 1.8 + 40], rtol=1e-14)
        assert fitkit.fit(model, data).converged
    with pytest.raises(fitkit.WorkspaceError, match="Input tag 'customfunc'"):
        fitkit.read_workspace(_document())


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda name, data: 1, "must return a modifier"),
        (lambda name, data: 1 / 0, "ZeroDivisionError"),
        (lambda name, data: ExpressionFactor(name, "1 +"), "no formula"),
        (lambda name, data: ExpressionFactor(name, "1 + q"), "'q' is no parameter"),
    ],
)
def test_modifiers_that_cannot_be_made_are_named(make, said):
    with pytest.raises(fitkit.WorkspaceError, match=rf"channels\[0\].*{said}"):
        fitkit.read_workspace(_document(), modifier_types={"customfunc": make})
