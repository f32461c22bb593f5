"""What each kind of line of a datacard does, and what is said of a broken one."""

import random
from pathlib import Path

import jax
import numpy as np
import pytest

import fitkit

CARD = """imax 2 number of channels
jmax 1
kmax *
---------------
bin         SR   CR
observation 9    55
---------------
bin         SR   SR   CR
process     sig  bkg  bkg
process     0    1    1
rate        3.0  6.0  50.0
---------------
lumi   lnN  1.1  -    -
xs     lnN  -    0.8/1.3   0.8/1.3
"""


@pytest.fixture
def read(tmp_path):
    def of(text, name="card.txt", **options):
        path = tmp_path / name
        path.write_text(text)
        return fitkit.read_combine_card(path, **options)

    return of


def expected(model, channel, **params):
    values = {name: np.asarray(value) for name, value in params.items()}
    return np.asarray(model.expected_data(model.init | values).main[channel])


def test_log_normal_factors(read):
    model, data = read(CARD)
    assert model.parameter_names == ("r", "lumi", "xs")
    assert model.poi == "r"
    assert {c: float(n[0]) for c, n in data.main.items()} == {"SR": 9.0, "CR": 55.0}
    for x in (-2.0, -0.5, -0.2, 0.0, 0.3, 0.5, 3.0):
        np.testing.assert_allclose(
            expected(model, "SR", lumi=x), 3 * 1.1**x + 6.0, rtol=1e-14
        )
    # Beyond half a standard deviation it is the side's own factor.
    np.testing.assert_allclose(expected(model, "CR", xs=2.0), 50 * 1.3**2, rtol=1e-14)
    np.testing.assert_allclose(expected(model, "CR", xs=-2.0), 50 * 0.8**2, rtol=1e-14)
    # Combine's documentation: (ln k+ - ln k-)/2 + (ln k+ + ln k-)/16 I(x), with
    # I = 48 x^5 - 40 x^3 + 15 x, times 2 where the documentation has 1/4 for 1/8.
    x = 0.3
    interpolated = 48 * x**5 - 40 * x**3 + 15 * x
    log = (np.log(1.3) - np.log(0.8)) / 2
    log += (np.log(1.3) + np.log(0.8)) / 2 * interpolated / 4
    np.testing.assert_allclose(
        expected(model, "CR", xs=x), 50 * np.exp(x * log), rtol=1e-14
    )


def test_other_constraints(read):
    model, _ = read(
        CARD
        + """flat   lnU  -    1.5  -
side   gmN  12 -  0.5  -
half   gmM  -    -    0.5
line   trG  -    -    0.2
wide   unif -1 3  -    -    0.1
"""
    )
    parameters = model.parameters
    assert parameters["flat"].constraint is None
    assert (parameters["flat"].lower, parameters["flat"].upper) == (-1, 1)
    assert parameters["side"].constraint.aux == 12
    assert parameters["side"].constraint.tau == 1
    np.testing.assert_allclose(parameters["half"].constraint.tau, 4)
    np.testing.assert_allclose(parameters["half"].constraint.aux, 3)
    assert parameters["line"].lower == -5
    assert parameters["wide"].constraint is None
    assert parameters["wide"].upper == 3
    np.testing.assert_allclose(
        expected(model, "SR", flat=0.5, side=10.0), 3 + 5 * 1.5**0.5, rtol=1e-14
    )
    np.testing.assert_allclose(
        expected(model, "CR", half=1.2, line=0.5, wide=2.0), 50 * 1.2 * 1.1 * 1.2
    )


