"""Axis words and array aliases of neoskit.

One vocabulary for shapes, the same as in relaxed and fitkit: `events`, `features`,
`bins`, `edges`. The observable works in float32, everything from the histogram
onwards in float64. Events lie in NumPy arrays until a step is traced.
"""

from typing import TypeAlias

import jax
import numpy as np
from jaxtyping import Float, Int, UInt32

_Array: TypeAlias = jax.Array | np.ndarray

Features: TypeAlias = Float[_Array, "events features"]
"""One row per event, one column per input of the observable."""

PerEvent: TypeAlias = Float[_Array, " events"]
"""One number per event: a weight or the value of the observable."""

EventIndex: TypeAlias = UInt32[_Array, " events"]
"""Which event a row is, the same in the nominal sample and in its variations."""

Rows: TypeAlias = Int[_Array, " batch"]
"""The rows of a sample that enter one minibatch."""

Yields: TypeAlias = Float[_Array, " bins"]
"""Expected events per bin."""

Edges: TypeAlias = Float[_Array, " edges"]
"""Bin edges in increasing order, one more than there are bins."""

Scalar: TypeAlias = Float[_Array, ""]
"""One number."""
