"""Combine's likelihood in plain loops, from its documentation: independent of fitkit.

For cards of lnN, gmN, gmM, lnU, shape, shapeN, rateParam (numbers) and autoMCStats 0.
"""

from pathlib import Path

import numpy as np
import uproot


def step(x: float, region: float) -> float:
    if abs(x) >= region:
        return float(np.sign(x))
    t = x / region
    return t * (15 - 10 * t**2 + 3 * t**4) / 8


def log_kappa(x: float, down: float, up: float) -> float:
    high, low = np.log(up), -np.log(down)
    return (high + low) / 2 + (high - low) / 2 * step(x, 0.5)


class PlainCard:
    """A card, and minus its log-likelihood without constant terms."""

    def __init__(self, path: Path, mass: str = ""):
        self.folder, self.mass, self.shapes, self.nuisances = path.parent, mass, {}, []
        self.rates, self.statistics = [], []
        lines = [line.split("#")[0].split() for line in path.read_text().splitlines()]
        bins, self.processes, self.observed, after = [], [], [], False
        for words in lines:
            if len(words) < 2:
                continue
            if not after:
                if words[0] == "shapes":
                    self.shapes[words[2], words[1]] = words[3:]
                elif words[0].lower() == "observation":
                    self.observed = [float(w) for w in words[1:]]
                elif words[0] == "bin":
                    bins.append(words[1:])
                elif words[0] == "process":
                    self.processes.append(words[1:])
                elif words[0] == "rate":
                    self.yields, after = [float(w) for w in words[1:]], True
            elif words[1] == "rateParam":
                self.rates.append((words[0], words[2], words[3], float(words[4])))
            elif words[1] == "autoMCStats":
                self.statistics.append(words[0])
            elif set(words[0]) != {"-"}:
                self.nuisances.append(words)
        self.columns = bins[-1]
        self.channels = list(dict.fromkeys(bins[0] if len(bins) > 1 else self.columns))
        if not any(w.lstrip("-").isdigit() for w in self.processes[1]):
            self.processes.reverse()
        self.files = {}

    def histogram(self, channel, process, systematic=""):
        for key in ((channel, process), (channel, "*"), ("*", process), ("*", "*")):
            if key in self.shapes:
                break
        else:
            return None
        words = self.shapes[key]
        if words[0] == "FAKE":
            return None
        name = words[2] if systematic else words[1]
        values = {"PROCESS": process, "CHANNEL": channel, "MASS": self.mass}
        values["SYSTEMATIC"] = systematic
        file = words[0]
        for key, value in values.items():
            file, name = (w.replace(f"${key}", value) for w in (file, name))
        if file not in self.files:
            self.files[file] = uproot.open(self.folder / file)
        key = file, name
        if key not in self.files:
            found = self.files[file][name]
            # Histograms of single precision are summed in double.
            self.files[key] = tuple(
                np.asarray(each, float) for each in (found.values(), found.errors())
            )
        return self.files[key]

    def value(self, params: dict[str, float]) -> float:
        """Minus the log-likelihood at parameters by the names of the card."""
        total = 0.0
        for c, channel in enumerate(self.channels):
            nu, square, automatic = 0.0, 0.0, self.automatic(channel)
            for i, where in enumerate(self.columns):
                if where == channel and self.yields[i] != 0:
                    one, error = self.expected(i, channel, params, automatic)
                    nu, square = nu + one, square + error**2
            data = self.histogram(channel, "data_obs")
            counts = np.array([self.observed[c]]) if data is None else data[0]
            if automatic:
                s = np.sqrt(square)
                # The best shift: s (1 - n/(nu + x s)) + x = 0.
                m = (nu - s**2 + np.sqrt((nu - s**2) ** 2 + 4 * s**2 * counts)) / 2
                x = np.where(s > 0, (m - nu) / np.where(s > 0, s, 1.0), 0.0)
                x = np.clip(x, -7, 7)
                nu, total = nu + x * s, total + np.sum(x**2) / 2
            logs = np.where(counts > 0, np.log(np.where(counts > 0, nu, 1.0)), 0.0)
            total += np.sum(nu - counts * logs)
        return total + self.constraints(params)

    def automatic(self, channel: str) -> bool:
        return channel in self.statistics or "*" in self.statistics

    def constraints(self, params: dict[str, float]) -> float:
        total = 0.0
        for words in self.nuisances:
            x = params.get(words[0])
            if x is None or words[1] == "lnU":
                continue
            if words[1] == "gmN":
                total += x - float(words[2]) * np.log(x)
            elif words[1] == "gmM":
                k = next(float(w) for w in words[2:] if float(w))
                total += x / k**2 - (1 / k**2 - 1) * np.log(x)
            else:
                total += x**2 / 2
        return total

    def expected(self, i, channel, params, automatic):
        process, rate = self.processes[0][i], self.yields[i]
        template = self.histogram(channel, process)
        norm = params["r"] if int(self.processes[1][i]) <= 0 else 1.0
        for name, b, p, _ in self.rates:
            if b in (channel, "*") and p in (process, "*"):
                norm *= params[name]
        morphs, logarithmic = [], False
        for words in self.nuisances:
            name, kind = words[:2]
            entry = words[(3 if kind == "gmN" else 2) + i]
            if set(entry) == {"-"} or ("/" not in entry and float(entry) == 0):
                continue
            x = params.get(name, 0.0)
            if kind in ("lnN", "lnU"):
                down, _, up = entry.partition("/")
                if not up:
                    down, up = 1 / float(entry), entry
                norm *= np.exp(x * log_kappa(x, float(down), float(up)))
            elif kind == "gmN":
                # The rate in the text is this product, rounded.
                rate, norm = float(entry), norm * x
            elif kind == "gmM":
                norm *= x
            else:
                logarithmic |= kind.startswith("shapeN")
                scale = float(entry)
                up, down = (
                    self.histogram(channel, process, name + side)[0]
                    for side in ("Up", "Down")
                )
                morphs.append((x, scale, down, up))
                nominal = template[0].sum()
                kappas = down.sum() / nominal, up.sum() / nominal
                if max(abs(k - 1) for k in kappas) >= 1e-3:
                    lo, hi = (k**scale for k in kappas)
                    norm *= np.exp(x * log_kappa(x, lo, hi))
        if template is None:
            return np.array([rate * norm]), np.zeros(1)
        values, errors = template
        whole = values.sum()
        least = 1e-9 / whole if automatic else None
        shape = self.shape(values / whole, morphs, logarithmic, least)
        scale = whole if automatic or rate == -1 else rate
        return norm * scale * shape, norm * errors

    @staticmethod
    def shape(nominal, morphs, logarithmic, least):
        region = min([1.0, *(scale for _, scale, _, _ in morphs)])
        sum_ = np.zeros_like(nominal)
        for x, scale, down, up in morphs:
            down, up = down / down.sum(), up / up.sum()
            if logarithmic:
                ok = (nominal > 0) & (down > 0)
                down = np.log(np.where(ok, down, 1) / np.where(ok, nominal, 1))
                ok = (nominal > 0) & (up > 0)
                up = np.log(np.where(ok, up, 1) / np.where(ok, nominal, 1))
            else:
                down, up = down - nominal, up - nominal
            moved = scale * x
            sum_ += 0.5 * moved * ((up - down) + step(moved, region) * (up + down))
        if logarithmic:
            content = np.where(nominal > 0, nominal, 0) * np.exp(sum_)
            return content / content.sum()
        if least is not None:  # of a content, not of a fraction, and no more
            return np.maximum(nominal + sum_, least)
        content = np.maximum(nominal + sum_, 1e-9)
        return content / content.sum()
