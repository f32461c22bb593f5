"""What is drawn is what the results say; on whose axes; with nothing left behind."""

import dataclasses
import os
import subprocess
import sys

import equinox as eqx
import jax
import numpy as np
import pytest

import fitkit

pytest.importorskip("mplhep", reason="the extra `plot` is not installed")

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.colors import same_color
from scipy import stats

from fitkit import plot
from fitkit._fit.stationarity import Stationarity
from fitkit._model.parameters import ParameterShapes
from fitkit._numerics.bordered_matrix import plain

# Names that TeX would choke on: matplotlib raises where it takes them for formulae.
SIGNAL, TILT, CHANNEL = "$s_{1}$ & 100%", "tilt_$\\bad{$_x", "SR_#1 $\\x$"


@pytest.fixture(autouse=True)
def _settings():
    """Nothing of the session changes, and no figure stays."""
    plt.switch_backend("Agg")
    before = dict(mpl.rcParams)
    yield
    plt.close("all")
    assert dict(mpl.rcParams) == before


@pytest.fixture(scope="module")
def results(invented, fitted):
    return {**invented, "fit": fitted}


@pytest.fixture(scope="module")
def two_limits(results):
    """Two limits in one batch, the second twice as large."""
    one = results["limit"]
    both = jax.tree.map(lambda x: np.stack([x, x if x.dtype == bool else 2 * x]), one)
    return eqx.tree_at(lambda x: x.level, both, np.full(2, one.level))


def changed(array, place, value):
    """The same array but for one entry."""
    array = np.array(array)
    array[place] = value
    return array


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def line(ax, label):
    (found,) = (x for x in ax.lines if x.get_label() == label)
    return np.transpose(found.get_data())


def band(collection):
    """Lower and upper ends of a `fill_between`, by rising x."""
    points = collection.get_paths()[0].vertices
    xs = np.unique(points[:, 0])
    return [
        (points[points[:, 0] == x, 1].min(), points[points[:, 0] == x, 1].max())
        for x in xs
    ]


ONE = {
    "cls_scan": lambda r, ax: plot.cls_scan(r["tests"], limit=r["limit"], ax=ax),
    "pulls": lambda r, ax: plot.pulls(r["pulls"], ax=ax),
    "correlation": lambda r, ax: plot.correlation(r["fit"], threshold=0, ax=ax),
    "scan": lambda r, ax: plot.scan(r["scan"], interval=r["interval"], ax=ax),
    "contour": lambda r, ax: plot.contour(r["contour"], ax=ax),
}
TWO = {
    "ranking": lambda r, axes: plot.ranking(r["ranking"], axes=axes),
    "yields": lambda r, axes: plot.yields(r["yields"], axes=axes),
}


@pytest.mark.parametrize("name", ONE)
def test_on_the_axes_given_or_new_ones(results, name):
    given = plt.figure().add_subplot()
    assert ONE[name](results, given) is given
    assert given.has_data()
    made = ONE[name](results, None)
    assert made is not given
    made.figure.canvas.draw()  # raises where a name is taken for a formula


@pytest.mark.parametrize("name", TWO)
def test_on_the_two_axes_given_or_new_ones(results, name):
    given = plt.subplots(2)[1]
    assert TWO[name](results, given) == tuple(given)
    assert all(ax.has_data() for ax in given)
    made = TWO[name](results, None)
    assert not set(made) & set(given)
    made[0].figure.canvas.draw()
    with pytest.raises(ValueError, match=rf"plot.{name}\(axes=...\)` are 2 .* got 3"):
        TWO[name](results, plt.subplots(3)[1])


