"""Whatever comes in is refused by name, or its result is right: every public function.

Of each function the table has good arguments. Each of them is replaced by NaN, by
infinities, by other shapes and by other types; what is not refused is listed, with the
finite number that must give the same.
"""

import functools as ft
import inspect

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import relaxed

EVENTS = jnp.array([-0.8, -0.2, 0.1, 0.4, 0.7, 1.3])
OTHERS = jnp.array([-1.1, -0.5, 0.2, 0.3, 0.9])
WEIGHTS = jnp.array([1.0, 2.0, 0.5, 1.5, 1.0, 3.0])
EDGES = jnp.array([-1.0, 0.0, 0.5, 2.0])
ROWS = jnp.stack([EVENTS, EVENTS[::-1] ** 2], axis=1)
SCORES = jnp.stack([EVENTS, 0.3 - EVENTS, EVENTS**2], axis=1)
MIXTURE = relaxed.GaussianMixture.around(ROWS[:2])
HIST = {"data": EVENTS, "edges": EDGES, "bandwidth": 0.2, "weights": WEIGHTS}
RANKS = {
    "signal": EVENTS,
    "background": OTHERS,
    "bandwidth": 0.2,
    "signal_weights": WEIGHTS,
    "background_weights": WEIGHTS[:5],
}


def of_one_sample(data, weights, **options):
    return relaxed.hist_of_samples([data], weights=[weights], **options)


def fields_of(mixture):
    """The arrays of a mixture, which is a result here."""
    return mixture.log_fractions, mixture.means, mixture.precision_roots


def mixture_around(means, width):
    return fields_of(relaxed.GaussianMixture.around(means, width))


def mixture_from_sample(data):
    key = jax.random.key(0)
    return fields_of(relaxed.GaussianMixture.from_sample(data, 2, key))


def mixture_scores(data, log_fractions, means, precision_roots):
    mixture = relaxed.GaussianMixture(log_fractions, means, precision_roots)
    return mixture.scores(data)


# What is called, with good arguments; what is not traced is bound.
CALLS = {
    "hist": (relaxed.hist, HIST),
    "hist(flow)": (ft.partial(relaxed.hist, flow="reflect"), HIST),
    "hist(density)": (ft.partial(relaxed.hist, density=True), HIST),
    "hist_variance": (relaxed.hist_variance, HIST),
    "hist_of_samples": (of_one_sample, HIST),
    "hard_hist": (relaxed.hard_hist, HIST | {"bandwidth": None}),
    "smoothing_bias": (relaxed.smoothing_bias, HIST),
    "regular_edges": (
        lambda low, high: relaxed.regular_edges(low, high, 3),
        {"low": -1.0, "high": 2.0},
    ),
    "quantile_edges": (
        lambda data, **options: relaxed.quantile_edges(data, 2, **options),
        {"data": EVENTS, "weights": WEIGHTS, "low": -2.0, "high": 3.0},
    ),
    "monotone_edges": (
        relaxed.monotone_edges,
        {"raw": EDGES, "low": -1.0, "high": 2.0, "min_width": 0.1},
    ),
    "scott_bandwidth": (
        relaxed.scott_bandwidth,
        {"data": EVENTS, "weights": WEIGHTS},
    ),
    "silverman_bandwidth": (
        relaxed.silverman_bandwidth,
        {"data": EVENTS, "weights": WEIGHTS},
    ),
    "bin_bandwidth": (relaxed.bin_bandwidth, {"edges": EDGES, "fraction": 0.25}),
    "cut": (relaxed.cut, {"data": EVENTS, "threshold": 0.1, "width": 0.2}),
    "window": (
        relaxed.window,
        {"data": EVENTS, "low": -0.4, "high": 0.6, "width": 0.2},
    ),
    **{
        name: (
            lambda a, b, of=getattr(relaxed, name): of(a, b),
            {"a": WEIGHTS / 3, "b": WEIGHTS[::-1] / 3},
        )
        for name in ("all_of", "any_of", "none_of")
    },
    "soft_assign": (relaxed.soft_assign, {"scores": SCORES, "temperature": 0.7}),
    "hist_from_membership": (
        relaxed.hist_from_membership,
        {"membership": SCORES, "weights": WEIGHTS},
    ),
    "GaussianMixture.around": (mixture_around, {"means": ROWS, "width": 0.5}),
    "GaussianMixture.from_sample": (mixture_from_sample, {"data": ROWS}),
    "GaussianMixture.scores": (
        mixture_scores,
        {
            "data": ROWS,
            "log_fractions": MIXTURE.log_fractions,
            "means": MIXTURE.means,
            "precision_roots": MIXTURE.precision_roots,
        },
    ),
    "soft_roc_auc": (relaxed.soft_roc_auc, RANKS),
    "soft_efficiency": (
        relaxed.soft_efficiency,
        RANKS | {"background_efficiency": 0.3, "width": 0.05},
    ),
}
CALLS = {
    name: (of, {k: jnp.asarray(x) for k, x in good.items() if x is not None})
    for name, (of, good) in CALLS.items()
}
# Selections are positional, and the fields of a mixture its own.
NAMES = {"a": "selection", "b": "selection", "data": "data|samples"}
FAR = 1e30