def test_rates_and_formulas(read):
    model, _ = read(
        CARD
        + """norm  rateParam * bk* 1.1 [0,5]
twice rateParam CR bkg (2*@0+@1^2)/@2 norm,slope,fixed
again rateParam SR bkg TMath::Power(twice,0.5) twice
slope param 0.5 0.1
fixed extArg 4.0
"""
    )
    assert set(model.parameter_names) == {"r", "lumi", "xs", "norm", "slope"}
    parameters = model.parameters
    assert (parameters["norm"].lower, parameters["norm"].upper) == (0, 5)
    assert parameters["norm"].init == 1.1
    assert parameters["slope"].constraint.aux == 0.5
    assert parameters["slope"].constraint.sigma == 0.1
    twice = (2 * 1.5 + 0.6**2) / 4
    at = {"norm": 1.5, "slope": 0.6}
    np.testing.assert_allclose(
        expected(model, "CR", **at), 50 * 1.5 * twice, rtol=1e-14
    )
    np.testing.assert_allclose(
        expected(model, "SR", **at), 3 + 6 * 1.5 * twice**0.5, rtol=1e-14
    )


def test_a_rate_may_be_constrained(read):
    text = CARD + "norm rateParam CR bkg 1\n"
    model, data = read(text + "norm param 1.0 0.1\n")
    assert model.parameters["norm"].constraint.sigma == 0.1
    lopsided, _ = read(text + "norm param 1.0 -0.1/+0.2\n")
    values = []
    for x, y in ((1.0, 0.2), (-1.0, -0.1)):
        # The parameter is in errors of its own.
        values.append(float(expected(lopsided, "CR", norm=x)[0]))
        np.testing.assert_allclose(values[-1], 50 * (1 + y), rtol=1e-14)
    assert fitkit.fit(lopsided, data).converged


def test_edits_of_nuisances(read):
    model, _ = read(
        CARD
        + """nuisance edit rename bkg CR xs xs_CR
nuisance edit add sig SR extra lnN 1.5
nuisance edit add sig SR lumi lnN 1.2 addq
nuisance edit drop bkg SR xs
nuisance edit changepdf extra lnU
nuisance edit freeze lumi
nuisance edit split bkg CR xs_CR one two 1.1 1.2
"""
    )
    assert set(model.parameter_names) == {"r", "lumi", "extra", "one", "two"}
    assert model.parameters["extra"].constraint is None
    assert bool(model.parameters["lumi"].fixed)
    both = np.exp(np.hypot(np.log(1.1), np.log(1.2)))
    np.testing.assert_allclose(expected(model, "SR", lumi=1.0), 3 * both + 6)
    np.testing.assert_allclose(
        expected(model, "CR", one=1.0, two=2.0), 50 * 1.1 * 1.2**2
    )
    merged, _ = read(
        CARD + "a lnN - 1.1 -\nb lnN - 1.2 -\nnuisance edit merge bkg SR a b\n"
    )
    assert "b" not in merged.parameter_names
    np.testing.assert_allclose(expected(merged, "SR", a=1.0), 3 + 6 * both)
    flipped, _ = read(CARD + "nuisance edit flip sig SR lumi p2n\n")
    np.testing.assert_allclose(expected(flipped, "SR", lumi=1.0), 3 / 1.1 + 6)


def test_strengths_by_a_map(read):
    poi_map = {".*/.*": "1", "SR/sig": "mu[2,0,9]", "CR/bkg": "k"}
    model, data = read(CARD, poi_map=poi_map)
    assert {"mu", "k"} <= set(model.parameter_names)
    assert model.parameters["mu"].upper == 9
    np.testing.assert_allclose(expected(model, "SR", mu=3.0), 15.0)
    without, _ = read(CARD, poi_map={"sig": "0"})
    assert without.sample_names["SR"] == ("bkg",)
    assert fitkit.fit(model, data).converged
    for given, said in (
        ({"sgi": "mu"}, "fits no process"),
        ({"(": "mu"}, "no regular expression"),
        ({"sig": "mu[1,0]"}, r"name\[start,lower,upper\]"),
        ({"sig": "mu[3,5,1]"}, "between the bounds"),
    ):
        with pytest.raises(fitkit.WorkspaceError, match=said):
            read(CARD, poi_map=given)


