"""Numbers that no model can have: refused by name, in Python and in documents alike."""

import copy
import re
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

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
)

INF, NAN = np.inf, np.nan
JES = HistoSys("jes", [45.0, 55.0], [56.0, 66.0])


def model(*modifiers, background=(50.0, 60.0), on_signal=(), **options):
    """Two samples in two bins; the modifiers are those of the background."""
    signal = Sample("signal", [10.0, 20.0], (NormFactor("mu"), *on_signal))
    return Model(
        [Channel("SR", [signal, Sample("background", background, modifiers)])],
        **options,
    )


def settings(name="mu", **given):
    return {name: ParameterSettings(**given)}


def document(*modifiers, background=(50.0, 60.0), parameters=()):
    """The same as a document."""
    lumi = {"name": "lumi", "auxdata": [1.0], "sigmas": [0.02]}
    named = {each["name"] for each in parameters}
    return {
        "channels": [
            {
                "name": "SR",
                "samples": [
                    {
                        "name": "signal",
                        "data": [10.0, 20.0],
                        "modifiers": [
                            {"name": "mu", "type": "normfactor", "data": None},
                            {"name": "lumi", "type": "lumi", "data": None},
                        ],
                    },
                    {
                        "name": "background",
                        "data": list(background),
                        "modifiers": [
                            {"name": name, "type": kind, "data": data}
                            for name, kind, data in modifiers
                        ],
                    },
                ],
            }
        ],
        "observations": [{"name": "SR", "data": [60, 75]}],
        "measurements": [
            {
                "name": "m",
                "config": {
                    "poi": "mu",
                    "parameters": [
                        *parameters,
                        *([] if "lumi" in named else [lumi]),
                    ],
                },
            }
        ],
        "version": "1.0.0",
    }


WHERE = "channel 'SR', sample 'background'"
# (how to make it, the message)
IN_PYTHON = {
    "yield NaN": (lambda: model(background=(NAN, 60.0)), f"{WHERE}, `yields`, bin 0"),
    "yield infinite": (
        lambda: model(background=(50.0, INF)),
        f"{WHERE}, `yields`, bin 1",
    ),
    "variation NaN": (
        lambda: model(HistoSys("jes", [45.0, 55.0], [56.0, NAN])),
        f"{WHERE}, HistoSys 'jes', `hi`, bin 1: got nan",
    ),
    "variation infinite": (
        lambda: model(HistoSys("jes", [-INF, 55.0], [56.0, 1.0])),
        f"{WHERE}, HistoSys 'jes', `lo`, bin 0: got -inf",
    ),
    "factor 0": (
        lambda: model(NormSys("xs", 0.0, 2.0)),
        f"{WHERE}, NormSys 'xs', `lo`: got 0, but it must be greater than 0",
    ),
    "factor negative": (
        lambda: model(JES, NormSys("xs", 0.5, -2.0)),
        f"{WHERE}, NormSys 'xs', `hi`: got -2",
    ),
    "factor NaN": (lambda: model(NormSys("xs", NAN, 2.0)), "NormSys 'xs', `lo`"),
    "factor None": (lambda: model(NormSys("xs", 0.9, None)), "NormSys 'xs', `hi`"),
    "staterror negative": (
        lambda: model(StatError("mc", [-5.0, 6.0])),
        f"{WHERE}, StatError 'mc', `uncertainty`, bin 0: got -5",
    ),
    "staterror infinite": (
        lambda: model(JES, StatError("mc", [5.0, INF])),
        f"{WHERE}, StatError 'mc', `uncertainty`, bin 1: got inf",
    ),
    "shapesys negative": (
        lambda: model(StatError("mc", [5.0, 6.0]), ShapeSys("error", [5.0, -6.0])),
        f"{WHERE}, ShapeSys 'error', `uncertainty`, bin 1: got -6",
    ),
    "one name, two kinds of table": (
        lambda: model(HistoSys("x", [45.0, 55.0], [56.0, 66.0]), NormSys("x", 0, 1)),
        f"{WHERE}, NormSys 'x', `lo`: got 0",
    ),
    "lumi negative": (
        lambda: model(Lumi(sigma=-0.02)),
        "Lumi 'lumi' at channels[0].samples[1].modifiers[0], `sigma`: got -0.02",
    ),
    "lumi 0": (lambda: model(Lumi(sigma=0.0)), "`sigma`: got 0"),
    "lumi NaN": (lambda: model(Lumi(sigma=NAN)), "`sigma`: got nan"),
    "two widths of one lumi": (
        lambda: model(Lumi(sigma=0.1), on_signal=[Lumi(sigma=0.02)]),
        f"{WHERE}, Lumi 'lumi', `sigma`: is 0.1 here and 0.02 at another Lumi",
    ),
    "width of 0": (
        lambda: model(JES, settings=settings("jes", sigma=0.0)),
        "settings of parameter 'jes', `sigma`: got 0",
    ),
    "width of a bin": (
        lambda: model(
            StatError("mc", [5.0, 6.0]), settings=settings("mc", sigma=[0.1, -0.1])
        ),
        "settings of parameter 'mc', `sigma`: got -0.1",
    ),
    "bounds upside down": (
        lambda: model(settings=settings(bounds=(5.0, -5.0))),
        "settings of parameter 'mu', `bounds`: 5 is not below -5",
    ),
    "bounds NaN": (
        lambda: model(settings=settings(bounds=(NAN, 5.0))),
        "settings of parameter 'mu', `bounds`: nan is not below 5",
    ),
    "start NaN": (
        lambda: model(settings=settings(init=NAN)),
        "settings of parameter 'mu', `init`: got nan",
    ),
    "aux infinite": (
        lambda: model(JES, settings=settings("jes", aux=INF)),
        "settings of parameter 'jes', `aux`: got inf",
    ),
    "aux count negative": (
        lambda: model(
            ShapeSys("error", [5.0, 6.0]), settings=settings("error", aux=[100.0, -1.0])
        ),
        "settings of parameter 'error', `aux`: got -1, but it is a count",
    ),
    "aux of a free parameter": (
        lambda: model(settings=settings(aux=1.0)),
        "settings of parameter 'mu', `aux`: a NormFactor has no constraint",
    ),
    "width of a free parameter": (
        lambda: model(ShapeFactor("free"), settings=settings("free", sigma=1.0)),
        "settings of parameter 'free', `sigma`: a ShapeFactor has no constraint",
    ),
}