# Infinities that are right: of events and of ends, and what each must equal.
LAST, FIRST = (-1,), (0,)
BINNED = (
    *("hist", "hist(density)", "hist_variance", "hist_of_samples"),
    *("hard_hist", "smoothing_bias"),
)
RIGHT = {
    **{
        (call, "data", (1,), value): np.sign(value) * FAR
        for call in (*BINNED, "hist(flow)", "cut", "window")
        for value in (np.inf, -np.inf)
    },
    **{
        (call, "edges", at, value): np.sign(value) * FAR
        for call in (*BINNED, "bin_bandwidth")
        for at, value in ((LAST, np.inf), (FIRST, -np.inf))
    },
    ("quantile_edges", "low", (), -np.inf): -FAR,
    ("quantile_edges", "high", (), np.inf): FAR,
    ("cut", "threshold", (), np.inf): FAR,
    ("cut", "threshold", (), -np.inf): -FAR,
    ("window", "low", (), -np.inf): -FAR,
    ("window", "high", (), np.inf): FAR,
    ("soft_assign", "scores", (1, 1), -np.inf): -1e4,
    ("GaussianMixture.scores", "log_fractions", (1,), -np.inf): -FAR,
    **{
        (call, name, (1,), value): np.sign(value) * FAR
        for call in ("soft_roc_auc", "soft_efficiency")
        for name in ("signal", "background")
        for value in (np.inf, -np.inf)
    },
}


def places(name, x):
    """Where to put what: one event, or either end of edges."""
    if name == "edges":
        return [(1,), FIRST, LAST]
    return [(1,) * x.ndim]


CASES = [
    (call, name, at, value)
    for call, (_, good) in CALLS.items()
    for name, x in good.items()
    for at in places(name, x)
    for value in (np.nan, np.inf, -np.inf)
]


@ft.cache
def compiled(call):
    """The result, and the derivative of a function of it in every argument."""
    of, _ = CALLS[call]

    def loss(arguments):
        result = of(**arguments)
        leaves = jax.tree.leaves(result)
        # Of what is infinite, such as an edge, the sine is not a number.
        finite = [jnp.where(jnp.isfinite(x), x, 0.0) for x in leaves]
        return sum(jnp.sum(jnp.sin(x)) for x in finite), result

    return eqx.filter_jit(jax.value_and_grad(loss, has_aux=True))


def test_every_public_function_is_here():
    classes = {"SmoothingBias", "GaussianMixture", "Plottable"}
    functions = {n for n in relaxed.__all__ if inspect.isfunction(getattr(relaxed, n))}
    # `straight_through` returns what it is given: its own test is below, as that of
    # `errors_as_nan`, which is asked for each of the others.
    assert functions - {"straight_through", "errors_as_nan"} <= set(CALLS)
    kernels = {n for n in relaxed.__all__ if n.endswith("Kernel")}
    assert functions | classes | kernels == set(relaxed.__all__)


@pytest.mark.parametrize("call", CALLS)
def test_good_arguments_are_good(call):
    (_, result), gradient = compiled(call)(CALLS[call][1])
    for x in jax.tree.leaves((result, gradient)):
        assert bool(jnp.all(jnp.isfinite(x)))


