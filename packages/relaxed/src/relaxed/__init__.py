"""Smooth, differentiable histograms and cuts in JAX."""

import importlib.metadata

__version__ = importlib.metadata.version("relaxed")
