"""The likelihoods that benchmarks fit: generated shapes, and published ones."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonpatch
import numpy as np

import fitkit

ROOT = Path(__file__).parent.parent
DATA = Path(os.environ.get("NEOSKIT_TEST_DATA", ROOT.parent / "shared" / "data"))

# channels, bins in each, normsys, histosys, channels with staterror: together with mu
# 3 parameters for S, 45 for M, 403 for L, 998 for XL, which has 12 400 modifiers.
SHAPES = {
    "S": (1, 2, 0, 0, 1),
    "M": (3, 10, 7, 7, 3),
    "L": (10, 20, 100, 102, 10),
    "XL": (30, 33, 102, 103, 24),
}


def generated(name: str) -> dict[str, Any]:
    """A workspace of the named shape, the same for every call.

    A signal and two backgrounds, one for S; each systematic acts on all backgrounds of
    all channels.
    """
    return workspace(*SHAPES[name])


def workspace(
    channels: int,
    bins: int,
    normsys: int,
    histosys: int,
    staterrors: int | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """A workspace with a signal, backgrounds, shared systematics and staterrors.

    Args:
        channels: how many.
        bins: in each channel.
        normsys, histosys: systematics of either kind.
        staterrors: how many channels have them; all by default.
        seed: another one gives other templates and data.
    """
    rng = np.random.default_rng([seed, channels, bins, normsys, histosys])
    small = channels * bins < 10
    backgrounds = ["b0"] if small else ["b0", "b1"]
    # With few events of signal the best fit of a small model is at its bound.
    peak, at = (
        (20, np.linspace(-1, 1, bins)) if small else (5, np.linspace(-2, 2, bins))
    )
    listed, observed = [], []
    for c in range(channels):
        falling = np.exp(-np.linspace(0, 2, bins))
        samples = [
            {
                "name": "signal",
                "data": list(peak * np.exp(-(at**2))),
                "modifiers": [{"name": "mu", "type": "normfactor", "data": None}],
            }
        ]
        total = np.array(samples[0]["data"])
        for name in backgrounds:
            nominal = 100 * rng.uniform(0.5, 1.5) * falling
            total = total + nominal
            modifiers: list[dict[str, Any]] = []
            if staterrors is None or c < staterrors:
                error = list(nominal * rng.uniform(0.02, 0.1, bins))
                modifiers.append(
                    {"name": f"staterror_{c}", "type": "staterror", "data": error}
                )
            for k in range(normsys):
                up = 1 + abs(rng.normal(0, 0.04))
                data = {"hi": up, "lo": 1 / up}
                modifiers.append({"name": f"n{k}", "type": "normsys", "data": data})
            for k in range(histosys):
                tilt = rng.normal(0, 0.03) * np.linspace(-1, 1, bins)
                data = {
                    "hi_data": list(nominal * (1 + tilt)),
                    "lo_data": list(nominal * (1 - tilt)),
                }
                modifiers.append({"name": f"h{k}", "type": "histosys", "data": data})
            samples.append(
                {"name": name, "data": list(nominal), "modifiers": modifiers}
            )
        listed.append({"name": f"c{c}", "samples": samples})
        counts = rng.poisson(total).astype(float)
        observed.append({"name": f"c{c}", "data": list(counts)})
    return {
        "channels": listed,
        "observations": observed,
        "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": []}}],
        "version": "1.0.0",
    }


def sbottom(point: str = "1300_205_60") -> dict[str, Any]:
    """One signal point of region A of the sbottom search: 64 parameters."""
    archive = fitkit.read_archive(DATA / "likelihoods" / "sbottom_SUSY-2018-31.tar.gz")
    background = archive["RegionA/BkgOnly.json"]
    patch = archive[f"RegionA/patch.sbottom_{point}.json"]
    return jsonpatch.apply_patch(background, patch)


def there() -> bool:
    """Whether the published likelihoods are; says so where they are not."""
    if not (found := (DATA / "likelihoods").is_dir()):
        print(f"no published likelihoods at {DATA}: set NEOSKIT_TEST_DATA. Skipped.")
    return found


def published() -> Iterator[tuple[str, dict[str, Any]]]:
    """Published likelihoods with a parameter of interest, by name."""
    if not there():
        return
    folder = DATA / "likelihoods"
    measured = {
        "AGC": "measurements/agc_ttbar.json",
        "1Lbb": "measurements/atlas_1Lbb_700_400.json",
        "ttZ-4l": "measurements/atlas_ttZ_4l.json",
    }
    yield "sbottom A", sbottom()
    for name, path in measured.items():
        yield name, json.loads((folder / path).read_text())
    patches = fitkit.read_patchset(folder / "3LRJR" / "patchset.json")
    document = json.loads((folder / "3LRJR" / "BkgOnly.json").read_text())
    yield "3LRJR", patches.apply(document, patches.patches[0].name, verify=False)


# Grids of signal points: 125 with 3 parameters, and 217 with 62 to 64.
GRIDS = ("1Lbb", "sbottom A")


def grid(name: str) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """The background of a published grid, and the patches of its points by name."""
    folder = DATA / "likelihoods"
    if name == "1Lbb":
        patches = fitkit.read_patchset(folder / "1Lbb_simplified" / "patchset.json")
        document = json.loads((folder / "1Lbb_simplified" / "BkgOnly.json").read_text())
        return document, {each.name: list(each.operations) for each in patches}
    archive = fitkit.read_archive(folder / "sbottom_SUSY-2018-31.tar.gz")
    members = [each for each in archive if each.startswith("RegionA/patch.")]
    return archive["RegionA/BkgOnly.json"], {each: archive[each] for each in members}