@pytest.mark.parametrize(
    ("call", "name", "at", "value"),
    CASES,
    ids=lambda x: "" if x == () else str(x),
)
def test_what_is_not_finite(call, name, at, value):
    of, good = CALLS[call]
    arguments = good | {name: good[name].at[at].set(value)}
    same = RIGHT.get((call, name, at, value))
    if same is None:
        what = r'edges=|flow="reflect"' if name == "edges" else NAMES.get(name, name)
        message = rf"`{function_of(call)}.*({what})"
        with pytest.raises(ValueError, match=message):
            of(**arguments)
        with pytest.raises(Exception, match=message):
            jax.block_until_ready(compiled(call)(arguments))
        return
    (_, result), gradient = compiled(call)(arguments)
    limit = compiled(call)(good | {name: good[name].at[at].set(same)})[0][1]
    for one, other in zip(*map(jax.tree.leaves, (result, limit)), strict=True):
        ends = np.clip(np.asarray(one), -FAR, FAR)
        np.testing.assert_allclose(ends, other, rtol=1e-12, atol=1e-12)
    for slope in jax.tree.leaves(gradient):
        assert bool(jnp.all(jnp.isfinite(slope)))


@ft.cache
def program(call):
    """The result alone, traced without errors."""
    of, _ = CALLS[call]
    return eqx.filter_jit(lambda arguments: of(**arguments))


@pytest.mark.parametrize(
    ("call", "name", "at", "value"),
    [case for case in CASES if case not in RIGHT],
    ids=lambda x: "" if x == () else str(x),
)
def test_nan_in_place_of_errors(call, name, at, value):
    """No number of the result looks usable."""
    arguments = CALLS[call][1] | {name: CALLS[call][1][name].at[at].set(value)}
    with relaxed.errors_as_nan():
        result = program(call)(arguments)
    leaves = [jnp.isnan(leaf) for leaf in jax.tree.leaves(result)]
    if call in ("GaussianMixture.around", "GaussianMixture.from_sample"):
        # A mixture has numbers that have nothing to do with what is wrong.
        assert any(bool(jnp.any(leaf)) for leaf in leaves)
    else:
        assert all(bool(jnp.all(leaf)) for leaf in leaves)


@pytest.mark.parametrize("call", CALLS)
def test_no_calls_back_to_python(call):
    of, good = CALLS[call]
    with relaxed.errors_as_nan():
        gradient = jax.make_jaxpr(
            jax.grad(
                lambda arguments: sum(
                    jnp.sum(x) for x in jax.tree.leaves(of(**arguments))
                )
            )
        )(good)
        assert "callback" not in str(gradient)


# --- shapes and types ----------------------------------------------------------------
ARRAYS = [(call, name) for call, (_, good) in CALLS.items() for name in good]
ANY_SHAPE = {("cut", "data"), ("window", "data")}


def function_of(call):
    return call.split("(")[0]


@pytest.mark.parametrize(("call", "name"), sorted(set(ARRAYS) - ANY_SHAPE))
def test_what_has_another_shape(call, name):
    of, good = CALLS[call]
    # Edges of two axes meet data of one; a mixture refuses its fields when it is made.
    function = function_of(call).removesuffix(".scores")
    message = rf"`{function}.*(\(2, 7, 2, 2\)|has 2 axes)"
    with pytest.raises(ValueError, match=message):
        of(**good | {name: jnp.ones((2, 7, 2, 2)) / 2})


@pytest.mark.parametrize(("call", "name"), ARRAYS)
@pytest.mark.parametrize("value", [1j, "one"])
def test_what_is_no_real_number(call, name, value):
    of, good = CALLS[call]
    wrong = np.full(good[name].shape, value)
    with pytest.raises(ValueError, match=rf"`{function_of(call)}.*real numbers"):
        of(**good | {name: wrong})


@pytest.mark.parametrize("call", ["hist", "cut", "window", "soft_roc_auc"])
def test_what_is_no_kernel(call):
    of, good = CALLS[call]
    with pytest.raises(ValueError, match=rf"`{call}\(kernel=.*GaussianKernel.*normal"):
        of(**good, kernel="normal")


