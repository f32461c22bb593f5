"""What every routine of fitkit needs of a model, and the data that it is given."""

import abc
from collections.abc import Mapping, Sequence
from typing import Any, Self, final

import equinox as eqx
import numpy as np
from jaxtyping import Array, ArrayLike, Float, PRNGKeyArray

from .._custom_types import Params, Vector
from .._numerics.namespace import as_floats, as_numpy, traced, xp
from .likelihood import AbstractNegativeLogLikelihood, AutodiffLikelihood
from .parameters import (
    Parameter,
    ParameterShapes,
    ParameterVectors,
    entry_names,
    flatten,
    matching,
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
        poi: the name of the parameter of interest, a scalar; of several a tuple, for
            joint tests; or None.
    """

    parameter_names: eqx.AbstractVar[tuple[str, ...]]
    parameters: eqx.AbstractVar[dict[str, Parameter]]
    poi: eqx.AbstractVar[str | tuple[str, ...] | None]

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
    def pois(self) -> tuple[str, ...]:
        """The names of all parameters of interest."""
        if self.poi is None:
            return ()
        return (self.poi,) if isinstance(self.poi, str) else tuple(self.poi)

    @property
    def priors(self) -> tuple[str, ...]:
        """The parameters that have a prior, which results tell of."""
        return ()

    @property
    def underlying(self) -> "AbstractModel":
        """The model itself, without settings or terms that others put around it."""
        return self

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
        return flatten(params, shapes, "params").values

    def unravel(self, y: Vector) -> Params:
        """Return the values by name of a flat vector."""
        return unflatten(y, self.parameter_shapes)

    def parameter_vectors(self) -> ParameterVectors:
        """Return starts, bounds and fixed entries of all parameters, flat."""
        parameters = self.parameters  # a property may compute it
        ordered = [parameters[name] for name in self.parameter_names]

        def flat(what: str, dtype: type = float) -> Array:
            parts = [xp.ravel(getattr(p, what)) for p in ordered]
            return xp.concatenate([np.zeros(0, dtype), *map(as_numpy, parts)])

        chosen = np.ones(self.parameter_shapes.size, dtype=bool)
        init, lower, upper = map(flat, ("init", "lower", "upper"))
        fixed = flat("fixed", bool)
        return ParameterVectors(init, lower, upper, fixed, chosen, chosen, init)

    def with_parameter_vectors(self, vectors: ParameterVectors) -> "AbstractModel":
        """Return the same model with other starts, bounds and fixed entries, flat.

        `with_fixed` and its neighbours, which take names, call this.
        """
        return ModelWithSettings(self, vectors)

    def with_fixed(
        self, *names: str | Mapping[str, ArrayLike], **values: ArrayLike
    ) -> Self:
        """The same model, with some parameters fixed.

        Args:
            names: parameters to fix at their start: names, one entry of a parameter per
                bin as `"gamma[3]"`, or shell patterns such as `"staterror_*"`; or a
                mapping from names to values.
            values: by name; scalar or of the parameter's shape; traced.

        Returns:
            A model of the same shape: nothing is compiled anew.

        Raises:
            ValueError: for an unknown name or a wrong shape.
            TypeError: for a truth value in place of a number.

        Example:
            >>> model = fitkit.uncorrelated_background([5.0], [50.0], [5.0])
            >>> data = model.data({"singlechannel": [55.0]})
            >>> result = fitkit.fit(model.with_fixed("uncorr*", mu=0.5), data)
            >>> round(float(result.params["mu"]), 6)
            0.5
        """
        vectors = self.parameter_vectors()
        for mask, value in self._settings("with_fixed", names, values):
            if value is not None:
                _refuse_truth_value("with_fixed", value)
                vectors = vectors.starting_at(xp.where(mask, value, vectors.init))
            vectors = vectors._replace(fixed=vectors.fixed | mask)
        return self.with_parameter_vectors(vectors)

    def with_free(self, *names: str) -> Self:
        """The same model, with parameters free that a measurement or you fixed.

        Args:
            names: as of `with_fixed`; they stay at their starts. An entry that cannot
                be fitted, as the factor of an empty bin, then makes fits fail.

        Raises:
            ValueError: for an unknown name.
        """
        vectors = self.parameter_vectors()
        for mask, _ in self._settings("with_free", names, {}):
            vectors = vectors._replace(fixed=vectors.fixed & ~mask)
        return self.with_parameter_vectors(vectors)

    def with_init(self, *starts: Mapping[str, ArrayLike], **values: ArrayLike) -> Self:
        """The same model, with other starts, which are also its nominal values.

        Args:
            starts: from names to values, such as the `params` of a fit.
            values: by name; scalar or of the parameter's shape; traced.

        Raises:
            ValueError: for an unknown name or a wrong shape.

        Example:
            >>> model = fitkit.uncorrelated_background([5.0], [50.0], [5.0])
            >>> float(model.with_init(mu=2.0).init["mu"])
            2.0
        """
        vectors = self.parameter_vectors()
        for mask, value in self._settings("with_init", starts, values):
            if value is None:
                raise TypeError("`with_init` needs values: `with_init(mu=1.0)`.")
            vectors = vectors.starting_at(xp.where(mask, value, vectors.init))
        return self.with_parameter_vectors(vectors)

    def with_bounds(
        self,
        *bounds: Mapping[str, tuple[ArrayLike, ArrayLike]],
        **values: tuple[ArrayLike, ArrayLike],
    ) -> Self:
        """The same model, with other bounds.

        Args:
            bounds: from names to `(lower, upper)`, each scalar or of the parameter's
                shape; infinite for none.
            values: the same by keyword; traced.

        Raises:
            ValueError: for an unknown name, a wrong shape, a lower bound above the
                upper one.

        Example:
            >>> model = fitkit.uncorrelated_background([5.0], [50.0], [5.0])
            >>> data = model.data({"singlechannel": [40.0]})
            >>> result = fitkit.fit(model.with_bounds(mu=(-5, 5)), data)
            >>> round(float(result.params["mu"]), 6)
            -2.0
        """
        vectors = self.parameter_vectors()
        lowers, uppers = (
            tuple({name: pair[i] for name, pair in each.items()} for each in bounds)
            for i in (0, 1)
        )
        named = ({k: pair[i] for k, pair in values.items()} for i in (0, 1))
        pairs = zip(
            self._settings("with_bounds", lowers, next(named)),
            self._settings("with_bounds", uppers, next(named)),
            strict=True,
        )
        for (mask, low), (_, high) in pairs:
            if low is None or high is None:
                raise TypeError("`with_bounds` needs pairs: `with_bounds(mu=(-5, 5))`.")
            if not traced(low, high) and not np.all(
                np.broadcast_to(low <= high, mask.shape)[mask]
            ):
                entries = entry_names(self.parameter_shapes)
                names = [n for n, at in zip(entries, mask, strict=True) if at]
                raise ValueError(
                    f"`with_bounds`: the lower bound of {names[0]!r} is above the "
                    "upper one, or one of them is NaN."
                )
            vectors = vectors._replace(
                lower=xp.where(mask, low, vectors.lower),
                upper=xp.where(mask, high, vectors.upper),
                lower_given=vectors.lower_given | mask,
                upper_given=vectors.upper_given | mask,
            )
        return self.with_parameter_vectors(vectors)

    def with_masked(self, *channels: str) -> Self:
        """The same model, blind to what was observed in some channels.

        Raises:
            NotImplementedError: where the model has no channels to mask.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has no `with_masked(*channels)`, for it has no "
            "channels."
        )

    def _settings(
        self, call: str, names: Sequence[Any], values: Mapping[str, Any]
    ) -> list[tuple[np.ndarray, Any]]:
        """What a caller says of parameters: masks of entries, and values for them."""
        shapes = self.parameter_shapes
        said: list[tuple[str, Any]] = []
        for each in names:
            if isinstance(each, Mapping):
                said += each.items()
            elif isinstance(each, str):
                said.append((each, None))
            else:
                raise TypeError(
                    f"`{call}` takes names, mappings and keywords; got {each!r}."
                )
        found = []
        for name, value in [*said, *values.items()]:
            mask, places = np.zeros(shapes.size, dtype=bool), shapes.places
            entries = entry_names(shapes) if name not in shapes and "[" in name else []
            if name in entries:
                mask[entries.index(name)] = True
                shape: tuple[int, ...] = ()
            else:
                meant = matching(name, shapes, call, "parameter")
                for each in meant:
                    mask[places[each]] = True
                shape = shapes[meant[0]] if len(meant) == 1 else ()
            if value is not None:
                value = _placed(call, name, value, shape, mask)
            found.append((mask, value))
        return found

    @property
    def profiled_names(self) -> tuple[str, ...]:
        """The names of what the model profiles by itself, no parameters."""
        return ()

    def profiled_factors(self, params: Params, data: Data) -> Params:
        """Return what the model profiles by itself, by name: nothing, as a rule.

        What `expected_data` needs beside the parameters of a best fit to `data`.
        """
        return {}

    def negative_log_likelihood(self, data: Data) -> AbstractNegativeLogLikelihood:
        """Return minus the log-likelihood of `data`, a function of a flat vector.

        The default differentiates `logpdf` automatically. A model that knows the
        structure of its derivatives returns a likelihood of its own.
        """
        return AutodiffLikelihood(self, data)


