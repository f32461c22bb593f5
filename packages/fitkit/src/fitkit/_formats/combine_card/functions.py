r"""What Combine's templates do with parameters that no other modifier does.

*Logarithmic morphing* (`shapeN`): in bin \(b\) the factor

\[R_b = \frac{e^{S_b}}{\sum_c f_c e^{S_c}},\qquad
S_b = \sum_j s_{jb}\theta_j + d_{jb}\,h_j(\theta_j),\]

with the fractions \(f\) of the nominal template, so that its integral stays; \(s\) and
\(d\) are half the difference and half the sum of the logarithms of the varied
fractions, \(h\) the bend of code 4p.

*Cropping*: in templates that are morphed as they are (`shape`) a content that would be
negative becomes a small number; the others give way, so that the integral stays.

*Errors of templates* (`autoMCStats`): with the normalisation \(c_i(\theta)\) of
process \(i\), the error of the sum in bin \(b\) is
\(\sqrt{\sum_i (c_i e_{ib})^2}\), which follows the parameters.

References:
    The documentation of CMS Combine: "Likelihood based statistical models", "Automatic
    statistical uncertainties".
"""

import dataclasses
from typing import final

import jax
from jaxtyping import Array, Float

from ..._histfactory.functions import (
    AbstractFunction,
    Arguments,
    Functions,
    Outputs,
    Slopes,
)
from ..._histfactory.interpolation import additive_bend
from ..._numerics.namespace import xp


@final
@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class LogarithmicMorph(AbstractFunction):
    """The factor of each bin by `shapeN`.

    Attributes:
        fractions: of the nominal template, `[bins]`.
        slope, bend: `[arguments, bins]`.
        reach: inside which |theta| each one's bend is a polynomial.
        outputs: the bins.
    """

    outputs: int = dataclasses.field(metadata={"static": True})
    fractions: Float[Array, " bins"]
    slope: Float[Array, "arguments bins"]
    bend: Float[Array, "arguments bins"]
    reach: Float[Array, " arguments"]

    def _at(self, x: Arguments) -> tuple[Array, Array, Array]:
        """The factors, and the derivatives of their logarithms: centred, and second."""
        value, first, second = additive_bend("4p", x / self.reach)
        logs = x @ self.slope + (self.reach * value) @ self.bend
        # Whatever the largest logarithm is cancels in the ratio.
        powers = xp.exp(logs - xp.max(logs))
        ratio = powers / (self.fractions @ powers)
        logs_1 = self.slope + first[:, None] * self.bend
        mean = logs_1 @ (self.fractions * ratio)
        return ratio, logs_1 - mean[:, None], (second / self.reach)[:, None] * self.bend

    def first(self, x: Arguments) -> tuple[Outputs, Slopes]:
        ratio, centred, _ = self._at(x)
        return ratio, ratio * centred

    def curvature(
        self, x: Arguments, weights: Outputs
    ) -> Float[Array, "arguments arguments"]:
        ratio, centred, second = self._at(x)
        weighted = weights * ratio
        # The derivative of the mean acts on all bins alike.
        per_bin = weighted - xp.sum(weighted) * self.fractions * ratio
        return (centred * per_bin) @ centred.T + xp.diag(second @ per_bin)


@final
@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class CroppedMorph(AbstractFunction):
    """The factor of each bin by `shape`, where contents may become negative.

    Combine sets them to a small number, and scales the others so that the integral
    stays.

    Attributes:
        fractions: of the nominal template, `[bins]`; they may be negative.
        slope, bend: of the fractions, `[arguments, bins]`.
        reach: inside which |theta| each one's bend is a polynomial.
        least: what a fraction is at least.
        start: the fractions of which the results are factors.
        outputs: the bins.
    """

    outputs: int = dataclasses.field(metadata={"static": True})
    fractions: Float[Array, " bins"]
    slope: Float[Array, "arguments bins"]
    bend: Float[Array, "arguments bins"]
    reach: Float[Array, " arguments"]
    least: float
    start: Float[Array, " bins"]

    def _at(self, x: Arguments) -> tuple[Array, Array, Array]:
        """The contents, and their derivatives: first, and second."""
        value, first, second = additive_bend("4p", x / self.reach)
        content = self.fractions + x @ self.slope + (self.reach * value) @ self.bend
        above = content > self.least
        content_1 = xp.where(above, self.slope + first[:, None] * self.bend, 0.0)
        content_2 = xp.where(above, (second / self.reach)[:, None] * self.bend, 0.0)
        return xp.where(above, content, self.least), content_1, content_2

    def first(self, x: Arguments) -> tuple[Outputs, Slopes]:
        content, content_1, _ = self._at(x)
        total, total_1 = xp.sum(content), xp.sum(content_1, axis=1)
        ratio = content / total
        slope = (content_1 - total_1[:, None] * ratio) / total
        return ratio / self.start, slope / self.start

    def curvature(
        self, x: Arguments, weights: Outputs
    ) -> Float[Array, "arguments arguments"]:
        content, content_1, content_2 = self._at(x)
        total, total_1 = xp.sum(content), xp.sum(content_1, axis=1)
        weights = weights / (self.start * total)
        mean = (weights @ content) / total
        cross = xp.outer(content_1 @ weights, total_1) / total
        diagonal = content_2 @ weights - mean * xp.sum(content_2, axis=1)
        return (
            xp.diag(diagonal)
            - (cross + cross.T)
            + 2 * mean * xp.outer(total_1, total_1) / total
        )


