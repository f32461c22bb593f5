r"""Models of one channel that are needed every day, in one call.

Bin contents may be traced arrays: the gradient flows through the construction.
"""

from jaxtyping import ArrayLike, Float

from .model import Model
from .modifiers import HistoSys, NormFactor, ShapeSys
from .spec import Channel, Sample


def uncorrelated_background(
    signal: Float[ArrayLike, " bins"],
    background: Float[ArrayLike, " bins"],
    uncertainty: Float[ArrayLike, " bins"],
) -> Model:
    r"""A signal over a background with an independent uncertainty in each bin.

    The rate of bin \(i\) is \(\mu s_i + \gamma_i b_i\), where \(\gamma_i\) is measured
    by an auxiliary Poisson count of mean \(\gamma_i (b_i/\delta_i)^2\) (the on/off
    problem).

    Args:
        signal: expected signal at `mu` = 1, events per bin.
        background: expected background, events per bin.
        uncertainty: absolute uncertainty of the background, events per bin. A bin of
            zero uncertainty, or of zero background, has its factor fixed at 1.

    Returns:
        A model with one channel "singlechannel", parameter of interest `mu` in
        [0, inf) and `uncorr_bkguncrt`, the names that pyhf's function of this name
        uses.

    Example:
        >>> import fitkit, jax.numpy as jnp
        >>> model = fitkit.uncorrelated_background(
        ...     jnp.array([12.0, 11.0]), jnp.array([50.0, 52.0]), jnp.array([3.0, 7.0])
        ... )
        >>> [float(n) for n in model.expected_data(model.init).main["singlechannel"]]
        [62.0, 63.0]

    References:
        CERN-OPEN-2012-016, section 4; R. Cousins et al., arXiv:physics/0702156.
    """
    return _single_channel(
        "singlechannel", signal, background, ShapeSys("uncorr_bkguncrt", uncertainty)
    )


def correlated_background(
    signal: Float[ArrayLike, " bins"],
    background: Float[ArrayLike, " bins"],
    up: Float[ArrayLike, " bins"],
    down: Float[ArrayLike, " bins"],
) -> Model:
    r"""A signal over a background that one nuisance parameter shifts in all bins.

    The background interpolates between `down` (\(\alpha = -1\)), `background` (0) and
    `up` (+1) with code 4p, and \(\alpha\) has a unit normal constraint.

    Args:
        signal: expected signal at `mu` = 1, events per bin.
        background: expected background, events per bin.
        up: expected background at \(\alpha = +1\), events per bin.
        down: expected background at \(\alpha = -1\), events per bin.

    Returns:
        A model with one channel "single_channel", parameter of interest `mu` in
        [0, inf) and `correlated_bkg_uncertainty`, the names that pyhf's function of
        this name uses.

    Example:
        >>> import fitkit, jax.numpy as jnp
        >>> model = fitkit.correlated_background(
        ...     jnp.array([12.0, 11.0]),
        ...     jnp.array([50.0, 52.0]),
        ...     up=jnp.array([45.0, 57.0]),
        ...     down=jnp.array([55.0, 47.0]),
        ... )
        >>> at_up = model.init | {"correlated_bkg_uncertainty": jnp.array(1.0)}
        >>> [float(n) for n in model.expected_data(at_up).main["single_channel"]]
        [57.0, 68.0]

    References:
        CERN-OPEN-2012-016, section 4.1.
    """
    return _single_channel(
        "single_channel",
        signal,
        background,
        HistoSys("correlated_bkg_uncertainty", lo=down, hi=up),
    )


def _single_channel(
    name: str,
    signal: Float[ArrayLike, " bins"],
    background: Float[ArrayLike, " bins"],
    modifier: ShapeSys | HistoSys,
) -> Model:
    samples = [
        Sample("signal", signal, (NormFactor("mu"),)),
        Sample("background", background, (modifier,)),
    ]
    return Model([Channel(name, samples)], poi="mu")
