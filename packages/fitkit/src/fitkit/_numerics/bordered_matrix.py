r"""A symmetric matrix of which a large block is easy to invert, and its solution.

With the entries sorted into *inner* ones and a *border*, it is

\[ H = \begin{pmatrix} D + W^T M W & X \\ X^T & C \end{pmatrix}, \]

\(D\) diagonal and \(W\) with few rows, or with none. Two kinds of likelihood have such
a Hessian: one parameter for each of thousands of bins (no \(W\); what is left is the
Schur complement \(C - X^T D^{-1} X\)), and far more systematics than bins (\(W\) has a
row for each element that they change). Everything else has no inner entries, and \(C\)
is the matrix.

With \(T = W D^{-1/2}\), \(T T^T = L L^T\) and \(K = 1 + L^T M L\), the inner block is
positive definite where \(D > 0\) and \(K\) is, by Sylvester's law of inertia, and

\[ (D + W^T M W)^{-1} = D^{-1/2} \left(1 - T^T (M - M L K^{-1} L^T M) T\right)
   D^{-1/2} , \]

which holds for singular and indefinite \(M\) as well (Woodbury's formula).
"""

from typing import Any, NamedTuple, final

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from .._custom_types import Mask, Matrix, Vector
from .namespace import (
    cholesky,
    inverse_of_product,
    solve_triangular,
    take,
    traced,
    xp,
)

# The least pivot of a Hessian in natural units (one less the square of a global
# correlation) of a direction that the function determines. A search that ends at an EDM
# of 1e-17 leaves curvatures of about 1e-8, of either sign, in a flat direction.
_LEAST_PIVOT = 1e-8
# Rounding of a sum of products, per term.
_ROUNDING = 4e-16


@final
class Order(NamedTuple):
    """Which entries of a flat vector are inner ones, and which form the border.

    Attributes:
        inner, border: entries of the vector.
        place: of each entry of the vector, its place in `inner` followed by `border`.
    """

    inner: Int[Array, " inner"]
    border: Int[Array, " border"]
    place: Int[Array, " params"]

    def split(self, vector: Any) -> tuple[Any, Any]:
        """The inner part of a vector, and that on the border."""
        return _take(vector, self.inner), _take(vector, self.border)

    def join(self, inner: Vector, border: Vector) -> Vector:
        """The vector of two parts."""
        return _take(xp.append(inner, border), self.place)


@final
class Frame(NamedTuple):
    """What matrices of one point have in common.

    Attributes:
        order: of the entries.
        wide: W, or None for a diagonal inner block.
    """

    order: Order
    wide: Float[Array, "rank inner"] | None


@final
class Blocks(NamedTuple):
    """The blocks of a matrix.

    Attributes:
        border: C, the whole matrix where there are no inner entries.
        diagonal: D, `[inner]`, or None, as all that follow.
        middle: M, `[rank, rank]`, None also for a diagonal inner block.
        cross: X, `[inner, border]`.
    """

    border: Float[Array, "border border"]
    # `Any`: the frame says whether they are there.
    diagonal: Any = None
    middle: Any = None
    cross: Any = None


@final
class Bordered(NamedTuple):
    """The matrix; see above.

    Attributes:
        blocks: its blocks.
        frame: how they lie, or None for a plain table.
    """

    blocks: Blocks
    frame: Frame | None = None

    def diagonal(self) -> Vector:
        """The entries on the diagonal, `[params]`."""
        border, own, middle, _ = self.blocks
        if self.frame is None:
            return xp.diagonal(border)
        order, wide = self.frame
        if wide is not None:
            own = own + xp.sum(wide * (middle @ wide), axis=0)
        return order.join(own, xp.diagonal(border))

    def plus(self, diagonal: Vector) -> "Bordered":
        """The matrix with something added to its diagonal."""
        blocks = self.blocks
        if self.frame is not None:
            own, diagonal = self.frame.order.split(diagonal)
            blocks = blocks._replace(diagonal=blocks.diagonal + own)
        border = _with_diagonal(blocks.border, diagonal)
        return Bordered(blocks._replace(border=border), self.frame)

    def __matmul__(self, vector: Vector) -> Vector:
        """The product with a vector."""
        block, diagonal, middle, cross = self.blocks
        if self.frame is None:
            return block @ vector
        order, wide = self.frame
        own, border = order.split(vector)
        product = diagonal * own + cross @ border
        if wide is not None:
            product = product + (middle @ (wide @ own)) @ wide
        return order.join(product, own @ cross + block @ border)

    def dense(self) -> Matrix:
        """The matrix as a table, `[params, params]`."""
        block, diagonal, middle, cross = self.blocks
        if self.frame is None:
            return block
        order, wide = self.frame
        own = xp.diag(diagonal)
        if wide is not None:
            own = own + wide.T @ (middle @ wide)
        table = xp.block([[own, cross], [cross.T, block]])
        return table[order.place][:, order.place]


