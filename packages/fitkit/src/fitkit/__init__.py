"""HistFactory likelihoods, fits as implicit solves, tests and limits in JAX."""

import importlib.metadata

__version__ = importlib.metadata.version("fitkit")
