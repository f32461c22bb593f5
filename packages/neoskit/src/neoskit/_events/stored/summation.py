"""How a sum over all chunks of a stored dataset is made: here, or elsewhere."""

import abc
import dataclasses
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias, final

import equinox as eqx
import jax
import numpy as np
from jaxtyping import PyTree

from ..dataset import Dataset
from ..process import replaced
from .chunks import Chunks

Program: TypeAlias = Callable[[Any, Dataset], PyTree]
"""What is summed: of some arguments and a chunk, numbers. A function of a module, so
that another process finds it by its name."""


class AbstractSummation(abc.ABC):
    """A way to sum what a program gives of each chunk."""

    @abc.abstractmethod
    def sum(self, program: Program, arguments: Any, chunks: Chunks) -> PyTree:
        """The sum over the chunks.

        Args:
            program: what is summed.
            arguments: its first argument, a pytree.
            chunks: the events.
        """


@final
class InThisProcess(AbstractSummation):
    """One chunk after the other."""

    def sum(self, program: Program, arguments: Any, chunks: Chunks) -> PyTree:
        """The sum over the chunks."""
        return sum_over(program, arguments, (chunks[i] for i in range(len(chunks))))


def sum_over(program: Program, arguments: Any, parts: Iterable[Dataset]) -> PyTree:
    """The sum of a program over some parts, at least one, in their order."""
    total: PyTree = None
    waiting: PyTree = None
    for part in parts:
        # What is compiled computes while the next part is read.
        result = program(arguments, part)
        if waiting is not None:
            total = added(total, waiting)
        waiting = result
    return rounded(added(total, waiting), waiting)


def added(total: PyTree, term: PyTree) -> PyTree:
    """A sum in float64, whatever the terms are: of many its rounding would be seen."""
    if total is None:
        return jax.tree.map(lambda x: np.array(x, np.float64), term)
    return jax.tree.map(np.add, total, jax.tree.map(np.asarray, term))


def rounded(total: PyTree, like: PyTree) -> PyTree:
    """A sum in the precision of its terms, its dictionaries in their order."""
    return _in_order(
        jax.tree.map(lambda x, y: np.asarray(x, y.dtype), total, like), like
    )


def _in_order(tree: Any, like: Any) -> Any:
    # jax sorts dictionaries by their names: but the order of processes is the model's.
    match like:
        case dict():
            return {name: _in_order(tree[name], like[name]) for name in like}
        case tuple() if not hasattr(like, "_fields"):
            return tuple(_in_order(a, b) for a, b in zip(tree, like, strict=True))
        case eqx.Module():
            names = [field.name for field in dataclasses.fields(like)]
            fields = {n: _in_order(getattr(tree, n), getattr(like, n)) for n in names}
            return replaced(tree, **fields)
    return tree