def test_groups_are_checked(read):
    text = CARD + "theory group = xs\ntheory group += lumi\n"
    read(text)
    with pytest.raises(fitkit.WorkspaceError, match="'nope', which is no parameter"):
        read(text + "theory group += nope\n")
    with pytest.raises(fitkit.WorkspaceError, match=r"line 17.*there already"):
        read(text + "theory group = xs\n")


# --- templates ------------------------------------------------------------------------
SHAPES = """imax 1
jmax 1
kmax *
shapes * * file.root $CHANNEL_$PROCESS $CHANNEL_$PROCESS_$SYSTEMATIC
shapes sig * file.root $CHANNEL_$PROCESS$MASS $CHANNEL_$PROCESS$MASS_$SYSTEMATIC
bin         SR
observation -1
bin         SR   SR
process     sig  bkg
process     0    1
rate        -1   100
"""


@pytest.fixture
def templates(tmp_path):
    uproot = pytest.importorskip("uproot")
    edges = np.linspace(0.0, 1.0, 4)

    def histogram(values):
        hist = pytest.importorskip("hist")
        made = hist.Hist(hist.axis.Variable(edges), storage=hist.storage.Weight())
        made.view().value = values
        made.view().variance = np.abs(values) * 2.0
        return made

    with uproot.recreate(tmp_path / "file.root") as file:
        for name, values in {
            "SR_data_obs": [50.0, 30.0, 25.0],
            "SR_bkg": [50.0, 30.0, 20.0],
            "SR_bkg_tiltUp": [60.0, 30.0, 30.0],
            "SR_bkg_tiltDown": [45.0, 27.0, 18.0],
            "SR_sig125": [1.0, 2.0, 5.0],
            "SR_sig125_tiltUp": [1.0, 2.0, 5.0],
            "SR_sig125_tiltDown": [1.0, 2.0, 5.0],
            "SR_few": [0.5, 8.0, 0.0],
        }.items():
            file[name] = histogram(np.array(values))
    return tmp_path


def test_templates_keep_their_integral(read, templates):
    model, data = read(SHAPES + "tilt shape - 1\n", mass=125)
    assert np.asarray(data.main["SR"]).tolist() == [50, 30, 25]
    up = expected(model, "SR", tilt=1.0, r=0.0)
    np.testing.assert_allclose(up, [60, 30, 30], rtol=1e-14)
    np.testing.assert_allclose(
        expected(model, "SR", tilt=-1.0, r=0.0), [45, 27, 18], rtol=1e-14
    )
    # Between, the fractions interpolate linearly and the integral by its logarithm.
    two = expected(model, "SR", tilt=2.0, r=0.0)
    fractions = np.array([0.5, 0.3, 0.2])
    moved = fractions + 2 * (np.array([60, 30, 30]) / 120 - fractions)
    np.testing.assert_allclose(two, 100 * 1.2**2 * moved, rtol=1e-14)


def test_a_scale_divides_the_deviations(read, templates):
    model, _ = read(SHAPES + "tilt shape - 0.5\n", mass="125")
    up = expected(model, "SR", tilt=2.0, r=0.0)
    np.testing.assert_allclose(up, [60, 30, 30], rtol=1e-14)


def test_logarithms_of_templates(read, templates):
    model, _ = read(SHAPES + "tilt shapeN - 1\n", mass=125)
    for x, wanted in ((1.0, [60, 30, 30]), (-1.0, [45, 27, 18])):
        found = expected(model, "SR", tilt=x, r=0.0)
        np.testing.assert_allclose(found, wanted, rtol=1e-14)
    two = expected(model, "SR", tilt=2.0, r=0.0)
    fractions = np.array([0.5, 0.3, 0.2])
    power = fractions * (np.array([60, 30, 30]) / 120 / fractions) ** 2
    np.testing.assert_allclose(two, 100 * 1.2**2 * power / power.sum(), rtol=1e-14)


