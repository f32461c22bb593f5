"""The result of a fit."""

import importlib.metadata
from collections.abc import Callable
from pathlib import Path
from typing import Any, final

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from .._custom_types import Mask, Matrix, Params, Vector
from .._model.digest import digest_of
from .._model.model import AbstractModel, Data
from .._model.parameters import ParameterShapes, entry_names, unflatten
from .._numerics.bordered_matrix import Bordered, scale_of
from .._numerics.namespace import concrete, traced, xp
from .diagnose import describe, flattest, named_direction
from .fit_file import (
    arrays_of_curvature,
    arrays_of_masks,
    curvature_of,
    masks_of,
    packed,
    read_fit,
    unpacked,
    write_fit,
)
from .minimise import Minimum
from .stationarity import Stationarity
from .uncertainty import Covariance, covariance_of


@final
class FitResult(eqx.Module):
    """The result of a fit.

    Attributes:
        y: best-fit values as one flat vector, in the order of `names`.
        twice_nll: minus twice the log-likelihood there, as `-2 * model.logpdf`.
        converged: whether a minimum was found.
        edm: estimated distance to the minimum before the last step, in units of the
            negative log-likelihood.
        stationarity: free entries, those at a bound and on the edge, as flat masks.
        unique: whether the Hessian of the fitted parameters is positive definite. If
            not, some combination of parameters is not determined, and derivatives of
            `params` are NaN.
        gradient: of minus the log-likelihood there, in the order of `y`, fixed entries
            included; it carries no derivative.
        curvature: the Hessian in its own form; see `hessian`.
        steps: Newton steps, those of a continuation included.
        status: why the search ended: 0 at a minimum, 1 where no step lowers the
            function, 2 after the largest number of steps, 3 where the likelihood is
            zero wherever the search could go.
        priors: parameters with a prior.
    """

    y: Vector
    twice_nll: Float[Array, ""]
    converged: Bool[Array, ""]
    edm: Float[Array, ""]
    stationarity: Stationarity
    unique: Bool[Array, ""]
    gradient: Vector
    curvature: Bordered
    steps: Int[Array, ""]
    status: Int[Array, ""]
    shapes: ParameterShapes = eqx.field(static=True)
    # Parameters with a prior: the result is not of the data alone.
    priors: tuple[str, ...] = eqx.field(static=True, default=())
    # Of a fit that was loaded: it need not be worked out again.
    stored_covariance: Covariance | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the parameters, in the order of `y`."""
        return tuple(self.shapes)

    # Made when they are asked for: many small arrays take longer than a fit.
    @property
    def params(self) -> Params:
        """Best-fit values by parameter name.

        Differentiable with respect to everything traced that went in, by the implicit
        function theorem.
        """
        if self.y.shape != self.stationarity.free.shape:
            raise ValueError(
                f"`FitResult.y` has shape {self.y.shape} for {self.names}: it is the "
                "derivative of a result. Differentiate a function that returns "
                "`fit(...).params` instead."
            )
        return unflatten(self.y, self.shapes)

    @property
    def at_bounds(self) -> dict[str, Array]:
        """By parameter, entries on a bound against which the data push them."""
        held = self.stationarity
        return unflatten(held.at_lower | held.at_upper, self.shapes)

    @property
    def on_edge(self) -> dict[str, Array]:
        """By parameter, entries on a bound at which the derivative vanishes too.

        Derivatives of the result are there those from inside.
        """
        return unflatten(self.stationarity.on_edge, self.shapes)

    @property
    def hessian(self) -> Matrix:
        """Second derivatives of minus the log-likelihood, `[..., params, params]`.

        At the best fit, in the order of `y`, fixed entries included; they carry no
        derivative.
        """
        return self._of_each(Bordered.dense)(self.curvature)

    def _of_each(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function of one fit, of as many as these are."""
        for _ in range(self.y.ndim - 1):
            function = jax.vmap(function)
        return function

    @property
    def movable(self) -> Mask:
        """Which entries were fitted, `[..., params]`."""
        at = self.stationarity
        return at.free | at.at_lower | at.at_upper | at.at_kink

    @property
    def covariance(self) -> Matrix:
        """The inverse Hessian of what was fitted, `[params, params]`.

        As `fitkit.covariance` at the best fit: 0 for fixed parameters, NaN where the
        data determine nothing or push an entry onto its bound.
        """
        movable = self.movable
        known = self.full_covariance.determined | ~movable
        return xp.where(known[:, None] & known, self.full_covariance.table, xp.nan)

    @property
    def uncertainties(self) -> Params:
        """The roots of its diagonal by parameter name."""
        widths = xp.where(self.movable, self.full_covariance.widths, 0.0)
        return unflatten(widths, self.shapes)

    @property
    def full_covariance(self) -> Covariance:
        """What the Hessian says of all uncertainties, for one fit."""
        if self.stored_covariance is not None:
            return self.stored_covariance
        # At a kink the mean of both sides is a curvature as good as any.
        free = self.stationarity.free | self.stationarity.at_kink
        with np.errstate(all="ignore"):
            return covariance_of(*concrete((self.curvature, free)))

    def save(self, path: str | Path, model: AbstractModel, data: Data) -> None:
        """Store the fit, for uses that need no other one.

        Best-fit values, Hessian, covariance and what limits the parameters go into a
        file of NumPy's format `.npz`, without any pickle; of the model and the data
        only a digest, by which `load` knows them again.

        Args:
            path: the file; its name is taken as it is.
            model: that was fitted, with all that holds in the fit.
            data: to which it was fitted.

        Raises:
            ValueError: for several fits in one result, for traced numbers, or for a
                model and data of which this is not the best fit.

        Example:
            >>> import fitkit, tempfile, pathlib
            >>> model = fitkit.uncorrelated_background([12.0], [50.0], [5.0])
            >>> data = model.data({"singlechannel": [56.0]})
            >>> best = fitkit.fit(model, data)
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     path = pathlib.Path(folder) / "fit.npz"
            ...     best.save(path, model, data)
            ...     again = fitkit.FitResult.load(path, model, data)
            >>> fitkit.pulls(model, data, best=again).names
            ('mu', 'uncorr_bkguncrt[0]')
        """
        if traced(self) or np.ndim(self.twice_nll):
            raise ValueError(
                "`FitResult.save` stores one fit with concrete numbers; this result is "
                + ("traced." if traced(self) else f"of {self.twice_nll.size} fits.")
            )
        require_fit_of(self, model, data, "FitResult.save")
        plain = concrete(self)
        arrays = {
            name: np.asarray(getattr(plain, name)) for name in _PLAIN
        } | arrays_of_masks(plain.stationarity)
        arrays |= arrays_of_curvature(plain.curvature)
        covariance = plain.full_covariance
        arrays |= {
            "covariance": packed(covariance.table),
            "covariance_scale": np.asarray(covariance.scale),
            "covariance_free": np.asarray(covariance.free),
        }
        if covariance.flat.any():
            arrays["covariance_flat"] = packed(covariance.flat)
        about = {
            "fitkit": importlib.metadata.version("fitkit"),
            "digest": digest_of(model, data),
            "parameters": [[name, list(shape)] for name, shape in self.shapes.items()],
        }
        write_fit(path, arrays, about)

    @classmethod
    def load(cls, path: str | Path, model: AbstractModel, data: Data) -> "FitResult":
        """A stored fit.

        Args:
            path: of the file that `save` wrote.
            model, data: those of the fit, read or made again.

        Returns:
            The result as it was. `pulls`, `impacts`, `breakdown` and
            `predicted_yields` take it as `best=`, and pictures and tables as any
            other; what needs further fits, such as `ranking` or `scan`, makes its own.

        Raises:
            ValueError: for another file, or where the model or the data are not those
                that were fitted.
        """
        arrays, about = read_fit(path)
        if about.get("digest") != digest_of(model, data):
            raise ValueError(
                f"{path} is a fit of another model, of other settings (fixed "
                "parameters, bounds, starts, masks) or to other data. Make them as "
                "they were, or fit again."
            )
        try:
            size = arrays["y"].size
            flat = arrays.get("covariance_flat")
            covariance = Covariance(
                unpacked(arrays["covariance"], size),
                np.zeros((size, size)) if flat is None else unpacked(flat, size),
                arrays["covariance_scale"],
                arrays["covariance_free"],
            )
            return cls(
                **{name: arrays[name] for name in _PLAIN},
                stationarity=masks_of(arrays),
                curvature=curvature_of(arrays),
                shapes=model.parameter_shapes,
                priors=model.priors,
                stored_covariance=covariance,
            )
        except (KeyError, IndexError, ValueError) as error:
            raise ValueError(
                f"{path} is damaged ({type(error).__name__}: {error}). Fit again."
            ) from None

    @property
    def largest_gradient(self) -> Float[Array, ""]:
        """The largest derivative of a free entry, in units of its natural width.

        Of minus the log-likelihood; entries on a bound, at a kink, or fixed are left
        out (the *projected* gradient). The width is one over the root of the Hessian's
        diagonal.
        """
        scale = self._of_each(scale_of)(self.curvature)
        scaled = xp.abs(self.gradient) / scale
        free = self.stationarity.free
        return xp.max(xp.where(free, scaled, 0.0), axis=-1, initial=0.0)

    @property
    def smallest_eigenvalue(self) -> Float[Array, ""]:
        """The smallest eigenvalue of the free entries' Hessian, in natural units.

        1 where no two entries are correlated; 0 or below where some combination is not
        determined, or the point is a saddle; `inf` where nothing is free.
        """
        return self._of_each(flattest)(self.hessian, self.stationarity.free)[0]

    @property
    def flattest_direction(self) -> dict[str, float]:
        """Its direction: entries by name (`mu`, `gamma[3]`), in natural units.

        A vector of length 1, the largest entries first, those below 0.05 left out. For
        one fit with concrete numbers.
        """
        _, direction = flattest(self.hessian, self.stationarity.free)
        return named_direction(direction, entry_names(self.shapes))

    def __repr__(self) -> str:
        return describe(self)