def test_cls_scan(results):
    tests, limit = results["tests"], results["limit"]
    ax = plot.cls_scan(tests, limit=limit, components=True)
    order = np.argsort(tests.poi_value)
    expected = np.asarray(tests.cls_expected)[order]
    np.testing.assert_allclose(line(ax, "expected CL$_s$")[:, 1], expected[:, 2])
    outer, inner = ax.collections[:2]
    np.testing.assert_allclose(band(outer), expected[:, [4, 0]][:, ::-1])
    np.testing.assert_allclose(band(inner), expected[:, [1, 3]])
    ((points, _, _),) = ax.containers
    np.testing.assert_allclose(points.get_xdata(), [0.5, 1.0, 2.0])
    np.testing.assert_allclose(points.get_ydata(), tests.cls[order])
    for name, values in (("s+b", tests.cl_sb), ("b", tests.cl_b)):
        drawn = line(
            ax, f"observed CL$_{{{name}}}$" if name == "s+b" else "observed CL$_b$"
        )
        np.testing.assert_allclose(drawn[:, 1], values[order])
    at = line(ax, f"observed limit {limit.observed:.3g}")
    np.testing.assert_allclose(at, [[limit.observed, 0.05]])
    at = line(ax, f"expected limit {limit.expected[2]:.3g}")
    np.testing.assert_allclose(at, [[limit.expected[2], 0.05]])
    np.testing.assert_allclose(line(ax, "0.05")[:, 1], 0.05)


def single(tests, i, **changed):
    """One of many tests."""
    shared = {"toys_sb", "toys_b", "test", "band"}
    values = {name: x if name in shared else x[i] for name, x in vars(tests).items()}
    return dataclasses.replace(tests, **values | changed)


def test_cls_scan_takes_single_results_and_says_what_failed(results):
    each = [single(results["tests"], i) for i in range(3)]
    each[0] = single(results["tests"], 0, converged=np.array(False))
    ax = plot.cls_scan(each)
    expected = [[each[0].poi_value, each[0].cls]]
    np.testing.assert_allclose(line(ax, "not converged"), expected)


def test_tests_of_many_values_are_as_those_of_each():
    """Of an array of values the results have its axis, of `jax.vmap` a leading one."""
    model = fitkit.uncorrelated_background([5.0], [50.0], [4.0])
    data = model.data({"singlechannel": [52.0]})
    values = np.array([0.5, 1.0, 2.0])
    each = [fitkit.hypotest(model, data, value) for value in values]
    drawn = [
        plot.cls_scan(tests).containers[0][0].get_xydata()
        for tests in (each, fitkit.hypotest(model, data, values))
    ]
    np.testing.assert_allclose(drawn[1], drawn[0], rtol=1e-9)


def test_cls_scan_of_pseudo_experiments_has_errors(results):
    errors = np.array([0.03, 0.01, 0.02])
    tests = dataclasses.replace(results["tests"], cls_error=errors)
    ax = plot.cls_scan(tests)
    ((_, _, (bars,)),) = ax.containers
    order = np.argsort(tests.poi_value)
    for error, segment in zip(errors[order], bars.get_segments(), strict=True):
        np.testing.assert_allclose(np.diff(segment[:, 1]), 2 * error)


def test_upper_limits(two_limits):
    ax = plot.upper_limits([700.0, 500.0], two_limits, parameter="m_$x [GeV]")
    np.testing.assert_allclose(
        line(ax, "observed limit"),
        [[500, two_limits.observed[1]], [700, two_limits.observed[0]]],
    )
    np.testing.assert_allclose(
        line(ax, "expected limit")[:, 1], two_limits.expected[::-1, 2]
    )
    outer, inner = ax.collections[:2]
    np.testing.assert_allclose(band(outer), two_limits.expected[::-1][:, [0, 4]])
    np.testing.assert_allclose(band(inner), two_limits.expected[::-1][:, [1, 3]])
    assert ax.get_xlabel() == "m_$x [GeV]"
    assert ax.get_ylabel().startswith("95 %")
    ax.figure.canvas.draw()
    with pytest.raises(ValueError, match=r"shape \(3,\) for 2 limits"):
        plot.upper_limits([1, 2, 3], two_limits)
    other = [jax.tree.map(lambda x: x[0], two_limits)] * 2
    other[1] = eqx.tree_at(lambda x: x.level, other[1], np.array(0.1))
    with pytest.raises(ValueError, match="one level"):
        plot.upper_limits([1, 2], other)


