r"""The likelihood of a model in parts, each of which knows few of the parameters.

With thousands of parameters and bins, nearly all derivatives are zero: a systematic
moves some channels, or some bins of one. Minus the log-likelihood is a sum over parts
\(p\) of the bins, of which each depends on its own entries \(I_p\) of the parameter
vector, and so are its derivatives,

\[ H = \sum_p E_p H_p E_p^T + \mathrm{constraints}, \qquad E_p : I_p \to I , \]

each part's as `likelihood.py` gives them. Time and memory of the templates are those of
the parts; only the Hessian itself is a table of all parameters.
"""

import dataclasses
from typing import ClassVar, NamedTuple, final

import jax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from .._custom_types import Mask, Vector
from .._model.likelihood import (
    AbstractNegativeLogLikelihood,
    Derivatives,
    no_dense_derivatives,
)
from .._numerics import random
from .._numerics.namespace import add_block, take, xp
from .constraint_terms import ConstraintTerms
from .likelihood import HistFactoryLikelihood


@final
class Part(NamedTuple):
    """Some of the bins.

    Attributes:
        entries: of the parameter vector, those that the part depends on.
        likelihood: of its counts and profiled factors; its constraints of parameters
            are not used.
    """

    entries: Int[Array, " own"]
    likelihood: HistFactoryLikelihood


@final
class Observations(NamedTuple):
    """What was measured.

    Attributes:
        counts: of each part.
        factors: auxiliary data of profiled factors, of each part.
        aux: auxiliary data of all parameters.
    """

    counts: tuple[Array, ...]
    factors: tuple[Array, ...]
    aux: Vector


@final
@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class BlockLikelihood(AbstractNegativeLogLikelihood):
    """A model in parts at given data.

    Attributes:
        parts: all bins.
        aux: auxiliary data of the parameters.
        constraints: of the parameters.
    """

    parts: tuple[Part, ...]
    aux: Vector
    constraints: ConstraintTerms
    needs_jax: ClassVar[bool] = False
    has_barrier: ClassVar[bool] = True

    @property
    def has_kinks(self) -> bool:
        return any(part.likelihood.has_kinks for part in self.parts)

    def value(self, y: Vector) -> Float[Array, ""]:
        value = self.constraints.value(y, self.aux)
        for entries, likelihood in self.parts:
            value = value + likelihood.value_of_counts(take(y, entries))
        return value

    def saturated(self) -> Float[Array, ""]:
        value = self.constraints.saturated(self.aux)
        return sum((part.likelihood.saturated_counts() for part in self.parts), value)

    def gradient(self, y: Vector, side: Array | float = 0.0) -> Vector:
        gradient = self.constraints.gradient(y, self.aux)
        for entries, likelihood in self.parts:
            own = likelihood.gradient_of_counts(take(y, entries), _own(side, entries))
            gradient = add_block(gradient, (entries,), own)
        return gradient

    def derivatives(self, y: Vector, side: Array | float = 0.0) -> Derivatives:
        value = self.constraints.value(y, self.aux)
        gradient = self.constraints.gradient(y, self.aux)
        curvature = self.constraints.curvature(y, self.aux)
        hessian, convex = xp.diag(curvature), xp.diag(curvature)
        for entries, likelihood in self.parts:
            own_value, own_gradient, exact, stand_in = likelihood.derivatives_of_counts(
                take(y, entries), _own(side, entries)
            )
            both = entries, entries
            value = value + own_value
            gradient = add_block(gradient, (entries,), own_gradient)
            hessian = add_block(hessian, both, exact.dense())
            convex = add_block(convex, both, stand_in.dense())
        return Derivatives.dense(value, gradient, hessian, convex)

    def no_derivatives(self) -> Derivatives:
        return no_dense_derivatives(self.aux.shape[0])

    def kinks(self) -> Mask:
        kinked: Array = xp.zeros(self.aux.shape)
        for entries, likelihood in self.parts:
            kinked = add_block(kinked, (entries,), xp.where(likelihood.kinks(), 1.0, 0))
        return kinked > 0

    def bins(self) -> Int[Array, ""]:
        return xp.sum(xp.stack([part.likelihood.bins() for part in self.parts]))

    def observations(self) -> Observations:
        return Observations(
            tuple(part.likelihood.counts for part in self.parts),
            tuple(part.likelihood.split_aux()[1] for part in self.parts),
            self.aux,
        )

    def at(self, observations: Observations) -> "BlockLikelihood":
        counts, factors, aux = observations
        parts = tuple(
            Part(entries, likelihood.at((own, xp.append(take(aux, entries), of_bins))))
            for (entries, likelihood), own, of_bins in zip(
                self.parts, counts, factors, strict=True
            )
        )
        return BlockLikelihood(parts, aux, self.constraints)

    def with_barrier(self, strength: Float[Array, ""]) -> "BlockLikelihood":
        counts, factors, aux = self.observations()
        return self.at(Observations(tuple(n + strength for n in counts), factors, aux))

    def _of_parts(self, pairs: list[tuple[Array, Array]], aux: Vector) -> Observations:
        """Counts and auxiliary data of each part, and those of the parameters."""
        sizes = [part.entries.shape[0] for part in self.parts]
        counts, own = zip(*pairs, strict=True)
        factors = tuple(each[size:] for each, size in zip(own, sizes, strict=True))
        return Observations(counts, factors, aux)

    def expected(self, y: Vector) -> Observations:
        pairs = [part.likelihood.expected(take(y, part.entries)) for part in self.parts]
        return self._of_parts(pairs, self.constraints.expected(y))

    def with_nominal_aux(self, observations: Observations) -> Observations:
        nominal = [
            part.likelihood.with_nominal_aux((counts, None))
            for part, counts in zip(self.parts, observations.counts, strict=True)
        ]
        return self._of_parts(nominal, self.constraints.nominal_aux)

    def sample(self, key: PRNGKeyArray, y: Vector) -> Observations:
        source = random.source_of(key, y, self.parts)
        of_aux, source = random.split(source)
        pairs = []
        for entries, likelihood in self.parts:
            own, source = random.split(source)
            pairs.append(likelihood.sample(own, take(y, entries)))
        return self._of_parts(pairs, self.constraints.sample(of_aux, y))

    def factors(self, y: Vector) -> tuple[Array | None, ...]:
        """The best profiled factors of each part, None where there are none."""
        return tuple(
            part.likelihood.factors(take(y, part.entries)) for part in self.parts
        )


def _own(side: Array | float, entries: Int[Array, " own"]) -> Array | float:
    return take(side, entries) if xp.ndim(side) else side
