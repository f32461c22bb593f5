"""Expected events per bin of samples, processes and channels."""

from typing import final

import equinox as eqx

from .._custom_types import Yields


@final
class Template(eqx.Module):
    """Expected events per bin of one sample.

    Args:
        yields: Σ w.
        variance: Σ w², the variance of `yields` from the finite sample.
    """

    yields: Yields
    variance: Yields


@final
class ProcessTemplates(eqx.Module):
    """The nominal template of a process and those of its variations (up, down)."""

    nominal: Template
    variations: dict[str, tuple[Template, Template]]


Templates = dict[str, dict[str, ProcessTemplates]]
"""Channel → process → templates. A sum over events: add two with `jax.tree.map`."""