def _placed(
    call: str, name: str, value: Any, shape: tuple[int, ...], mask: np.ndarray
) -> Any:
    """A value for the entries of a mask, as something to choose from by it."""
    if not isinstance(value, bool | np.bool_):
        value = as_floats(value)
    if np.shape(value) == ():
        return value
    if np.shape(value) != shape:
        raise ValueError(
            f"`{call}`: the value of {name!r} has shape {np.shape(value)}; the "
            f"parameter has shape {shape}."
        )
    first = int(np.flatnonzero(mask)[0])
    rest = (first, mask.size - first - mask.sum())
    return xp.concatenate([np.zeros(rest[0]), value.reshape(-1), np.zeros(rest[1])])


def _refuse_truth_value(call: str, value: Any) -> None:
    if isinstance(value, bool | np.bool_):
        raise TypeError(
            f"`{call}` takes the value to fix a parameter at; got {value}. Give names "
            "alone to fix parameters at their starts, `with_free` frees them."
        )


class ModelWithSettings(AbstractModel):
    """Any model with other starts, bounds and fixed entries of its parameters.

    What `with_fixed` and its neighbours return for a model of one's own. Everything
    else, its own attributes included, is the model's.

    Attributes:
        model: the model.
        vectors: the settings.
    """

    model: AbstractModel
    vectors: ParameterVectors

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
    def parameters(self) -> dict[str, Parameter]:
        """The settings by name."""
        shapes, own = self.model.parameter_shapes, self.model.parameters
        of = {
            field: unflatten(getattr(self.vectors, field), shapes)
            for field in ("init", "lower", "upper", "fixed")
        }
        return {
            name: Parameter(
                *(of[field][name] for field in of), constraint=own[name].constraint
            )
            for name in self.parameter_names
        }

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "model":
            raise AttributeError(name)
        return getattr(self.model, name)

    def expected_data(self, params: Params) -> Data:
        return self.model.expected_data(params)

    def logpdf(self, params: Params, data: Data) -> Float[Array, ""]:
        return self.model.logpdf(params, data)

    @property
    def priors(self) -> tuple[str, ...]:
        return self.model.priors

    @property
    def underlying(self) -> AbstractModel:
        return self.model.underlying

    @property
    def profiled_names(self) -> tuple[str, ...]:
        return self.model.profiled_names

    def profiled_factors(self, params: Params, data: Data) -> Params:
        return self.model.profiled_factors(params, data)

    def sample(self, key: PRNGKeyArray, params: Params) -> Data:
        return self.model.sample(key, params)

    def parameter_vectors(self) -> ParameterVectors:
        return self.vectors

    def with_parameter_vectors(self, vectors: ParameterVectors) -> "ModelWithSettings":
        return ModelWithSettings(self.model, vectors)

    def with_masked(self, *channels: str) -> "ModelWithSettings":
        return ModelWithSettings(self.model.with_masked(*channels), self.vectors)

    def negative_log_likelihood(self, data: Data) -> AbstractNegativeLogLikelihood:
        return self.model.negative_log_likelihood(data)