def test_ranking(results):
    ranked = results["ranking"]
    left, right = plot.ranking(ranked, top=2)
    names = [label.get_text() for label in left.get_yticklabels()]
    assert names == list(ranked.names[:2])
    up, before_up, down, before_down = right.containers
    for bars, column in (
        (up, ranked.up),
        (before_up, ranked.prefit_up),
        (down, ranked.down),
        (before_down, ranked.prefit_down),
    ):
        np.testing.assert_allclose([b.get_width() for b in bars], column[:2])
    assert right.get_xlabel() == "Δ mu"
    left, _ = plot.ranking(ranked)
    # The factor `k` has no constraint, and no point.
    known = np.isfinite(ranked.pull)
    assert known.sum() == len(ranked.names) - 1
    ((points, _, (bars,)),) = left.containers
    np.testing.assert_allclose(points.get_xdata(), ranked.pull[known])
    ends = [np.diff(segment[:, 0])[0] for segment in bars.get_segments()]
    np.testing.assert_allclose(ends, 2 * ranked.constraint[known])
    assert [text.get_text() for text in left.texts] == ["no constraint"]
    with pytest.raises(ValueError, match="top=0"):
        plot.ranking(ranked, top=0)


def test_ranking_marks_what_failed(results):
    bad = eqx.tree_at(
        lambda x: x.converged, results["ranking"], np.array([True, False, True])
    )
    first, second, _ = plot.ranking(bad)[0].get_yticklabels()
    assert second.get_text() == f"{bad.names[1]} (not converged)"
    assert not same_color(first.get_color(), second.get_color())


def test_pulls(results):
    found = results["pulls"]
    known = np.isfinite(found.pull)
    ax = plot.pulls(found)
    ((points, _, _),) = ax.containers
    np.testing.assert_allclose(points.get_xdata(), found.pull[known])
    ax = plot.pulls(found, top=1)
    (label,) = ax.get_yticklabels()
    assert label.get_text() == found.names[np.nanargmax(np.abs(found.pull))]
    free = eqx.tree_at(lambda x: x.pull, found, np.full(found.pull.shape, np.nan))
    with pytest.raises(ValueError, match=f"{found.pull.size} parameters 0 have"):
        plot.pulls(free)


def test_a_parameter_on_its_bound_has_a_pull_without_a_width(results):
    pulls = results["pulls"]
    constraint = changed(pulls.constraint, 0, np.nan)
    drawn = plot.pulls(dataclasses.replace(pulls, constraint=constraint))
    assert np.isfinite(drawn.get_xlim()).all()
    ranked = results["ranking"]
    unknown = {
        name: changed(getattr(ranked, name), 0, np.nan) for name in ("up", "down")
    }
    _, right = plot.ranking(dataclasses.replace(ranked, **unknown))
    assert np.isfinite(right.get_xlim()).all()


def test_correlation(results):
    best = results["fit"]
    inverse = np.linalg.inv(best.hessian)
    (variance, covariance), (_, other) = inverse
    rho = covariance / np.sqrt(variance * other)
    ax = plot.correlation(best, threshold=0.9 * abs(rho))
    matrix = [[1, rho], [rho, 1]]
    np.testing.assert_allclose(ax.images[0].get_array(), matrix, rtol=1e-9)
    assert [x.get_text() for x in ax.texts] == [f"{x:.2f}" for x in np.ravel(matrix)]
    assert [label.get_text() for label in ax.get_xticklabels()] == list(best.names)
    with pytest.raises(ValueError, match=f"the largest correlation is {abs(rho):.3g}"):
        plot.correlation(best, threshold=1.1 * abs(rho))
    flat = eqx.tree_at(lambda x: x.curvature.blocks.border, best, np.ones((2, 2)))
    with pytest.raises(ValueError, match="no parameter is determined"):
        plot.correlation(flat)


def test_correlation_leaves_out_what_is_not_determined(results):
    """Three parameters, of which the sum of two is known alone, and the third."""
    wide = three(results["fit"], [[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 4.0]])
    ax = plot.correlation(wide, threshold=0)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["p2"]
    whole = three(results["fit"], [[2.0, 1.0, 0.0], [1.0, 2.0, 0.0], [0.0, 0.0, 4.0]])
    ax = plot.correlation(whole, threshold=0.1)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["p0", "p1"]


def three(fit, hessian):
    """A result with three parameters and this Hessian."""
    no, yes = np.zeros(3, dtype=bool), np.ones(3, dtype=bool)
    return dataclasses.replace(
        fit,
        shapes=ParameterShapes({f"p{i}": () for i in range(3)}),
        y=np.zeros(3),
        curvature=plain(np.array(hessian)),
        stationarity=Stationarity(yes, no, no, no, no),
    )


