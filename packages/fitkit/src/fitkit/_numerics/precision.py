"""Likelihoods need float64: a float32 one is flat to about 2e-3 in twice its value."""

import jax


def require_float64() -> None:
    """Raise unless jax computes in float64.

    A negative log-likelihood in float32 has a plateau of about 2e-3 around its minimum,
    on which no fit can converge and no test statistic means anything.

    Raises:
        RuntimeError: where `jax_enable_x64` is off; the message says how to turn it on.

    Example:
        >>> import jax
        >>> jax.config.update("jax_enable_x64", True)
        >>> require_float64()
    """
    if not jax.config.jax_enable_x64:  # type: ignore[attr-defined]
        raise RuntimeError(
            "fitkit needs float64, and jax has it turned off. Call "
            '`jax.config.update("jax_enable_x64", True)` before the first array is '
            "made, or set the environment variable JAX_ENABLE_X64=1."
        )