@pytest.mark.parametrize("case", IN_PYTHON)
def test_refused_in_python(case):
    make, message = IN_PYTHON[case]
    with pytest.raises(ValueError, match=re.escape(message)):
        make()


NORMSYS = ("xs", "normsys", {"lo": 0.9, "hi": 1.1})
BROKEN_DOCUMENTS = {
    "factor 0": (
        document(("xs", "normsys", {"lo": 0.0, "hi": 2.0})),
        "channels[0].samples[1].modifiers[0].data.lo (channel 'SR', sample "
        "'background', NormSys 'xs'): got 0, but it must be greater than 0",
    ),
    "staterror negative": (
        document(NORMSYS, ("mc", "staterror", [5.0, -6.0])),
        "channels[0].samples[1].modifiers[1].data[1]",
    ),
    "shapesys negative": (
        document(("error", "shapesys", [-5.0, 6.0])),
        "channels[0].samples[1].modifiers[0].data[0]",
    ),
    "lumi negative": (
        document(parameters=[{"name": "lumi", "auxdata": [1.0], "sigmas": [-0.02]}]),
        "measurements[0].config.parameters[0].sigmas[0] (settings of parameter "
        "'lumi'): got -0.02",
    ),
    "width of a bin": (
        document(
            ("mc", "staterror", [5.0, 6.0]),
            parameters=[{"name": "mc", "sigmas": [0.1, 0.0]}],
        ),
        "measurements[0].config.parameters[0].sigmas[1]",
    ),
    "aux count negative": (
        document(
            ("error", "shapesys", [5.0, 6.0]),
            parameters=[{"name": "error", "auxdata": [100.0, -1.0]}],
        ),
        "measurements[0].config.parameters[0].auxdata[1]",
    ),
    "factors negative": (
        document(
            ("error", "shapesys", [5.0, 6.0]),
            parameters=[{"name": "error", "factors": [100.0, -1.0]}],
        ),
        "measurements[0].config.parameters[0].factors[1]",
    ),
}


