"""Soft counts against their definition, their limit, and finite differences."""

import functools as ft
import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import relaxed
from relaxed._chunked import CHUNK
from relaxed._histogram import DENSE_BINS

KERNELS = [
    relaxed.GaussianKernel(),
    relaxed.LogisticKernel(),
    relaxed.EpanechnikovKernel(),
    relaxed.TriweightKernel(),
]
FLOWS = ["drop", "clip", "reflect"]
# What is compiled is shared by all tests with this many events and these many edges,
# traced: compiling is nearly all of their time.
EVENTS = 60
EDGES = np.array([-1.5, -0.4, 0.1, 0.9, 2.0])
MANY = np.linspace(-1.5, 2.0, 2 * DENSE_BINS + 1)


def name(x):
    return x if isinstance(x, str) else type(x).__name__


# A long kernel meets each flow; the code of the others is the same.
each_case = pytest.mark.parametrize(
    ("kernel", "flow"),
    [
        *((kernel, "drop") for kernel in KERNELS),
        *((KERNELS[0], flow) for flow in FLOWS[1:]),
        (KERNELS[3], "reflect"),
        *(
            pytest.param(kernel, flow, marks=pytest.mark.slow)
            for kernel in KERNELS[1:]
            for flow in FLOWS[1:]
            if (kernel, flow) != (KERNELS[3], "reflect")
        ),
    ],
    ids=name,
)
each_flow = pytest.mark.parametrize("flow", FLOWS)
each_binning = pytest.mark.parametrize(
    "edges", [EDGES, MANY], ids=["all bins", "windows"]
)


def definition(data, edges, bandwidth, kernel, flow):
    """Every event's content of every bin, [bins, events], by the plain formula."""

    def parts(edges):
        return np.diff(kernel.cdf((edges[:, None] - data) / bandwidth), axis=0)

    if flow == "clip":
        edges = np.concatenate([[-np.inf], edges[1:-1], [np.inf]])
    if flow != "reflect":
        return parts(edges)
    # The mirrored bins, which take what leaves; beyond them the last one takes all.
    left = 2 * edges[0] - edges[::-1]
    right = 2 * edges[-1] - edges[::-1]
    left[0], right[-1] = -np.inf, np.inf
    return parts(edges) + parts(left)[::-1] + parts(right)[::-1]


def sample(rng, events):
    return jnp.asarray(rng.normal(size=events)), jnp.asarray(rng.normal(1, 1, events))


@eqx.filter_jit
def both(data, edges, bandwidth, weights, kernel, flow):
    options = {"weights": weights, "kernel": kernel, "flow": flow}
    counts = relaxed.hist(data, edges, bandwidth=bandwidth, **options)
    variances = relaxed.hist_variance(data, edges, bandwidth=bandwidth, **options)
    return counts, variances


