"""Draws the pictures of docs/neoskit/does-it-pay.md from the numbers beside it.

The numbers, `does-it-pay.json`, are what `inferno.py`, `blobs.py map`, `blobs.py
ablation` and `neoskit compare examples/cms_htautau.toml` give.

    does_it_pay.py [FOLDER]     docs/neoskit by default
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from neoskit import plot

FOLDER = Path(__file__).parent.parent / "docs" / "neoskit"


def inferno(ax: Any, numbers: dict[str, Any]) -> None:
    """Median and 68 % of the seeds, beside the published ones and the bound."""
    at = np.arange(5)
    low, median, high = np.array(numbers["quantiles"]).T
    errors = [median - low, high - median]
    ax.errorbar(at, median, errors, fmt="o", label="bins trained for each", zorder=3)
    ax.plot(at, numbers["published"], "s", label="published INFERNO", mfc="none")
    ax.plot(at, numbers["cross_entropy"], "^", label="cross entropy", mfc="none")
    for x, bound in zip(at, numbers["bound"], strict=True):
        ax.hlines(bound, x - 0.3, x + 0.3, color="0.5")
    ax.hlines([], 0, 0, color="0.5", label="full likelihood")
    ax.set(xlabel="benchmark", ylabel="uncertainty of s", xticks=at)
    ax.legend()


def blobs(ax: Any, numbers: dict[str, Any]) -> None:
    """The limit on other events against the number of training events."""
    events = numbers["events"]
    for name, marker in (("BCE", "^"), ("recipe", "o"), ("recipe, softmax", "s")):
        values = np.array(numbers["limit"][name])  # [events, seeds]
        median = np.median(values, axis=1)
        spread = np.abs(np.quantile(values, [0.16, 0.84], axis=1) - median)
        ax.errorbar(events, median, spread, fmt=marker + "-", label=name)
    ax.set(xscale="log", xlabel="training events per blob", ylabel="95 % limit on μ")
    ax.set_xticks(events, [str(n) for n in events])
    ax.set_xticks([], minor=True)
    ax.legend(loc="center right")


def htautau(ax: Any, numbers: dict[str, Any]) -> None:
    """Relative improvement over each baseline, with the error of the mean."""
    names = list(numbers)
    for shift, number in zip((-0.2, -0.07, 0.07, 0.2), QUANTITIES, strict=True):
        found = np.array([numbers[name][number] for name in names])
        at = np.arange(len(names)) + shift
        ax.errorbar(at, found[:, 0], found[:, 1], fmt="o", label=QUANTITIES[number])
    ax.axhline(0.0, color="0.5", lw=1)
    ax.set(ylabel="improvement [%]", xticks=np.arange(len(names)))
    ax.set_xticklabels(names, rotation=20, ha="right")
    ax.legend()


def ablation(ax: Any, numbers: dict[str, Any]) -> None:
    """Limit against significance, of each variant of the recipe."""
    for events, filled in (("200", "none"), ("2000", "full")):
        found = numbers[events]
        for number, name in enumerate(numbers["variants"]):
            x, y = found["significance"][number], found["limit"][number]
            label = name if filled == "full" else None
            style = {"marker": MARKERS[number], "color": f"C{number}"}
            ax.plot(x, y, fillstyle=filled, ls="none", label=label, **style)
    ax.set(xlabel="significance", ylabel="95 % limit on μ")
    ax.legend(fontsize="x-small", title="open: 200 events; full: 2000")


MARKERS = "osD^v<>Ph"
QUANTITIES = {
    "expected_cls": "CLs",
    "upper_limit": "limit",
    "poi_uncertainty": "σ(μ)",
    "significance": "significance",
}


def main(folder: Path) -> None:
    numbers = json.loads((folder / "does-it-pay.json").read_text())
    drawn = {"inferno": inferno, "blobs": blobs, "htautau": htautau}
    drawn["ablation"] = ablation
    with plot.style():
        for name, draw in drawn.items():
            figure = plot.panels(width=6.0)
            draw(figure.subplots(), numbers[name])
            plot.save(figure, folder / f"does-it-pay-{name}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else FOLDER)