def test_shape_with_a_question_mark_is_a_factor_without_histograms(read, templates):
    model, _ = read(SHAPES + "tilt shape? 1.0 1\nnone shape? - 1.3\n", mass=125)
    np.testing.assert_allclose(expected(model, "SR", none=1.0, r=0.0).sum(), 130)


def test_errors_of_templates(read, templates):
    text = SHAPES + "SR autoMCStats 0\nlumi lnN 1.1 1.1\n"
    written, data = read(text, mass=125, mc_statistics="parameters")
    profiled, _ = read(text, mass=125)
    assert "prop_binSR" in written.parameter_names
    assert "prop_binSR" not in profiled.parameter_names
    shift = np.array([0.5, -1.0, 2.0])
    found = expected(written, "SR", prop_binSR=shift, r=2.0, lumi=1.0)
    nominal = 1.1 * (2 * np.array([1, 2, 5.0]) + np.array([50, 30, 20.0]))
    square = 1.1**2 * 2 * (4 * np.array([1, 2, 5.0]) + np.array([50, 30, 20.0]))
    np.testing.assert_allclose(found, nominal + shift * np.sqrt(square), rtol=1e-14)
    # One best fit, with the parameters written out or not.
    best, other = (fitkit.fit(model, data) for model in (written, profiled))
    np.testing.assert_allclose(best.params["r"], other.params["r"], atol=1e-7)
    np.testing.assert_allclose(best.twice_nll, other.twice_nll, rtol=1e-12)


def test_few_simulated_events_have_parameters_of_each_process(read, templates):
    text = SHAPES.replace("sig  bkg", "sig few").replace("-1   100", "-1 -1")
    model, data = read(text + "SR autoMCStats 10\n", mass=125)
    parameters = model.parameters
    # Effective events are value^2 / (2 value): 0.25 and 4 for few, 0.5, 1, 2.5 for sig.
    few = parameters["prop_binSR_few"]
    assert np.asarray(few.fixed).tolist() == [True, False, True]
    assert float(np.asarray(few.constraint.aux)[1]) == 4
    normal = parameters["prop_binSR_few_normal"]
    assert np.asarray(normal.fixed).tolist() == [False, True, True]
    found = expected(
        model, "SR", prop_binSR_few=[1, 1.5, 1], prop_binSR_few_normal=[1, 0, 0], r=0.0
    )
    np.testing.assert_allclose(found, [0.5 + 1.0, 12.0, 0.0], rtol=1e-14)
    assert fitkit.fit(model, data, throw=False) is not None


@pytest.mark.parametrize("kind", ["shape", "shapeN"])
def test_derivatives_with_errors_of_templates(read, templates, kind):
    text = SHAPES + f"tilt {kind} 0.5 1\nSR autoMCStats 0\nlumi lnN 1.1 0.9/1.2\n"
    model, data = read(text + "k rateParam SR bkg 1.0\n", mass=125)
    # A bin that observes nothing, and where nothing is expected at the best shift.
    data = fitkit.Data({"SR": [55.0, 0.0, 25.0]}, data.aux)
    model = model.with_bounds(k=(0.01, 5))
    likelihood = model.negative_log_likelihood(data)
    y = model.ravel(
        model.init | {name: np.array(x) for name, x in AT.items() if name in model.init}
    )
    found = likelihood.derivatives(y)
    unit = 1e-6 * np.eye(len(y))
    slopes = [(likelihood.value(y + u) - likelihood.value(y - u)) / 2e-6 for u in unit]
    np.testing.assert_allclose(found.gradient, slopes, rtol=0, atol=1e-7)
    bends = [
        (likelihood.gradient(y + u) - likelihood.gradient(y - u)) / 2e-6 for u in unit
    ]
    # The stiff edge of an empty bin leaves 1e-7 of second derivatives up to 1e3.
    np.testing.assert_allclose(found.hessian.dense(), bends, rtol=0, atol=1e-4)


