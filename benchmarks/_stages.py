"""What a process spends on each of its stages, told to its parent stage by stage.

Without jax, so that a peer that does not need it does not import it.
"""

import json
import queue
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
Report = dict[str, Any]


def cpu_seconds() -> float:
    """Of this process, all its threads, and its children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def stage(
    name: str, call: Callable[[], T], answer: Callable[[T], Any] | None = None
) -> T | None:
    """The result of a call; what it took is printed as a line of JSON.

    Args:
        name: of the stage.
        call: what it does.
        answer: what of its result the parent should know, as plain numbers.

    Returns:
        None where the call fails, which the parent is told too.
    """
    result, said = None, {}
    cpu, wall = cpu_seconds(), time.perf_counter()
    try:
        result = call()
    except Exception as error:
        said["failed"] = f"{type(error).__name__}: {error}".partition("\n")[0]
    said |= {"cpu": cpu_seconds() - cpu, "wall": time.perf_counter() - wall}
    if answer and result is not None:
        said["answer"] = answer(result)
    print(json.dumps({"stage": name, **said}), flush=True)
    return result


def stages_of(
    script: str, *args: object, limit: float, env: Mapping[str, str]
) -> dict[str, Report]:
    """The reports of a script's stages, run in a fresh process.

    Args:
        script: path beside this file.
        args: its command line.
        limit: a stage that takes so many seconds ends the process, and is reported as
            `{"late": True}`.
        env: the process's environment.
    """
    path = Path(__file__).parent / script
    process = subprocess.Popen(
        [sys.executable, str(path), *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=dict(env),
    )
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def listen() -> None:
        for line in process.stdout:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=listen, daemon=True).start()
    reports: dict[str, Report] = {}
    while True:
        try:
            line = lines.get(timeout=limit)
        except queue.Empty:
            process.kill()
            reports["late"] = {}
            break
        if line is None:
            break
        if line.startswith('{"stage"'):
            report = json.loads(line)
            reports[report.pop("stage")] = report
    process.wait()
    return reports
