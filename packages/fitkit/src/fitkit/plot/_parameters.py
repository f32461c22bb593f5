"""Pulls and impacts of nuisance parameters, and the correlations between them."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Array, Float
from matplotlib.axes import Axes

from .._fit.result import FitResult
from .._profile.pulls import Pulls
from .._profile.ranking import Ranking
from .._tables import estimates
from ._look import (
    BLUE,
    ORANGE,
    RED,
    inches,
    no_minor_ticks,
    one_axes,
    several_axes,
    shortened,
    styled,
)

_ROW = 0.24  # inches that a parameter takes, at a font size of ten points
# Up to this many parameters the correlations are also written as numbers.
_WRITTEN = 16


@styled
def pulls(result: Pulls, *, top: int | None = None, ax: Axes | None = None) -> Axes:
    """Draw (best fit - nominal) / width of the constraint, with its uncertainty.

    Parameters without a constraint are left out.

    Args:
        result: of `pulls`.
        top: draw so many at most, those with the largest pulls; by default all, in the
            model's order.
        ax: axes to draw on; new ones by default, as high as the rows need.

    Returns:
        The axes.

    Raises:
        TypeError: for anything but pulls.
        ValueError: where no parameter has a constraint.

    Example:
        >>> from fitkit import plot
        >>> model = fitkit.correlated_background([12.0], [50.0], [55.0], [45.0])
        >>> ax = plot.pulls(fitkit.pulls(model, model.expected_data(model.init)))
        >>> [label.get_text() for label in ax.get_yticklabels()]
        ['correlated_bkg_uncertainty']
    """
    if not isinstance(result, Pulls):
        raise TypeError(
            f"`plot.pulls` takes a result of `pulls`; got {type(result).__name__}."
        )
    pull, width = np.asarray(result.pull), np.asarray(result.constraint)
    known = np.flatnonzero(np.isfinite(pull))
    if top is not None:
        known = known[np.argsort(-np.abs(pull[known]), kind="stable")][:top]
    if not known.size:
        raise ValueError(
            f"`plot.pulls(top={top})`: there is nothing to draw; of "
            f"{len(result.names)} parameters {np.isfinite(pull).sum()} have a "
            "constraint."
        )
    names = shortened(np.array(result.names)[known].tolist())
    ax = one_axes(ax, inches(names) + 3.2, _ROW * len(names) + 1.0)
    _pulls(ax, np.arange(len(names)), pull[known], width[known])
    ax.set_ylim(len(names) - 0.5, -0.5)
    no_minor_ticks(ax, "y")
    _name_rows(ax, names, np.ones(len(names), dtype=bool))
    return ax


@styled
def ranking(
    result: Ranking, *, top: int = 20, axes: Sequence[Axes] | None = None
) -> tuple[Axes, Axes]:
    """Draw the parameters with the largest impacts: pulls, and impacts beside them.

    Left, (best fit - nominal) / width of the constraint, with the uncertainty after the
    fit as a bar; a parameter without a constraint has none. Right, the change of the
    parameter of interest with each fixed at ± 1 standard deviation: full, after the
    fit; hollow, with the width of its constraint.

    Args:
        result: of `ranking`.
        top: how many parameters at most.
        axes: two to draw on, pulls and impacts; new ones by default, as high as the
            rows need and as wide as the names.

    Returns:
        Both axes.

    Raises:
        TypeError: for anything but a ranking.
        ValueError: for no parameter, or another number of axes.

    Example:
        >>> from fitkit import plot
        >>> model = fitkit.correlated_background([12.0], [50.0], [55.0], [45.0])
        >>> ranked = fitkit.ranking(model, model.expected_data(model.init))
        >>> pulls, impacts = plot.ranking(ranked)
        >>> [label.get_text() for label in pulls.get_yticklabels()]
        ['correlated_bkg_uncertainty']
    """
    if not isinstance(result, Ranking):
        raise TypeError(
            f"`plot.ranking` takes a result of `ranking`; got {type(result).__name__}."
        )
    if top < 1 or not result.names:
        raise ValueError(
            f"`plot.ranking(top=...)` needs a parameter to draw; got top={top} of "
            f"{len(result.names)}."
        )
    names = shortened(result.names[:top])
    rows = len(names)
    left, right = several_axes(
        axes,
        2,
        "plot.ranking",
        ncols=2,
        sharey=True,
        figsize=(inches(names) + 5.6, _ROW * rows + 1.5),
        width_ratios=(1.0, 1.5),
    )
    # From the top: the axis is turned around below.
    place = np.arange(rows)
    pull, width, *impacts = (
        np.asarray(column[:rows], dtype=float)
        for column in (
            result.pull,
            result.constraint,
            result.up,
            result.down,
            result.prefit_up,
            result.prefit_down,
        )
    )
    _pulls(left, place, pull, width)
    up, down, prefit_up, prefit_down = impacts
    for side, before, colour, sign in (
        (up, prefit_up, BLUE, "+"),
        (down, prefit_down, ORANGE, "−"),
    ):
        right.barh(place, side, color=colour, height=0.7, label=rf"{sign}1$\sigma$")
        hollow = {"fill": False, "edgecolor": colour, "linewidth": 1}
        label = rf"{sign}1$\sigma$ before the fit"
        right.barh(place, before, height=0.7, label=label, **hollow)
    right.axvline(0.0, color="black", linewidth=0.8)
    # Impacts before the fit are not known of a parameter without a constraint.
    furthest = np.nanmax(np.abs(impacts), initial=0.0)
    right.set_xlim(-1.1 * furthest or -1.0, 1.1 * furthest or 1.0)
    right.set_xlabel(f"Δ {shortened([result.poi])[0]}", parse_math=False)
    right.legend(
        loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, borderaxespad=0.2
    )
    left.set_title(
        f"{float(result.best):.3g} ± {float(result.total):.3g}",
        fontsize="medium",
    )
    for ax in (left, right):
        ax.set_ylim(rows - 0.5, -0.5)
        no_minor_ticks(ax, "y")
    _name_rows(left, names, np.asarray(result.converged[:rows]))
    if axes is None:
        right.tick_params(axis="y", labelleft=False)
    return left, right


def _pulls(ax: Axes, place: np.ndarray, pull: np.ndarray, width: np.ndarray) -> None:
    ax.axvspan(-2, 2, color="0.93", linewidth=0)
    ax.axvspan(-1, 1, color="0.85", linewidth=0)
    ax.axvline(0.0, color="0.5", linewidth=0.8)
    known = np.isfinite(pull)
    # A parameter on its bound has a pull, and no width after the fit.
    width = np.nan_to_num(width)
    ax.errorbar(pull[known], place[known], xerr=width[known], fmt="o", color="black")
    for row in place[~known]:
        ax.annotate(
            "no constraint",
            (0.0, row),
            ha="center",
            va="center",
            color="0.4",
            fontsize="x-small",
            bbox={"facecolor": "0.85", "edgecolor": "none", "pad": 0.5},
        )
    reach = np.max(np.abs(pull[known]) + width[known], initial=2.0)
    ax.set_xlim(-1.1 * reach, 1.1 * reach)
    ax.set_xlabel(r"$(\hat\theta-\theta_0)/\Delta\theta$")


def _name_rows(ax: Axes, names: Sequence[str], converged: np.ndarray) -> None:
    """Parameter names at the left, in red those whose fits failed."""
    words = [
        name if good else f"{name} (not converged)"
        for name, good in zip(names, converged, strict=True)
    ]
    ax.set_yticks(np.arange(len(words)), words, parse_math=False)
    for label, good in zip(ax.get_yticklabels(), converged, strict=True):
        label.set_color("black" if good else RED)


@styled
def correlation(
    result: FitResult, *, threshold: float = 0.2, ax: Axes | None = None
) -> Axes:
    """Draw the correlations of those parameters that have a large one.

    Fixed parameters, those on a bound and those that the data do not determine are left
    out.

    Args:
        result: of `fit`.
        threshold: a parameter is drawn if its correlation with another one is at least
            as large as this, of either sign; 0 draws all.
        ax: axes to draw on; new ones by default, as large as the names need.

    Returns:
        The axes; beside them a colour bar.

    Raises:
        TypeError: for anything but the result of one fit.
        ValueError: where no correlation reaches the threshold, or no parameter is
            determined.

    Example:
        >>> from fitkit import plot
        >>> model = fitkit.correlated_background([12.0], [50.0], [55.0], [45.0])
        >>> best = fitkit.fit(model, model.expected_data(model.init))
        >>> ax = plot.correlation(best)
        >>> [text.get_text() for text in ax.texts]
        ['1.00', '-0.54', '-0.54', '1.00']
    """
    shown = estimates(result, "plot.correlation").determined()
    matrix = shown.correlation
    if not shown.names:
        raise ValueError(
            "`plot.correlation`: no parameter is determined by the data and away from "
            "its bounds, so there is no correlation matrix."
        )
    # Every parameter is correlated with itself.
    others = np.abs(matrix - np.eye(len(matrix)))
    chosen = np.flatnonzero(np.max(others, axis=1, initial=0.0) >= threshold)
    if not chosen.size:
        raise ValueError(
            f"`plot.correlation(threshold={threshold:g})`: the largest correlation is "
            f"{np.max(others, initial=0.0):.3g}; give a smaller threshold."
        )
    names = shortened(np.array(shown.names)[chosen].tolist())
    count = len(names)
    written = count <= _WRITTEN
    side = (0.42 if written else 0.2) * count + inches(names)
    ax = one_axes(ax, side + 1.4, side + 0.4)
    drawn = matrix[np.ix_(chosen, chosen)]
    image = ax.imshow(drawn, cmap="RdBu_r", vmin=-1, vmax=1)
    ax.figure.colorbar(image, ax=ax, label="correlation", shrink=0.8)
    ax.set_xticks(np.arange(count), names, rotation=90, parse_math=False)
    ax.set_yticks(np.arange(count), names, parse_math=False)
    for axis in ("x", "y"):
        no_minor_ticks(ax, axis)
    if written:
        _write(ax, drawn)
    return ax


def _write(ax: Axes, matrix: Float[Array | np.ndarray, "chosen chosen"]) -> None:
    """Numbers in the cells, white where the cell is dark."""
    for (i, j), value in np.ndenumerate(matrix):
        ax.text(
            j,
            i,
            f"{value:.2f}",
            ha="center",
            va="center",
            fontsize="small",
            color="white" if abs(value) > 0.7 else "black",
        )
