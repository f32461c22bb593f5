"""Train an analysis end to end on the expected result of its measurement."""

import importlib.metadata

__version__ = importlib.metadata.version("neoskit")
