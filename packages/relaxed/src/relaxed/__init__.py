"""Smooth, differentiable histograms and cuts in JAX."""

import importlib.metadata

from ._bandwidth import bin_bandwidth as bin_bandwidth
from ._bandwidth import scott_bandwidth as scott_bandwidth
from ._bandwidth import silverman_bandwidth as silverman_bandwidth
from ._binning import monotone_edges as monotone_edges
from ._binning import quantile_edges as quantile_edges
from ._binning import regular_edges as regular_edges
from ._checks import errors_as_nan as errors_as_nan
from ._cut import all_of as all_of
from ._cut import any_of as any_of
from ._cut import cut as cut
from ._cut import none_of as none_of
from ._cut import window as window
from ._diagnostics import SmoothingBias as SmoothingBias
from ._diagnostics import hard_hist as hard_hist
from ._diagnostics import smoothing_bias as smoothing_bias
from ._histogram import hist as hist
from ._histogram import hist_variance as hist_variance
from ._kernel import AbstractKernel as AbstractKernel
from ._kernel import EpanechnikovKernel as EpanechnikovKernel
from ._kernel import GaussianKernel as GaussianKernel
from ._kernel import LogisticKernel as LogisticKernel
from ._kernel import TriweightKernel as TriweightKernel
from ._membership import GaussianMixture as GaussianMixture
from ._membership import hist_from_membership as hist_from_membership
from ._membership import soft_assign as soft_assign
from ._plottable import Plottable as Plottable
from ._ranking import soft_efficiency as soft_efficiency
from ._ranking import soft_roc_auc as soft_roc_auc
from ._samples import hist_of_samples as hist_of_samples
from ._straight_through import straight_through as straight_through

__all__ = [
    "hist",
    "hist_variance",
    "hist_of_samples",
    "hard_hist",
    "smoothing_bias",
    "SmoothingBias",
    "regular_edges",
    "quantile_edges",
    "monotone_edges",
    "scott_bandwidth",
    "silverman_bandwidth",
    "bin_bandwidth",
    "cut",
    "window",
    "all_of",
    "any_of",
    "none_of",
    "straight_through",
    "soft_assign",
    "hist_from_membership",
    "GaussianMixture",
    "soft_roc_auc",
    "soft_efficiency",
    "AbstractKernel",
    "GaussianKernel",
    "LogisticKernel",
    "EpanechnikovKernel",
    "TriweightKernel",
    "Plottable",
    "errors_as_nan",
]
__version__ = importlib.metadata.version("relaxed")