def plain(table: Matrix) -> Bordered:
    """A matrix without inner entries."""
    return Bordered(Blocks(table))


@final
class InnerFactor(NamedTuple):
    """The inner block in natural units, ready to solve with.

    Attributes:
        order: of the entries.
        root: the square root of D.
        spread: T, or None.
        correction: what stands between the two T of the inverse, or None.
        solved: the inverse times the columns of the border.
    """

    order: Order
    root: Float[Array, " inner"]
    spread: Float[Array, "rank inner"] | None
    correction: Float[Array, "rank rank"] | None
    solved: Float[Array, "inner border"]

    def solve(self, rhs: Float[Array, "inner columns"]) -> Array:
        """The inverse of the inner block times some columns."""
        return _solve_inner(self.root, self.spread, self.correction, rhs)


@final
class Factor(NamedTuple):
    """What solves the rows and columns that are free.

    Attributes:
        scale: the natural units.
        lower: Cholesky factor of the border's Schur complement, NaN where the matrix is
            not positive definite.
        inner: the rest, or None.
    """

    scale: Vector
    lower: Float[Array, "border border"]
    inner: InnerFactor | None


def scale_of(matrix: Bordered) -> Vector:
    """One over the natural width of each entry: the root of the Hessian's diagonal.

    An entry on which the function does not depend has scale 1.
    """
    diagonal = xp.abs(matrix.diagonal())
    return xp.sqrt(xp.where(diagonal > 0, diagonal, 1.0))


def factorise(
    matrix: Bordered, free: Mask, scale: Vector | None = None, *, strict: bool = False
) -> tuple[Factor, Bool[Array, ""]]:
    """Factorise the rows and columns that are `free`, in natural units.

    Args:
        matrix: symmetric.
        free: which entries take part.
        scale: the natural units, where they are known.
        strict: whether a free entry without any curvature, or a combination of entries
            whose curvature is no larger than rounding, makes the matrix singular; if
            not, it is left alone.

    Returns:
        The factor, and whether the matrix was positive definite; where it was not, the
        factor is NaN.
    """
    scale = scale_of(matrix) if scale is None else scale
    least = _LEAST_PIVOT if strict else 0.0
    block, diagonal, middle, cross = matrix.blocks
    if matrix.frame is None:
        block = _closed(_scaled(block, scale, scale, free, free), free, strict)
        lower, positive = _cholesky(block, least)
        return Factor(scale, lower, None), positive

    order, wide = matrix.frame
    (scale_i, scale_b), (free_i, free_b) = order.split(scale), order.split(free)
    closed = ~free_i if strict else ~free_i | (diagonal == 0)
    own = xp.where(closed, 1.0, diagonal / scale_i**2)
    if not traced(own) and wide is not None and not np.all(own > 0):
        # What is added to D may outweigh where it is negative; a table tells. Traced,
        # two factors of different shapes cannot stand in one program.
        return factorise(plain(matrix.dense()), free, scale, strict=strict)
    root = xp.sqrt(own)
    spread, correction, positive = None, None, xp.all(own > 0)
    if wide is not None:
        spread = xp.where(free_i, wide / (scale_i * root), 0.0)
        correction, inner_positive = _correction(spread, middle, least)
        positive = positive & inner_positive
    cross = _scaled(cross, scale_i, scale_b, free_i, free_b)
    solved = _solve_inner(root, spread, correction, cross)
    block = _closed(_scaled(block, scale_b, scale_b, free_b, free_b), free_b, strict)
    lower, border_positive = _cholesky(block - cross.T @ solved, least)
    positive = positive & border_positive
    root = xp.where(positive, root, xp.nan)
    inner = InnerFactor(order, root, spread, correction, solved)
    return Factor(scale, lower, inner), positive


def unfactorised(matrix: Bordered) -> Factor | None:
    """Zeros in place of a factor that is not known, of the same shapes.

    None where nothing is traced, for which no shape is needed.
    """
    if not traced(matrix):
        return None
    free = np.ones(matrix.diagonal().shape, dtype=bool)
    shapes = jax.eval_shape(lambda: factorise(matrix, free)[0])
    return jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), shapes)


