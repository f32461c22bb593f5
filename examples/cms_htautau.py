"""H→ττ in the muon + hadronic tau channel, on CMS open data of 2012 (11.5 /fb).

What the analysis selects, how it estimates its backgrounds and what varies under the
tau energy scale, as plain NumPy over the branches of the skimmed files; the run
itself (network, binning, statistics, training) is described in `cms_htautau.toml`,
which names the functions `dataset` and `observed` of this file.

The files are what the skim of the CMS open data outreach analysis writes
(https://github.com/cms-opendata-analyses/HiggsTauTauNanoAODOutreachAnalysis, from
https://opendata.cern.ch/record/12350 and the records that it names); run it, or get
its output, and tell `cms_htautau.toml` the folder.

The sample is small and lacks W + 0 or >= 4 jets, single top and dibosons: what comes
out of a fit to these data illustrates the method. It measures nothing.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

import neoskit

Columns = dict[str, np.ndarray]

FILES = {
    "ggH": "GluGluToHToTauTauSkim.root",
    "qqH": "VBF_HToTauTauSkim.root",
    "dy": "DYJetsToLLSkim.root",
    "tt": "TTbarSkim.root",
    "w1j": "W1JetsToLNuSkim.root",
    "w2j": "W2JetsToLNuSkim.root",
    "w3j": "W3JetsToLNuSkim.root",
    "run_b": "Run2012B_TauPlusXSkim.root",
    "run_c": "Run2012C_TauPlusXSkim.root",
}
DATA = ("run_b", "run_c")
SIMULATION = tuple(name for name in FILES if name not in DATA)
SIGNALS = ("ggH", "qqH")
# Process → the files it is made of, and its half of the Drell-Yan file: whether the
# tau candidate matches a generated tau (Z→ττ) or not (Z→ll).
PROCESSES = {
    "ggH": (("ggH",), None),
    "qqH": (("qqH",), None),
    "ztt": (("dy",), True),
    "zll": (("dy",), False),
    "tt": (("tt",), None),
    "w": (("w1j", "w2j", "w3j"), None),
}
BACKGROUNDS = tuple(name for name in PROCESSES if name not in SIGNALS)
# No tau candidate of these is a true tau: the energy scale moves nothing.
UNSHIFTED = ("zll",)

FEATURES = (
    "pt_1",
    "pt_2",
    "eta_1",
    "eta_2",
    "mt_1",
    "m_vis",
    "pt_vis",
    "pt_met",
    "njets",
    "mjj",
    "jdeta",
    "dijet",
)
KINEMATICS = tuple(f"{p}_{n}" for n in "12" for p in ("pt", "eta", "phi", "m"))
BRANCHES = (
    *KINEMATICS,
    *("iso_1", "q_1", "q_2", "mt_1", "mt_2", "pt_met", "phi_met", "m_vis", "pt_vis"),
    *("njets", "mjj", "jdeta", "gen_match", "weight"),
)

# Events of the same charge are QCD up to what the simulation explains; this many
# times as many QCD events have opposite charge.
QCD_OPPOSITE_OVER_SAME = 0.80
TAU_ENERGY_SCALE = 0.03
# What the skim writes where an event has fewer than two jets.
MISSING = -999.0


@dataclass(frozen=True)
class Region:
    """A window in the transverse mass of muon and missing momentum, in GeV."""

    mt_low: float = 0.0
    mt_high: float = np.inf

    def mask(self, columns: Columns, charge: int, pt_2_above: float) -> np.ndarray:
        """Which events lie in it, with the product of the two charges `charge`."""
        return (
            (columns["mt_1"] >= self.mt_low)
            & (columns["mt_1"] < self.mt_high)
            & (columns["iso_1"] < 0.1)
            & (columns["q_1"] * columns["q_2"] == charge)
            & (columns["pt_2"] > pt_2_above)
            & (columns["m_vis"] >= 20)
            & (columns["m_vis"] < 140)
        )


SIGNAL_REGION = Region(mt_high=30.0)
W_CONTROL = Region(mt_low=70.0)
REGIONS = {"signal_region": SIGNAL_REGION, "w_control": W_CONTROL}

OPPOSITE, SAME = -1, 1
# The skim cuts at 20 GeV. A cut of 21 GeV lets the energy shift of 3 % upwards bring
# events over it (those above 20.39 GeV), as the shift downwards takes events away.
PT_2_ABOVE = 21.0

# What a network reads for the di-jet mass where there is no second jet; the feature
# `dijet` (0 or 1) tells it so. About the mean of the events that have two jets, which
# is 0 after standardisation, so that it moves no unit by itself.
NEUTRAL = {"mjj": 200.0, "jdeta": 0.0}


def dataset(
    folder: str,
    tau_energy_scale: float = TAU_ENERGY_SCALE,
    qcd_slope: float = 0.0,
    pt_2_above: float = PT_2_ABOVE,
) -> neoskit.Dataset:
    """Everything that training and blind evaluation may see.

    Args:
        folder: Where the ROOT files of `FILES` are; a path that is not absolute starts
            at the folder of this file.
        tau_energy_scale: The relative uncertainty of the energy of a tau.
        qcd_slope: The uncertainty of the shape of QCD: how much its weight changes, at
            one standard deviation, from the middle of the visible mass to either end.
            0 is no uncertainty.
        pt_2_above: The least transverse momentum of the tau, in GeV: so far above the
            20 GeV of the files that the energy scale brings no event over them.

    Returns:
        Two channels, the signal region (to be scored) and the W control channel (to
        be counted), each with the processes of `PROCESSES` and `qcd`, each process
        with its two variations of the tau energy scale. No event of data with
        opposite charge is in it: see `observed`.
    """
    samples = simulation(folder)
    same_charge = data(folder, SAME)
    variations = {
        "tau_energy_scale": tuple(
            {name: shift_tau(columns, scale) for name, columns in samples.items()}
            for scale in (1 + tau_energy_scale, 1 - tau_energy_scale)
        )
    }
    channels = {}
    for channel, region in REGIONS.items():
        nominal = processes(samples, same_charge, region, pt_2_above)
        shifted = {
            systematic: [
                processes(varied, same_charge, region, pt_2_above) for varied in pair
            ]
            for systematic, pair in variations.items()
        }
        channels[channel] = {
            name: neoskit.Process(
                events,
                {key: (up[name], down[name]) for key, (up, down) in shifted.items()}
                if name not in UNSHIFTED
                else {},
            )
            for name, events in nominal.items()
        }
        if qcd_slope:
            qcd = channels[channel]["qcd"]
            tilted = tuple(tilt(qcd.nominal, sign * qcd_slope) for sign in (1, -1))
            channels[channel]["qcd"] = neoskit.Process(
                qcd.nominal, {**qcd.variations, "qcd_slope": tilted}
            )
    return neoskit.Dataset(channels=channels, counted=("w_control",))


def tilt(events: neoskit.Events, slope: float) -> neoskit.Events:
    """The events with weights that rise along the visible mass, from 20 to 140 GeV."""
    mass = events.features[:, FEATURES.index("m_vis")]
    return events.with_weights(events.weights * (1 + slope * (mass - 80) / 60))


def observed(folder: str) -> dict[str, neoskit.Events]:
    """Opposite-charge data of every channel: opened by `--unblind` alone."""
    opposite = data(folder, OPPOSITE)
    return {
        channel: as_events(
            [kept(columns, region, OPPOSITE) for columns in opposite.values()]
        )
        for channel, region in REGIONS.items()
    }


def processes(
    samples: dict[str, Columns],
    same_charge: dict[str, Columns],
    region: Region,
    pt_2_above: float = PT_2_ABOVE,
) -> dict[str, neoskit.Events]:
    """Events of each process in a region: the simulated ones, and QCD.

    QCD is what same-charge data have above simulation, taken over to opposite charge:
    the data with weight 0.8, the simulated backgrounds with weight -0.8 w. The squares
    of both kinds of weight add up to its statistical variance. The energy shift moves
    the subtracted events too, so QCD varies with it.
    """
    events = {
        name: as_events(
            [kept(c, region, OPPOSITE, pt_2_above) for c in parts(samples, name)]
        )
        for name in PROCESSES
    }
    subtracted = [c for name in BACKGROUNDS for c in parts(samples, name)]
    events["qcd"] = as_events(
        [
            weighted(
                kept(columns, region, SAME, pt_2_above), sign * QCD_OPPOSITE_OVER_SAME
            )
            for sign, group in ((+1, same_charge.values()), (-1, subtracted))
            for columns in group
        ]
    )
    return events


def simulation(folder: str) -> dict[str, Columns]:
    """The simulated samples, by name of file."""
    return {name: read(folder, name) for name in SIMULATION}


def data(folder: str, charge: int) -> dict[str, Columns]:
    """The data with this product of charges; those of the other are left out."""
    return {name: read(folder, name, f"q_1 * q_2 == {charge}") for name in DATA}


def read(folder: str, name: str, selection: str | None = None) -> Columns:
    """The branches of one file, and an index that no two events of all files share."""
    path = Path(__file__).parent / folder
    if not path.is_dir():
        raise FileNotFoundError(
            f"There is no folder {path} with the CMS open data. The docstring of "
            f"{__file__} says where they are from; give the folder that you put them "
            "in as `source.arguments.folder` of the TOML file."
        )
    columns = neoskit.read_columns(path / FILES[name], BRANCHES, selection=selection)
    columns["index"] = list(FILES).index(name) * 1_000_000 + columns.pop("entry")
    return columns


def parts(samples: dict[str, Columns], process: str) -> list[Columns]:
    """The samples, or the halves of them, that make up a process."""
    names, matched = PROCESSES[process]
    whole = [samples[name] for name in names]
    if matched is None:
        return whole
    return [rows(c, c["gen_match"] == matched) for c in whole]


def kept(
    columns: Columns, region: Region, charge: int, pt_2_above: float = PT_2_ABOVE
) -> Columns:
    """The events that pass the selection of a region."""
    return rows(columns, region.mask(columns, charge, pt_2_above))


def rows(columns: Columns, mask: np.ndarray) -> Columns:
    """The events where the mask is true."""
    return {name: values[mask] for name, values in columns.items()}


def weighted(columns: Columns, factor: float) -> Columns:
    """The same events, their weights times a factor."""
    return columns | {"weight": factor * columns["weight"].astype(np.float64)}


def as_events(pieces: list[Columns]) -> neoskit.Events:
    """What the observable sees of these events, with their weights and indices."""
    joined = {
        name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]
    }
    seen = features(joined)
    return neoskit.Events(
        features=np.stack([seen[name] for name in FEATURES], axis=-1),
        weights=joined["weight"].astype(np.float64),
        names=FEATURES,
        index=joined["index"],
    )


def features(columns: Columns) -> Columns:
    """The features, with a missing di-jet replaced by an indicator of it."""
    dijet = columns["mjj"] > MISSING
    replaced = {
        name: np.where(dijet, columns[name], neutral)
        for name, neutral in NEUTRAL.items()
    }
    return columns | replaced | {"dijet": dijet}


def shift_tau(columns: Columns, scale: float) -> Columns:
    """The events with the energy of every true tau scaled, and all that follows.

    The tau's four-vector (`pt_2`, `m_2`) is multiplied by `scale` where `gen_match` is
    true. What the tau gains, the missing transverse momentum loses. Transverse and
    visible masses and the visible momentum are computed again; all other events keep
    the values of the file.
    """
    new = {
        name: columns[name].astype(np.float64)
        for name in (*KINEMATICS, "pt_met", "phi_met")
    }
    gain = (scale - 1) * new["pt_2"]
    met_x = new["pt_met"] * np.cos(new["phi_met"]) - gain * np.cos(new["phi_2"])
    met_y = new["pt_met"] * np.sin(new["phi_met"]) - gain * np.sin(new["phi_2"])
    new |= {
        "pt_2": scale * new["pt_2"],
        "m_2": scale * new["m_2"],
        "pt_met": np.hypot(met_x, met_y),
        "phi_met": np.arctan2(met_y, met_x),
    }
    new |= derived(new)
    matched = columns["gen_match"].astype(bool)
    return columns | {
        name: np.where(matched, values, columns[name]) for name, values in new.items()
    }


def derived(columns: Columns) -> Columns:
    """Masses and momenta that follow from muon, tau and missing momentum."""
    c = {name: values.astype(np.float64) for name, values in columns.items()}
    momenta = [four_vector(c, n) for n in "12"]
    energy, x, y, z = momenta[0] + momenta[1]
    return {
        "mt_1": transverse_mass(c, "1"),
        "mt_2": transverse_mass(c, "2"),
        "m_vis": np.sqrt(np.maximum(energy**2 - x**2 - y**2 - z**2, 0)),
        "pt_vis": np.hypot(x, y),
    }


def transverse_mass(columns: Columns, n: str) -> np.ndarray:
    """Of a lepton and the missing momentum, massless: √(2 pt pt_met (1 - cos Δφ))."""
    # 1 - cos Δφ = 2 sin²(Δφ/2) keeps its digits where the angle is small.
    sine = np.sin((columns[f"phi_{n}"] - columns["phi_met"]) / 2)
    return 2 * np.sqrt(columns[f"pt_{n}"] * columns["pt_met"]) * np.abs(sine)


def four_vector(columns: Columns, n: str) -> np.ndarray:
    """(E, px, py, pz) of lepton n."""
    pt, eta, phi, mass = (columns[f"{name}_{n}"] for name in ("pt", "eta", "phi", "m"))
    # The files hold a negative mass where m² is negative by rounding, as ROOT does.
    energy = np.sqrt((pt * np.cosh(eta)) ** 2 + mass * np.abs(mass))
    return np.stack(
        [energy, pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)], axis=0
    )
