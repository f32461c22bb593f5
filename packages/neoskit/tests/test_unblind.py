"""The fit to recorded events: strength, pulls and limit where they are known."""

import numpy as np
import pytest

import fitkit
from neoskit import unblind


def _model(signal=10.0, background=50.0, norm=0.1, efficiency=1e-3):
    modifiers = (fitkit.NormSys("norm", lo=1 - norm, hi=1 + norm),)
    of_signal = fitkit.Lumi("efficiency", sigma=efficiency)
    return fitkit.Model(
        [
            fitkit.Channel(
                "SR",
                [
                    fitkit.Sample("s", [signal], (fitkit.NormFactor("mu"), of_signal)),
                    fitkit.Sample("b", [background], modifiers),
                ],
            ),
            fitkit.Channel("CR", [fitkit.Sample("b", [10 * background], modifiers)]),
        ],
        poi="mu",
    )


def test_counting_without_nuisances():
    model = fitkit.Model(
        [
            fitkit.Channel(
                "SR",
                [
                    fitkit.Sample("s", [10.0], (fitkit.NormFactor("mu"),)),
                    fitkit.Sample("b", [50.0]),
                ],
            )
        ],
        poi="mu",
    )
    result = unblind(model, {"SR": [57.0]})
    strength, error = result.strength
    assert strength == pytest.approx(0.7, rel=1e-6)
    assert error == pytest.approx(np.sqrt(57) / 10, rel=1e-6)
    assert result.pulls.names == ("mu",)
    assert np.isnan(result.pulls.pull).all()


def test_a_deficit_is_fitted_and_limited():
    result = unblind(_model(), {"SR": [35.0], "CR": [500.0]})
    strength, error = result.strength
    assert strength == pytest.approx(-1.5, abs=0.05)
    assert 0 < error < 1
    assert 0 < result.limit.observed < result.limit.expected[2]


def test_a_control_channel_pulls_and_constrains():
    result = unblind(_model(), {"SR": [52.0], "CR": [520.0]})
    i = result.pulls.names.index("norm")
    # The control channel knows the normalisation to 4.6 %, the constraint to 10 %.
    know, constraint = np.sqrt(520) / 500, 0.1
    weight = constraint**2 / (constraint**2 + know**2)
    assert float(result.pulls.pull[i]) == pytest.approx(0.04 / 0.1 * weight, rel=0.1)
    assert float(result.pulls.constraint[i]) == pytest.approx(
        know / np.hypot(know, constraint), rel=0.1
    )


def test_pulls_of_poisson_and_normal_constraints_are_in_their_own_widths():
    model = fitkit.uncorrelated_background([5.0], [50.0], [7.0])
    channel = model.channel_names[0]
    result = unblind(model, {channel: [50.0]})
    assert result.pulls.names == ("mu", "uncorr_bkguncrt[0]")
    np.testing.assert_allclose(result.pulls.pull[1], 0, atol=1e-6)
    # Fully correlated with the signal: the data say nothing of the background.
    np.testing.assert_allclose(result.pulls.constraint[1], 1, rtol=1e-3)


def test_a_limit_that_does_not_exist_costs_nothing_else():
    result = unblind(_model(efficiency=0.9), {"SR": [52.0], "CR": [520.0]})
    assert set(result.missing) == {"upper limit"}
    assert not np.isfinite(result.limit.expected[2])
    assert result.strength[1] > 0
    assert 0 < result.cls < 1
    assert "norm" in result.pulls.names


def test_the_fit_needs_a_range():
    with pytest.raises(ValueError, match=r"unblind\(largest=...\)` must be positive"):
        unblind(_model(), {"SR": [52.0], "CR": [520.0]}, largest=0.0)


def test_no_parameter_of_interest():
    model = fitkit.Model([fitkit.Channel("SR", [fitkit.Sample("b", [5.0])])], poi=None)
    with pytest.raises(ValueError, match="parameter of interest"):
        unblind(model, {"SR": [5.0]})
