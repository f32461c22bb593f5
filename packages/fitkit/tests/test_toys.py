"""Tests by pseudo-experiments, against exact enumeration and the asymptotic limit."""

import concurrent.futures
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import fitkit
from fitkit import Channel, Model, NormFactor, NormSys, Sample, Toys
from fitkit._fit.poi import poi_mask
from fitkit._hypotest.statistic import QMuTilde
from fitkit._hypotest.toys import fit_of_toys, hypotest_by_toys


def counting(signal, background):
    samples = [
        Sample("signal", [signal], (NormFactor("mu"),)),
        Sample("background", [background]),
    ]
    return Model([Channel("SR", samples)], poi="mu")


class TestExactEnumeration:
    """s = 3, b = 1: CLs = P(n <= observed; 4) / P(n <= observed; 1)."""

    @pytest.mark.parametrize("observed", [0, 1, 2, 3])
    def test_cls(self, observed):
        model = counting(3.0, 1.0)
        data = model.data({"SR": [float(observed)]})
        toys = Toys(jax.random.key(observed), 4000, 1000)
        result = fitkit.hypotest(model, data, 1.0, calculator=toys)
        exact = stats.poisson(4).cdf(observed) / stats.poisson(1).cdf(observed)
        error = float(result.cls_error)
        assert abs(float(result.cls) - exact) < 3 * error
        assert error < 0.02
        # The asymptotic formulae give another number, further off than that.
        asymptotic = fitkit.hypotest(model, data, 1.0)
        assert abs(float(asymptotic.cls) - exact) > 3 * error

    def test_tails_have_binomial_errors(self):
        model = counting(3.0, 1.0)
        toys = Toys(jax.random.key(7), 4000, 1000)
        result = fitkit.hypotest(model, model.data({"SR": [2.0]}), 1.0, calculator=toys)
        for tail, error, mean in (
            (result.cl_sb, result.cl_sb_error, 4.0),
            (result.cl_b, result.cl_b_error, 1.0),
        ):
            exact = stats.poisson(mean).cdf(2)
            np.testing.assert_allclose(
                error, np.sqrt(exact * (1 - exact) / 4000), rtol=0.1
            )
            assert abs(float(tail) - exact) < 3.5 * float(error)

    def test_discovery(self):
        model = counting(3.0, 1.0)
        toys = Toys(jax.random.key(3), 4000, 1000)
        result = fitkit.discovery(
            model, model.data({"SR": [4.0]}), statistic=fitkit.Q0(), calculator=toys
        )
        exact = stats.poisson(1).sf(3)
        assert abs(float(result.p0) - exact) < 3 * float(result.p0_error)
        assert "p0 observed" in repr(result)


@pytest.mark.slow
def test_published_discovery_by_toys():
    """pyhf's one-bin model, q0 of 2000 + 2000 toys of its own: each is one draw."""
    model = fitkit.uncorrelated_background([25.0], [50.0], [7.0])
    data = model.data({"singlechannel": [80.0]})
    toys = Toys(jax.random.key(4), 2000, 1000)
    result = fitkit.discovery(model, data, statistic=fitkit.Q0(), calculator=toys)
    assert tuple(map(int, result.failed)) == (0, 0)
    # Binomial errors of both, at 0 those of one experiment; and of which outcome is the
    # median and its neighbours, which moves a p-value by some 10 % of itself.
    published = np.array([0.0, 0.0, 0.0135, 0.1365, 0.39854497])
    error = np.sqrt(2 * np.maximum(published * (1 - published), 1 / 2000) / 2000)
    difference = np.abs(np.asarray(result.p0_expected) - published)
    assert (difference < 3 * np.hypot(error, 0.1 * published)).all()
    assert abs(float(result.p0) - 0.004) < 3 * np.sqrt(2 * 0.004 / 2000)


@pytest.fixture(scope="module")
def uncertain():
    model = fitkit.uncorrelated_background([12.0, 11.0], [50.0, 52.0], [3.0, 7.0])
    return model, model.data({"singlechannel": [51.0, 48.0]})


