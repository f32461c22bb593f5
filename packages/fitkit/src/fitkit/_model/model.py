"""What every routine of fitkit needs of a model, and the data that it is given."""

import abc
from collections.abc import Mapping
from typing import final

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, PRNGKeyArray

from .._custom_types import Params, Vector
from .likelihood import AbstractNegativeLogLikelihood, AutodiffLikelihood
from .parameters import (
    Parameter,
    ParameterShapes,
    ParameterVectors,
    flatten,
    unflatten,
)


@final
class Data(eqx.Module):
    """Observed (or expected) data of a model.

    Attributes:
        main: counts by channel, each `[bins]`; not necessarily whole numbers.
        aux: auxiliary data by parameter, each of the parameter's shape: what the
            constraint terms measure.
    """

    main: dict[str, Array]
    aux: dict[str, Array]

    def __init__(
        self,
        main: Mapping[str, ArrayLike],
        aux: Mapping[str, ArrayLike] | None = None,
    ):
        self.main = dict(main)
        self.aux = dict(aux or {})


class AbstractModel(eqx.Module):
    """A statistical model: parameters and the probability of data.

    Subclass it with an `eqx.Module` that has `parameters`, `poi`, `expected_data` and
    `logpdf`; fits, tests, limits and uncertainties then work on it. Nothing here is
    particular to binned data.

    Attributes:
        parameter_names: the names of the parameters, in the order of every flat vector
            (the order of a dict does not survive `jax.jit`, which sorts keys).
        parameters: settings by name.
        poi: the name of the parameter of interest, a scalar, or None.
    """

    parameter_names: eqx.AbstractVar[tuple[str, ...]]
    parameters: eqx.AbstractVar[dict[str, Parameter]]
    poi: eqx.AbstractVar[str | None]

    @abc.abstractmethod
    def expected_data(self, params: Params) -> Data:
        """Return the data that the model expects at `params` (its Asimov data).

        Tests and limits need them of the shapes of the observed data.
        """

    @abc.abstractmethod
    def logpdf(self, params: Params, data: Data) -> Float[Array, ""]:
        """Return the log-probability (density) of `data` at `params`."""

    def sample(self, key: PRNGKeyArray, params: Params) -> Data:
        """Return random data at `params`: a pseudo-experiment, auxiliary data included.

        Only tests by pseudo-experiments need it; a subclass that is tested in this way
        overrides it.

        Raises:
            NotImplementedError: where the model does not.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has no `sample(key, params)`, which draws a "
            "pseudo-experiment. Write it, or use the asymptotic formulae."
        )

    @property
    def parameter_shapes(self) -> ParameterShapes:
        """The shape of each parameter: `()` for a scalar, `(n,)` for one per bin."""
        parameters = self.parameters
        return ParameterShapes(
            {name: parameters[name].init.shape for name in self.parameter_names}
        )

    @property
    def init(self) -> Params:
        """The nominal parameter values, at which a fit starts."""
        parameters = self.parameters
        return {name: parameters[name].init for name in self.parameter_names}

    @property
    def nominal_aux(self) -> dict[str, Array]:
        """The auxiliary data that the model expects before any fit."""
        return self.expected_data(self.init).aux

    def ravel(self, params: Mapping[str, ArrayLike]) -> Vector:
        """Return parameter values by name as one flat vector, `[params]`.

        Raises:
            ValueError: where a parameter is missing, unknown or of the wrong shape.
        """
        shapes = self.parameter_shapes
        missing = [name for name in shapes if name not in params]
        if missing:
            raise ValueError(
                f"`params` lacks {missing[0]!r}. Start from `model.init`, which has "
                "every parameter."
            )
        return jnp.asarray(flatten(params, shapes, "params").values)

    def unravel(self, y: Vector) -> Params:
        """Return the values by name of a flat vector."""
        return unflatten(y, self.parameter_shapes)

    def parameter_vectors(self) -> ParameterVectors:
        """Return starts, bounds and fixed entries of all parameters, flat."""
        parameters = self.parameters  # a property may compute it
        ordered = [parameters[name] for name in self.parameter_names]

        def flat(what: str) -> Array:
            return jnp.concatenate([getattr(p, what).reshape(-1) for p in ordered])

        return ParameterVectors(
            flat("init"), flat("lower"), flat("upper"), flat("fixed")
        )

    def negative_log_likelihood(self, data: Data) -> AbstractNegativeLogLikelihood:
        """Return minus the log-likelihood of `data`, a function of a flat vector.

        The default differentiates `logpdf` automatically. A model that knows the
        structure of its derivatives returns a likelihood of its own.
        """
        return AutodiffLikelihood(self, data)