@pytest.mark.parametrize("bins", [0, -1, 2.5, True, None])
def test_what_is_no_number_of_bins(bins):
    for call, of in (
        ("regular_edges", lambda: relaxed.regular_edges(0.0, 1.0, bins)),
        ("quantile_edges", lambda: relaxed.quantile_edges(EVENTS, bins)),
        (
            "GaussianMixture.from_sample",
            lambda: relaxed.GaussianMixture.from_sample(ROWS, bins, jax.random.key(0)),
        ),
    ):
        with pytest.raises(ValueError, match=rf"`{call}\(bins=.*whole number.*{bins}"):
            of()


def test_weights_go_by_keyword():
    for name in relaxed.__all__:
        function = getattr(relaxed, name)
        if inspect.isfunction(function):
            for parameter in inspect.signature(function).parameters.values():
                if "weights" in parameter.name:
                    assert parameter.kind is parameter.KEYWORD_ONLY, name


# --- out of range --------------------------------------------------------------------
OUTSIDE = [
    *(
        (call, name, jnp.asarray(value), "must be positive")
        for call, (_, good) in CALLS.items()
        for name in ("bandwidth", "width", "temperature", "fraction")
        for value in (0.0, -1.0)
        if name in good
    ),
    *(
        (call, "edges", jnp.array(edges), "must increase")
        for call, (_, good) in CALLS.items()
        for edges in ([0.0, 0.0, 1.0, 2.0], [0.0, 1.0, 3.0, 2.0])
        if "edges" in good
    ),
    *(
        (call, weights, jnp.zeros_like(CALLS[call][1][weights]), "weight.*which is 0")
        for call, weights in [
            ("quantile_edges", "weights"),
            ("scott_bandwidth", "weights"),
            ("silverman_bandwidth", "weights"),
            ("soft_roc_auc", "signal_weights"),
            ("soft_efficiency", "background_weights"),
        ]
    ),
    *(
        (call, "weights", WEIGHTS.at[2].set(-0.5), r"not be negative.*\[2\]=-0.5")
        for call in ("quantile_edges", "silverman_bandwidth")
    ),
    ("hist(density)", "weights", jnp.zeros(6), "sum over all bins, which is 0"),
    ("scott_bandwidth", "weights", WEIGHTS.at[:5].set(0.0), "two different values"),
    (
        "scott_bandwidth",
        "weights",
        jnp.array([-1.0, 0.0, 2.0, 2.0, 0.0, -1.0]),
        "variance of -.*abs",
    ),
    ("scott_bandwidth", "data", jnp.full(6, 0.1), "different values.*bin_bandwidth"),
    ("silverman_bandwidth", "data", EVENTS.at[1:].set(0.1), "half of its weight"),
    ("bin_bandwidth", "edges", jnp.array([-jnp.inf, jnp.inf]), "have a finite bin"),
    ("regular_edges", "low", jnp.array(2.0), "low < high; got low=2"),
    ("regular_edges", "low", jnp.nextafter(2.0, 0.0), "bins=.*3 bins.*no width"),
    ("quantile_edges", "low", jnp.array(3.0), r"low=.*below the next edge.*got 3"),
    ("quantile_edges", "high", jnp.array(-3.0), r"high=.*above the edge before.*-3"),
    ("monotone_edges", "min_width", jnp.array(-0.1), "not be negative; got -0.1"),
    ("monotone_edges", "min_width", jnp.array(1.0), "1 too much.*fewer bins"),
    ("window", "low", jnp.array(0.6), "low < high; got low=0.6, high=0.6"),
    ("soft_efficiency", "background_efficiency", jnp.array(0.0), "0 and 1; got 0"),
    ("soft_efficiency", "background_efficiency", jnp.array(1.0), "0 and 1; got 1"),
    *(
        (call, "b", (WEIGHTS / 3).at[3].set(value), f"0 and 1; got {value}")
        for call in ("all_of", "any_of", "none_of")
        for value in (-0.1, 1.1)
    ),
    ("soft_assign", "scores", SCORES.at[1].set(-jnp.inf), "largest is -inf.*index 1"),
    ("GaussianMixture.from_sample", "data", ROWS.at[:, 1].set(0.5), "only in column 1"),
]