def test_large_counts_are_asymptotic(uncertain):
    model, data = uncertain
    toys = Toys(jax.random.key(1), 2000, 500)
    by_toys = fitkit.hypotest(model, data, 1.0, calculator=toys)
    asymptotic = fitkit.hypotest(model, data, 1.0)
    error = float(by_toys.cls_error)
    assert abs(float(by_toys.cls - asymptotic.cls)) < 4 * error
    # The median's error: the spread of CLs over the root of the number of toys.
    np.testing.assert_allclose(
        by_toys.cls_expected[2], asymptotic.cls_expected[2], rtol=0.2
    )
    assert tuple(map(int, by_toys.failed)) == (0, 0)


def fits_of(uncertain, toys):
    model, data = uncertain
    return fit_of_toys(
        model.negative_log_likelihood(data),
        model.parameter_vectors(),
        poi_mask(model, "test"),
        QMuTilde(),
        toys,
    )


def test_the_size_of_a_chunk_changes_nothing(uncertain):
    def statistics(chunk):
        toys = Toys(jax.random.key(5), 30, chunk)
        return hypotest_by_toys(fits_of(uncertain, toys), np.asarray(1.0)).toys_sb

    # Rounding alone: which engine computes the rest of them depends on the time that
    # the first ones took.
    np.testing.assert_allclose(statistics(7), statistics(1000), rtol=1e-9, atol=1e-9)


def test_free_fits_serve_every_tested_value(uncertain):
    """As a search of limits uses them: the statistics are those of single tests."""
    toys = Toys(jax.random.key(5), 50)
    fits = fits_of(uncertain, toys)
    assert fits.free.value.shape == (50,)
    for value in (0.7, 1.9):
        shared = hypotest_by_toys(fits, np.asarray(value))
        single = fitkit.hypotest(*uncertain, value, calculator=toys)
        for name in ("statistic", "toys_sb", "toys_b"):
            # To rounding, as above.
            np.testing.assert_allclose(
                getattr(shared, name), getattr(single, name), rtol=1e-9, atol=1e-9
            )


def test_auxiliary_data_fluctuate_as_their_constraints_say(uncertain):
    model, _ = uncertain
    keys = jax.random.split(jax.random.key(0), 4000)
    toys = jax.vmap(lambda key: model.sample(key, model.init))(keys)
    (name,) = toys.aux
    tau = np.array([50.0 / 3.0, 52.0 / 7.0]) ** 2
    # a mean of 4000 Poisson counts, to four of its errors
    np.testing.assert_allclose(toys.aux[name].mean(0), tau, rtol=4 / np.sqrt(4000 * 55))
    np.testing.assert_allclose(toys.aux[name].var(0), tau, rtol=0.1)
    expected = model.expected_data(model.init).main["singlechannel"]
    np.testing.assert_allclose(
        toys.main["singlechannel"].mean(0), expected, rtol=4 / np.sqrt(4000 * 60)
    )


class Counting(fitkit.AbstractModel):
    """A counting experiment with s = 3, b = 1 whose recording may break.

    Attributes:
        broken: the part of the pseudo-experiments that come without a number.
    """

    broken: float = 0.0
    parameter_names = ("mu",)
    poi = "mu"

    @property
    def parameters(self):
        return {"mu": fitkit.Parameter(1.0, lower=0.0, upper=20.0)}

    def expected_data(self, params):
        return fitkit.Data({"SR": 3 * params["mu"] + 1})

    def logpdf(self, params, data):
        count, rate = data.main["SR"], 3 * params["mu"] + 1
        return count * jnp.log(rate) - rate

    def sample(self, key, params):
        count = jax.random.poisson(key, 3 * params["mu"] + 1).astype(float)
        lost = jax.random.uniform(jax.random.fold_in(key, 1)) < self.broken
        return fitkit.Data({"SR": jnp.where(lost, jnp.nan, count)})


