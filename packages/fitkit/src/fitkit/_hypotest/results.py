"""What tests of the parameter of interest say: one result for each question.

Probabilities come with their logarithms, which stay exact where they underflow.
"""

from typing import final

import equinox as eqx
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from .._numerics.namespace import traced, xp


def _in_words(value: Array, error: Array, digits: str = ".6g") -> str:
    """A number, with its error if it has one."""
    if not error > 0:
        return format(float(value), digits)
    return f"{float(value):.4g} ± {float(error):.2g}"


def _status(converged: Array, failed: Array) -> str:
    text = "" if bool(np.all(converged)) else "  (a fit did not converge)"
    if int(np.sum(failed)):
        sb, b = map(int, failed)
        text += f"  ({sb} and {b} pseudo-experiments failed and are left out)"
    return text


@final
class HypotestResult(eqx.Module):
    """The test of a signal strength against its absence.

    Attributes:
        poi_value: the tested value.
        statistic: the test statistic of the data.
        statistic_asimov: that of the background-only Asimov data; NaN by
            pseudo-experiments.
        best: best fit of the parameter of interest, at least 0 for `QMuTilde`.
        log_cl_sb, log_cl_b: logarithms of the tail probabilities under the tested and
            the background-only hypothesis.
        log_cls_expected: logarithm of the expected CLs, `[5]`.
        cl_sb_error, cl_b_error, cls_error, cls_expected_error: statistical errors of
            pseudo-experiments, the last one `[5]`; 0 for asymptotic formulae.
        toys_sb, toys_b: the statistic of pseudo-experiments under both hypotheses,
            `[toys]`, NaN where a fit found no minimum; none for asymptotic formulae.
        converged: whether all fits to data and Asimov data found their minima.
        test: the name of the test statistic.
        band: the convention of the expected result; see `Asymptotics`.
    """

    poi_value: Float[Array, ""]
    statistic: Float[Array, ""]
    statistic_asimov: Float[Array, ""]
    best: Float[Array, ""]
    log_cl_sb: Float[Array, ""]
    log_cl_b: Float[Array, ""]
    log_cls_expected: Float[Array, "5"]
    cl_sb_error: Float[Array, ""]
    cl_b_error: Float[Array, ""]
    cls_error: Float[Array, ""]
    cls_expected_error: Float[Array, "5"]
    toys_sb: Float[Array, " toys"]
    toys_b: Float[Array, " toys"]
    converged: Bool[Array, ""]
    test: str = eqx.field(static=True)
    band: str = eqx.field(static=True)

    @property
    def cl_sb(self) -> Float[Array, ""]:
        """The probability of less signal-like data, if the tested signal is there."""
        return xp.exp(self.log_cl_sb)

    @property
    def cl_b(self) -> Float[Array, ""]:
        """The probability of less signal-like data, if there is only background."""
        return xp.exp(self.log_cl_b)

    @property
    def log_cls(self) -> Float[Array, ""]:
        """The logarithm of the observed CLs."""
        impossible = self.log_cl_sb == -np.inf
        cl_b = xp.where(impossible, 0.0, self.log_cl_b)
        return xp.where(impossible, -np.inf, self.log_cl_sb - cl_b)

    @property
    def cls(self) -> Float[Array, ""]:
        """The observed CLs, the ratio of both tails."""
        return xp.exp(self.log_cls)

    @property
    def cls_expected(self) -> Float[Array, "5"]:
        """CLs for outcomes at -2, -1, 0, 1, 2 standard deviations, as `band` says."""
        return xp.exp(self.log_cls_expected)

    @property
    def failed(self) -> Int[Array, "2"]:
        """How many pseudo-experiments of both hypotheses have no statistic.

        They are left out of all probabilities.
        """
        return xp.stack(
            [xp.sum(xp.isnan(toys), axis=-1) for toys in (self.toys_sb, self.toys_b)],
            axis=-1,
        )

    def __repr__(self) -> str:
        if traced(self.statistic) or np.ndim(self.statistic):
            return f"HypotestResult(shape={np.shape(self.statistic)})"
        band = ", ".join(
            _in_words(x, e)
            for x, e in zip(self.cls_expected, self.cls_expected_error, strict=True)
        )
        return (
            f"CLs at {float(self.poi_value):g}: "
            f"observed {_in_words(self.cls, self.cls_error)}, "
            f"expected [{band}] ({self.test}, band {self.band})"
            + _status(self.converged, self.failed)
        )