@each_case
@each_binning
def test_is_its_definition(rng, kernel, flow, edges):
    data, weights = sample(rng, EVENTS)
    terms = weights * definition(data, edges, 0.2, kernel, flow)
    at = jnp.asarray(edges), jnp.asarray(0.2)
    counts, variances = both(data, *at, weights, kernel, flow)
    # Windows leave out 1e-16 of an event on either side; 60 events of weight 1.
    np.testing.assert_allclose(counts, terms.sum(1), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(variances, (terms**2).sum(1), rtol=1e-12, atol=1e-13)


@each_binning
@pytest.mark.parametrize("events", [0, 1, CHUNK, CHUNK + 1, 3 * CHUNK + 7])
def test_chunks(rng, edges, events):
    data, weights = sample(rng, events)
    kernel = relaxed.GaussianKernel()
    terms = weights * definition(data, edges, 0.3, kernel, "drop")
    counts, variances = both(data, jnp.asarray(edges), 0.3, weights, kernel, "drop")
    # Rounding of a sum over twelve thousand terms.
    np.testing.assert_allclose(counts, terms.sum(1), rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(variances, (terms**2).sum(1), rtol=1e-11, atol=1e-11)


def loss(data, weights, edges, bandwidth, kernel, flow):
    """A scalar that depends on every bin and every variance, non-linearly."""
    counts, variances = both(data, edges, bandwidth, weights, kernel, flow)
    scale = len(weights)
    return jnp.sum(jnp.sin(3 * counts / scale) + jnp.sqrt(1 + variances / scale))


@ft.cache
def loss_of(kernel, flow):
    """The same function for the same arguments, of which jax compiles one program."""
    return ft.partial(loss, kernel=kernel, flow=flow)


@eqx.filter_jit
def value_forward_reverse(of, at, directions):
    """One program of all three, in which the compiler finds what they share."""
    value, forward = jax.jvp(of, at, directions)
    return value, forward, jax.grad(of, argnums=range(len(at)))(*at)


def assert_gradients(rng, of, at):
    """Reverse and forward derivative along random directions of each argument."""
    for i, x in enumerate(at):
        directions = [jnp.zeros_like(y) for y in at]
        direction = jnp.asarray(rng.normal(size=x.shape))
        directions[i] = direction / jnp.linalg.norm(direction)
        _, along, gradient = value_forward_reverse(of, at, tuple(directions))
        reverse = jnp.vdot(gradient[i], directions[i])
        # Central differences: truncation step² = 1e-10, rounding 1e-16 / step = 1e-11,
        # each times a third derivative or a value of up to a hundred.
        step = 1e-5
        up, down = (
            value_forward_reverse(
                of,
                tuple(a + s * d for a, d in zip(at, directions, strict=True)),
                tuple(directions),
            )[0]
            for s in (step, -step)
        )
        central = (up - down) / (2 * step)
        np.testing.assert_allclose(reverse, central, rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(along, reverse, rtol=1e-9, atol=1e-12)


@each_case
def test_gradients_are_finite_differences(rng, kernel, flow):
    at = (*sample(rng, EVENTS), jnp.asarray(EDGES), jnp.asarray(0.3))
    assert_gradients(rng, loss_of(kernel, flow), at)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flow", "edges"), [("drop", EDGES), ("reflect", MANY)], ids=["all", "windows"]
)
def test_gradients_over_chunks(rng, flow, edges):
    at = (*sample(rng, CHUNK + 50), jnp.asarray(edges), jnp.asarray(0.3))
    of = ft.partial(loss, kernel=relaxed.GaussianKernel(), flow=flow)
    assert_gradients(rng, of, at)


@pytest.mark.slow
@each_binning
def test_second_order(rng, edges):
    data, weights = sample(rng, CHUNK + 50)
    edges = jnp.asarray(edges)

    def of(shift_and_bandwidth):
        shift, bandwidth = shift_and_bandwidth
        kernel = relaxed.GaussianKernel()
        return loss(data, weights, edges + shift, bandwidth, kernel, "drop")

    at = jnp.array([0.1, 0.3])
    gradient = jax.jit(jax.grad(of))
    hessian = jax.jit(jax.hessian(of))(at)
    step = 1e-5
    shifts = step * jnp.eye(2)
    central = jnp.stack([gradient(at + s) - gradient(at - s) for s in shifts])
    np.testing.assert_allclose(hessian, central / (2 * step), rtol=1e-6, atol=1e-6)
    reverse = jax.jit(jax.jacrev(jax.grad(of)))(at)
    np.testing.assert_allclose(reverse, hessian, rtol=1e-9, atol=1e-9)


@each_binning
def test_vmap(rng, edges):
    data, weights = sample(rng, 100)
    bandwidths = jnp.array([0.1, 0.3, 1.0])

    def of(bandwidth):
        kernel = relaxed.GaussianKernel()
        return loss(data, weights, jnp.asarray(edges), bandwidth, kernel, "drop")

    value_and_grad = jax.jit(jax.value_and_grad(of))
    batched = jax.jit(jax.vmap(jax.value_and_grad(of)))(bandwidths)
    one_by_one = [value_and_grad(bandwidth) for bandwidth in bandwidths]
    np.testing.assert_allclose(batched, np.transpose(one_by_one), rtol=1e-10)


@pytest.mark.parametrize("flow", ["drop", "clip"])
@each_binning
def test_infinite_edges_and_events(rng, flow, edges):
    data = jnp.asarray([*rng.normal(size=EVENTS - 2), jnp.inf, -jnp.inf])
    edges = jnp.asarray(edges).at[0].set(-jnp.inf).at[-1].set(jnp.inf)
    at = (data, jnp.ones_like(data), edges, jnp.asarray(0.3))
    counts, _ = both(data, *at[2:], at[1], KERNELS[0], flow)
    np.testing.assert_allclose(counts.sum(), EVENTS, rtol=1e-12)
    directions = tuple(jnp.zeros_like(x) for x in at)
    of = loss_of(KERNELS[0], flow)
    _, along, gradient = value_forward_reverse(of, at, directions)
    assert along == 0
    assert all(bool(jnp.all(jnp.isfinite(g))) for g in gradient)
    np.testing.assert_array_equal(gradient[0][-2:], 0)


@each_binning
@pytest.mark.parametrize("bandwidth", [0.1, 3.0, 50.0])
def test_reflection_conserves_the_weight_of_wide_kernels(rng, edges, bandwidth):
    """What leaves a mirrored image at the other end stays in that outer bin."""
    data = jnp.append(sample(rng, EVENTS - 3)[0], jnp.array([-40.0, 40.0, 5.0]))
    at = jnp.asarray(edges), jnp.asarray(bandwidth)
    counts, _ = both(data, *at, jnp.ones(data.size), KERNELS[0], "reflect")
    np.testing.assert_allclose(counts.sum(), data.size, rtol=1e-12)
    assert jnp.min(counts) >= 0


@each_flow
def test_density_integrates_to_one(rng, flow):
    data, _ = sample(rng, 1000)
    density = relaxed.hist(data, EDGES, bandwidth=0.3, flow=flow, density=True)
    np.testing.assert_allclose(jnp.sum(density * np.diff(EDGES)), 1.0, rtol=1e-12)


@pytest.mark.parametrize("bins", [5, 2 * DENSE_BINS])
def test_bandwidth_of_each_event(rng, bins):
    data, weights = sample(rng, 80)
    bandwidth = jnp.asarray(rng.uniform(0.05, 0.5, size=80))
    edges = np.linspace(-2, 2, bins + 1)
    terms = definition(data, edges, bandwidth, relaxed.GaussianKernel(), "drop")
    counts = relaxed.hist(data, edges, bandwidth=bandwidth, weights=weights)
    np.testing.assert_allclose(counts, (weights * terms).sum(1), atol=1e-12)


@each_binning
def test_gradients_with_a_bandwidth_of_each_event(rng, edges):
    at = (*sample(rng, 30), jnp.asarray(edges), jnp.asarray(rng.uniform(0.1, 0.5, 30)))
    assert_gradients(rng, ft.partial(loss, kernel=KERNELS[0], flow="clip"), at)


# --- windows --------------------------------------------------------------------------
#: Bins of very different widths: a kernel reaches many of the narrow ones, few of the
#: wide ones; as many as `MANY`.
UNEVEN = np.concatenate([-np.geomspace(1.5, 0.01, 48), np.geomspace(0.01, 2, 49)])


@pytest.mark.parametrize("kernel", KERNELS, ids=name)
def test_windows_of_uneven_bins(rng, kernel):
    """Events at edges, in bins and beyond the ends, from one window to all of them."""
    at_edges, far = UNEVEN[1::20], jnp.array([-9.0, 9.0])
    data, _ = sample(rng, EVENTS - at_edges.size - far.size)
    data = jnp.concatenate([data, at_edges, far])
    weights = jnp.asarray(rng.normal(1, 1, data.size))
    edges = jnp.asarray(UNEVEN)
    for bandwidth in (1e-9, 0.02, 0.3):
        terms = weights * definition(data, UNEVEN, bandwidth, kernel, "drop")
        at = edges, jnp.asarray(bandwidth)
        soft = both(data, *at, weights, kernel, "drop")
        for sums, exact in zip(soft, (terms, terms**2), strict=True):
            np.testing.assert_allclose(sums, exact.sum(1), rtol=1e-12, atol=1e-13)


@each_flow
def test_what_is_known_as_what_is_traced(rng, flow):
    """Edges and bandwidth as constants of a program and as its arguments.

    One window, and many; the number of windows is no part of the program if known.
    """
    data, weights = sample(rng, EVENTS)

    def of(data, edges, bandwidth):
        counts = relaxed.hist(
            data, edges, bandwidth=bandwidth, weights=weights, flow=flow
        )
        return jnp.sum(jnp.sin(counts)), counts

    def searches(program):
        return program.as_text().count("func.func private @searchsorted")

    derivative = jax.value_and_grad(of, has_aux=True)
    traced = jax.jit(derivative).lower(data, jnp.asarray(UNEVEN), jnp.asarray(0.01))
    assert searches(traced) > 0
    traced = traced.compile()
    for bandwidth in (0.01, 0.3):
        known = jax.jit(ft.partial(derivative, edges=UNEVEN, bandwidth=bandwidth))
        known = known.lower(data)
        assert searches(known) == 0
        arguments = data, jnp.asarray(UNEVEN), jnp.asarray(bandwidth)
        results = known.compile()(data), traced(*arguments)
        for one, other in zip(*map(jax.tree.leaves, results), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-12)


@each_flow
def test_gradients_within_reach(rng, flow):
    """A window of 6 bins, of the 16 that a kernel of 0.8 bins reaches."""
    at = (*sample(rng, 30), jnp.asarray(MANY), jnp.asarray(0.8 * (MANY[1] - MANY[0])))

    def of(data, weights, edges, bandwidth):
        counts = relaxed.hist(
            data, edges, bandwidth=bandwidth, weights=weights, flow=flow
        )
        return jnp.sum(jnp.sin(counts))

    assert_gradients(rng, of, at)


def test_second_order_within_reach(rng):
    """One window and three, also under vmap, against autodiff of the plain formula."""
    data, weights = sample(rng, 20)
    kernel = relaxed.GaussianKernel()

    def plain(data, edges, bandwidth):
        cdf = kernel.cdf((edges[:, None] - data) / bandwidth)
        return (cdf[1:] - cdf[:-1]) @ weights

    def soft(data, edges, bandwidth):
        return relaxed.hist(data, edges, bandwidth=bandwidth, weights=weights)

    def hessian(histogram, derivative, fraction):
        def of(x):
            bandwidth = (fraction + x[2]) * (MANY[1] - MANY[0])
            counts = histogram(data * (1 + x[0]), MANY + x[1], bandwidth)
            return jnp.sum(jnp.sin(counts))

        return derivative(jax.grad(of))(jnp.zeros(3))

    forward = jax.jit(ft.partial(hessian, soft, jax.jacfwd))
    batched = jax.jit(jax.vmap(ft.partial(hessian, soft, jax.jacrev)))
    exact = jax.jit(ft.partial(hessian, plain, jax.jacfwd))
    fractions = jnp.array([0.2, 0.8])
    expected = [exact(fraction) for fraction in fractions]
    # Entries are up to some thousands, sums of terms that cancel in part.
    close = {"rtol": 1e-9, "atol": 1e-8}
    np.testing.assert_allclose([forward(f) for f in fractions], expected, **close)
    np.testing.assert_allclose(batched(fractions), expected, **close)


# --- several dimensions --------------------------------------------------------------
@each_flow
@pytest.mark.parametrize("bins", [(3, 4), (60, 4), (3, 4, 2)])
def test_several_dimensions_factorise(rng, flow, bins):
    data = jnp.asarray(rng.normal(size=(40, len(bins))))
    weights = jnp.asarray(rng.normal(1, 1, size=40))
    edges = [np.linspace(-1, 2, n + 1) for n in bins]
    bandwidth = jnp.linspace(0.1, 0.3, len(bins))
    terms = weights
    for x, e, h in zip(data.T, edges, bandwidth, strict=True):
        part = definition(x, e, h, relaxed.GaussianKernel(), flow)
        terms = terms[..., None, :] * part
    options = {"bandwidth": bandwidth, "weights": weights, "flow": flow}
    close = {"rtol": 1e-11, "atol": 1e-13}
    counts = relaxed.hist(data, edges, **options)
    np.testing.assert_allclose(counts, terms.sum(-1), **close)
    variances = relaxed.hist_variance(data, edges, **options)
    np.testing.assert_allclose(variances, (terms**2).sum(-1), **close)


@pytest.mark.parametrize("bins", [3, 60])
def test_gradients_in_two_dimensions(rng, bins):
    edges = jnp.linspace(-1, 2, bins + 1)

    def of(data, bandwidth, shift):
        counts = relaxed.hist(data, [edges + shift, EDGES], bandwidth=bandwidth)
        return jnp.sum(jnp.sin(counts))

    at = (jnp.asarray(rng.normal(size=(30, 2))), jnp.array([0.2, 0.3]), jnp.zeros(()))
    assert_gradients(rng, of, at)


# --- precision and memory ------------------------------------------------------------
@ft.cache
def ten_million(bins):
    """Events and edges in float32, and each bin's sum by SciPy in float64.

    The bandwidth is a power of two and the edges are exact in float32, so that both
    sides have the same numbers. An event twelve bandwidths from a bin, which gives it
    2e-33, is left out. Done once for all tests.
    """
    special = pytest.importorskip("scipy.special", reason="SciPy comes with JAX")
    rng = np.random.default_rng(20260101)
    data = rng.normal(0, 1.2, 10_000_000).astype(np.float32)
    edges = np.linspace(-6, 6, bins + 1, dtype=np.float32)
    edges = (np.round(edges * 64) / 64).astype(np.float32)
    bandwidth = 0.125
    ordered, expected = np.sort(data).astype(float), np.zeros(bins)
    for b, (low, high) in enumerate(itertools.pairwise(edges.astype(float))):
        reached = low - 12 * bandwidth, high + 12 * bandwidth
        near = ordered[slice(*np.searchsorted(ordered, reached))]
        # Tails on the side where they are small, as differences of cdfs lose them.
        side = np.where(near < (low + high) / 2, 1.0, -1.0)
        ends = [side * (near - edge) / bandwidth for edge in (low, high)]
        below, above = map(special.ndtr, ends)
        expected[b] = np.sum(side * (below - above))
    return data, edges, bandwidth, expected


@pytest.mark.slow
@pytest.mark.parametrize("bins", [DENSE_BINS, 2 * DENSE_BINS])
@pytest.mark.parametrize("x64", [True, False])
def test_ten_million_float32_events_keep_the_emptiest_bin(bins, x64):
    """Every bin to 1e-5, among them one of a hundred events, and one of none."""
    data, edges, bandwidth, expected = ten_million(bins)
    assert expected.min() < 1e-4 * expected.max()
    with jax.enable_x64(x64):
        counts = jax.jit(lambda x: relaxed.hist(x, edges, bandwidth=bandwidth))(data)
        assert counts.dtype == (jnp.float64 if x64 else jnp.float32)
    np.testing.assert_allclose(counts, expected, rtol=1e-5)


def test_float32_events_keep_the_emptiest_bin(rng):
    """A bin five bandwidths from the nearest event, beside 200 000 others."""
    data = np.append(rng.normal(0, 1, 200_000).clip(-2, 2), 2.0).astype(np.float32)
    edges = np.array([-1.0, 1.0, 3.0, 3.2, 3.4], np.float32)
    counts = relaxed.hist(jnp.asarray(data), edges, bandwidth=np.float32(0.2))
    assert counts.dtype == jnp.float64
    exact = relaxed.hist(
        jnp.asarray(data, float), edges.astype(float), bandwidth=float(np.float32(0.2))
    )
    assert exact[-1] < 0.01 * exact[-2]
    # Seven digits of float32, less one for z² in the exponent of the tail.
    np.testing.assert_allclose(counts, exact, rtol=1e-5)


@pytest.mark.parametrize(
    ("bins", "events", "most"),
    [(20, 1_000_000, 0.6), (20, 999_983, 0.6), (200, 200_000, 4.5)],
)
def test_memory_does_not_hold_events_times_bins(bins, events, most):
    data = jax.ShapeDtypeStruct((events,), jnp.float32)
    edges = jnp.linspace(-3, 3, bins + 1)

    def of(data, bandwidth):
        return jnp.sum(relaxed.hist(data, edges, bandwidth=bandwidth) ** 2)

    compiled = jax.jit(jax.grad(of, argnums=(0, 1))).lower(data, 0.1).compile()
    # Numbers per event beside the result: a chunk's edges, windows' starts. A plain
    # evaluation holds one per bin, a careless search for NaN one more, and so does a
    # copy of the events that is filled up to whole chunks (999 983 is a prime).
    assert compiled.memory_analysis().temp_size_in_bytes < most * 4 * events