@pytest.mark.slow  # a program of all functions takes long to compile
def test_derivatives_with_errors_of_templates_where_traced(read, templates):
    text = SHAPES + "tilt shapeN 0.5 1\nSR autoMCStats 0\nlumi lnN 1.1 0.9/1.2\n"
    model, data = read(text, mass=125)
    data = fitkit.Data({"SR": [55.0, 0.0, 25.0]}, data.aux)
    likelihood = model.negative_log_likelihood(data)
    y = model.ravel(model.init)
    found = likelihood.gradient(y)
    automatic = jax.grad(lambda y: likelihood.value(y))(y)
    np.testing.assert_allclose(automatic, found, rtol=1e-10, atol=1e-10)
    compiled = jax.jit(lambda y: likelihood.derivatives(y).hessian.dense())(y)
    exact = likelihood.derivatives(y).hessian.dense()
    np.testing.assert_allclose(compiled, exact, rtol=1e-9, atol=1e-9)


AT = {"r": 0.3, "tilt": 0.4, "lumi": 0.2, "k": 0.05}


# --- what is wrong with a card --------------------------------------------------------
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("imax 2", "imax 3", "line 1: imax says 3 channels, but the card has 2"),
        ("jmax 1", "jmax 4", "line 2: jmax says 4 processes minus 1"),
        ("kmax *", "kmax 3", "line 3: kmax says 3 systematics, but the card has 2"),
        ("kmax *", "kmax", "line 3: kmax needs a number"),
        ("9    55", "9", "line 6: has 1 observations"),
        ("9    55", "9 x", "line 6: the observation of 'CR' must be a number"),
        ("9    55", "9 -4", "line 6: the observation of 'CR' is -4"),
        ("9    55", "9 -1", "observes -1, but has no histogram"),
        ("observation", "observations", "no `observation` line"),
        ("bin         SR   SR   CR", "bin SR SR", "line 9: has 3 entries, but line 8"),
        (
            "bin         SR   SR   CR",
            "bin SR SR CC",
            "Did you mean 'CR'|no observation",
        ),
        ("bin         SR   SR   CR", "bin SR SR SR", "two columns|no process"),
        ("sig  bkg  bkg", "sig bkg", "line 9: has 2 entries"),
        ("0    1    1", "0 1 0", "line 11: process 'bkg' is signal in one column"),
        ("0    1    1", "0 1 1.5", "line 10: the number of a process must be whole"),
        ("3.0  6.0  50.0", "3.0 6.0", "line 11: has 2 rates"),
        ("3.0  6.0  50.0", "3.0 6.0 nan", "line 11: the rate of 'bkg' in 'CR'"),
        ("3.0  6.0  50.0", "3.0 6.0 -7", "line 11: the rate of 'bkg' in 'CR' is -7"),
        ("rate ", "rats ", "has no `rate` line"),
        (
            "lumi   lnN",
            "lumi   lnn",
            "line 13: 'lumi' is of a kind 'lnn'.*Did you mean",
        ),
        ("lumi   lnN  1.1  -    -", "lumi lnN 1.1 -", "line 13: 'lumi' has 2 entries"),
        ("1.1  -    -", "1.1  x    -", "line 13: an entry of 'lumi' must be a number"),
        ("1.1  -    -", "-1.1  -    -", "line 13: an entry of 'lumi' is '-1.1'"),
        ("0.8/1.3   0.8", "0/1.3   0.8", "line 14: an entry of 'xs' is '0/1.3'"),
        ("lumi   lnN  1.1  -    -", "lumi", "line 13: 'lumi' stands alone"),
        ("xs     lnN", "xs flatParam #", "line 14: 'xs' is a free parameter of a RooW"),
        ("xs     lnN", "xs discrete #", "line 14: 'xs' is a choice"),
        ("lumi   lnN  1.1", "lumi gmN 30 1.1", "line 13: 'lumi' expects 30 x 1.1 = 33"),
        ("lumi   lnN  1.1", "lumi gmN 3.5 1.1", "line 13: 'lumi' counts 3.5 events"),
        (
            "lumi   lnN  1.1",
            "lumi gmM 1.1",
            "line 13: the error of 'lumi' must be below",
        ),
        (
            "lumi   lnN  1.1",
            "lumi shape 1",
            "line 13: 'lumi' changes the shape of 'sig'",
        ),
    ],
)
def test_errors_name_the_line(read, old, new, said):
    assert old in CARD
    with pytest.raises(fitkit.WorkspaceError, match=said) as caught:
        read(CARD.replace(old, new, 1))
    assert "card.txt" in str(caught.value)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("k rateParam CR bkg", "a `rateParam` line is"),
        ("k rateParam CR bgk 1", "process 'bgk'.*Did you mean 'bkg'"),
        ("k rateParam CS bkg 1", "channel 'CS'.*There are: SR, CR"),
        ("k rateParam CR bkg x", "the value of 'k' must be a number"),
        ("k rateParam CR bkg 1 [2,1]", "the range .* of 'k' is empty"),
        ("k rateParam CR bkg @0+@1 lumi", "has @1, but 1 argument"),
        ("k rateParam CR bkg @0+ lumi", "is no formula"),
        ("k rateParam CR bkg sqr(@0) lumi", "Did you mean 'sqrt'"),
        ("k rateParam CR bkg @0 lumo", "'lumo', which is no parameter.*'lumi'"),
        ("k rateParam CR bkg @0*2 k", "is one of itself"),
        ("k rateParam CR bkg lumi+xs lumi", "'xs', which is none of its arguments"),
        ("k rateParam CR bkg file.root:w", "function of a RooWorkspace"),
        ("k extArg file.root:w", "taken from a RooWorkspace"),
        ("k param 1", "a `param` line is"),
        ("k param 1 0", "the error of 'k' must be positive"),
        ("k param 1 0.1/0.2", r"written -down/\+up"),
        ("k group lumi", "a group is"),
        ("k group += lumi", "not there yet"),
        ("CX autoMCStats 0", "no channel 'CX'"),
        ("CR autoMCStats", "an `autoMCStats` line is"),
        ("CR autoMCStats 0 0 2", "hist-mode 2"),
        ("nuisance edit remove a", "no edit 'remove'"),
        ("nuisance edit drop bkg SR", "needs process channel name"),
        ("nuisance edit drop bkg SR nope", "no systematic is called 'nope'"),
        ("nuisance edit drop ( SR xs", "no regular expression"),
        ("nuisance edit add bkg SR xs lnU 1.2", "is of kind lnN"),
        ("nuisance edit add bkg SR xs lnN 1.2", "already has an effect"),
        ("nuisance edit changepdf xs shape", "cannot become 'shape'"),
    ],
)
def test_errors_of_the_last_lines(read, line, said):
    with pytest.raises(fitkit.WorkspaceError, match=f"line 15: .*{said}"):
        read(CARD + line + "\n")


