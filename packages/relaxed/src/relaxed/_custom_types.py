"""The axis words that appear in every signature of this package.

`events`, `bins`, `edges=bins+1`, `dims`: an array is annotated with these words and
nothing else, so that a signature can be read without the docstring.
"""

from collections.abc import Sequence
from typing import Literal, TypeAlias

from jaxtyping import Array, Float, Num

Events: TypeAlias = Num[Array, " events"]
Weights: TypeAlias = Num[Array, " events"]
Edges: TypeAlias = Num[Array, " edges=bins+1"]
Counts: TypeAlias = Float[Array, " bins"]
Flow: TypeAlias = Literal["drop", "clip", "reflect"]
EdgesPerDim: TypeAlias = Sequence[Num[Array, " edges"]]
