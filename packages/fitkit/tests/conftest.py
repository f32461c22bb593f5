"""What the tests share: float64, the folder of real inputs, and a bridge to pyhf."""

import functools
import json
import math
import os
import tarfile
from pathlib import Path

import jax
import numpy as np
import pytest

import fitkit

jax.config.update("jax_enable_x64", True)

_DEFAULT = Path(__file__).resolve().parents[3].parent / "shared" / "data"
_DATA = Path(os.environ.get("NEOSKIT_TEST_DATA", _DEFAULT))


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes long; runs in its own session")
    # pyhf 0.7.6 validates with a class that newer jsonschema releases deprecate
    config.addinivalue_line(
        "filterwarnings", "ignore:jsonschema.RefResolver:DeprecationWarning"
    )


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real inputs (`CATALOGUE.md` in it says what they are)."""
    if not (_DATA / "CATALOGUE.md").exists():
        pytest.skip(f"no test data at {_DATA} (set NEOSKIT_TEST_DATA)")
    return _DATA


@pytest.fixture(scope="session")
def likelihoods(data_folder) -> Path:
    """The folder of published likelihoods."""
    return data_folder / "likelihoods"


@pytest.fixture(scope="session")
def load_json(data_folder):
    """Decode one of the JSON files, by its path in the folder, once per session."""

    @functools.cache
    def load(path):
        return json.loads((data_folder / path).read_bytes())

    return load


@pytest.fixture(scope="session")
def sbottom(likelihoods):
    """Members of the sbottom archive, decoded: `sbottom("RegionA/BkgOnly.json")`."""
    with tarfile.open(likelihoods / "sbottom_SUSY-2018-31.tar.gz") as archive:
        content = {
            member.name: archive.extractfile(member).read()
            for member in archive
            if member.name.endswith(".json")
        }

    def load(name):
        return json.loads(content[name])

    load.names = tuple(sorted(content))
    return load


@pytest.fixture(scope="session")
def reference_document(data_folder, load_json, sbottom):
    """Document and patch (or None) of an entry of `reference_pyhf.json`."""

    def documents(entry):
        where = entry["where"]
        if where.endswith(".tar.gz"):
            return sbottom(entry["file"]), sbottom(entry["patch"])
        document = load_json(f"{where}/{entry['file']}")
        if entry["patch"] is None:
            return document, None
        patchset, name = entry["patch"].split("#")
        patches = load_json(f"{where}/{patchset}")["patches"]
        return document, next(
            p["patch"] for p in patches if p["metadata"]["name"] == name
        )

    return documents


class PyhfBridge:
    """A pyhf model, with its flat vectors as dicts by name and back."""

    def __init__(self, model):
        self.model = model

    def params(self, vector):
        """By name: shape () for scalar parameters, (n,) for those per bin."""
        config = self.model.config
        values = {}
        for name in config.par_order:
            part = np.asarray(vector)[config.par_slice(name)]
            values[name] = part[0] if config.param_set(name).is_scalar else part
        return values

    def vector(self, params):
        """The inverse of `params`."""
        order = self.model.config.par_order
        return np.concatenate([np.atleast_1d(params[name]) for name in order])

    def data_vector(self, data):
        """A `fitkit.Data` in pyhf's order."""
        config = self.model.config
        main = [np.asarray(data.main[name]) for name in config.channels]
        aux = [np.atleast_1d(data.aux[name]) for name in config.auxdata_order]
        return np.concatenate(main + aux)

    def random_point(self, rng):
        """A parameter vector not far from the nominal one, inside the bounds."""
        config = self.model.config
        init = np.array(config.suggested_init(), dtype=float)
        low, high = np.array(config.suggested_bounds(), dtype=float).T
        low = np.where(init > 0.25, np.maximum(low, 0.05), low)  # rates stay positive
        return np.clip(init + rng.normal(0, 0.4, init.shape), low + 1e-3, high - 1e-3)