def test_errors_of_histograms(read, templates):
    for old, new, said in (
        ("file.root", "none.root", "there is no file"),
        ("file.root", "card.txt", "no ROOT file"),
        ("$CHANNEL_$PROCESS ", "$CHANNEL-$PROCESS ", "has no histogram 'SR-bkg'"),
        ("$CHANNEL_$PROCESS ", "w:$PROCESS ", "is in a RooWorkspace"),
        ("$CHANNEL_$PROCESS ", "$WORD ", "keyword without a value"),
        ("-1   100", "-1   200", "sums to 100, but its rate is 200"),
        ("observation -1", "observation 7", "sum to 105, but the card observes 7"),
    ):
        assert old in SHAPES
        with pytest.raises(fitkit.WorkspaceError, match=f"line [45]: .*{said}"):
            read(SHAPES.replace(old, new, 1), mass=125)
    with pytest.raises(fitkit.WorkspaceError, match=r"Give `mass`|keyword"):
        read(SHAPES)
    with pytest.raises(fitkit.WorkspaceError, match="line 12: 'bend' needs two"):
        read(SHAPES + "bend shape - 1\n", mass=125)
    with pytest.raises(fitkit.WorkspaceError, match=r"line 13: .* is shapeN, but"):
        read(SHAPES + "tilt shape - 1\ntilt shapeN - 1\n", mass=125)


