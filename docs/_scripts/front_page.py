"""The animation of the front page: a training on the blobs, in three panels.

    python docs/_scripts/front_page.py docs/_static

The regions of the plane that fall into each bin, the expected CLs over the steps, and
the binned model with its uncertainty, of events that the training does not see. A
network of two layers of 128 is trained from scratch on the expected CLs. Written twice:
with the panels beside each other, and one below the other for a phone.
"""

import sys
from pathlib import Path

import jax
import numpy as np
import optax

import neoskit
from neoskit import plot

jax.config.update("jax_enable_x64", True)

STEPS = 60
# The first steps change most: each is a picture, later every third.
SHOWN = [*range(13), *range(15, STEPS + 1, 3)]


def trained() -> tuple[list, dict[int, float], neoskit.Dataset]:
    """The pipeline after each shown step, the CLs after every step, the events."""
    events = neoskit.gaussian_blobs(10_000)
    train_on, held_out = neoskit.split(events, (0.8, 0.2))
    pipeline = neoskit.Pipeline(
        neoskit.NeuralObservable(2, (128, 128), key=jax.random.key(1)),
        neoskit.Binning([0.0, 0.25, 0.5, 0.75, 1.0], bandwidth=0.1),
        neoskit.Measurement(("signal",), mc_statistics=False, floor=1e-3),
    )
    # From scratch and without pseudo-events, as published: there is more to see.
    stage = neoskit.Stage(
        neoskit.expected_cls,
        STEPS,
        optax.adam(3e-3),
        batch_size=2000,
        pseudo_events=0.0,
    )
    seen = []

    def keep(state, numbers):
        if int(state.step) in SHOWN:
            seen.append(state.pipeline)

    training = neoskit.train(
        pipeline, train_on, stage, held_out=held_out, callback=keep, progress=False
    )
    (cls,) = training.monitored.values()
    return seen, cls, held_out


def main(folder: Path) -> None:
    """Draw both animations into a folder."""
    seen, cls, held_out = trained()
    background = held_out.channels["SR"]["background"]
    samples = {
        "background": background.nominal.features,
        "background, up": background.variations["shape"][0].features,
        "background, down": background.variations["shape"][1].features,
        "signal": held_out.channels["SR"]["signal"].nominal.features,
    }

    def beside(figure, frame):
        draw(figure.subplots(1, 3, width_ratios=(1.15, 1, 1)), frame)

    def below(figure, frame):
        draw(figure.subplots(3, 1), frame)

    def draw(panels, frame):
        left, middle, right = panels
        pipeline, step = seen[frame], SHOWN[frame]
        plot.decision_contours(
            lambda x: pipeline.observable(x.astype(np.float32), None).value,
            samples,
            np.asarray(pipeline.edges),
            shown=250,
            limits=((-5.0, 5.0), (-5.0, 5.0)),
            ax=left,
        )
        steps = list(range(step + 1))
        plot.history(
            {"held-out events, hard bins": (steps, [cls[i] for i in steps])},
            limits=((-1, STEPS + 1), (0.5 * min(cls.values()), 1.0)),
            ax=middle,
        )
        templates = pipeline.hard_templates(held_out)["SR"]
        nominal = np.asarray(templates["background"].nominal.yields)
        shifted = [
            np.asarray(side.yields) - nominal
            for side in templates["background"].variations["shape"]
        ]
        plot.binned_model(
            {
                "background": nominal,
                "signal": np.asarray(templates["signal"].nominal.yields),
            },
            uncertainty=(
                np.maximum(-np.minimum(*shifted), 0.0),
                np.maximum(np.maximum(*shifted), 0.0),
            ),
            bins=np.asarray(pipeline.edges),
            log=True,
            limits=(0.05, 2000.0),
            ax=right,
        )

    frames, pace = range(len(seen)), {"milliseconds": 180, "hold": 3000}
    with plot.style():
        plot.animate(beside, frames, folder / "training.gif", dpi=110, **pace)
        phone = {"size": (4.4, 11.0), "dpi": 90, **pace}
        plot.animate(below, frames, folder / "training-phone.gif", **phone)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