def test_correlation_of_the_parameters_above_the_threshold(results):
    matrix = np.eye(20)
    matrix[3, 7] = matrix[7, 3] = -0.5
    matrix[1, 2] = matrix[2, 1] = 0.1
    names = {f"p{i}": () for i in range(20)}
    free, no = np.ones(20, dtype=bool), np.zeros(20, dtype=bool)
    best = dataclasses.replace(
        results["fit"],
        shapes=ParameterShapes(names),
        y=np.zeros(20),
        curvature=plain(np.asarray(np.linalg.inv(matrix))),
        stationarity=Stationarity(free, no, no, no, no),
    )
    ax = plot.correlation(best)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["p3", "p7"]
    assert ax.texts[1].get_text() == "-0.50"
    assert not plot.correlation(best, threshold=0).texts  # too many for numbers


def test_scan(results):
    found, interval = results["scan"], results["interval"]
    ax = plot.scan(found, interval=interval)
    order = np.argsort(found.values)
    (curve,) = (x for x in ax.lines if len(x.get_xdata()) == 4)
    np.testing.assert_allclose(curve.get_xdata(), found.values[order])
    np.testing.assert_allclose(curve.get_ydata(), found.delta[order])
    low, high = interval["mu"]
    (span,) = ax.patches
    np.testing.assert_allclose([span.get_x(), span.get_width()], [low, high - low])
    level = [x.get_ydata()[0] for x in ax.lines if np.ptp(x.get_ydata()) == 0]
    assert level == [1, 4]
    assert legend(ax)[0].startswith(f"best fit {found.best:.4g} (")
    with pytest.raises(ValueError, match=r"no interval of 'mu'.*norm"):
        plot.scan(found, interval=dataclasses.replace(interval, names=("norm",)))


def test_scan_leaves_out_what_failed(results):
    bad = eqx.tree_at(
        lambda x: x.converged, results["scan"], np.array([True, True, False, True])
    )
    ax = plot.scan(bad)
    (curve,) = (x for x in ax.lines if len(x.get_xdata()) == 3)
    assert 1.0 not in curve.get_xdata()
    assert legend(ax)[-1] == "not converged"


def test_contour(results):
    found = results["contour"]
    ax = plot.contour(found)
    for level, points in zip(("68.27 %", "95.45 %"), found.points, strict=True):
        np.testing.assert_allclose(line(ax, level), points)
    np.testing.assert_allclose(line(ax, "best fit"), found.best[None])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("mu", TILT)
    bad = eqx.tree_at(
        lambda x: (x.converged, x.at_bound),
        found,
        (
            changed(found.converged, (0, 1), False),
            changed(found.at_bound, (1, 2), True),
        ),
    )
    ax = plot.contour(bad)
    assert np.isnan(line(ax, "68.27 %")[1]).all()
    assert {"1 points not converged", "at a bound"} <= set(legend(ax))


def test_yields(results):
    found, data = results["yields"], results["data"]
    above, below = plot.yields(found, data)
    assert legend(above) == ["background", SIGNAL, "uncertainty", "data"]
    total = np.concatenate([found.total[CHANNEL], found.total["CR"]])
    error = np.concatenate([found.error[CHANNEL], found.error["CR"]])
    counts = np.array([47.0, 0.0, 310.0])
    *stack, uncertainty = (x.get_data() for x in above.patches)
    # From the top: everything, then what is below the background.
    np.testing.assert_allclose(stack[0].values, total)
    np.testing.assert_allclose(stack[1].values, [5.0, 12.0, 0.0])
    np.testing.assert_allclose(uncertainty.values, total + error)
    np.testing.assert_allclose(uncertainty.baseline, total - error)
    relative = below.patches[0].get_data()
    np.testing.assert_allclose(relative.values, 1 + error / total)
    np.testing.assert_allclose(relative.baseline, 1 - error / total)
    # Garwood's interval: of 0 counts from 0 to -ln(0.159).
    tail = stats.norm.cdf(-1)
    low = np.nan_to_num(stats.chi2.ppf(tail, 2 * counts) / 2)
    high = stats.chi2.isf(tail, 2 * (counts + 1)) / 2
    for ax, scale in ((above, 1.0), (below, total)):
        (points, _, (bars,)) = next(c for c in ax.containers if len(c) == 3)
        np.testing.assert_allclose(points.get_ydata(), counts / scale)
        ends = np.array([segment[:, 1] for segment in bars.get_segments()])
        drawn = np.transpose([low, high]) / np.reshape(scale, (-1, 1))
        np.testing.assert_allclose(ends, drawn, atol=1e-12)
    labels = [label.get_text() for label in below.get_xticklabels()]
    assert labels == [CHANNEL, "CR"]


