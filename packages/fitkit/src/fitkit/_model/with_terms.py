"""A model with more terms: correlated constraints, priors, other measurements."""

from collections.abc import Mapping
from typing import Any, ClassVar, final

import equinox as eqx
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int, PRNGKeyArray

from .._custom_types import Mask, Params, Vector
from .._numerics import random
from .._numerics.namespace import as_floats, scatter_add, take
from .constraints import Normal
from .likelihood import AbstractNegativeLogLikelihood, Derivatives
from .model import AbstractModel, Data
from .parameters import (
    Parameter,
    ParameterShapes,
    ParameterVectors,
    entry_names,
    hint,
)
from .terms import AbstractTerm


def with_terms(model: AbstractModel, *terms: AbstractTerm) -> "ModelWithTerms":
    """The same model with more terms in its likelihood.

    Terms come beside the constraints that the model has. To replace one, build its
    modifier with `constraint=None`, or leave its parameter free otherwise.

    Args:
        model: any model.
        terms: `CorrelatedNormal`, `LogNormal`, `Gamma`, `QuadraticTerm`, or any
            `AbstractTerm`.

    Returns:
        A model on which everything works as on the first. Measurements have auxiliary
        data under their labels; priors are told by results (`FitResult.priors`).

    Raises:
        ValueError: for a parameter that the model does not have, or a label that is
            taken.
        TypeError: for what is no term.

    Example:
        Two cross sections with the correlated uncertainties of their calculation:

        >>> import fitkit
        >>> from fitkit import Channel, Model, NormFactor, Sample
        >>> samples = [
        ...     Sample("ttH", [20.0, 5.0], [NormFactor("ttH")]),
        ...     Sample("ttZ", [6.0, 25.0], [NormFactor("ttZ")]),
        ... ]
        >>> theory = fitkit.CorrelatedNormal(
        ...     ("ttH", "ttZ"), [1.0, 1.0], [[0.01, 0.008], [0.008, 0.01]]
        ... )
        >>> model = fitkit.with_terms(Model([Channel("SR", samples)], poi=None), theory)
        >>> best = fitkit.fit(model, model.data({"SR": [33.0, 30.0]}))
        >>> [round(float(x), 3) for x in best.params.values()]
        [1.045, 1.037]
    """
    shapes = model.parameter_shapes
    entries = entry_names(shapes)
    taken = {*model.nominal_aux}
    for term in terms:
        if not isinstance(term, AbstractTerm):
            raise TypeError(
                "`with_terms` takes terms such as `CorrelatedNormal(...)`; got "
                f"{term!r:.60}."
            )
        for name in term.names:
            if name not in entries:
                more = f" It has one value per bin: name one, such as {name}[0]."
                raise ValueError(
                    f"`with_terms`: the model has no single parameter {name!r}."
                    + (more if name in shapes else f" {hint(name, entries)}")
                )
        if term.is_measurement:
            if term.label in taken:
                raise ValueError(
                    f"`with_terms`: there are auxiliary data called {term.label!r} "
                    "already. Give the term another `label`, or leave the constraint "
                    "of the parameter out of the model."
                )
            taken.add(term.label)
    if isinstance(model, ModelWithTerms):
        return ModelWithTerms(model.model, (*model.terms, *terms))
    return ModelWithTerms(model, tuple(terms))


