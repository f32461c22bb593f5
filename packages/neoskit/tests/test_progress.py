"""Progress: a bar on a terminal, whole and few lines in a log, nothing if unwanted."""

import sys

import pytest

from neoskit import _progress
from neoskit._progress import progress_bar


@pytest.fixture
def clock(monkeypatch):
    """Ten seconds for each look at it."""
    now = [0.0]

    def tick():
        now[0] += 10.0
        return now[0]

    monkeypatch.setattr(_progress.time, "monotonic", tick)


def test_a_log_has_few_whole_lines(clock, capsys):
    with progress_bar(10, "step", "seed 0") as show:
        for step in range(10):
            show(f"loss {step}")
    said = capsys.readouterr().err
    assert said.splitlines() == [
        "seed 0: step 1/10, loss 0",
        "seed 0: step 4/10, loss 3, 0:01:00 left",
        "seed 0: step 7/10, loss 6, 0:00:30 left",
        "seed 0: step 10/10, loss 9",
    ]
    assert all(character.isprintable() or character == "\n" for character in said)


def test_what_was_done_before_is_counted(clock, capsys):
    with progress_bar(5, "step", done=3) as show:
        show("")
        show("")
    assert capsys.readouterr().err == "step 4/5\nstep 5/5\n"


def test_a_terminal_has_a_bar(capsys, monkeypatch):
    pytest.importorskip("tqdm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with progress_bar(2, "step", "seed 0", done=1) as show:
        show("loss 3")
    said = capsys.readouterr().err
    assert "\r" in said
    assert "seed 0: 100%" in said
    assert "2/2" in said
    assert "loss 3" in said


@pytest.mark.parametrize("terminal", [True, False])
def test_nothing_is_shown_if_it_is_not_wanted(terminal, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    with progress_bar(2, "step", False) as show:
        show("loss 3")
    assert capsys.readouterr().err == ""