@final
class DiscoveryResult(eqx.Module):
    """The test of the absence of a signal.

    Attributes:
        signal: the signal strength that the expected result assumes, as `Q0` says.
        statistic: the test statistic of the data.
        statistic_asimov: that of the Asimov data with that signal; NaN by
            pseudo-experiments.
        best: best fit of the parameter of interest.
        log_p0: logarithm of the p-value of the background-only hypothesis.
        log_p0_expected: the same for outcomes at -2, -1, 0, 1, 2 standard deviations
            *below* the median with signal, `[5]`, rising.
        significance: the observed one, in standard deviations.
        significance_expected: those of the outcomes, `[5]`, falling; the median is the
            one in the middle.
        p0_error, p0_expected_error: statistical errors of pseudo-experiments, the
            latter `[5]`; 0 for asymptotic formulae.
        toys_b, toys_sb: the statistic of pseudo-experiments without and with signal,
            `[toys]`; none for asymptotic formulae.
        converged: whether all fits to data and Asimov data found their minima.
        test: the name of the test statistic.
        band: the convention of the expected result; see `Asymptotics`.
    """

    signal: Float[Array, ""]
    statistic: Float[Array, ""]
    statistic_asimov: Float[Array, ""]
    best: Float[Array, ""]
    log_p0: Float[Array, ""]
    log_p0_expected: Float[Array, "5"]
    significance: Float[Array, ""]
    significance_expected: Float[Array, "5"]
    p0_error: Float[Array, ""]
    p0_expected_error: Float[Array, "5"]
    toys_b: Float[Array, " toys"]
    toys_sb: Float[Array, " toys"]
    converged: Bool[Array, ""]
    test: str = eqx.field(static=True)
    band: str = eqx.field(static=True)

    @property
    def p0(self) -> Float[Array, ""]:
        """The p-value of the background-only hypothesis."""
        return xp.exp(self.log_p0)

    @property
    def p0_expected(self) -> Float[Array, "5"]:
        """Expected p-values with the signal present."""
        return xp.exp(self.log_p0_expected)

    @property
    def failed(self) -> Int[Array, "2"]:
        """How many pseudo-experiments without and with signal have no statistic."""
        return xp.stack(
            [xp.sum(xp.isnan(toys), axis=-1) for toys in (self.toys_b, self.toys_sb)],
            axis=-1,
        )

    def __repr__(self) -> str:
        if traced(self.statistic) or np.ndim(self.statistic):
            return f"DiscoveryResult(shape={np.shape(self.statistic)})"
        band = ", ".join(
            _in_words(x, e)
            for x, e in zip(self.p0_expected, self.p0_expected_error, strict=True)
        )
        return (
            f"p0 observed {_in_words(self.p0, self.p0_error)} "
            f"({float(self.significance):.4g} sigma), expected for a signal "
            f"of {float(self.signal):g} [{band}] (median "
            f"{float(self.significance_expected[2]):.4g} sigma; {self.test}, band "
            f"{self.band})" + _status(self.converged, self.failed)
        )


@final
class UpperLimit(eqx.Module):
    """An upper limit on the parameter of interest.

    Attributes:
        observed: the value at which the observed CLs equals `level`; infinite where it
            never does.
        expected: the same for outcomes at -2, -1, 0, 1, 2 standard deviations of the
            background, `[5]`.
        observed_error, expected_error: statistical errors of pseudo-experiments, that
            of CLs over its slope; 0 for asymptotic formulae.
        level: one minus the confidence level.
        converged: whether the observed limit and each of the band were found, `[6]`;
            one that is not is infinite where CLs never falls to the level.
        tested: by pseudo-experiments, all tested values, rising, `[points]`.
        curves: CLs there, observed and the band, `[points, 6]`.
        failed: how many pseudo-experiments had no statistic at each, under the tested
            and the background-only hypothesis, `[points, 2]`; they are left out.
        test: the name of the test statistic.
        band: the convention of the band; see `Asymptotics`.
    """

    observed: Float[Array, ""]
    expected: Float[Array, "5"]
    observed_error: Float[Array, ""]
    expected_error: Float[Array, "5"]
    level: Float[Array, ""]
    converged: Bool[Array, "6"]
    tested: Float[Array, " points"]
    curves: Float[Array, "points 6"]
    failed: Int[Array, "points 2"]
    test: str = eqx.field(static=True)
    band: str = eqx.field(static=True)

    def __repr__(self) -> str:
        if traced(self.observed) or np.ndim(self.observed):
            return f"UpperLimit(shape={np.shape(self.observed)})"
        band = ", ".join(
            _in_words(x, e)
            for x, e in zip(self.expected, self.expected_error, strict=True)
        )
        missing = names_of_missing(self.converged)
        status = f"  (NOT FOUND: {missing})" if missing else ""
        if failed := int(np.sum(self.failed)):
            status += f"  ({failed} pseudo-experiments failed and are left out)"
        return (
            f"upper limit at {100 * (1 - float(self.level)):g} % CLs: observed "
            f"{_in_words(self.observed, self.observed_error)}, expected [{band}] "
            f"({self.test}, band {self.band}){status}"
        )


_SIX = ("observed", "-2 sigma", "-1 sigma", "median", "+1 sigma", "+2 sigma")


def names_of_missing(converged: Bool[Array, "6"]) -> str:
    """Which of the six limits were not found, in words."""
    return ", ".join(n for n, ok in zip(_SIX, converged, strict=True) if not ok)
