"""Array words that every module of fitkit shares."""

from typing import TypeAlias

from jaxtyping import Array, Bool, Float

Params: TypeAlias = dict[str, Array]
"""Parameter values by name: `()` for a scalar parameter, `(n,)` for one per bin."""

Vector: TypeAlias = Float[Array, " params"]
"""All parameters in one flat vector, in the order of `model.parameter_names`."""

Mask: TypeAlias = Bool[Array, " params"]
"""One truth value for each entry of the flat parameter vector."""

Matrix: TypeAlias = Float[Array, "params params"]
"""A symmetric matrix over the flat parameter vector."""