@pytest.mark.parametrize("case", BROKEN_DOCUMENTS)
def test_refused_in_documents(case):
    given, message = BROKEN_DOCUMENTS[case]
    before = copy.deepcopy(given)
    for read in (fitkit.read_workspace, fitkit.validate, fitkit.prune):
        with pytest.raises(fitkit.WorkspaceError, match=re.escape(message)):
            read(given)
    assert given == before


def test_each_value_of_a_staterror_has_the_place_that_documents_give_it():
    """Its settings are listed by the sorted names of its channels, [A, B, B]."""
    given = document()
    stat = {"name": "mc", "type": "staterror"}
    given["channels"] = [
        {"name": name, "samples": [{"name": "s", "data": data, "modifiers": [stat]}]}
        for name, data in (("B", [10.0, 20.0]), ("A", [30.0]))
    ]
    for channel, error in zip(given["channels"], ([1.0, 2.0], [3.0]), strict=True):
        channel["samples"][0]["modifiers"] = [stat | {"data": error}]
    given["observations"] = [{"name": "A", "data": [1]}, {"name": "B", "data": [1, 2]}]
    config = given["measurements"][0]["config"]
    config["poi"] = ""
    config["parameters"] = [{"name": "mc", "sigmas": [0.1, 0.2, -0.3]}]
    with pytest.raises(fitkit.WorkspaceError, match=r"\.sigmas\[2\].*got -0\.3"):
        fitkit.read_workspace(given)
    config["parameters"] = [{"name": "mc", "sigmas": [0.1, 0.2, 0.3]}]
    read, _ = fitkit.read_workspace(given)
    constraint = read.parameters["mc"].constraint
    np.testing.assert_array_equal(constraint.sigma, [0.2, 0.3, 0.1])


def test_settings_of_measurements_that_are_not_chosen():
    given = document()
    bad = {"name": "mu", "bounds": [[5.0, 1.0]]}
    config = {"poi": "mu", "parameters": [bad]}
    given["measurements"].append({"name": "other", "config": config})
    place = r"measurements\[1\]\.config\.parameters\[0\]\.bounds\[0\].*5 is not below 1"
    with pytest.raises(fitkit.WorkspaceError, match=place):
        fitkit.read_workspace(given)


TYPES = {
    "fixed is a number": (lambda: ParameterSettings(fixed=2.0), "`fixed` must be True"),
    "fixed is 0": (lambda: ParameterSettings(fixed=0), "`fixed` must be True"),
    "fixed numbers": (lambda: ParameterSettings(fixed=[0, 1]), "`fixed` must be True"),
    "bounds are no pair": (lambda: ParameterSettings(bounds=3.0), "a pair"),
    "bounds of three": (lambda: ParameterSettings(bounds=(1, 2, 3)), "a pair"),
    "no settings": (lambda: model(settings={"mu": 3.0}), "`ParameterSettings`; got 3"),
    "text": (lambda: NormSys("xs", "a", 1.1), "NormSys 'xs': `lo` must be a number"),
    "ragged": (lambda: Sample("s", [[1.0], [1.0, 2.0]]), "sample 's': `yields`"),
    "a modifier for a model": (lambda: Model(JES), "list of `Channel`"),
    "samples for a model": (lambda: Model([Sample("s", [1.0])]), "it has Sample"),
    "modifiers in no list": (lambda: Sample("s", [1.0], JES), "list of modifiers"),
    "no modifier": (lambda: Sample("s", [1.0], ["mu"]), "it has 'mu'"),
    "samples in no list": (lambda: Channel("c", Sample("s", [1.0])), "list of"),
    "channel in no list": (
        lambda: Model(Channel("c", [Sample("s", [1.0])])),
        "list of `Channel`",
    ),
}


@pytest.mark.parametrize("case", TYPES)
def test_what_is_no_number_or_truth_value(case):
    make, message = TYPES[case]
    with pytest.raises(TypeError, match=re.escape(message)):
        make()