@pytest.mark.parametrize(("call", "name", "value", "message"), OUTSIDE)
def test_what_is_out_of_range(call, name, value, message):
    of, good = CALLS[call]
    message = rf"`{function_of(call)}.*{message}"
    with pytest.raises(ValueError, match=message):
        of(**good | {name: value})
    if value.shape == good[name].shape:  # else it would be one more program
        with pytest.raises(Exception, match=message):
            jax.block_until_ready(compiled(call)(good | {name: value}))


def test_quantiles_at_one_value():
    data = EVENTS.at[1:5].set(0.1)
    with pytest.raises(ValueError, match=r"edges\[1\]=0.1 and edges\[2\]=0.1 do not"):
        relaxed.quantile_edges(data, 4)


def test_a_bin_of_learned_edges_that_closes():
    with pytest.raises(ValueError, match=r"raw=.*closed bin 1, at 0.5.*min_width"):
        relaxed.monotone_edges(jnp.array([0.0, -1e4, 0.0]), 0.0, 1.0)


def test_selections_may_be_decisions_and_round():
    passed = jnp.array([True, False])
    weights = jnp.array([1 + 1e-7, -1e-8])
    np.testing.assert_allclose(relaxed.all_of(passed, weights), [1, 0], atol=1e-6)
    np.testing.assert_allclose(relaxed.none_of(passed), [0, 1])


def test_a_variance_is_not_negative():
    with pytest.raises(ValueError, match=r"variances=.*not be negative; got -1"):
        relaxed.Plottable(np.ones(3), EDGES, np.array([1.0, -1.0, 2.0]))
    with pytest.raises(ValueError, match=r"`Plottable\(edges=.*must increase"):
        relaxed.Plottable(np.ones(3), EDGES[::-1])


@pytest.mark.parametrize("kernel", [k for k in relaxed.__all__ if k.endswith("Kernel")])
def test_a_kernel_takes_every_number(kernel):
    if kernel == "AbstractKernel":
        return
    kernel, z = getattr(relaxed, kernel)(), jnp.array([-jnp.inf, -FAR, FAR, jnp.inf])
    np.testing.assert_array_equal(kernel.cdf(z), [0, 0, 1, 1])
    np.testing.assert_array_equal(kernel.pdf(z), 0)
    np.testing.assert_array_equal(jax.vmap(jax.grad(kernel.cdf))(z), 0)
    assert jnp.isnan(kernel.cdf(jnp.nan))
    whole = jnp.array([-1, 0, 2])
    np.testing.assert_array_equal(kernel.cdf(whole), kernel.cdf(whole.astype(float)))


# --- what is infinite, once more -----------------------------------------------------
@pytest.mark.parametrize("ends", [(1.0, 2.0, np.inf), (-np.inf, 1.7, 2.2)])
def test_density_beside_an_infinite_bin(ends):
    """The density of the finite bin, and its derivative in data, edges, bandwidth."""
    finite = int(np.argmax(np.isfinite(np.diff(ends))))

    def of(data, inner, bandwidth):
        edges = jnp.where(np.isfinite(ends), inner, jnp.asarray(ends))
        density = relaxed.hist(data, edges, bandwidth=bandwidth, density=True)
        return density[finite], density

    at = (
        jnp.array([1.5, 2.05]),
        jnp.nan_to_num(jnp.array(ends), posinf=0, neginf=0),
        jnp.array(0.1),
    )
    derivative = jax.jit(jax.value_and_grad(of, argnums=(0, 1, 2), has_aux=True))
    (_, density), gradient = derivative(*at)
    assert density[1 - finite] == 0
    for i, x in enumerate(at):
        for j in np.ndindex(x.shape):
            # Truncation step² times a third derivative of a thousand.
            up, down = (
                derivative(*at[:i], x.at[j].add(step), *at[i + 1 :])[0][0]
                for step in (1e-6, -1e-6)
            )
            np.testing.assert_allclose(gradient[i][j], (up - down) / 2e-6, atol=1e-6)


