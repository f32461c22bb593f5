"""What Combine's `-M AsymptoticLimits` does, beside evaluating a likelihood.

Its searches for a crossing (`findExpectedLimitFromCrossing` in its
`src/AsymptoticLimits.cc`, github.com/cms-analysis/HiggsAnalysis-CombinedLimit), and the
templates of the version that printed the references: those of its own validation date
from August 2013 (commit 6f9e3b15 of `test/validation/reference.json`).
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import uproot
from scipy import optimize, stats

QUANTILES = (0.025, 0.16, 0.5, 0.84, 0.975)
RELATIVE, ABSOLUTE = 5e-3, 5e-4  # its `rRelAcc` and `rAbsAcc`
# It stops early where the likelihood is within 0.05 of its minimiser's tolerance, which
# was 0.01 in 2013.
CLOSE = 0.05 * 0.01
RANGE = 20.0  # of r, as `text2workspace` declares it

Profile = Callable[[float], float]


def level(quantile: float) -> float:
    """By how much the likelihood of Asimov data rises up to a limit (its equation)."""
    n = stats.norm.ppf(quantile)
    return 0.5 * (n + stats.norm.isf(0.05 * quantile)) ** 2


def stepping(rise: Profile, threshold: float) -> float:
    """Its search for the median: steps of a twentieth of the range, then halved."""
    r = stride = 0.05 * RANGE
    error, overstepped, before = RANGE, False, rise(0.0)
    while error > max(RELATIVE * r, ABSOLUTE):
        here = rise(r)
        if abs(here - threshold) < CLOSE:
            break
        if here < threshold:
            if threshold - here < 0.5 * abs(threshold - before):
                stride *= 0.5
            r += stride
        else:
            stride *= 0.5
            overstepped = True
            r -= stride
        if overstepped:
            error = stride
        before = here
    return float(np.float32(r))


def bisection(rise: Profile, low: float, high: float, threshold: float) -> float:
    """Its search for the other quantiles."""
    r, error = 0.5 * (low + high), 0.5 * (high - low)
    while error > max(RELATIVE * r, ABSOLUTE):
        here = rise(r)
        if abs(here - threshold) < CLOSE:
            break
        low, high = (r, high) if here < threshold else (low, r)
        r, error = 0.5 * (low + high), 0.5 * (high - low)
    return float(np.float32(r))


def expected_limits(rise: Profile) -> list[float]:
    """The five quantiles as it prints them, each search beginning at the one before.

    Args:
        rise: minus the logarithm of the profile likelihood of the Asimov data at r,
            less its minimum.
    """
    levels = [level(quantile) for quantile in QUANTILES]
    median = stepping(rise, levels[2])
    sigma = median / stats.norm.ppf(0.975)
    lowest = bisection(rise, 0.0, median, levels[0])
    low = bisection(rise, lowest, median, levels[1])
    high = bisection(rise, median, median + 2 * sigma, levels[3])
    highest = bisection(rise, high, median + 4 * sigma, levels[4])
    return [lowest, low, median, high, highest]


class HistPdfCard:
    """A card of lnN alone, its templates as `RooHistPdf` had them in 2013.

    Contents below zero count as zero where the density is taken, and with their sign
    in the integral that normalises it. So the bins of such a process add up to more
    than its rate, which the extended term has, and Asimov data, which are scaled to the
    rate, are not what the likelihood expects. Today's Combine, and fitkit, crop and
    then normalise.
    """

    def __init__(self, path: Path):
        lines = [line.split() for line in path.read_text().splitlines()]
        files = {w[2]: w[3] for w in lines if w[:2] == ["shapes", "*"]}
        channels, columns = (w[1:] for w in lines if w[:1] == ["bin"])
        observed = next(w[1:] for w in lines if w[:1] == ["observation"])
        names, numbers = (w[1:] for w in lines if w[:1] == ["process"])
        rates = next(w[1:] for w in lines if w[:1] == ["rate"])
        systematics = [w for w in lines if len(w) > 2 and w[1] == "lnN"]
        counts, self.places = [], []
        for channel, count in zip(channels, observed, strict=True):
            if files[channel] == "FAKE":
                counts.append(np.array([float(count)]))
            else:
                with uproot.open(path.parent / files[channel]) as file:
                    counts.append(file["histo_Data"].values().astype(float))
            start = self.places[-1].stop if self.places else 0
            self.places.append(slice(start, start + len(counts[-1])))
        self.counts = np.concatenate(counts)
        kept = [i for i, rate in enumerate(rates) if float(rate) != 0]
        self.rates = np.array([float(rates[i]) for i in kept])
        self.signal = np.array([int(numbers[i]) <= 0 for i in kept])
        self.channel = np.array([channels.index(columns[i]) for i in kept])
        # [columns, nuisance parameters]
        self.log_kappa = np.log(
            [
                [float(words[2 + i].replace("-", "1")) for words in systematics]
                for i in kept
            ]
        )
        self.templates = np.zeros((len(kept), len(self.counts)))  # [columns, bins]
        for row, i, c in zip(self.templates, kept, self.channel, strict=True):
            contents = np.ones(1)
            if files[columns[i]] != "FAKE":
                with uproot.open(path.parent / files[columns[i]]) as file:
                    contents = file[f"histo_{names[i]}"].values().astype(float)
            row[self.places[c]] = np.maximum(contents, 0) / contents.sum()
        self.templates *= self.rates[:, None]
        self.nominal = np.zeros(self.log_kappa.shape[1])

    def factors(self, r: float, theta: np.ndarray) -> np.ndarray:
        return np.where(self.signal, r, 1.0) * np.exp(self.log_kappa @ theta)

    def derivatives(self, r, theta, counts, aux):
        """Minus the log-likelihood, its gradient and Hessian in the nuisances."""
        scale = self.factors(r, theta)
        nu, seen = scale @ self.templates, counts > 0
        value = scale @ self.rates - counts[seen] @ np.log(nu[seen])
        ratio, curved = np.zeros((2, len(nu)))
        ratio[seen] = counts[seen] / nu[seen]
        curved[seen] = ratio[seen] / nu[seen]
        slope = scale * (self.rates - self.templates @ ratio)
        moved = self.log_kappa.T @ (scale[:, None] * self.templates)
        hessian = self.log_kappa.T @ (slope[:, None] * self.log_kappa)
        hessian += (moved * curved) @ moved.T + np.eye(len(theta))
        away = theta - aux
        return value + away @ away / 2, slope @ self.log_kappa + away, hessian

    def profile(self, r: float, counts: np.ndarray, aux: np.ndarray):
        """The smallest value at r, and where: Newton's method with halved steps."""
        theta = aux.copy()
        for _ in range(100):
            value, gradient, hessian = self.derivatives(r, theta, counts, aux)
            step = np.linalg.solve(hessian, -gradient)
            # Half the decrease that is left: 1e-16 is nothing of a few hundred.
            if -gradient @ step < 1e-15:
                return value, theta
            while self.derivatives(r, theta + step, counts, aux)[0] > value + 1e-12:
                step /= 2
            theta = theta + step
        raise AssertionError(f"no minimum at r = {r}")

    def minimum(self, counts: np.ndarray, aux: np.ndarray) -> tuple[float, float]:
        """The best r that is not negative, and the value there."""
        found = optimize.minimize_scalar(
            lambda r: self.profile(r, counts, aux)[0],
            bounds=(0, 5),
            method="bounded",
            options={"xatol": 1e-9},
        )
        nothing = self.profile(0.0, counts, aux)[0]
        return (found.x, found.fun) if found.fun < nothing else (0.0, nothing)

    def asimov(self) -> tuple[np.ndarray, np.ndarray]:
        """Counts and auxiliary data of no signal, at the nuisances of the data."""
        _, theta = self.profile(0.0, self.counts, self.nominal)
        scale = self.factors(0.0, theta)
        counts = scale @ self.templates
        for c, bins in enumerate(self.places):
            total = (scale * self.rates)[self.channel == c].sum()
            counts[bins] *= total / counts[bins].sum()
        return counts, theta
