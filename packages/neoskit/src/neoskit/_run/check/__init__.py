"""A description, tried without training: what there is, and what is odd about it."""

from .check import Check as Check
from .check import check as check
from .findings import Finding as Finding
from .yields import VariationRow as VariationRow
from .yields import YieldRow as YieldRow