@pytest.fixture(scope="session")
def pyhf_model():
    """`pyhf_model(document, codes=("code4", "code4p"))`, skipping without pyhf."""
    pyhf = pytest.importorskip("pyhf")
    pyhf.set_backend("numpy", precision="64b")

    def build(document, *, normsys="code4", histosys="code4p", measurement=None):
        workspace = pyhf.Workspace(document)
        config = workspace.get_measurement(measurement_name=measurement)["config"]
        declared = {name for name, _ in workspace.modifiers}
        return PyhfBridge(
            workspace.model(
                measurement_name=measurement,
                poi_name=config["poi"] if config["poi"] in declared else None,
                modifier_settings={
                    "normsys": {"interpcode": normsys},
                    "histosys": {"interpcode": histosys},
                },
            )
        )

    return build


class PlainLikelihood:
    """HistFactory with code4 and code4p in 60-digit arithmetic: slow and literal.

    Written from CERN-OPEN-2012-016 with loops over channels, samples and modifiers, it
    shares nothing with the package and loses no digit where sums cancel.
    """

    def __init__(self, document):
        self.mp = pytest.importorskip("mpmath").mp.clone()
        self.mp.dps = 60
        # value, first and second derivative at +1 and -1, of a, a^2, ..., a^6
        powers = range(1, 7)
        conditions = [
            [edge ** (k - order) * math.perm(k, order) for k in powers]
            for order in range(3)
            for edge in (1, -1)
        ]
        self.matching = self.mp.inverse(self.mp.matrix(conditions))
        self.channels = document["channels"]
        self.observed = {o["name"]: o["data"] for o in document["observations"]}
        config = document["measurements"][0]["config"]
        self.settings = {each["name"]: each for each in config["parameters"]}

    def rates(self, channel, params):
        totals = [self.mp.mpf(0)] * len(channel["samples"][0]["data"])
        for sample in channel["samples"]:
            for i, nominal in enumerate(sample["data"]):
                shift, factor = self.mp.mpf(nominal), self.mp.mpf(1)
                for modifier in sample["modifiers"]:
                    value, data = params[modifier["name"]], modifier["data"]
                    match modifier["type"]:
                        case "histosys":
                            shift += self.code4p(
                                value, data["lo_data"][i], nominal, data["hi_data"][i]
                            )
                        case "normsys":
                            factor *= self.code4(value, data["lo"], data["hi"])
                        case "normfactor" | "lumi":
                            factor *= self.mp.mpf(float(value))
                        case _:
                            factor *= self.mp.mpf(float(value[i]))
                totals[i] += shift * factor
        return totals

    def code4p(self, alpha, lo, nominal, hi):
        a, lo, nominal, hi = map(self.mp.mpf, (float(alpha), lo, nominal, hi))
        up, down = hi - nominal, nominal - lo
        if abs(a) > 1:
            return a * (up if a > 0 else down)
        bend = a * (15 + a**2 * (3 * a**2 - 10)) * (up - down) / 16
        return a * ((up + down) / 2 + bend)

    def code4(self, alpha, lo, hi):
        a, lo, hi = map(self.mp.mpf, (float(alpha), lo, hi))
        if abs(a) >= 1:
            return hi**a if a > 0 else lo**-a
        log_hi, log_lo = self.mp.log(hi), self.mp.log(lo)
        wanted = [hi - 1, lo - 1, hi * log_hi, -lo * log_lo]
        wanted += [hi * log_hi**2, lo * log_lo**2]
        c = self.matching * self.mp.matrix(wanted)
        return 1 + sum(c[k - 1] * a**k for k in range(1, 7))

    def poisson(self, n, rate):
        n, rate = self.mp.mpf(float(n)), self.mp.mpf(rate)
        counted = n * self.mp.log(rate) if n else 0
        return counted - rate - self.mp.loggamma(n + 1)

    def normal(self, x, mean, sigma):
        x, mean, sigma = map(self.mp.mpf, (float(x), float(mean), sigma))
        pull = (x - mean) / sigma
        return -(pull**2) / 2 - self.mp.log(sigma * self.mp.sqrt(2 * self.mp.pi))

    def twice_nll(self, params):
        """-2 log L of the document's data and nominal auxiliary data."""
        total = self.mp.mpf(0)
        for channel in self.channels:
            rates = self.rates(channel, params)
            counts = self.observed[channel["name"]]
            total += sum(map(self.poisson, counts, rates))
        return float(-2 * (total + self.constraints(params)))

    def constraints(self, params):
        total, seen, squares, sums = self.mp.mpf(0), set(), {}, {}
        for channel in self.channels:
            for sample in channel["samples"]:
                for modifier in sample["modifiers"]:
                    name, kind = modifier["name"], modifier["type"]
                    pairs = list(
                        zip(sample["data"], modifier["data"] or (), strict=False)
                    )
                    if kind == "staterror":
                        old = squares.get(name, [0] * len(pairs))
                        squares[name] = [
                            a + self.mp.mpf(d) ** 2
                            for a, (_, d) in zip(old, pairs, strict=True)
                        ]
                        old = sums.get(name, [0] * len(pairs))
                        sums[name] = [
                            a + self.mp.mpf(b)
                            for a, (b, _) in zip(old, pairs, strict=True)
                        ]
                    elif kind == "shapesys":
                        for i, (b, d) in enumerate(pairs):
                            tau = (self.mp.mpf(b) / d) ** 2 if b > 0 and d > 0 else 1
                            gamma = self.mp.mpf(float(params[name][i]))
                            # the auxiliary data are float64, as any program has them
                            aux = (b**2 / d**2) if b > 0 and d > 0 else 1.0
                            total += self.poisson(aux, gamma * tau)
                    elif kind in ("normsys", "histosys") and name not in seen:
                        total += self.normal(0.0, params[name], 1)
                    elif kind == "lumi" and name not in seen:
                        setting = self.settings[name]
                        (aux,), (sigma,) = setting["auxdata"], setting["sigmas"]
                        total += self.normal(aux, params[name], sigma)
                    seen.add(name)
        for name, variances in squares.items():
            for i, (variance, b) in enumerate(zip(variances, sums[name], strict=True)):
                sigma = self.mp.sqrt(variance) / b if variance and b > 0 else 1
                total += self.normal(1.0, params[name][i], sigma)
        return total


