"""Pictures: what is drawn, on whose axes, and that an animation moves."""

import os
import subprocess
import sys

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.patches import Rectangle

from neoskit import plot


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def labels(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


SAMPLES = {
    "background": np.random.default_rng(0).normal(1, 1, (50, 2)),
    "signal": np.random.default_rng(1).normal(-1, 1, (50, 2)),
}
DRAWINGS = {
    "decision_contours": lambda ax: plot.decision_contours(
        lambda x: 1 / (1 + np.exp(x[:, 0])), SAMPLES, [0, 0.5, 1], grid=10, ax=ax
    ),
    "history": lambda ax: plot.history({"train": ([0, 1], [0.1, 0.01])}, ax=ax),
    "binned_model": lambda ax: plot.binned_model(
        {"background": [5.0, 2.0], "signal": [0.5, 3.0]}, uncertainty=[1.0, 1.0], ax=ax
    ),
    "cut_scan": lambda ax: plot.cut_scan(
        [0, 1, 2], [1.0, 3.0, 2.0], trained=1.2, ax=ax
    ),
    "spread": lambda ax: plot.spread({"a": [1e-6, 2e-6], "b": [1e-5]}, ax=ax),
}


@pytest.mark.parametrize("draw", DRAWINGS.values(), ids=DRAWINGS)
def test_drawn_on_the_axes_given_or_on_new_ones(draw):
    given = plt.figure().add_subplot()
    assert draw(given) is given
    assert given.has_data()
    assert given.get_ylabel()
    assert draw(None) is not given


def test_events_and_bins_of_the_contours():
    ax = DRAWINGS["decision_contours"](None)
    assert labels(ax) == ["background", "signal"]
    (bar,) = (other for other in ax.figure.axes if other is not ax)
    np.testing.assert_allclose(bar.get_yticks(), [0, 0.5, 1])


def test_stack_and_band():
    ax = plot.binned_model(
        {"signal": [0.5, 3.0], "background": [5.0, 2.0]},
        uncertainty=([1.0, 0.5], [2.0, 1.0]),
        data=[6.0, 4.0],
        bins=[0.0, 0.5, 1.0],
    )
    assert set(labels(ax)) == {"signal", "background", "background uncertainty", "data"}
    bars = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
    bands = [(bar.get_y(), bar.get_y() + bar.get_height()) for bar in bars]
    np.testing.assert_allclose(bands, [(4.0, 7.0), (1.5, 3.0)])
    assert [t.get_text() for t in ax.get_xticklabels()] == ["0", "0.5", "1"]
    # Nothing that is drawn is cut off, in either scale.
    assert ax.get_ylim()[1] > 7.0
    log = plot.binned_model({"background": [100.0, 0.0], "signal": [1, 0]}, log=True)
    assert log.get_ylim()[0] > 0


def test_the_scan_s_best_cut_is_named_beside_the_trained_one():
    assert "trained 1.20, scan 1.00" in labels(DRAWINGS["cut_scan"](None))


def test_animation(tmp_path):
    from PIL import Image

    def draw(figure, frame):
        ax = figure.add_subplot()
        ax.set(xlim=(0, 3), ylim=(0, 1))
        ax.bar([frame], [1.0])

    path = plot.animate(draw, range(3), tmp_path / "moves.gif", size=(2, 2), hold=500)
    with Image.open(path) as gif:
        assert gif.n_frames == 3
        first = np.asarray(gif.convert("RGB"))
        gif.seek(2)
        assert gif.info["duration"] == 500
        assert (np.asarray(gif.convert("RGB")) != first).any()
    assert plt.get_fignums() == []
    with pytest.raises(ValueError, match="at least one frame"):
        plot.animate(draw, [], tmp_path / "empty.gif")


def test_what_a_backend_sets_for_the_session_stays(tmp_path):
    """A notebook's turns interactive mode on when it is loaded, by the first figure."""
    backend = "from matplotlib.backends.backend_agg import *\n"
    backend += "import matplotlib\nmatplotlib.interactive(True)\n"
    (tmp_path / "a_notebooks.py").write_text(backend)
    script = """
import matplotlib
from neoskit import plot
with plot.style():
    plot.history({"loss": ([0, 1], [2.0, 1.0])})
assert matplotlib.is_interactive()
"""
    path = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(path)}
    env["MPLBACKEND"] = "module://a_notebooks"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