class ModelWithTerms(AbstractModel):
    """Any model with more terms in its likelihood; see `with_terms`.

    Everything else, its own attributes included, is the model's.

    Attributes:
        model: the model.
        terms: the terms.
    """

    model: AbstractModel
    terms: tuple[AbstractTerm, ...]

    @property
    def parameter_names(self) -> tuple[str, ...]:
        return self.model.parameter_names

    @property
    def parameter_shapes(self) -> ParameterShapes:
        return self.model.parameter_shapes

    @property
    def poi(self) -> str | tuple[str, ...] | None:
        return self.model.poi

    @property
    def priors(self) -> tuple[str, ...]:
        return (
            *self.model.priors,
            *(name for term in self.terms if term.prior for name in term.names),
        )

    @property
    def parameters(self) -> dict[str, Parameter]:
        """The settings by name; a term of a free scalar as its constraint."""
        parameters = self.model.parameters
        for term in self.terms:
            centres, widths = term.centre(), term.width()
            for i, name in enumerate(term.names):
                own = parameters.get(name)
                if own is None or own.constraint is not None or term.aux is None:
                    continue
                fields = (own.init, own.lower, own.upper, own.fixed)
                constraint = Normal(centres[i], widths[i])
                parameters[name] = Parameter(*fields, constraint=constraint)
        return parameters

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "model":
            raise AttributeError(name)
        if name.startswith("with_"):  # its model would be one without the terms
            raise AttributeError(
                f"`{name}` is one of the model without terms: call it before "
                "`with_terms`."
            )
        return getattr(self.model, name)

    @property
    def underlying(self) -> AbstractModel:
        return self.model.underlying

    @property
    def nominal_aux(self) -> dict[str, Array]:
        return {**self.model.nominal_aux, **self._aux(lambda term: term.aux)}

    def profiled_factors(self, params: Params, data: Data) -> Params:
        return self.model.profiled_factors(params, data)

    def _aux(self, of: Any) -> dict[str, Any]:
        return {term.label: of(term) for term in self.terms if term.is_measurement}

    def ravel(self, params: Mapping[str, ArrayLike]) -> Vector:
        return self.model.ravel(params)

    def data(self, main: Any) -> Data:
        """Observed counts together with the nominal auxiliary data."""
        own = self.model.data(main)  # type: ignore[attr-defined]
        return Data(own.main, {**own.aux, **self._aux(lambda term: term.aux)})

    def expected_data(self, params: Params) -> Data:
        own, y = self.model.expected_data(params), self.ravel(params)
        return Data(
            own.main, {**own.aux, **self._aux(lambda t: t.expected(self._x(t, y)))}
        )

    def sample(self, key: PRNGKeyArray, params: Params) -> Data:
        y = self.ravel(params)
        first, rest = random.split(key)
        own = self.model.sample(first, params)
        drawn = {}
        for term in self.terms:
            if term.is_measurement:
                mine, rest = random.split(rest)
                source = random.source_of(mine, y)
                drawn[term.label] = term.sample(source, self._x(term, y))
        return Data(own.main, {**own.aux, **drawn})

    def logpdf(self, params: Params, data: Data) -> Float[Array, ""]:
        own = self.model.logpdf(params, self._own(data))
        y = self.ravel(params)
        for term, aux in zip(self.terms, self._observed(data), strict=True):
            own = own - term.value(self._x(term, y), aux) - term.saturated(aux)
        return own

    def _x(self, term: AbstractTerm, y: Vector) -> Vector:
        return take(y, self._index(term))

    def _index(self, term: AbstractTerm) -> Int[np.ndarray, " names"]:
        entries = entry_names(self.parameter_shapes)
        return np.array([entries.index(name) for name in term.names])

    def _own(self, data: Data) -> Data:
        """The data without the auxiliary data of the terms."""
        labels = self._aux(lambda term: None)
        return Data(data.main, {k: v for k, v in data.aux.items() if k not in labels})

    def _observed(self, data: Data) -> tuple[Any, ...]:
        """What was measured, for each term; a prior's own for a prior."""
        found = []
        for term in self.terms:
            if not term.is_measurement:
                found.append(term.aux)
                continue
            if term.label not in data.aux:
                raise ValueError(
                    f"auxiliary data of the term {term.label!r}: there are none. "
                    "`model.data(counts)` adds the nominal ones."
                )
            aux = as_floats(data.aux[term.label])
            if aux.shape != np.shape(term.aux):
                raise ValueError(
                    f"auxiliary data of the term {term.label!r} have shape "
                    f"{aux.shape}; it needs {np.shape(term.aux)}."
                )
            found.append(aux)
        return tuple(found)

    def parameter_vectors(self) -> ParameterVectors:
        return self.model.parameter_vectors()

    def with_parameter_vectors(self, vectors: ParameterVectors) -> "ModelWithTerms":
        return ModelWithTerms(self.model.with_parameter_vectors(vectors), self.terms)

    def with_masked(self, *channels: str) -> "ModelWithTerms":
        return ModelWithTerms(self.model.with_masked(*channels), self.terms)

    def with_poi(self, poi: Any) -> "ModelWithTerms":
        """The same model with another parameter of interest; see `Model.with_poi`."""
        own = self.model.with_poi(poi)  # type: ignore[attr-defined]
        return ModelWithTerms(own, self.terms)

    def negative_log_likelihood(self, data: Data) -> "LikelihoodWithTerms":
        inner = self.model.negative_log_likelihood(self._own(data))
        index = tuple(self._index(term) for term in self.terms)
        return LikelihoodWithTerms(inner, self.terms, index, self._observed(data))


