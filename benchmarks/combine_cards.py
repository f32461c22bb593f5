"""CMS Combine's own test cards: what fitkit gives beside what Combine printed.

Prints, for each card with a reference, the observed limit on r at 95 % and the five
quantiles of the expected one, the observed significance, and the best fits with their
68 % intervals, each with its relative difference. Combine's search for a limit is
accurate to about 1e-3, and the expected ones are steps of single precision.

    combine_cards.py [FOLDER]

FOLDER has `references.json` and the cards that it names; by default that of the test
data, `NEOSKIT_TEST_DATA`/formats/combine.
"""

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np

import fitkit

FIXED = " (nuisances fixed)"
QUANTILES = ("2.5%", "16%", "50%", "84%", "97.5%")


def fixed(model: fitkit.Model) -> fitkit.Model:
    """The same model, all nuisance parameters fixed at their nominal values."""
    return model.with_fixed(*(n for n in model.parameter_names if n != model.poi))


def limits(folder: Path, references: dict) -> None:
    """Observed and expected limits."""
    worst = 0.0
    print(f"{'card':66}{'observed':>10}{'2.5%':>10}{'16%':>10}{'50%':>10}", end="")
    print(f"{'84%':>10}{'97.5%':>10}  largest difference, seconds")
    for card, reference in references.items():
        start = time.perf_counter()
        model, data = fitkit.read_combine_card(folder / card.removesuffix(FIXED))
        if card.endswith(FIXED):
            model = fixed(model)
        found = fitkit.upper_limit(
            model, data, calculator=fitkit.Asymptotics(quantiles=True), throw=False
        )
        seconds = time.perf_counter() - start
        ours = np.array([found.observed, *found.expected])
        theirs = np.array(
            [reference["observed"], *(reference[f"expected_{q}"] for q in QUANTILES)]
        )
        off = ours / theirs - 1
        worst = max(worst, float(np.abs(off).max()))
        print(f"{card[-65:]:66}" + "".join(f"{x:10.4f}" for x in ours))
        print(f"{'':66}" + "".join(f"{x:10.1e}" for x in off), end="")
        print(f"  {np.abs(off).max():.1e} {seconds:.2f} s")
    print(f"largest difference of all limits: {worst:.1e}\n")


def significances(folder: Path, references: dict) -> None:
    """Observed significances."""
    worst = 0.0
    for card, theirs in references.items():
        model, data = fitkit.read_combine_card(folder / card)
        ours = float(fitkit.discovery(model, data).significance)
        worst = max(worst, abs(ours / theirs - 1))
        print(f"{card[-65:]:66}{ours:10.5f}{theirs:10.5f}{ours / theirs - 1:10.1e}")
    print(f"largest difference of all significances: {worst:.1e}\n")


def best_fits(folder: Path, references: dict) -> None:
    """Best fits with their intervals, and those of several strengths."""
    for card, reference in references.items():
        path, mass = folder / card, reference.get("mass")
        if "pois" in reference:
            names = reference["pois"]
            poi_map = {f".*/{name.removeprefix('r_')}": name for name in names}
            model, data = fitkit.read_combine_card(path, mass=mass, poi_map=poi_map)
            best = fitkit.fit(model, data)
            for name, theirs in names.items():
                print(f"{card:46}{name:>8}{float(best.params[name]):9.4f}{theirs:9.4f}")
        elif "r" in reference:
            model, data = fitkit.read_combine_card(path, mass=mass)
            model = model.with_bounds(r=tuple(reference["r_range"]))
            best = fitkit.fit(model, data)
            interval = fitkit.interval(model, data, "r")
            middle = float(best.params["r"])
            low, high = (float(end) for end in interval["r"])
            ours = f"{middle:9.4f} -{middle - low:.4f} +{high - middle:.4f}"
            theirs = f"{reference['r']} -{reference['down']} +{reference['up']}"
            print(f"{card:46}{'r':>8}{ours}   Combine {theirs}")


def main() -> None:
    default = Path(os.environ.get("NEOSKIT_TEST_DATA", "../shared/data"))
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path)
    folder = parser.parse_args().folder or default / "formats" / "combine"
    references = json.loads((folder / "references.json").read_text())
    limits(folder, references["asymptotic_limits_95"])
    significances(folder, references["significance"])
    best_fits(folder, references["best_fits_68"])


if __name__ == "__main__":
    main()
