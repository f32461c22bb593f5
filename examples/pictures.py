"""Every picture of `fitkit.plot` of one workspace, to look at.

    python examples/pictures.py WORKSPACE.json FOLDER

Published likelihoods have hundreds of parameters with names as long as a line: what is
readable for a small model need not be for them.
"""

import argparse
from pathlib import Path

import jax
import jax.numpy as jnp
from matplotlib import pyplot as plt

import fitkit
from fitkit import plot

jax.config.update("jax_enable_x64", True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    model, data = fitkit.read_workspace(arguments.workspace)
    poi = str(model.poi)

    def save(name, axes) -> None:
        figure = (axes[0] if isinstance(axes, tuple) else axes).figure
        figure.savefig(arguments.folder / f"{name}.png", dpi=100)
        plt.close(figure)
        print(name)

    save("prefit", plot.yields(fitkit.predicted_yields(model), data, log=True))
    save("postfit", plot.yields(fitkit.predicted_yields(model, data), data))
    save("pulls", plot.pulls(fitkit.pulls(model, data), top=40))
    save("correlation", plot.correlation(fitkit.fit(model, data)))
    ranked = fitkit.ranking(model, data)
    save("ranking", plot.ranking(ranked))
    interval = fitkit.interval(model, data, poi)
    save("scan", plot.scan(fitkit.scan(model, data, poi), interval=interval))
    save("contour", plot.contour(fitkit.contour(model, data, (poi, ranked.names[0]))))
    limit = fitkit.upper_limit(model, data)
    values = jnp.linspace(0.0, 1.2 * jnp.maximum(limit.observed, limit.expected[4]), 21)
    tests = [fitkit.hypotest(model, data, mu, throw=False) for mu in values]
    save("cls", plot.cls_scan(tests, limit=limit))


if __name__ == "__main__":
    main()