@final
class LikelihoodWithTerms(AbstractNegativeLogLikelihood, eqx.Module):
    """A likelihood and more terms.

    Attributes:
        inner: the likelihood.
        terms: the terms.
        index: of each, its entries in the parameter vector.
        aux: of each, what was measured.
    """

    inner: AbstractNegativeLogLikelihood
    terms: tuple[AbstractTerm, ...]
    index: tuple[Int[np.ndarray, " names"], ...]
    aux: tuple[Any, ...]
    # What the inner one is written in is found by itself.
    needs_jax: ClassVar[bool] = False
    has_barrier: ClassVar[bool] = True

    @property
    def has_kinks(self) -> bool:
        return self.inner.has_kinks

    def _each(self, y: Vector) -> list[tuple[AbstractTerm, Any, Vector, Any]]:
        return [
            (term, index, take(y, index), aux)
            for term, index, aux in zip(self.terms, self.index, self.aux, strict=True)
        ]

    def value(self, y: Vector) -> Float[Array, ""]:
        own = [term.value(x, aux) for term, _, x, aux in self._each(y)]
        return self.inner.value(y) + sum(own)

    def gradient(self, y: Vector, side: Array | float = 0.0) -> Vector:
        gradient = self.inner.gradient(y, side)
        for term, index, x, aux in self._each(y):
            own = term.gradient(x, aux)
            gradient = gradient + scatter_add(y.shape, (index,), own)
        return gradient

    def derivatives(self, y: Vector, side: Array | float = 0.0) -> Derivatives:
        at = self.inner.derivatives(y, side)
        value, gradient = at.value, at.gradient
        # Terms connect any entries: the blocks of the inner matrix do not fit any more.
        hessian, convex = at.hessian.dense(), at.convex.dense()
        square = (*y.shape, *y.shape)
        for term, index, x, aux in self._each(y):
            both = index[:, None], index[None, :]
            value = value + term.value(x, aux)
            gradient = gradient + scatter_add(y.shape, (index,), term.gradient(x, aux))
            hessian = hessian + scatter_add(square, both, term.hessian(x, aux))
            convex = convex + scatter_add(square, both, term.convex(x, aux))
        return Derivatives.dense(value, gradient, hessian, convex)

    def no_derivatives(self) -> Derivatives:
        size = self.inner.no_derivatives().gradient.shape[0]
        square = np.zeros((size, size))
        return Derivatives.dense(np.array(np.inf), np.zeros(size), square)

    def kinks(self) -> Mask:
        return self.inner.kinks()

    def with_barrier(self, strength: Float[Array, ""]) -> "LikelihoodWithTerms":
        inner = self.inner.with_barrier(strength)
        return LikelihoodWithTerms(inner, self.terms, self.index, self.aux)

    def saturated(self) -> Float[Array, ""]:
        own = [t.saturated(aux) for t, aux in zip(self.terms, self.aux, strict=True)]
        return self.inner.saturated() + sum(own)

    def observations(self) -> Any:
        return self.inner.observations(), self.aux

    def at(self, observations: Any) -> "LikelihoodWithTerms":
        own, aux = observations
        return LikelihoodWithTerms(self.inner.at(own), self.terms, self.index, aux)

    def expected(self, y: Vector) -> Any:
        aux = tuple(
            term.expected(x) if term.is_measurement else given
            for term, _, x, given in self._each(y)
        )
        return self.inner.expected(y), aux

    def with_nominal_aux(self, observations: Any) -> Any:
        nominal = tuple(term.aux for term in self.terms)
        return self.inner.with_nominal_aux(observations[0]), nominal

    def sample(self, key: PRNGKeyArray, y: Vector) -> Any:
        first, rest = random.split(key)
        aux = []
        for term, _, x, given in self._each(y):
            mine, rest = random.split(rest)
            source = random.source_of(mine, y, self)
            aux.append(term.sample(source, x) if term.is_measurement else given)
        return self.inner.sample(first, y), tuple(aux)

    def bins(self) -> Int[Array, ""] | None:
        return self.inner.bins()
