"""Axis words and array aliases of neoskit.

One vocabulary for shapes, the same as in relaxed and fitkit: `events`, `features`,
`bins`, `edges`. The observable works in float32, everything from the histogram
onwards in float64.
"""

from typing import TypeAlias

from jaxtyping import Array, Float, Int, UInt32

Features: TypeAlias = Float[Array, "events features"]
"""One row per event, one column per input of the observable."""

PerEvent: TypeAlias = Float[Array, " events"]
"""One number per event: a weight or the value of the observable."""

EventIndex: TypeAlias = UInt32[Array, " events"]
"""Which event a row is, the same in the nominal sample and in its variations."""

Rows: TypeAlias = Int[Array, " batch"]
"""The rows of a sample that enter one minibatch."""

Yields: TypeAlias = Float[Array, " bins"]
"""Expected events per bin."""

Edges: TypeAlias = Float[Array, " edges"]
"""Bin edges in increasing order, one more than there are bins."""

Scalar: TypeAlias = Float[Array, ""]
"""One number."""
