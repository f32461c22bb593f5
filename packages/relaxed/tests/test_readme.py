"""Every block of the index page runs, in order, and does what the page says."""

import re
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

README = Path(__file__).parents[1] / "README.md"


def test_readme_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # it saves a picture
    pytest.importorskip("matplotlib", reason="the extra `plot` is not installed")
    if not README.exists():
        pytest.skip("the README does not travel with an installed package")
    blocks = re.findall(r"^```python\n(.*?)^```$", README.read_text(), re.M | re.S)
    names = {}
    for block in blocks:
        exec(compile(block, str(README), "exec"), names)
    np.testing.assert_allclose(names["soft"], names["hard"], rtol=0.2)
    assert (tmp_path / "bias_of_bins.png").stat().st_size > 0
    slope = names["slope"]
    assert abs(slope(names["threshold"])) < 0.05 * abs(slope(0.0))
    counts = names["relaxed"].hard_hist(names["data"], names["learned"], flow="clip")
    assert jnp.max(counts) < 1.2 * jnp.min(counts)
