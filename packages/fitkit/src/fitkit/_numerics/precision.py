"""Likelihoods need float64: a float32 one is flat to about 2e-3 in twice its value."""

from typing import Any

import jax

from .compiled import runs_on_numpy


def require_float64(*args: Any) -> None:
    """Raise unless jax computes in float64, where jax is what computes.

    A negative log-likelihood in float32 has a plateau of about 2e-3 around its minimum,
    on which no fit can converge and no test statistic means anything.

    Args:
        args: what is computed with: of concrete numbers NumPy computes in float64,
            whatever jax does. Without any, jax is asked in any case.

    Raises:
        RuntimeError: where `jax_enable_x64` is off; the message says how to turn it on.

    Example:
        >>> import jax
        >>> jax.config.update("jax_enable_x64", True)
        >>> require_float64()
    """
    if args and runs_on_numpy(*args):
        return
    if not jax.config.jax_enable_x64:  # type: ignore[attr-defined]
        raise RuntimeError(
            "fitkit needs float64, and jax has it turned off. Call "
            '`jax.config.update("jax_enable_x64", True)` before the first array is '
            "made, or set the environment variable JAX_ENABLE_X64=1."
        )
