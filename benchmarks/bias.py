"""Bias and noise of soft counts and their gradients, against bandwidth and events.

A normal sample of unit width in six bins of one σ, from -3 to 3. For 10² to 10⁶ events,
many samples each: how far the mean soft content is from the truth, and how far the
density at the inner edges, which is the gradient of every content with respect to its
edges, is from the truth in the mean (bias) and from sample to sample (noise).

Usage: bias.py [PICTURE]. Prints the table of docs/relaxed/bias.md; draws its picture.
"""

import sys

import jax
import jax.numpy as jnp
import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt

import relaxed

EVENTS = {10**2: 1000, 10**3: 400, 10**4: 100, 10**5: 40, 10**6: 12}  # and samples
FRACTIONS = np.array([0.05, 0.1, 0.15, 0.2, 0.25, 0.35, 0.5, 0.7, 1.0])
EDGES = relaxed.regular_edges(-3.0, 3.0, 6)  # bins of width one: bandwidth = fraction


@jax.jit
def content_and_gradient(data, bandwidth):
    """Return each bin's fraction of events, and the density at each inner edge."""

    def numbered(edges):
        # Of Σ b n_b the derivative with respect to an edge is minus its density.
        counts = relaxed.hist(data, edges, bandwidth=bandwidth) / data.size
        return jnp.sum(counts * jnp.arange(counts.size)), counts

    slope, counts = jax.grad(numbered, has_aux=True)(EDGES)
    return counts, -slope[1:-1]


def truth():
    """Return the same without smearing and without noise."""
    cdf, pdf = jax.scipy.stats.norm.cdf(EDGES), jax.scipy.stats.norm.pdf(EDGES)
    return np.diff(cdf), np.asarray(pdf[1:-1])


def root_mean_square(x) -> float:
    return float(np.sqrt(np.mean(np.square(x))))


def study(events: int, samples: int) -> list[tuple[float, ...]]:
    """Return content bias, gradient bias and gradient noise of each bandwidth."""
    contents, densities = truth()
    rng = np.random.default_rng(events)
    found = {fraction: ([], []) for fraction in FRACTIONS}
    for _ in range(samples):
        data = jnp.asarray(rng.normal(size=events).astype(np.float32))
        for fraction, (counts, slopes) in found.items():
            one = content_and_gradient(data, np.float32(fraction))
            counts.append(one[0])
            slopes.append(one[1])
    rows = []
    scale = root_mean_square(densities)
    for counts, slopes in found.values():
        moved = np.mean(counts, axis=0) / contents - 1
        shift, noise = np.mean(slopes, axis=0) - densities, np.std(slopes, axis=0)
        numbers = (shift / scale, noise / scale)
        rows.append((abs(moved[2]), *map(root_mean_square, numbers)))
    return rows


def smeared_truth() -> np.ndarray:
    """Return the relative bias of each bin by convolution, [bandwidths, bins]."""
    width = np.sqrt(1 + FRACTIONS[:, None] ** 2)
    smeared = np.diff(jax.scipy.stats.norm.cdf(EDGES / width), axis=1)
    return smeared / truth()[0] - 1


def main() -> None:
    results = {events: study(events, n) for events, n in EVENTS.items()}
    exact = smeared_truth()
    print("| in %; bandwidth / bin width |", " | ".join(map(str, FRACTIONS)), "|")
    print("|---|" + "--:|" * FRACTIONS.size)
    for bins, name in ((2, "0 to 1 σ"), (1, "1 to 2 σ"), (0, "2 to 3 σ")):
        cells = " | ".join(f"{100 * x:+.1f}" for x in exact[:, bins])
        print(f"| bias of the content, {name} | {cells} |")
    largest = max(results)
    cells = " | ".join(f"{100 * row[1]:.1f}" for row in results[largest])
    print(f"| bias of the gradient | {cells} |")
    for events, rows in results.items():
        cells = " | ".join(f"{100 * row[2]:.2g}" for row in rows)
        print(f"| noise of the gradient, {events} events | {cells} |")
    for events, rows in results.items():
        total = [np.hypot(row[1], row[2]) for row in rows]
        best = int(np.argmin(total))
        measured, expected = results[events][best][0], abs(exact[best, 2])
        print(
            f"{events}: smallest error of the gradient {100 * total[best]:.2g} % at "
            f"{FRACTIONS[best]} of a bin; content of 0 to 1 σ measured "
            f"{100 * measured:.2f} % off, {100 * expected:.2f} % expected; Scott's "
            f"rule {(4 / (3 * events)) ** 0.2:.2f}"
        )
    if len(sys.argv) > 1:
        draw(results, exact, sys.argv[1])


def draw(results, exact, path: str) -> None:
    mpl.use("Agg")
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for bins, name in ((2, "0 to 1 σ"), (1, "1 to 2 σ"), (0, "2 to 3 σ")):
        left.plot(FRACTIONS, 100 * np.abs(exact[:, bins]), ".-", label=name)
    left.set(title="Bias of a bin's content", ylabel="|soft / hard - 1|  [%]")
    colours = plt.colormaps["viridis"](np.linspace(0, 0.9, len(results)))
    for colour, (events, rows) in zip(colours, results.items(), strict=True):
        noise = [100 * row[2] for row in rows]
        name = rf"noise, $10^{round(np.log10(events))}$ events"
        right.plot(FRACTIONS, noise, ".-", color=colour, label=name)
    bias = [100 * row[1] for row in results[max(results)]]
    right.plot(FRACTIONS, bias, "k--", label="bias")
    right.set(title="Gradient with respect to edges", ylabel="relative error  [%]")
    for ax in (left, right):
        ax.set(xscale="log", yscale="log", xlabel="bandwidth / bin width")
        ticks = [0.05, 0.1, 0.25, 0.5, 1.0]
        ax.set_xticks(ticks, map(str, ticks))
        ax.minorticks_off()
    left.legend(frameon=False, fontsize="small")
    right.legend(
        frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5)
    )
    figure.savefig(path, dpi=110)


main()
