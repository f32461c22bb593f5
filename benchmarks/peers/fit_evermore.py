"""Fit one generated workspace with evermore, in this process; prints JSON.

As its users write it: modifiers of sample after sample, one loss under `jax.jit`,
minimised by optimistix. It has no bounds, and its interpolation is Combine's. It runs
in an environment of its own, for it fails with flax 0.12.8. It takes normfactor,
normsys, histosys and staterror.

Usage: fit_evermore.py WORKSPACE REPEATS
"""

import json
import sys
import time
from pathlib import Path

import jax

jax.config.update("jax_enable_x64", True)

import evermore as evm  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import optimistix as optx  # noqa: E402
from flax import nnx  # noqa: E402

sys.path.insert(0, str(Path(__file__).parents[1]))
import _measure  # noqa: E402


def stat_widths(channel: dict) -> dict[str, jax.Array]:
    """The relative width of each staterror: errors in quadrature over the total."""
    square, total = {}, {}
    for sample in channel["samples"]:
        for modifier in sample["modifiers"]:
            if modifier["type"] == "staterror":
                name, data = modifier["name"], jnp.array(modifier["data"])
                square[name] = square.get(name, 0.0) + data**2
                total[name] = total.get(name, 0.0) + jnp.array(sample["data"])
    return {name: jnp.sqrt(square[name]) / total[name] for name in square}


def parameters(document: dict) -> dict:
    made = {}
    for channel in document["channels"]:
        for sample in channel["samples"]:
            for modifier in sample["modifiers"]:
                name, kind = modifier["name"], modifier["type"]
                if kind == "normfactor":
                    made[name] = evm.Parameter(1.0)
                elif kind in ("normsys", "histosys"):
                    made[name] = evm.NormalParameter(0.0)
                elif kind == "staterror":
                    made[name] = evm.NormalParameter(jnp.zeros(len(sample["data"])))
                else:
                    raise ValueError(f"{kind} is not written for evermore here")
    return made


def effect(params: dict, modifier: dict, widths: dict):
    parameter, data = params[modifier["name"]], modifier.get("data")
    match modifier["type"]:
        case "normfactor":
            return parameter.scale()
        case "normsys":
            return parameter.scale_log_asymmetric(up=data["hi"], down=data["lo"])
        case "histosys":
            return parameter.morphing(
                up_template=jnp.array(data["hi_data"]),
                down_template=jnp.array(data["lo_data"]),
            )
    return parameter.scale(slope=widths[modifier["name"]], offset=1.0)


def main(path: str, repeats: str) -> None:
    document = json.loads(Path(path).read_text())
    before = _measure.peak_memory()
    start = time.perf_counter()
    observed = {o["name"]: jnp.array(o["data"]) for o in document["observations"]}
    widths = {c["name"]: stat_widths(c) for c in document["channels"]}
    graph, state = nnx.split(parameters(document))

    def loss(state, observed):
        params = nnx.merge(graph, state)
        value = 0.0
        for channel in document["channels"]:
            name, total = channel["name"], 0.0
            for sample in channel["samples"]:
                nominal = jnp.array(sample["data"])
                offset, scale = 0.0, 1.0
                # Its own composition hashes what is traced here, and fails.
                for modifier in sample["modifiers"]:
                    whole = effect(params, modifier, widths[name])
                    each = whole.offset_and_scale(nominal)
                    offset, scale = offset + each.offset, scale * each.scale
                total = total + scale * (nominal + offset)
            value = value - jnp.sum(
                evm.pdf.PoissonContinuous(lamb=total).log_prob(observed[name])
            )
        priors = jax.tree.leaves(evm.loss.get_log_probs(params))
        return value - sum(jnp.sum(each) for each in priors)

    solver = optx.BFGS(rtol=1e-6, atol=1e-9)

    @jax.jit
    def fit(state, observed):
        found = optx.minimise(
            loss, solver, state, args=observed, max_steps=2000, throw=False
        )
        return found.value, found.stats["num_steps"]

    built = time.perf_counter() - start
    cold = _measure.seconds(lambda: fit(state, observed))
    times = [
        _measure.seconds(lambda: fit(state, observed)) for _ in range(int(repeats))
    ]
    _, steps = fit(state, observed)
    report = {
        "built": built,
        "cold": cold,
        "warm": sorted(times)[int(repeats) // 2],
        "parameters": sum(x.size for x in jax.tree.leaves(state)),
        "memory": _measure.peak_memory() - before,
        "steps": int(steps),
    }
    print(json.dumps(report))


main(*sys.argv[1:])