def test_what_is_no_text(tmp_path):
    with pytest.raises(fitkit.WorkspaceError, match="cannot be read"):
        fitkit.read_combine_card(tmp_path / "none.txt")
    (tmp_path / "binary.txt").write_bytes(b"imax 1\n\xff\xfe")
    with pytest.raises(fitkit.WorkspaceError, match="line 2: is no text"):
        fitkit.read_combine_card(tmp_path / "binary.txt")


def test_a_formula_of_formulas_does_not_explode(read):
    lines = ["f0 rateParam CR bkg @0+1 lumi"]
    lines += [f"f{i} rateParam CR bkg @0*@0+@0 f{i - 1}" for i in range(1, 40)]
    with pytest.raises(fitkit.WorkspaceError, match="more than 10000 operations"):
        read(CARD + "\n".join(lines))


# --- hostile cards --------------------------------------------------------------------
_WORDS = (
    *("-1", "0", "1e308", "-", "nan", "inf", "*", "shape", "gmN", "rateParam", "="),
    *("param", "group", "autoMCStats", "nuisance", "edit", "rename", "[0,1]", "1/2"),
    *("shapes", "FAKE", "@0**@0", "(((", "\\", "\x00", "é", "%s", "SR", "bkg", "lumi"),
    *("lnU", "unif", "trG", "gmM", "extArg", "process", "bin", "rate", "observation"),
)
_EXTRA = """norm rateParam * bkg 1 [0,5]
other rateParam SR bkg @0*2 norm
norm param 1 0.2
side gmN 3 - 2.0 -
theory group = xs lumi
nuisance edit rename bkg CR xs xs2
"""


def _mutated(text: str, source: random.Random) -> str:
    lines = [line.split() for line in text.splitlines()]
    for _ in range(source.randint(1, 4)):
        line = source.choice(lines)
        what = source.random()
        if what < 0.4 and line:
            line[source.randrange(len(line))] = source.choice(_WORDS)
        elif what < 0.6 and line:
            del line[source.randrange(len(line))]
        elif what < 0.75:
            line.insert(source.randint(0, len(line)), source.choice(_WORDS))
        elif what < 0.85:
            lines.remove(line)
        elif what < 0.95:
            lines.insert(source.randrange(len(lines)), list(source.choice(lines)))
        else:
            source.shuffle(line)
        if not lines:
            lines.append([])
    text = "\n".join(" ".join(line) for line in lines)
    return text[: source.randrange(len(text) + 1)] if source.random() < 0.1 else text


def test_thousands_of_broken_cards_end_in_one_kind_of_error(tmp_path):
    source, path = random.Random(20231), tmp_path / "card.txt"
    outcomes = {"read": 0, "refused": 0}
    for _ in range(2000):
        path.write_text(_mutated(CARD + _EXTRA, source), encoding="utf-8")
        try:
            fitkit.read_combine_card(path)
        except fitkit.WorkspaceError as error:
            outcomes["refused"] += str(error).startswith(str(path))
        else:
            outcomes["read"] += 1
    assert sum(outcomes.values()) == 2000
    assert outcomes["read"] > 200
    assert outcomes["refused"] > 700


