"""Many fits: one after the other on NumPy; in one program side by side or in turn."""

import time
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .compiled import runs_on_numpy
from .namespace import concrete, traced
from .threads import one_thread

# Up to so many parameters fits go side by side, one step of all at a time; above they
# go in turn. Side by side every fit takes both branches of each condition and as many
# steps as the slowest, which the larger matrices stop hiding. CPU time of `hypotest`
# side by side over that in turn, 32 of them (8 of the last): 0.6 with 15 parameters,
# 0.8 with 30, 1.15 with 45, 1.6 with 64.
_MOST_PARAMETERS = 40
# How many are in memory together.
_SIDE_BY_SIDE = 64


def in_batch(
    function: Callable[[Any], Any], batch: Any, parameters: int, *operands: Any
) -> Any:
    """Apply a function that fits to every member of a batch.

    Args:
        function: of one member.
        batch: a tree of arrays with a leading axis.
        parameters: of each fit; how many decides whether fits go side by side.
        operands: what the function uses beside its argument: where any of it is traced,
            the batch is.
    """
    count = jax.tree.leaves(batch)[0].shape[0]
    if runs_on_numpy(batch, *operands) and count:
        results = [
            function(jax.tree.map(lambda x, i=i: x[i], batch)) for i in range(count)
        ]
        return jax.tree.map(lambda *x: np.stack(x), *results)
    batch = jax.tree.map(jnp.asarray, batch)
    if parameters > _MOST_PARAMETERS:
        return jax.lax.map(function, batch)
    if count <= _SIDE_BY_SIDE:
        return jax.vmap(function)(batch)
    chunks = -(-count // _SIDE_BY_SIDE)
    missing = chunks * _SIDE_BY_SIDE - count

    # Sizes are written out: a leaf may have no entries, from which none can be found.
    def chunked(x: jax.Array) -> jax.Array:
        # The last fit again and again, so that all chunks are of one size; `lax.map`
        # with `batch_size` would compile a second program for those that are left.
        whole = jnp.concatenate([x, jnp.repeat(x[-1:], missing, axis=0)])
        return whole.reshape(chunks, _SIDE_BY_SIDE, *x.shape[1:])

    def as_given(x: jax.Array) -> jax.Array:
        return x.reshape(chunks * _SIDE_BY_SIDE, *x.shape[2:])[:count]

    out = jax.lax.map(jax.vmap(function), jax.tree.map(chunked, batch))
    return jax.tree.map(as_given, out)


# Measured by benchmarks/engines.py, in CPU time, for 3 to 181 parameters: a program for
# a batch of fits or tests compiles in 4 to 12 s, one for limits in 15 to 20. A member
# takes a quarter of its time on NumPy there or less, down to a hundredth of few
# parameters. The largest of the former and the least gain: what NumPy ends sooner must
# not be compiled, and the other mistake costs some seconds at most.
_COMPILING, LONG_PROGRAM = 12.0, 20.0
_FASTER = 4.0
# Only after so many seconds on NumPy is the time of a member known well enough: the
# first one reads its tables for the first time.
_MEASURED = 0.25
# Below so many seconds a program that is there already gains nothing that anybody sees.
_LEAST_GAIN = 0.2


class Batched:
    """A function that fits, for every member of a batch, on whichever engine is sooner.

    The members of a concrete batch are fitted on NumPy, one after the other, and timed.
    Once the rest would take longer than compiling and running one program for it, that
    is done instead; a program that has been compiled before is used at once. The
    results are the same.

    Args:
        function: `function(common, member)`; `common` is the same for all.
        compiling: seconds that its program takes to compile.
    """

    def __init__(
        self, function: Callable[[Any, Any], Any], compiling: float = _COMPILING
    ):
        self._function, self._compiling = function, compiling
        self._compiled = eqx.filter_jit(self._together)
        self._known: set[Any] = set()

    def _together(self, common: Any, batch: Any, parameters: int) -> Any:
        def one(member: Any) -> Any:
            return self._function(common, member)

        return in_batch(one, batch, parameters, common)

    def __call__(
        self,
        common: tuple[Any, ...],
        batch: Any,
        parameters: int,
        progress: Callable[[int, int], object] | None = None,
        ahead: int = 0,
    ) -> Any:
        """The results, with a leading axis.

        Args:
            common: what all members share.
            batch: a tree of arrays with a leading axis, of at least one member.
            parameters: of each fit.
            progress: called with how many of how many are done.
            ahead: members of later calls, which the same program would serve.
        """
        if traced(common, batch):
            return self._together(common, batch, parameters)
        count = jax.tree.leaves(batch)[0].shape[0]
        tell = progress or (lambda done, of: None)
        common, batch = concrete(common), concrete(batch)
        parts: list[Any] = []
        done = 0
        if runs_on_numpy(common, batch):
            done = self._one_by_one(
                common, batch, parameters, count, ahead, parts, tell
            )
        # Few sizes, so that few programs serve batches of every size.
        size = min(_SIDE_BY_SIDE, 1 << (count - 1).bit_length())
        while done < count:
            some = range(done, min(done + size, count))
            index = np.minimum(done + np.arange(size), count - 1)
            members = jax.tree.map(lambda x, at=index: x[at], batch)
            # What NumPy began goes on in float64, whatever jax is told elsewhere.
            with jax.enable_x64(True):
                result = concrete(self._compiled(common, members, parameters))
            parts.append(jax.tree.map(lambda x, n=len(some): x[:n], result))
            done += len(some)
            self._known.add(self._program(common, batch))
            tell(done, count)
        return jax.tree.map(lambda *x: np.concatenate(x), *parts)

    def _one_by_one(
        self,
        common: Any,
        batch: Any,
        parameters: int,
        count: int,
        ahead: int,
        parts: list[Any],
        tell: Callable[[int, int], object],
    ) -> int:
        """Fit members in turn as long as that is sooner; how many have been."""
        known = count > 1 and self._program(common, batch) in self._known
        compiling = 0.0 if known else self._compiling
        # By the clock of this thread: others slow both engines down.
        results, start = [], time.thread_time()
        for i in range(count):
            with one_thread():
                member = jax.tree.map(lambda x, i=i: x[i], batch)
                results.append(self._function(common, member))
            tell(i + 1, count)
            taken = time.thread_time() - start
            left = count - i - 1 and count - i - 1 + ahead
            if compiling_is_sooner(taken / (i + 1), left, taken, compiling):
                break
        parts.append(jax.tree.map(lambda *x: np.stack(x), *results))
        return len(results)

    def _program(self, common: Any, batch: Any) -> Any:
        """What tells the programs of two calls apart, the batch's size aside."""
        leaves, structure = jax.tree.flatten((common, batch))
        shared = len(jax.tree.leaves(common))
        shapes = [np.shape(x) for x in leaves[:shared]]
        shapes += [np.shape(x)[1:] for x in leaves[shared:]]
        return structure, tuple(shapes)


def compiling_is_sooner(each: float, left: int, taken: float, compiling: float) -> bool:
    """Whether a program for the rest of a batch would end before NumPy does.

    Args:
        each: seconds that NumPy takes for a member.
        left: how many members are left.
        taken: for so many seconds NumPy has been timed.
        compiling: seconds until the program is there, 0 for one that is.
    """
    if compiling and taken < _MEASURED:
        return False
    return left * each * (1 - 1 / _FASTER) > max(compiling, _LEAST_GAIN)
