"""Traced, every array of every result carries the check that its fits converged."""

import jax
import jax.numpy as jnp
import pytest
from jax.interpreters.partial_eval import dce_jaxpr

import fitkit

ROUTINES = {
    "fit": lambda model, data: fitkit.fit(model, data),
    "fixed_poi_fit": lambda model, data: fitkit.fixed_poi_fit(model, data, 1.0),
    "hypotest": lambda model, data: fitkit.hypotest(model, data, 1.0),
    "discovery": lambda model, data: fitkit.discovery(model, data),
    "upper_limit": lambda model, data: fitkit.upper_limit(model, data),
    "asimov_data": lambda model, data: fitkit.asimov_data(model, 1.0, data),
}


def unchecked(function, *args):
    """The outputs of a traced function that are worked out without any check."""
    program = jax.make_jaxpr(function)(*args).jaxpr
    found = []
    for i in range(len(program.outvars)):
        wanted = [k == i for k in range(len(program.outvars))]
        needed, inputs = dce_jaxpr(program, wanted)
        # What depends on no data is a constant of the model.
        if any(inputs) and "callback" not in str(needed):
            found.append(i)
    return found


@pytest.mark.parametrize("name", ROUTINES)
def test_every_array_carries_the_check(name):
    model = fitkit.uncorrelated_background([12.0, 11.0], [50.0, 52.0], [3.0, 7.0])

    def leaves(counts):
        data = model.data({"singlechannel": counts})
        return [
            leaf
            for leaf in jax.tree.leaves(ROUTINES[name](model, data))
            if isinstance(leaf, jax.core.Tracer)
        ]

    counts = jnp.array([51.0, 48.0])
    assert len(jax.make_jaxpr(leaves)(counts).jaxpr.outvars) >= 2
    assert unchecked(leaves, counts) == []


def test_the_check_is_seen_to_be_missing():
    model = fitkit.uncorrelated_background([12.0], [50.0], [3.0])

    def value(counts):
        data = model.data({"singlechannel": counts})
        return fitkit.fit(model, data, throw=False).twice_nll

    assert unchecked(value, jnp.array([51.0])) == [0]
