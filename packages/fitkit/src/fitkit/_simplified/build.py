"""From any model of counts to its simplified likelihood."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from .._fit.fit import fixed_poi_fit
from .._fit.poi import fixed_pois
from .._model.model import AbstractModel, Data
from .._model.parameters import entry_names, matching
from .._numerics import random
from .._numerics.namespace import concrete, traced
from .._profile.constraint_widths import prior_centres, prior_covariance
from .model import SimplifiedLikelihood

# So many samples are in memory side by side.
_TOGETHER = 256


def simplified_likelihood(
    model: AbstractModel,
    data: Data,
    channels: str | Sequence[str] = "*",
    *,
    third_moments: bool = True,
    samples: int = 20_000,
    key: PRNGKeyArray | None = None,
) -> tuple[SimplifiedLikelihood, Data]:
    r"""The simplified likelihood of some channels of a model.

    The background is what the model expects without signal. Its parameters are drawn as
    the other channels, and the constraints, know them: from a normal distribution
    around their best fit, with its covariance, of the model without signal to the data
    of the other channels alone; where there are none, from the constraints. What the
    chosen channels then expect has a mean, a covariance and third moments, which define
    the likelihood; their data are not used twice.

    Args:
        model: any model of counts by channel with one parameter of interest, at 0 of
            which there is no signal.
        data: observed counts and auxiliary data.
        channels: the channels to keep, names or shell patterns; by default all.
        third_moments: whether to keep the asymmetry of each bin, or, as
            CMS-NOTE-2017-001 does, mean and covariance alone.
        samples: how many times parameters are drawn. Mean and covariance are good to
            0.7 % of a standard deviation, third moments to 2.5 % of its cube.
        key: of the random numbers; by default `jax.random.key(0)`.

    Returns:
        `(model, data)` of the channels. The signal is the yield that the parameter of
        interest adds at 1, without uncertainties.

    Raises:
        ValueError: where a parameter is not determined without the chosen channels, or
            the moments have no simplified likelihood.
        FitError: where the fit to the other channels finds no minimum.

    Example:
        >>> import fitkit
        >>> full = fitkit.uncorrelated_background([12.0, 11.0], [50.0, 52.0], [3, 7])
        >>> observed = full.data({"singlechannel": [51.0, 48.0]})
        >>> simple, data = fitkit.simplified_likelihood(
        ...     full, observed, third_moments=False
        ... )
        >>> limits = [fitkit.upper_limit(*each).observed
        ...     for each in ((full, observed), (simple, data))]
        >>> [round(float(limit), 2) for limit in limits]
        [1.01, 1.02]

    References:
        CMS Collaboration, CMS-NOTE-2017-001; A. Buckley et al., JHEP 04 (2019) 064,
        arXiv:1809.05548, section 2.
    """
    if not isinstance(model.poi, str):
        raise ValueError(
            "`simplified_likelihood` needs a model with one parameter of interest; "
            f"this one has {model.poi!r}. Choose it with `with_poi`."
        )
    if traced(model, data):
        raise ValueError(
            "`simplified_likelihood` takes concrete numbers. Build it outside "
            "`jax.jit`, and give `with_signal` a traced signal."
        )
    if model.profiled_names:
        raise ValueError(
            f"the factors of {model.profiled_names[0]!r} are profiled, and no "
            'parameters to be drawn. Build the model with `mc_statistics="parameters"`.'
        )
    if samples < 2:
        raise ValueError(f"`samples` must be at least 2; got {samples}.")
    model, data = concrete((model, data))
    sizes = _sizes(model)
    patterns = [channels] if isinstance(channels, str) else channels
    kept = {
        name
        for pattern in patterns
        for name in matching(pattern, sizes, "simplified_likelihood", "channel")
    }
    names = [name for name in sizes if name in kept]
    others = [name for name in sizes if name not in kept]
    poi, _ = fixed_pois(model, 0.0, "simplified_likelihood")
    centre, covariance = _known(model, data, names, others, poi)
    drawn = _drawn(model, centre, covariance, poi, samples, key)
    with jax.enable_x64(True):
        main = _expected(model, jnp.asarray(drawn))
    counts = np.concatenate([np.asarray(main[name]) for name in names], axis=1)
    mean = counts.mean(axis=0)
    away = counts - mean
    table = away.T @ away / len(away)
    third = (away**3).mean(axis=0) if third_moments else None

    def at(strength: float) -> np.ndarray:
        y = np.where(poi, strength, centre)
        main = model.expected_data(model.unravel(y)).main
        return np.concatenate([main[name] for name in names])

    simple = SimplifiedLikelihood(
        at(1.0) - at(0.0),
        mean,
        table,
        third,
        channels={name: sizes[name] for name in names},
        poi=model.poi,
    )
    return simple, simple.data({name: data.main[name] for name in names})


def _sizes(model: AbstractModel) -> dict[str, int]:
    """The number of bins of the channels that are not masked."""
    masked = getattr(model, "masked_channels", ())
    main = model.expected_data(model.init).main
    # The order of a model's own, where it has one.
    names = getattr(model, "channel_names", tuple(main))
    sizes = {name: len(main[name]) for name in names if name not in masked}
    if any(np.ndim(main[name]) != 1 for name in sizes):
        raise ValueError(
            "`simplified_likelihood` needs counts by channel, `[bins]` each."
        )
    return sizes


def _known(
    model: AbstractModel,
    data: Data,
    names: list[str],
    others: list[str],
    poi: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """What is known of the parameters without the data of some channels."""
    if others:
        fitted = fixed_poi_fit(model.with_masked(*names), data, 0.0)
        centre, movable = np.asarray(fitted.y), np.asarray(fitted.movable) & ~poi
        covariance = fitted.full_covariance
        known, table = np.asarray(covariance.determined), np.asarray(covariance.table)
    else:
        centre = np.asarray(prior_centres(model))
        table = np.asarray(prior_covariance(model))
        movable = np.asarray(model.parameter_vectors().start()[1]) & ~poi
        known = np.diagonal(table) > 0
    if (unknown := movable & ~known).any():
        entries = entry_names(model.parameter_shapes)
        first = next(n for n, at in zip(entries, unknown, strict=True) if at)
        where = f"channels {', '.join(others)}" if others else "constraints"
        raise ValueError(
            f"`simplified_likelihood`: the {where} do not determine {first!r}. Leave "
            "out of `channels` those that do, or fix the parameter."
        )
    return centre, np.where(movable[:, None] & movable, table, 0.0)


def _drawn(
    model: AbstractModel,
    centre: np.ndarray,
    covariance: np.ndarray,
    poi: np.ndarray,
    samples: int,
    key: PRNGKeyArray | None,
) -> Float[np.ndarray, "samples params"]:
    """Parameters without signal, from a normal distribution inside the bounds."""
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    source = random.generator(jax.random.key(0) if key is None else key)
    half = source.standard_normal((-(-samples // 2), len(centre)))
    # Each with its opposite: what is linear has its mean without any noise.
    drawn = centre + np.concatenate([half, -half]) @ root.T
    vectors_ = model.parameter_vectors()
    inside = np.clip(drawn, vectors_.lower, vectors_.upper)
    moved = np.diagonal(covariance) > 0
    return np.where(poi, 0.0, np.where(moved, inside, centre))


@eqx.filter_jit
def _expected(
    model: AbstractModel, drawn: Float[Array, "samples params"]
) -> dict[str, Float[Array, "samples bins"]]:
    """The expected counts of all samples: a small program, there at once."""

    def counts(y: Array) -> dict[str, Array]:
        return dict(model.expected_data(model.unravel(y)).main)

    return jax.lax.map(counts, drawn, batch_size=_TOGETHER)
