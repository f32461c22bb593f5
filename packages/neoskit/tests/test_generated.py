"""The generated problems, against closed forms and the published table."""

import numpy as np
import pytest

import neoskit


def normal_logpdf(x, mean, variance):
    return -0.5 * ((x - mean) ** 2 / variance + np.log(2 * np.pi * variance))


def test_blobs_are_the_code_s_blobs_and_independent():
    dataset = neoskit.gaussian_blobs(20_000, seed=3)
    samples = {str(key): events for key, events in dataset.samples()}
    means = [(-1, 1), (1, -1), (2.5, 2), (-2.5, -1.5)]
    assert len(samples) == 4
    for mean, events in zip(means, samples.values(), strict=True):
        x = np.asarray(events.features, float)
        # 4 standard errors of a mean and of a variance of 20 000 unit normals.
        np.testing.assert_allclose(x.mean(0), mean, atol=4 / np.sqrt(20_000))
        np.testing.assert_allclose(np.cov(x.T), np.eye(2), atol=4 * np.sqrt(2 / 20_000))
    residuals = [
        np.asarray(events.features, float) - mean
        for mean, events in zip(means, samples.values(), strict=True)
    ]
    assert abs(np.corrcoef(residuals[0][:, 0], residuals[1][:, 0])[0, 1]) < 0.03


def test_blobs_best_possible_cross_entropy():
    """0.194 with equal class weights, computed apart with 10⁶ events per blob."""
    processes = neoskit.gaussian_blobs(100_000).channels["SR"]
    losses = []
    for name, sign in (("signal", 1.0), ("background", -1.0)):
        x = np.asarray(processes[name].nominal.features, float)
        signal = normal_logpdf(x, (-1, 1), 1).sum(1)
        background = normal_logpdf(x, (1, -1), 1).sum(1)
        losses.append(np.logaddexp(0, -sign * (signal - background)).mean())
    assert np.mean(losses) == pytest.approx(0.194, abs=0.002)


def test_the_same_seed_gives_the_same_events():
    for make in (neoskit.gaussian_blobs, neoskit.inferno_synthetic):
        first, again, other = make(50), make(50), make(50, seed=1)
        x, y, z = (
            np.asarray(d.channels["SR"]["signal"].nominal.features)
            for d in (first, again, other)
        )
        assert (x == y).all()
        assert (x != z).all()


def test_no_events_are_no_problem_to_generate():
    for make in (neoskit.gaussian_blobs, neoskit.inferno_synthetic):
        with pytest.raises(ValueError, match=rf"{make.__name__}\(events=.* at least 1"):
            make(0)


def score(features):
    """P(signal) of the best classifier, both classes equally frequent."""
    x = np.asarray(features, float)
    signal = normal_logpdf(x[:, :2], 0.0, 1.0).sum(1) + np.log(2) - 2 * x[:, 2]
    background = (
        normal_logpdf(x[:, 0], 2.0, 5.0)
        + normal_logpdf(x[:, 1], 0.0, 9.0)
        + np.log(3)
        - 3 * x[:, 2]
    )
    return 1 / (1 + np.exp(background - signal))


@pytest.mark.parametrize(
    ("nuisances", "aux", "published"),
    [
        ([], {}, 14.97),
        (["r"], {}, 19.12),
        (["r", "rate"], {}, 24.93),
        (["r", "rate"], {"r": 0.4, "rate": 1.0}, 22.13),
        (["r", "rate", "b"], {"r": 0.4, "rate": 1.0, "b": 100.0}, 27.98),
    ],
)
def test_inferno_best_classifier_has_the_published_uncertainty(
    nuisances, aux, published
):
    """Table of arXiv:1806.04743, "optimal classifier", 10 equal bins.

    2 %: the published figures are themselves from 10⁵ events per sample.
    """
    processes = neoskit.inferno_synthetic(300_000).channels["SR"]
    edges = np.linspace(0, 1, 11)

    def template(events):
        counts, _ = np.histogram(score(events.features), edges, weights=events.weights)
        return counts

    background = processes["background"]
    b, s = template(background.nominal), template(processes["signal"].nominal)
    slopes = {"s": s / 50.0, "b": b / 1000.0}
    for name, distance in (("r", 0.2), ("rate", 0.5)):
        up, down = map(template, background.variations[name])
        # The systematics are of the shape alone.
        up, down = up * b.sum() / up.sum(), down * b.sum() / down.sum()
        slopes[name] = (up - down) / (2 * distance)
    jacobian = np.stack([slopes[name] for name in ["s", *nuisances]])
    information = jacobian @ np.diag(1 / (s + b)) @ jacobian.T
    information += np.diag(
        [1 / aux[name] ** 2 if name in aux else 0.0 for name in ["s", *nuisances]]
    )
    assert np.sqrt(np.linalg.inv(information)[0, 0]) == pytest.approx(
        published, rel=0.02
    )