def test_broken_cards_with_histograms_and_broken_histograms(templates):
    text = (
        SHAPES
        + """tilt shape 0.5 1
lumi lnN 1.1 0.9/1.2
SR autoMCStats 10
k rateParam SR bkg 1 [0,5]
nuisance edit rename bkg SR tilt bend
"""
    )
    source, path, refused = random.Random(7), templates / "card.txt", 0
    for _ in range(300):
        path.write_text(_mutated(text, source), encoding="utf-8")
        try:
            fitkit.read_combine_card(path, mass=125)
        except fitkit.WorkspaceError:
            refused += 1
    assert refused > 100
    path.write_text(text.replace("nuisance edit", "#"))
    fitkit.read_combine_card(path, mass=125)
    good, refused = (templates / "file.root").read_bytes(), 0
    for _ in range(100):
        broken = bytearray(good)
        for _ in range(source.randint(1, 20)):
            broken[source.randrange(len(broken))] = source.randrange(256)
        (templates / "file.root").write_bytes(broken)
        try:
            fitkit.read_combine_card(path, mass=125)
        except fitkit.WorkspaceError as error:
            refused += str(path) in str(error)
    assert refused > 30


# --- workspaces -----------------------------------------------------------------------
def test_a_card_as_a_workspace_is_the_same_likelihood(tmp_path):
    pyhf = pytest.importorskip("pyhf")
    path = tmp_path / "card.txt"
    path.write_text(
        CARD.replace("0.8/1.3   0.8/1.3", "1.3 1.3")
        + "side gmN 12 - 0.5 -\nnorm rateParam CR bkg 1.0 [0,5]\n"
    )
    model, data = fitkit.read_combine_card(path)
    document = fitkit.combine_card_to_workspace(path)
    workspace = pyhf.Workspace(document)
    other = workspace.model(
        modifier_settings={"normsys": {"interpcode": "code1"}, "histosys": CODE}
    )
    counts = workspace.data(other)
    differences = []
    for shift in (0.0, 0.2, 0.7):
        at = {"r": 1 + shift, "lumi": shift, "xs": -shift, "norm": 1 - shift / 2}
        side = 12.0 * (1 + shift)
        ours = model.logpdf(model.init | at | {"side": side}, data)
        values = {name: np.atleast_1d(x) for name, x in at.items()}
        values["side"] = np.array([side / 12])
        order = other.config.par_order
        theirs = other.logpdf(np.concatenate([values[name] for name in order]), counts)
        differences.append(float(ours) - float(theirs[0]))
    # The constraints are normalised in other parameters.
    np.testing.assert_allclose(differences, differences[0], rtol=0, atol=1e-10)


CODE = {"interpcode": "code4p"}


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("", "line 14: 'xs' prevents a workspace: its factors"),
        ("flat lnU - 1.5 -", "line 15: 'flat' prevents a workspace"),
        ("half gmM - - 0.5", "line 15: 'half' prevents"),
        ("k rateParam CR bkg 2*@0 lumi", "line 15: 'k' prevents.*formula"),
        ("SR autoMCStats 0", "line 15: 'SR autoMCStats' prevents"),
    ],
)
def test_the_line_that_prevents_a_workspace(tmp_path, line, why):
    path = tmp_path / "card.txt"
    text = CARD if not line else CARD.replace("0.8/1.3   0.8/1.3", "1.3 1.3")
    path.write_text(text + line + "\n")
    with pytest.raises(fitkit.WorkspaceError, match=why):
        fitkit.combine_card_to_workspace(path)


def test_published_cards_as_workspaces(data_folder, tmp_path):
    """Reading and writing again gives the limit of the card."""
    folder = data_folder / "formats/combine/benchmarks"
    if not Path(folder).exists():
        pytest.skip(f"no datacards at {folder}")
    path = folder / "hww4ch-1fb-B-mH140.txt"
    model, data = fitkit.read_combine_card(path)
    document = fitkit.combine_card_to_workspace(path)
    other, counts = fitkit.read_workspace(document, normsys_code="1")
    limits = [
        fitkit.upper_limit(*each).observed for each in ((model, data), (other, counts))
    ]
    np.testing.assert_allclose(*limits, rtol=1e-7)