def substitute(factor: Factor, free: Mask, rhs: Vector) -> Vector:
    """Solve the rows and columns that are `free` with their factor; 0 in the others."""
    scaled = xp.where(free, rhs / factor.scale, 0.0)
    if factor.inner is None:
        solution = _solve_lower(factor.lower, scaled[:, None])[:, 0]
    else:
        inner = factor.inner
        own, border = inner.order.split(scaled)
        border = _solve_lower(factor.lower, (border - own @ inner.solved)[:, None])[
            :, 0
        ]
        own = inner.solve(own[:, None])[:, 0] - inner.solved @ border
        solution = inner.order.join(own, border)
    return xp.where(free, solution / factor.scale, 0.0)


def inverse(factor: Factor, free: Mask) -> Matrix:
    """The inverse of the rows and columns that are `free`; 0 in the others."""
    table = factor.lower
    if table.shape[0]:
        table = inverse_of_product(table)
    if factor.inner is not None:
        order, solved = factor.inner.order, factor.inner.solved
        cross = -solved @ table
        own = factor.inner.solve(xp.eye(solved.shape[0])) - cross @ solved.T
        table = xp.block([[own, cross], [cross.T, table]])[order.place][:, order.place]
    scale = factor.scale
    both = free[:, None] & free
    return xp.where(both, table / (scale[:, None] * scale), 0.0)


def _take(vector: Any, index: Int[Array, " entries"]) -> Any:
    return take(vector, index)


def _scaled(
    table: Array, rows: Vector, columns: Vector, free_rows: Mask, free_columns: Mask
) -> Array:
    """A table in natural units, 0 in rows and columns that are not free."""
    if traced(table, rows, columns, free_rows, free_columns):
        free = free_rows[:, None] & free_columns
        return xp.where(free, table / (rows[:, None] * columns), 0.0)
    # Of thousands of parameters each copy of a table takes a second.
    scaled: Any = np.asarray(table) / np.asarray(rows)[:, None]
    scaled /= np.asarray(columns)
    scaled[~np.asarray(free_rows)] = 0.0
    scaled[:, ~np.asarray(free_columns)] = 0.0
    return scaled


def _with_diagonal(table: Matrix, diagonal: Vector) -> Matrix:
    """The table with something added to its diagonal."""
    if traced(table, diagonal):
        return table + xp.diag(diagonal)
    changed: Any = np.array(table, order="C")
    changed.reshape(-1)[:: table.shape[0] + 1] += diagonal
    return changed


def _closed(block: Matrix, free: Mask, strict: bool) -> Matrix:
    """1 on the diagonal of entries that take no part."""
    closed = ~free if strict else xp.diagonal(block) == 0
    if not traced(block, closed) and not closed.any():
        return block
    return _with_diagonal(block, xp.where(closed, 1.0, 0.0))


def _cholesky(matrix: Matrix, least: float) -> tuple[Matrix, Bool[Array, ""]]:
    """The factor, and whether no pivot is below `least`; NaN where one is."""
    if not matrix.shape[0]:
        return matrix, xp.array(True)
    lower = cholesky(matrix)
    if least:
        determined = xp.min(xp.diagonal(lower)) ** 2 > least
        lower = xp.where(determined, lower, xp.nan)
    return lower, xp.isfinite(lower[-1, -1])


def _correction(
    spread: Float[Array, "rank inner"], middle: Float[Array, "rank rank"], least: float
) -> tuple[Matrix, Bool[Array, ""]]:
    """M - M L K^-1 L^T M, and whether K is positive definite."""
    gram = spread @ spread.T
    rank = gram.shape[0]
    diagonal = xp.diagonal(gram)
    unit = xp.sqrt(xp.where(diagonal > 0, diagonal, 1.0))
    # Rows may depend on each other, or be empty: as if each had, besides the inner
    # entries, one more of its own that it moves by less than rounding.
    correlation = gram / (unit[:, None] * unit) + rank * _ROUNDING * xp.eye(rank)
    lower, _ = _cholesky(correlation, 0.0)
    half = middle @ (unit[:, None] * lower)
    inertia = xp.eye(rank) + (unit[:, None] * lower).T @ half
    factor, positive = _cholesky(inertia, least)
    reduced = solve_triangular(factor, half.T)
    return middle - reduced.T @ reduced, positive


def _solve_inner(root: Vector, spread: Any, correction: Any, rhs: Array) -> Array:
    whitened = rhs / root[:, None]
    if spread is not None:
        whitened = whitened - spread.T @ (correction @ (spread @ whitened))
    return whitened / root[:, None]


def _solve_lower(lower: Matrix, rhs: Float[Array, "border columns"]) -> Array:
    if not lower.shape[0]:
        return rhs
    return solve_triangular(lower, solve_triangular(lower, rhs), transposed=True)