@pytest.mark.parametrize("yes", [True, np.True_, [True, False], jnp.array(True)])
def test_truth_values(yes):
    made = model(ShapeFactor("free"), settings=settings("free", fixed=yes))
    expected = np.broadcast_to(np.asarray(yes), 2)
    np.testing.assert_array_equal(made.parameters["free"].fixed, expected)


def test_a_model_without_poi_says_how_to_make_it():
    with pytest.raises(ValueError, match=r"'mu' is no parameter.*`poi=None`"):
        Model([Channel("c", [Sample("b", [50.0])])])
    with pytest.raises(ValueError, match=r"'nu'.*`poi=None`.*one of: mu"):
        model(poi="nu")
    with pytest.raises(ValueError, match=r"'free' must be a single number"):
        model(ShapeFactor("free"), poi="free")


def test_a_model_without_modifiers():
    made = Model([Channel("c", [Sample("b", [50.0, 20.0])])], poi=None)
    assert made.parameter_names == ()
    observed = np.array([55.0, 30.0])
    value = made.logpdf({}, made.data({"c": observed}))
    expected = stats.poisson.logpmf(observed, [50.0, 20.0]).sum()
    np.testing.assert_allclose(value, expected, rtol=1e-14)
    given = document()
    del given["channels"][0]["samples"][0]
    given["measurements"][0]["config"] = {"poi": "", "parameters": []}
    read, data = fitkit.read_workspace(given)
    expected = stats.poisson.logpmf([60, 75], [50.0, 60.0]).sum()
    np.testing.assert_allclose(read.logpdf({}, data), expected, rtol=1e-14)


def test_one_width_given_twice():
    """The same number twice is one number; given once, it is that of all."""
    twice = model(Lumi(sigma=0.02), on_signal=[Lumi(sigma=0.02)])
    once = model(Lumi(sigma=0.02), on_signal=[Lumi()])
    data = twice.data({"SR": [60.0, 75.0]})
    at = {"mu": 1.2, "lumi": 0.97}
    assert float(twice.logpdf(at, data)) == float(once.logpdf(at, data))
    main = stats.poisson.logpmf([60, 75], 0.97 * (1.2 * np.array([10, 20]) + [50, 60]))
    expected = main.sum() + stats.norm.logpdf(0.97, 1.0, 0.02)
    np.testing.assert_allclose(once.logpdf(at, data), expected, rtol=1e-13)


# --- traced numbers -------------------------------------------------------------------
TRACED = {
    "staterror": lambda x: model(StatError("a", jnp.stack([x, 6.0]))),
    "shapesys": lambda x: model(ShapeSys("a", jnp.stack([x, 6.0]))),
    "normsys": lambda x: model(NormSys("a", x, 1.1)),
    "lumi": lambda x: model(Lumi("a", sigma=x)),
    "two widths of one lumi": lambda x: model(
        Lumi("a", sigma=x), on_signal=[Lumi("a", sigma=5.0)]
    ),
    "width": lambda x: model(
        HistoSys("a", [45.0, 55.0], [56.0, 66.0]), settings=settings("a", sigma=x)
    ),
}


@pytest.mark.parametrize("case", TRACED)
def test_a_traced_number_that_is_not_allowed(case):
    """No finite likelihood; under `jax.vmap` the other models stay as they are."""
    make = TRACED[case]

    @jax.jit
    def value(x):
        made = make(x)
        return made.logpdf(made.init, made.data({"SR": [60.0, 75.0]}))

    values = jax.vmap(value)(jnp.array([5.0, -5.0, NAN]))
    alone = make(np.array(5.0))
    expected = alone.logpdf(alone.init, alone.data({"SR": [60.0, 75.0]}))
    np.testing.assert_allclose(values[0], expected, rtol=1e-13)
    assert not np.isfinite(values[1:]).any()
    # and derivatives flow through what is allowed
    slope = jax.grad(value)(jnp.array(5.0))
    step = 1e-5
    difference = (value(5.0 + step) - value(5.0 - step)) / (2 * step)
    if case != "two widths of one lumi":  # where any step makes two
        np.testing.assert_allclose(slope, difference, rtol=1e-6, atol=1e-9)


