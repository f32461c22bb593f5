"""Small datasets and pipelines that the tests share; float64 is on."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import jax
import numpy as np
import pytest

import neoskit

jax.config.update("jax_enable_x64", True)


@pytest.fixture
def blobs():
    """Signal, background and a shape variation, 400 events each."""
    return neoskit.gaussian_blobs(400, seed=1)


@pytest.fixture
def control():
    """A scored channel with a signed background, and a counted one that holds W."""
    generator = np.random.default_rng(2)

    def sample(mean, count, total, sign=1.0):
        weights = np.full(count, total / count)
        weights[: count // 5] *= sign
        return neoskit.Events(generator.normal(mean, 1.0, (count, 2)), weights)

    signal = neoskit.Process(sample((-1, 1), 200, 20.0))
    w = neoskit.Process(
        sample((1, -1), 300, 50.0),
        {"energy": (sample((1.3, -1), 310, 53.0), sample((0.7, -1), 290, 47.0))},
    )
    qcd = neoskit.Process(sample((0, 0), 250, 60.0, sign=-0.5))
    aside = neoskit.Process(
        sample((0, 0), 100, 200.0),
        {"energy": (sample((0, 0), 110, 210.0), sample((0, 0), 90, 190.0))},
    )
    return neoskit.Dataset(
        {"SR": {"signal": signal, "W": w, "QCD": qcd}, "CR": {"W": aside}},
        counted=("CR",),
    )


@pytest.fixture
def pipeline():
    """A small float64 network on four bins, so that finite differences resolve it."""
    return neoskit.Pipeline(
        neoskit.NeuralObservable(
            2,
            (5, 4),
            key=jax.random.key(3),
            activation=jax.numpy.tanh,
            dtype=jax.numpy.float64,
        ),
        neoskit.Binning([0.0, 0.3, 0.5, 0.7, 1.0], bandwidth=0.1),
        neoskit.Measurement(("signal",), mc_statistics=False),
    )


@pytest.fixture(scope="session")
def rough_variance():
    """An objective of a user's own: about σ²(μ); no fit, so quick to compile."""

    def objective(model):
        background, both = (
            model.expected_data({**model.init, "mu": jax.numpy.asarray(mu)}).main["SR"]
            for mu in (0.0, 1.0)
        )
        return 1.0 / jax.numpy.sum((both - background) ** 2 / (background + 1.0))

    return objective
