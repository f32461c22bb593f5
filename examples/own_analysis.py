"""Writes the files of a small analysis, for `own_analysis.toml` to describe.

    python own_analysis.py [FOLDER] [EVENTS]

Invented events of a signal with two forward jets, of top-quark pairs and of W + jets,
with what makes real files awkward: three kinds of files, sentinel values where there
are no two jets, negative weights, columns that are shifted by an energy scale, a
weight that is varied, and a second simulation of one process. They need numpy and
pyarrow, and nothing of neoskit.
"""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

NO_JETS = -999.0
SCALE = 0.03  # of the energies of jets, one standard deviation
# Expected events in 100 /fb, before any selection.
YIELDS = {"signal": 80.0, "top": 9_000.0, "wjets": 14_000.0}


def events(process: str, count: int, seed: int, *, spread: float = 1.0) -> dict:
    """Columns of `count` simulated events.

    Args:
        process: one of `YIELDS`.
        count: how many.
        seed: of the random numbers.
        spread: factor on the width of the gap between the jets; 1 is nominal.
    """
    draw = np.random.default_rng(seed)
    gap, mass, jets, transverse, btag = {
        "signal": (4.2, 650.0, 0.85, 40.0, 0.03),
        "top": (2.0, 280.0, 0.75, 60.0, 0.55),
        "wjets": (2.2, 240.0, 0.45, 75.0, 0.04),
    }[process]
    two = draw.random(count) < jets
    jet_pt = 30 + draw.exponential(60, count)
    mjj = draw.gamma(3.0, mass / 3.0, count)
    columns = {
        "event": 1_000_000 * seed + np.arange(count),
        "lepton_pt": (25 + draw.exponential(35, count)).astype(np.float32),
        "lepton_eta": draw.normal(0, 1.2, count).astype(np.float32),
        "mt": np.abs(draw.normal(transverse, 25, count)),
        "n_bjets": (draw.random(count) < btag).astype(np.int32),
        "jet_pt": np.where(two, jet_pt, NO_JETS),
        "mjj": np.where(two, mjj, NO_JETS),
        "deta_jj": np.where(two, np.abs(draw.normal(gap, 1.1 * spread, count)), -9.0),
    }
    for side, factor in (("up", 1 + SCALE), ("down", 1 - SCALE)):
        for name in ("jet_pt", "mjj"):
            # Softer jets are measured worse, so that the shift is no common factor.
            moved = 1 + (factor - 1) * (1 + 30 / jet_pt)
            columns[f"{name}_jes_{side}"] = np.where(
                two, columns[name] * moved, NO_JETS
            )
    # A generator at next-to-leading order subtracts some of its events.
    sign = np.where(draw.random(count) < (0.12 if process == "top" else 0.0), -1, 1)
    tagged = columns["n_bjets"] > 0
    return columns | {
        "weight": sign * YIELDS[process] / sign.sum(),
        "sf_btag": np.where(tagged, 0.97, 1.01),
        "sf_btag_up": np.where(tagged, 1.01, 1.0),
        "sf_btag_down": np.where(tagged, 0.93, 1.02),
    }


def recorded(seed: int) -> dict:
    """As many events as the three processes together expect; no signal is in them."""
    draw = np.random.default_rng(seed)
    parts = []
    for i, process in enumerate(("top", "wjets")):
        columns = events(process, draw.poisson(YIELDS[process]), seed + 1 + i)
        parts.append({n: v for n, v in columns.items() if not n.startswith("sf_")})
    joined = {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
    joined.pop("weight")
    return joined | {"event": np.arange(len(joined["event"]))}


def write(folder: Path, count: int) -> None:
    """All files, with about `count` simulated events of each process."""
    folder.mkdir(parents=True, exist_ok=True)
    signal = pa.table(events("signal", count, 1))
    pyarrow.parquet.write_table(signal, folder / "signal.parquet")
    # Two files of one process, with half of the events each.
    for part in (1, 2):
        top = pa.table(events("top", count // 2, 10 + part))
        pyarrow.parquet.write_table(top, folder / f"top_{part}.parquet")
    shower = pa.table(events("top", count, 20, spread=1.15))
    pyarrow.parquet.write_table(shower, folder / "top_shower.parquet")
    pyarrow.csv.write_csv(pa.table(events("wjets", count, 30)), folder / "wjets.csv")
    pyarrow.parquet.write_table(pa.table(recorded(40)), folder / "data.parquet")


if __name__ == "__main__":
    given = sys.argv[1:]
    write(
        Path(given[0] if given else "own_analysis_events"),
        int(given[1]) if len(given) > 1 else 20_000,
    )