@pytest.fixture(scope="session")
def plain_likelihood():
    """`plain_likelihood(document)`: -2 log L in 60-digit arithmetic."""
    return PlainLikelihood


@pytest.fixture(scope="session")
def invented():
    """A result of each kind, made without a fit: pictures and tables show any numbers.

    `$` and `\\` in names are there for programs that take them for formulae.
    """
    rng = np.random.default_rng(3)
    names, tilt = ("norm", "tilt_$\\bad{$_x", "k"), "tilt_$\\bad{$_x"
    columns = dict(zip(("up", "down"), rng.normal(size=(2, 3)), strict=True))
    constrained = np.array([True, True, False])
    unknown = lambda x: np.where(constrained, np.asarray(x), np.nan)  # noqa: E731
    yes = np.ones(3, dtype=bool)
    values = np.array([2.0, 0.5, 1.0])  # not in order
    good = np.ones((2, 9), dtype=bool)
    angle = np.linspace(0.0, 2 * np.pi, 9)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    total = {"SR_#1 $\\x$": np.array([45.0, 51.0]), "CR": np.array([300.0])}
    samples = {
        "SR_#1 $\\x$": {
            "$s_{1}$ & 100%": np.array([5.0, 12.0]),
            "background": np.array([40.0, 39.0]),
        },
        "CR": {"background": total["CR"]},
    }
    error = {"SR_#1 $\\x$": np.array([4.0, 6.0]), "CR": np.array([15.0])}
    one = np.array(1.0)
    return {
        "tests": fitkit.HypotestResult(
            poi_value=values,
            statistic=values**2,
            statistic_asimov=values**2,
            best=np.zeros(3),
            log_cl_sb=-2 * values,
            log_cl_b=-0.1 * values,
            log_cls_expected=-values[:, None] * np.array([3.0, 2.0, 1.5, 1.0, 0.5]),
            **dict.fromkeys(("cl_sb_error", "cl_b_error", "cls_error"), np.zeros(3)),
            cls_expected_error=np.zeros((3, 5)),
            toys_sb=np.zeros(0),
            toys_b=np.zeros(0),
            converged=yes,
            test="QMuTilde",
            band="normal",
        ),
        "limit": fitkit.UpperLimit(
            observed=np.array(1.4),
            expected=np.array([0.5, 0.7, 1.0, 1.5, 2.2]),
            observed_error=np.zeros(()),
            expected_error=np.zeros(5),
            level=np.array(0.05),
            converged=np.ones(6, dtype=bool),
            tested=np.zeros(0),
            curves=np.zeros((0, 6)),
            failed=np.zeros((0, 2), dtype=int),
            test="QMuTilde",
            band="normal",
        ),
        "ranking": fitkit.Ranking(
            pull=unknown([0.3, -1.2, 0.0]),
            constraint=unknown([0.9, 0.4, 0.0]),
            **{side: np.asarray(column) for side, column in columns.items()},
            prefit_up=unknown(1.5 * columns["up"]),
            prefit_down=unknown(1.3 * columns["down"]),
            by_observable=np.array([0.3, -0.2, 0.0]),
            statistical=one,
            total=2 * one,
            best=one,
            converged=yes,
            names=names,
            poi="mu",
        ),
        "pulls": fitkit.Pulls(
            pull=unknown([0.3, -1.2, 0.0]),
            constraint=unknown([0.9, 0.4, 0.0]),
            best=np.array([0.3, -1.2, 1.1]),
            uncertainty=np.array([0.9, 0.4, 0.2]),
            nominal=np.array([0.0, 0.0, 1.0]),
            width=unknown([1.0, 1.0, 1.0]),
            names=names,
        ),
        "scan": fitkit.Scan(
            values=np.array([2.0, 0.0, 1.0, 3.0]),
            delta=np.array([1.1, 0.9, 0.01, 4.6]),
            y=np.zeros((4, 2)),
            best=np.array(0.93),
            converged=np.ones(4, dtype=bool),
            name="mu",
        ),
        "interval": fitkit.Intervals(
            best=np.array([0.93, 0.3]),
            low=np.array([0.1, -0.7]),
            high=np.array([1.9, 1.2]),
            low_at_bound=np.zeros(2, dtype=bool),
            high_at_bound=np.zeros(2, dtype=bool),
            converged=np.ones(2, dtype=bool),
            names=("mu", "norm"),
            sigmas=1.0,
        ),
        "contour": fitkit.Contour(
            points=np.stack([circle, 1.6 * circle]) + np.array([1.0, 0.5]),
            at_bound=~good,
            converged=good,
            best=np.array([1.0, 0.5]),
            levels=(0.6827, 0.9545),
            names=("mu", tilt),
        ),
        "yields": fitkit.Yields(
            total=total,
            error=error,
            channel_total={name: np.sum(x) for name, x in total.items()},
            channel_error={name: np.sum(x) for name, x in error.items()},
            samples=samples,
            params={},
        ),
        "data": fitkit.Data({"SR_#1 $\\x$": [47.0, 0.0], "CR": [310.0]}),
    }


@pytest.fixture(scope="session")
def fitted():
    """A fit that is real, since only a fit has a Hessian."""
    model = fitkit.correlated_background(
        [12.0, 5.0], [50.0, 40.0], [55.0, 42.0], [45.0, 39.0]
    )
    return fitkit.fit(model, model.data({"single_channel": [58.0, 41.0]}))
