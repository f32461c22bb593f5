"""Write, fit and judge a large model with rabbit: TensorFlow, trust-region steps.

Usage: large_rabbit.py SYSTEMATICS BINS [SPARSE]
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
sys.path.insert(0, str(Path(__file__).parent))

import hist
import numpy as np
from bin.rabbit_fit import make_parser
from large_model import BINS, large_model
from rabbit import fitter, inputdata, tensorwriter


def seconds(times: dict, name: str, call):
    """The call's result; its wall and processor seconds go into `times`."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = call()
    times[name] = time.perf_counter() - wall
    times[f"{name} cpu"] = time.process_time() - cpu
    return result


def write(model, folder: str, sparse: bool) -> None:
    writer = tensorwriter.TensorWriter(sparse=sparse, systematic_type="normal")
    axis = hist.axis.Integer(0, BINS, name="x", overflow=False, underflow=False)
    for c in range(len(model.counts)):
        writer.add_channel([axis], f"ch{c}")
        counts = model.counts[c]
        writer.add_data(counts, f"ch{c}", variances=counts)
        for name, yields in model.yields.items():
            writer.add_process(
                yields[c],
                name,
                f"ch{c}",
                signal=name == "signal",
                variances=model.errors[name][c] ** 2,
            )
    for name, sample, c, change in model.changes:
        up = model.yields[sample][c] + change
        writer.add_systematic(up, name, sample, f"ch{c}", mirror=True)
    writer.write(outfolder=folder, outfilename="large.hdf5")


def main(systematics: str, bins: str, sparse: str = "") -> None:
    times: dict[str, float] = {}
    model = large_model(int(systematics), int(bins))
    with tempfile.TemporaryDirectory() as folder:
        seconds(times, "write", lambda: write(model, folder, bool(sparse)))
        path = str(Path(folder) / "large.hdf5")
        sys.argv = ["rabbit_fit", path, "--binByBinStatType", "gamma", "-t", "0"]
        sys.argv += ["--unblind", ".*"]
        args = make_parser()

        def built():
            data = inputdata.FitInputData(path, None)
            return data, fitter.Fitter(data, args)

        data, fit = seconds(times, "build", built)
        fit.defaultassign()
        fit.set_nobs(data.data_obs)
        seconds(times, "fit", fit.minimize)
        _, gradient, hessian = seconds(times, "hessian", fit.loss_val_grad_hess)
    gradient, hessian = np.asarray(gradient), np.asarray(hessian)

    def inverted():
        return np.linalg.inv(hessian)

    covariance = seconds(times, "covariance", inverted)
    # Its strength is a square, which keeps it positive.
    x, width = float(fit.x[0]), float(np.sqrt(covariance[0, 0]))
    print(
        json.dumps(
            {
                "mu": x**2,
                "sigma": 2 * x * width,
                "2 NLL": 2 * float(fit.reduced_nll()),
                "edm": float(gradient @ covariance @ gradient / 2),
                **times,
            }
        )
    )


main(*sys.argv[1:])
