"""The command in a process of its own."""

import ast
import os
import signal
import subprocess
import sys
import time

import pytest

# A shell's background job ignores Ctrl-C, and so do its children.
_MAIN = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.argv = ["fitkit", *sys.argv[1:]]
from fitkit._cli import main
main()
"""


def process(folder, *arguments, **kwargs):
    return subprocess.Popen(
        [sys.executable, "-c", _MAIN, *map(str, arguments)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **kwargs,
    )


# What a command that computes nothing must not import: each takes longer than it does.
_HEAVY = {"jax", "numpy", "scipy", "equinox", "rich"}
_LIGHT = f"""
import atexit, sys
atexit.register(lambda: print({_HEAVY} & set(sys.modules), file=sys.stderr))
{_MAIN}
"""


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--help"], 0),
        (["limit", "-h"], 0),
        (["patchset", "-h"], 0),
        (["--version"], 0),
        (["fit", "-x"], 2),
        (["fti", "w.json"], 2),
        (["hypotest", "w.json", "--mu", "one"], 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_computes_nothing_imports_nothing(folder, arguments, code):
    command = [sys.executable, "-c", _LIGHT, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1] == "set()"


def test_what_tells_of_the_threads_imports_the_linear_algebra_alone(folder):
    command = [sys.executable, "-c", _LIGHT, "info", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "jax" in done.stdout
    assert not {"jax", "equinox"} & ast.literal_eval(done.stderr.splitlines()[-1])


def test_completion_imports_nothing():
    words = {
        "_FITKIT_COMPLETE": "complete_bash",
        "COMP_WORDS": "fitkit limit --mask",
        "COMP_CWORD": "2",
    }
    command = [sys.executable, "-c", _LIGHT]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | words
    )
    assert done.stdout.split() == ["--mask"]
    assert done.stderr.splitlines()[-1] == "set()"


def test_an_answer_in_json_needs_no_tables(folder):
    command = [sys.executable, "-c", _LIGHT, "fit", "w.json", "--json"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=folder
    )
    assert done.returncode == 0, done.stderr
    assert "'rich'" not in done.stderr
    assert "'jax'" in done.stderr  # so the list is of what was imported


def test_a_process(folder, tmp_path):
    """Plain text into a pipe; nothing is left behind, in the user's folders neither."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("JAX_")}
    env |= {"XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path)}
    with process(folder, "yields", "w.json", "--prefit", env=env) as yields:
        out, err = yields.communicate(timeout=300)
    assert (yields.returncode, err) == (0, "")
    assert "\x1b" not in out
    assert "background" in out
    assert not list(tmp_path.rglob("*"))


def test_a_terminal_without_greek_letters(folder):
    env = os.environ | {"PYTHONIOENCODING": "ascii"}
    with process(folder, "hypotest", "w.json", env=env) as hypotest:
        out, err = hypotest.communicate(timeout=300)
    assert (hypotest.returncode, err) == (0, "")
    assert "-2?" in out


@pytest.mark.parametrize(
    "arguments", [["yields", "w.json"], ["yields", "w.json", "--json"], ["fit", "-h"]]
)
def test_a_reader_that_has_left(folder, arguments):
    """As in `fitkit … | head`: no message, no traceback."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-c", _MAIN, *arguments]
    done = subprocess.run(
        command, stdout=writing, stderr=subprocess.PIPE, check=False, cwd=folder
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.slow
def test_ctrl_c_inside_compiled_code(folder):
    with process(folder, "toys", "w.json", "-n", 10**6) as toys:
        time.sleep(15)  # imported, and about to be compiled: now it runs for hours
        assert toys.poll() is None
        toys.send_signal(signal.SIGINT)
        try:
            _, err = toys.communicate(timeout=10)
        finally:
            toys.kill()  # leaving the block waits for it
    assert toys.returncode == 130
    assert "interrupted" in err
    assert "Traceback" not in err