@final
@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class ErrorOfSum(AbstractFunction):
    """The statistical error of the sum of some templates, by their normalisations.

    Attributes:
        slope, bend: of the logarithms of normalisations, `[arguments, processes]`.
        factors: all else that multiplies them, one row for each process and one bin.
        variances: squared errors of the templates, `[processes, bins]`.
        outputs: the bins.
    """

    outputs: int = dataclasses.field(metadata={"static": True})
    slope: Float[Array, "arguments processes"]
    bend: Float[Array, "arguments processes"]
    factors: Functions | None
    variances: Float[Array, "processes bins"]

    def normalisations(self, x: Arguments) -> Float[Array, " processes"]:
        """How much each process is scaled."""
        return self._logarithmic(x)[0] * self._product(x)[0]

    def _logarithmic(self, x: Arguments) -> tuple[Array, Array, Array]:
        value, first, second = additive_bend("4p@0.5", x)
        factor = xp.exp(x @ self.slope + value @ self.bend)
        logs_1 = self.slope + first[:, None] * self.bend
        return factor, logs_1, second[:, None] * self.bend

    def _product(self, x: Arguments) -> tuple[Array, Array]:
        if self.factors is None:
            return xp.ones(self.slope.shape[1]), xp.zeros(self.slope.shape)
        at = self.factors.evaluate(x)
        product_1 = xp.zeros(self.slope.shape)
        return at.product[:, 0], product_1 + at.product_1[:, :, 0]

    def _first(self, x: Arguments) -> tuple[Array, Array, Array, Array]:
        factor, logs_1, _ = self._logarithmic(x)
        product, product_1 = self._product(x)
        scale = factor * product
        scale_1 = factor * (logs_1 * product + product_1)
        variance = scale**2 @ self.variances
        error = xp.sqrt(variance)
        # Without any error there is no direction to follow.
        inverse = xp.where(variance > 0, 1 / xp.where(variance > 0, error, 1.0), 0.0)
        return error, inverse, scale, scale_1

    def first(self, x: Arguments) -> tuple[Outputs, Slopes]:
        error, inverse, scale, scale_1 = self._first(x)
        return error, (scale_1 * scale) @ self.variances * inverse

    def curvature(
        self, x: Arguments, weights: Outputs
    ) -> Float[Array, "arguments arguments"]:
        _, inverse, scale, scale_1 = self._first(x)
        slopes = (scale_1 * scale) @ self.variances * inverse
        of_process = self.variances @ (weights * inverse)
        hessian = (scale_1 * of_process) @ scale_1.T
        hessian = hessian - (slopes * (weights * inverse)) @ slopes.T
        return hessian + self._of_scale(x, of_process * scale)

    def _of_scale(
        self, x: Arguments, weights: Float[Array, " processes"]
    ) -> Float[Array, "arguments arguments"]:
        """Second derivatives of the normalisations, summed with weights."""
        factor, logs_1, logs_2 = self._logarithmic(x)
        product, product_1 = self._product(x)
        weighted = weights * factor
        cross = (logs_1 * weighted) @ product_1.T
        hessian = (logs_1 * (weighted * product)) @ logs_1.T + cross + cross.T
        hessian = hessian + xp.diag(logs_2 @ (weighted * product))
        if self.factors is None:
            return hessian
        return hessian + self.factors.evaluate(x).curvature(weighted[:, None])