class TestFailures:
    """Pseudo-experiments that cannot be fitted are counted, and spoil no other."""

    N = 4000

    @pytest.fixture(scope="class")
    @staticmethod
    def results():
        """With one in a hundred broken, and with none; the same key."""
        data = fitkit.Data({"SR": jnp.asarray(2.0)})
        toys = Toys(jax.random.key(2), TestFailures.N, 1000)
        return tuple(
            fitkit.hypotest(Counting(broken), data, 1.0, calculator=toys)
            for broken in (jnp.asarray(0.01), jnp.asarray(0.0))
        )

    def test_they_are_reported(self, results):
        broken, whole = results
        assert tuple(map(int, whole.failed)) == (0, 0)
        for count in map(int, broken.failed):
            # 40, within four of its errors
            assert abs(count - 40) < 4 * np.sqrt(40)
        sb, b = map(int, broken.failed)
        assert f"{sb} and {b} pseudo-experiments failed" in repr(broken)
        assert "failed" not in repr(whole)

    def test_none_is_dropped(self, results):
        for name in ("toys_sb", "toys_b"):
            broken, whole = (np.asarray(getattr(r, name)) for r in results)
            assert broken.shape == whole.shape == (self.N,)
            kept = ~np.isnan(broken)
            # The others are what they would have been, to the rounding of an engine.
            np.testing.assert_allclose(broken[kept], whole[kept], rtol=1e-9, atol=1e-9)

    def test_the_others_decide(self, results):
        broken, _ = results
        exact = stats.poisson(4).cdf(2) / stats.poisson(1).cdf(2)
        error = float(broken.cls_error)
        assert abs(float(broken.cls) - exact) < 3 * error
        assert bool(jnp.all(jnp.isfinite(broken.cls_expected)))


def test_bad_numbers():
    with pytest.raises(ValueError, match=r"Toys\(n=...\).*at least 1; got 0"):
        Toys(jax.random.key(0), 0)


def _channels():
    samples = [
        Sample("signal", [5.0, 9.0], (NormFactor("mu"),)),
        Sample("background", [40.0, 25.0], (NormSys("xs", 0.85, 1.2),)),
    ]
    return [Channel("SR", samples)]


def with_nuisances():
    model = Model(_channels())
    return model, model.data({"SR": [44.0, 31.0]})


def same_tests(model, data, executor, n=24):
    """All that takes pseudo-experiments, here and by an executor's workers."""
    told = []
    ours, theirs = (
        Toys(jax.random.key(5), n, 10, executor=each, progress=each and tell)
        for each, tell in ((None, None), (executor, lambda *done: told.append(done)))
    )
    for call, field in (
        (lambda toys: fitkit.hypotest(model, data, 1.0, calculator=toys), "toys_sb"),
        (lambda toys: fitkit.discovery(model, data, calculator=toys), "toys_b"),
        (lambda toys: fitkit.goodness_of_fit(model, data, toys=toys), "toys"),
    ):
        here, there = (getattr(call(toys), field) for toys in (ours, theirs))
        assert here.shape == (n,)
        # To the last bit where both run on NumPy.
        np.testing.assert_allclose(there, here, rtol=1e-7, atol=1e-9)
    assert told[-1] == (n, n)


class TestExecutors:
    def test_threads(self):
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            same_tests(*with_nuisances(), pool)

    def test_what_a_worker_needs_pickles(self):
        """As for other processes, without the seconds that these take to start."""
        model, data = with_nuisances()

        class Pickling(concurrent.futures.ThreadPoolExecutor):
            def submit(self, function, *args):
                sent = pickle.dumps((function, args))
                return super().submit(*_unpickled(sent))

        with Pickling(1) as pool:
            same_tests(model, data, pool, n=12)
            same_tests(fitkit.BlockModel(_channels(), bins=1), data, pool, n=12)

    def test_inside_a_jit_there_are_none(self):
        model, data = with_nuisances()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            toys = Toys(jax.random.key(0), 8, executor=pool)

            def cls(data):
                return fitkit.hypotest(model, data, 1.0, calculator=toys).cls

            with (
                jax.enable_x64(True),
                pytest.raises(ValueError, match="cannot leave this process"),
            ):
                jax.jit(cls)(data)

    @pytest.mark.slow
    def test_workers_of_dask_with_a_card(self, tmp_path):
        distributed = pytest.importorskip("distributed")
        card = tmp_path / "card.txt"
        card.write_text(
            "bin SR CR VR\nobservation 14 52 33\nbin SR SR CR VR\n"
            "process ggH tt tt tt\nprocess 0 1 1 1\nrate 5 9 50 30\n"
            "lumi lnN 1.02 1.02 - -\nshape lnN - 0.9/1.2 - -\n"
            "k rateParam * tt 1 [0,5]\n"
        )
        model, data = fitkit.read_combine_card(card)
        with (
            distributed.LocalCluster(
                n_workers=2, threads_per_worker=1, dashboard_address=":0"
            ) as cluster,
            distributed.Client(cluster) as client,
            client.get_executor() as executor,
        ):
            same_tests(model, data, executor, n=40)


def _unpickled(sent):
    function, args = pickle.loads(sent)
    return function, *args