def test_a_fit_of_a_traced_number_that_is_not_allowed():
    """Says so for the one model that has it."""

    def best(error):
        made = TRACED["staterror"](error)
        result = fitkit.fit(made, made.data({"SR": [60.0, 75.0]}), throw=False)
        return result.converged, result.params["mu"]

    converged, mu = jax.vmap(best)(jnp.array([5.0, -5.0]))
    np.testing.assert_array_equal(converged, [True, False])
    np.testing.assert_allclose(mu[0], best(np.array(5.0))[1], rtol=1e-9)


def test_traced_bounds_upside_down():
    @jax.jit
    def upper(low):
        return model(settings=settings(bounds=(low, 5.0))).parameters["mu"].upper

    assert float(upper(1.0)) == 5.0
    with pytest.raises(Exception, match="lower must be below upper"):
        jax.block_until_ready(upper(6.0))


# --- data -----------------------------------------------------------------------------
@pytest.mark.parametrize("bad", [-1.0, NAN, INF])
def test_counts_that_are_none(bad):
    made = model()
    message = re.escape(f"data of channel 'SR', bin 1: got {bad:g}")
    with pytest.raises(ValueError, match=message):
        made.data({"SR": [60.0, bad]})
    with pytest.raises(ValueError, match=message):
        made.logpdf(made.init, fitkit.Data({"SR": [60.0, bad]}))
    masked = made.with_masked("SR")
    assert masked.data({"SR": [60.0, bad]}).main == {}


def test_auxiliary_data_that_are_none():
    made = model(JES, ShapeSys("error", [5.0, 6.0]))
    good = made.data({"SR": [60.0, 75.0]})
    at = made.init
    for aux, message in (
        ({"jes": NAN}, "auxiliary data of parameter 'jes': got nan"),
        ({"error": [100.0, -1.0]}, "auxiliary data of parameter 'error': got -1"),
        ({"error": [100.0]}, "auxiliary data of parameter 'error': have shape"),
    ):
        with pytest.raises(ValueError, match=re.escape(message)):
            made.logpdf(at, fitkit.Data(good.main, good.aux | aux))
    with pytest.raises(ValueError, match=r"parameter 'jes': there are none"):
        made.logpdf(at, fitkit.Data(good.main))
    # a measurement of a systematic may well be negative
    moved = fitkit.Data(good.main, good.aux | {"jes": -1.0})
    pulled = made.logpdf(at | {"jes": -1.0}, moved)
    assert float(pulled) > float(made.logpdf(at | {"jes": -1.0}, good))


# --- statistical errors of negative yields --------------------------------------------
LEFT_OUT = "statistical error of negative yields is left out.*'SR', parameter 'mc', bin"


@pytest.mark.parametrize("kind", [StatError, ShapeSys])
def test_errors_that_are_left_out_are_told(kind):
    """As pyhf leaves them out; the factor is fixed at 1."""
    with pytest.warns(UserWarning, match=f"{LEFT_OUT} 0\\)") as told:
        made = model(kind("mc", [5.0, 6.0]), background=(-2.0, 60.0))
    assert len(told) == 1
    assert told[0].filename == __file__  # the caller's line, not ours
    np.testing.assert_array_equal(made.parameters["mc"].fixed, [True, False])


def test_the_sum_of_a_staterror_counts():
    """Not each sample: only the sum has a relative error."""
    errors = StatError("mc", [5.0, 6.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model(errors, background=(-2.0, 60.0), on_signal=[errors])  # 8 events
        model(errors, background=(0.0, 60.0))  # nothing is lost where nothing is
        model(StatError("mc", [0.0, 6.0]), background=(-2.0, 60.0))
    with pytest.warns(UserWarning, match=f"{LEFT_OUT} 0\\)"):
        model(errors, background=(-12.0, 60.0), on_signal=[errors])


def test_a_document_with_errors_that_are_left_out():
    given = document(("mc", "staterror", [5.0, 6.0]), background=(-2.0, 60.0))
    with pytest.warns(UserWarning, match=f"{LEFT_OUT} 0\\)") as told:
        fitkit.read_workspace(given)
    assert told[0].filename == __file__
    (finding,) = (f for f in fitkit.validate(given) if f.modifier == "mc")
    assert (finding.channel, finding.bins) == ("SR", (0,))
    assert "left out" in finding.message
