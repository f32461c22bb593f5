"""Expressions over columns, such as `"(mt < 30) & (abs(eta) < 2.1)"`.

Python's parser reads the text, what is no arithmetic is refused, and numexpr computes
what is left; lists of several values per event are reduced to one by awkward-array. No
text of a user's is ever evaluated as Python.
"""

from .compute import Expression as Expression
from .compute import Reduction as Reduction
from .compute import is_jagged as is_jagged
from .parse import parse as parse
from .words import FUNCTIONS as FUNCTIONS
from .words import REDUCTIONS as REDUCTIONS