def test_yields_of_one_channel_without_data(results):
    above, below = plot.yields(results["yields"], channels="CR", log=True)
    assert legend(above) == ["background", "uncertainty"]
    assert above.get_yscale() == "log"
    assert not below.containers
    with pytest.raises(ValueError, match=r"no 'VR'; there are .*CR"):
        plot.yields(results["yields"], channels=["VR"])


def test_only_empty_bins(results):
    empty = fitkit.Data({CHANNEL: [0.0, 0.0]})
    above, _ = plot.yields(results["yields"], empty, channels=CHANNEL)
    (_, _, (bars,)) = next(c for c in above.containers if len(c) == 3)
    ends = [segment[1, 1] for segment in bars.get_segments()]
    np.testing.assert_allclose(ends, -np.log(stats.norm.cdf(-1)))


def test_more_samples_than_colours(results):
    found = results["yields"]
    many = {CHANNEL: {f"s{i}": np.full(2, 1.0 + i) for i in range(14)}}
    total = {CHANNEL: np.full(2, 105.0)}
    crowded = eqx.tree_at(
        lambda x: (x.samples, x.total, x.error),
        found,
        (many, total, {CHANNEL: np.ones(2)}),
    )
    above, _ = plot.yields(crowded)
    names = legend(above)
    assert len(names) == 11
    assert "other samples" in names
    np.testing.assert_allclose(above.patches[0].get_data().values, 105.0)
    # The five smallest of 1 to 14.
    np.testing.assert_allclose(above.patches[9].get_data().values, 15.0)


@pytest.mark.parametrize(
    "name", ["ranking", "pulls", "correlation", "scan", "contour", "yields"]
)
def test_other_results_are_refused(results, name):
    with pytest.raises(TypeError, match=rf"`plot.{name}` takes .*UpperLimit"):
        getattr(plot, name)(results["limit"])


def test_tests_and_limits_alone_are_refused(results):
    with pytest.raises(ValueError, match=r"needs several results of `hypotest`"):
        plot.cls_scan(single(results["tests"], 0))
    with pytest.raises(ValueError, match=r"at least two results; got 1"):
        plot.upper_limits([1.0], [results["limit"]])
    with pytest.raises(TypeError, match=r"results of `upper_limit`; got FitResult"):
        plot.upper_limits([1.0, 2.0], [results["limit"], results["fit"]])


def test_long_names_are_shortened_but_stay_apart(results):
    ranked = results["ranking"]
    long = "JES_" + "x" * 60
    names = (f"{long}_a", f"a{long}_b", f"{long[:30]}y{long[31:]}_a")
    left, _ = plot.ranking(dataclasses.replace(ranked, names=names))
    drawn = [label.get_text() for label in left.get_yticklabels()]
    assert drawn[1] == f"{names[1][:20]}…{names[1][-19:]}"
    # These two would read alike.
    assert drawn[::2] == [names[0], names[2]]


def test_what_a_backend_sets_for_the_session_stays(tmp_path):
    """A notebook's turns interactive mode on when it is loaded, by the first figure."""
    backend = "from matplotlib.backends.backend_agg import *\n"
    backend += "import matplotlib\nmatplotlib.interactive(True)\n"
    (tmp_path / "a_notebooks.py").write_text(backend)
    script = """
import matplotlib
from fitkit.plot._look import one_axes, styled
styled(one_axes)(None)
assert matplotlib.is_interactive()
"""
    path = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(path)}
    env["MPLBACKEND"] = "module://a_notebooks"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