@pytest.mark.parametrize("score", [jnp.inf, -jnp.inf])
def test_infinite_scores_of_one_sign_are_a_tie(score):
    scores = jnp.full(2, score)
    np.testing.assert_allclose(relaxed.soft_roc_auc(scores, scores, bandwidth=0.1), 0.5)


@pytest.mark.parametrize("flow", ["drop", "clip", "reflect"])
def test_the_bias_of_events_on_ends_is_of_the_ordinary_count(flow):
    """The error is of soft - hard of each event, wherever it lies."""
    edges = EDGES if flow == "reflect" else jnp.array([-jnp.inf, 0.0, 0.5, jnp.inf])
    for x in [-1.0, 0.0, 2.0, jnp.inf, -jnp.inf]:
        one = jnp.array([x])
        bias, error = relaxed.smoothing_bias(one, edges, bandwidth=0.2, flow=flow)
        np.testing.assert_allclose(error, jnp.abs(bias), atol=1e-15, err_msg=x)


# --- whole numbers -------------------------------------------------------------------
OFFSET = 1_700_000_001  # seconds; neighbours in float32 are 128 apart
WHOLE = np.array([0, 2, 3, 5, 8, 13], dtype=np.int32) + np.int32(OFFSET)


def in_whole_numbers(kind):
    """What each function makes of the same numbers, whole or not."""
    data, others, ends = kind(WHOLE), kind(WHOLE[::-1] + 1), kind(WHOLE[[0, 3, 5]])
    first, second, third, *_, fifth, last = map(kind, WHOLE)
    pairs, h = kind(WHOLE.reshape(3, 2)), 0.7
    return {
        "hist": relaxed.hist(data, ends, bandwidth=h),
        "hard_hist": relaxed.hard_hist(data, ends),
        "cut": relaxed.cut(data, third, width=h),
        "window": relaxed.window(data, second, fifth, width=h),
        "quantile_edges": relaxed.quantile_edges(data, 2),
        "regular_edges": relaxed.regular_edges(first, last, 13),
        "monotone_edges": relaxed.monotone_edges(jnp.zeros(2), first, last),
        "scott_bandwidth": relaxed.scott_bandwidth(data),
        "silverman_bandwidth": relaxed.silverman_bandwidth(data),
        "bin_bandwidth": relaxed.bin_bandwidth(ends),
        "soft_roc_auc": relaxed.soft_roc_auc(data, others, bandwidth=h),
        "scores": relaxed.GaussianMixture.around(pairs).scores(pairs),
        "straight_through": relaxed.straight_through(data, jnp.zeros(6)),
    }


@pytest.mark.parametrize("library", [np, jnp])
def test_whole_numbers_keep_their_digits(library):
    whole = in_whole_numbers(library.asarray)
    for name, value in in_whole_numbers(lambda x: np.asarray(x, float)).items():
        np.testing.assert_array_equal(whole[name], value, err_msg=name)
    counts = np.histogram(WHOLE, WHOLE[[0, 3, 5]])[0]
    np.testing.assert_array_equal(whole["hard_hist"], counts)


def test_whole_numbers_that_would_be_rounded_are_refused():
    small, edges = np.array([1, 2, 3]), np.array([0.0, 2.5, 4.0], np.float32)
    message = r"`hist\(data=.*whole numbers beyond 2\*\*24.*1700000001.*jax_enable_x64"
    with jax.enable_x64(False):
        of = ft.partial(relaxed.hist, edges=edges, bandwidth=0.01)
        np.testing.assert_allclose(of(small), [2, 1])
        assert of(small).dtype == jnp.float32
        for data in (WHOLE, WHOLE.astype(np.int64) * 10**6, jnp.asarray(WHOLE)):
            with pytest.raises(ValueError, match=r"data=.*beyond 2\*\*24"):
                of(data)
        with pytest.raises(Exception, match=message):
            jax.block_until_ready(jax.jit(of)(WHOLE))
        # A weight may be rounded as any other number, and does not wrap around.
        weights = np.array([2**24 + 1, 2**40, 1])
        counts = relaxed.hard_hist(small, edges, weights=weights)
        np.testing.assert_allclose(counts, [2.0**24 + 2.0**40, 1], rtol=1e-6)
