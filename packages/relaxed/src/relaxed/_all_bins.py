"""What a chunk of events adds to the bins where each is evaluated at every edge."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ._kernel import (
    AbstractKernel,
    finite_data,
    finite_edges,
    inverse,
    signed_tail,
    standardise,
    tangent_of_tails,
)
from ._smear import (
    Axis,
    Events,
    Histogram,
    dimensions,
    images,
    outer,
    walk,
    weights_of,
)


def add_to_all(
    histogram: Histogram, events: Events, new: Bool[Array, " events"], k: int
) -> Float[Array, "*bins"]:
    """Return Σ (w p)ᵏ of one chunk, with every event evaluated at every edge."""
    weights = weights_of(events, new) ** histogram.power
    if len(histogram.axes) == histogram.power == 1:
        ((axis, data, bandwidth),) = dimensions(histogram, events)
        return _sum_of_areas(histogram.kernel, axis, data, bandwidth, weights)
    *others, last = (
        areas(histogram.kernel, axis, data, bandwidth) ** histogram.power
        for axis, data, bandwidth in dimensions(histogram, events)
    )  # each [bins, events]
    if not others:
        return jnp.sum(weights * last, axis=1)
    product = outer(others, weights)
    highest = jax.lax.Precision.HIGHEST  # the default of a GPU keeps 10 bits
    return jnp.einsum("...i,bi->...b", product, last, precision=highest)


def areas(
    kernel: AbstractKernel,
    axis: Axis,
    data: Float[Array, " events"],
    bandwidth: Float[Array, "..."],
) -> Float[Array, "bins events"]:
    """Return the part of each event that falls into each bin."""
    total = jnp.zeros((axis.bins, *data.shape), data.dtype)
    for edges, image in images(axis, data):
        total += walk(kernel, edges.__getitem__, axis.bins, image, bandwidth)
    return total


def _sum_of_areas(
    kernel: AbstractKernel,
    axis: Axis,
    data: Float[Array, " events"],
    bandwidth: Float[Array, "..."],
    weights: Float[Array, " events"],
) -> Float[Array, " bins"]:
    """Return Σ w p per bin without the areas: each edge's tails are summed first.

    What is left is the ordinary histogram. An edge's sum is made of what its two bins
    exchange, so that neither the difference of two edges nor the addition of the
    ordinary count loses digits of a bin.
    """
    total = jnp.zeros(axis.bins, data.dtype)
    for edges, image in images(axis, data):
        tails = _sum_of_tails(kernel, edges, image, bandwidth, weights)
        # The signs of z, from numbers that XLA need not keep for every edge and event.
        edges, image = finite_edges(edges[:, None]), finite_data(image)
        inside = (edges[:-1] < image) & (image <= edges[1:])
        hard = _dot(inside.astype(weights.dtype), weights)
        total += hard + (tails[1:] - tails[:-1])
    return total


@eqx.filter_custom_jvp
def _sum_of_tails(
    kernel: AbstractKernel,
    edges: Float[Array, " edges"],
    data: Float[Array, " events"],
    bandwidth: Float[Array, "..."],
    weights: Float[Array, " events"],
) -> Float[Array, " edges"]:
    """Return Σ w r((edge - x) / h) per edge."""
    z = standardise(edges[:, None], data, bandwidth)
    return _dot(signed_tail(kernel, z), weights)


@_sum_of_tails.def_jvp
def _sum_of_tails_jvp(primals, tangents):
    # As JAX would derive it, but that every sum, the transposed ones too, is a product
    # with a matrix [edges, events]: other sums XLA may fuse with `pdf` into loops that
    # compute one exponential at a time.
    kernel, edges, data, bandwidth, weights = primals
    _, d_edges, d_data, d_bandwidth, d_weights = tangents
    z = standardise(edges[:, None], data, bandwidth)
    density = weights * inverse(bandwidth)
    tangent = tangent_of_tails(
        _dot, kernel, z, density, d_edges, d_data, d_bandwidth, d_weights
    )
    return _sum_of_tails(*primals), jnp.zeros_like(edges) + tangent


def _dot(
    terms: Float[Array, "edges events"], weights: Float[Array, " events"]
) -> Float[Array, " edges"]:
    """Return the sum over events, in full precision also where GPUs keep 10 bits."""
    return jnp.dot(terms, weights, precision=jax.lax.Precision.HIGHEST)