def result_of(minimum: Minimum, model: AbstractModel) -> FitResult:
    """The minimum with the model's names."""
    fields = minimum._asdict()
    del fields["value"]
    return FitResult(**fields, shapes=model.parameter_shapes, priors=model.priors)


# The fields of one array each.
_PLAIN = (
    *("y", "twice_nll", "converged", "edm", "unique", "gradient", "steps", "status"),
)
# How far two evaluations of one likelihood at one point may be apart, relative to 1 or
# to the value: rounding, on another engine.
_SAME = 1e-9


def require_fit_of(
    result: FitResult, model: AbstractModel, data: Data, call: str
) -> None:
    """See that a result is a fit of a model to data.

    Args:
        result: with concrete numbers.
        model, data: of which it should be one.
        call: for messages.

    Raises:
        ValueError: where the parameters or the likelihood differ.
    """
    if result.shapes != model.parameter_shapes:
        raise ValueError(
            f"`{call}`: the fit is one of other parameters ({', '.join(result.names)})."
        )
    likelihood = model.negative_log_likelihood(data)
    y = concrete(result.y)
    with np.errstate(all="ignore"):
        here = 2 * float(likelihood.value(y) + likelihood.saturated())
    there = float(result.twice_nll)
    if not abs(here - there) <= _SAME * max(1.0, abs(there)):
        raise ValueError(
            f"`{call}`: -2 log L is {here:.9g} at the best fit that is given, which "
            f"says {there:.9g}: it is a fit of another model, or to other data."
        )
