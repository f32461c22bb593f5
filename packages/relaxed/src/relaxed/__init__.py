"""Smooth, differentiable histograms and cuts in JAX."""

import importlib.metadata

from ._binning import monotone_edges as monotone_edges
from ._binning import quantile_edges as quantile_edges
from ._binning import regular_edges as regular_edges
from ._cut import cut as cut
from ._cut import window as window
from ._diagnostics import hard_hist as hard_hist
from ._histogram import hist as hist
from ._histogram import hist_variance as hist_variance
from ._kernel import AbstractKernel as AbstractKernel
from ._kernel import GaussianKernel as GaussianKernel
from ._kernel import LogisticKernel as LogisticKernel

__all__ = [
    "hist",
    "hist_variance",
    "hard_hist",
    "cut",
    "window",
    "regular_edges",
    "quantile_edges",
    "monotone_edges",
    "AbstractKernel",
    "GaussianKernel",
    "LogisticKernel",
]
__version__ = importlib.metadata.version("relaxed")
