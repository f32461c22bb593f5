"""A process that compiles ever more programs does not die of Linux's limit."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import pytest

from fitkit import _room

pytestmark = pytest.mark.skipif(
    _room.room.most is None, reason="this system has no limit of memory mappings"
)

# Takes all but 1500 of the mappings: without room made, the fourth fit dies of SIGSEGV.
_SCRIPT = """
import mmap
import jax
import fitkit
from fitkit._room import mappings, room

jax.config.update("jax_enable_x64", True)
one = lambda i: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | (i % 2) * mmap.PROT_WRITE)
held = [one(i) for i in range(room.most - mappings() - 1500)]
for bins in range(1, 8):
    model = fitkit.uncorrelated_background([5.0] * bins, [50.0] * bins, [7.0] * bins)
    result = fitkit.fit(model, model.data({"singlechannel": [53.0] * bins}))
    assert abs(result.params["mu"] - 0.6) < 1e-6
    assert mappings() < room.most
print("done", len(held))
"""


def test_more_shapes_than_the_system_has_mappings_for():
    ended = subprocess.run(
        [sys.executable, "-c", _SCRIPT], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert ended.stdout.startswith("done")


@pytest.fixture
def traced():
    """How often a function was traced, and the function."""
    times = []

    @jax.jit
    def function(x):
        times.append(x)
        return 2 * x

    function(jnp.ones(3))
    return times, lambda: function(jnp.ones(3))


def test_programs_stay_while_there_is_room(traced):
    times, function = traced
    room = _room.Room(most=4 * _room.mappings())
    room.taken()
    room.make()
    function()
    assert len(times) == 1


def test_programs_are_dropped_once_for_what_is_left(traced):
    times, function = traced
    room = _room.Room(most=_room.mappings() + 300)
    room.make()  # nothing was traced: nothing is counted
    function()
    assert len(times) == 1
    room.taken()
    room.make()
    function()
    assert len(times) == 2
    # what other programs hold cannot be dropped, and is not tried at each call
    room.taken()
    room.make()
    function()
    assert len(times) == 2


def test_room_is_made_inside_a_transformation():
    small = jax.jit(lambda x: 3 * x)

    @jax.jit
    @jax.grad
    def function(x):
        room = _room.Room(most=_room.mappings() + 10)
        first = small(x)
        room.taken()
        room.make()
        return first * small(x)

    assert function(2.0) == 36.0


def test_no_limit_nothing_to_do():
    room = _room.Room(most=None)
    room.taken()
    room.make()
