"""Prints how long a person waits for the first step of a cold start, and how long the nodes take to import torch.

It makes a lab of four virtual Pis of 1 GiB and half a core (as root), and empties the machine's file cache before each
launch and each import.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from picluster.controller.record.all_runs import find_run
from picluster.schema.events import StepDone

ROUNDS = 3
LAB = ("--name", "bench")
TIMEOUT_SECONDS = 600
PYTHON = "/opt/picluster/.venv/bin/python"
IMPORT = "import time; begun = time.monotonic(); import torch; print(time.monotonic() - begun)"


def main() -> None:
    """Measure."""
    if os.geteuid() != 0:
        print("cold start: needs root, for a lab of virtual Pis")
        return
    with lab() as status, tempfile.TemporaryDirectory() as name:
        imports, launches, differences = [], [], []
        for number in range(ROUNDS):
            slowest = max(import_seconds(status))
            waited = launch_seconds(status["inventory"], Path(name), number)
            imports.append(slowest)
            launches.append(waited)
            differences.append(waited - slowest)
    print(f"cold start on four virtual Pis, 1 GiB and half a core each: seconds, median (range) of {ROUNDS}\n")
    for title, values in (
        ("importing torch, the slowest node, all at once", imports),
        ("from typing `picluster launch` to the first step", launches),
        ("the difference", differences),
    ):
        print(f"  {title:<50} {median(values):6.1f} ({min(values):.1f}–{max(values):.1f})")


@contextmanager
def lab() -> Iterator[dict[str, str]]:
    """A lab of its own, and what its status says."""
    run("lab", "up", "--nodes", "4", "--memory", "1GiB", "--cpus", "0.5", *LAB)
    try:
        status: dict[str, str] = json.loads(run("lab", "status", "--json", *LAB))
        yield status
    finally:
        run("lab", "down", *LAB)


def import_seconds(status: dict[str, str]) -> list[float]:
    """Measure the import of torch on all nodes at the same time, from cold disks."""
    empty_file_cache()
    hosts = json.loads(run_program("ansible-inventory", "-i", status["inventory"], "--list"))["_meta"]["hostvars"]
    options = ["-i", status["key"], "-o", f"UserKnownHostsFile={status['known_hosts']}"]
    commands = [["ssh", *options, f"pi@{each['ansible_host']}", f"{PYTHON} -c '{IMPORT}'"] for each in hosts.values()]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in commands]
    return [float(process.communicate(timeout=TIMEOUT_SECONDS)[0]) for process in processes]


def launch_seconds(inventory: str, folder: Path, number: int) -> float:
    """From the start of the command to the end of the first training step."""
    empty_file_cache()
    begun = time.time()
    words = ("launch", "--inventory", inventory, "--layers-per-node", "1", "--epochs", "1", "--tag", f"cold{number}")
    run(*words, folder=folder)
    newest = find_run(None, folder / "runs")
    judge = newest.plan().stages[-1].nodes[0]
    return next(each.time for each in newest.metrics(judge) if isinstance(each.event, StepDone)) - begun


def empty_file_cache() -> None:
    """As after a boot."""
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("3")


def run(*words: str, folder: Path | None = None) -> str:
    """`picluster` of this environment."""
    return run_program("picluster", *words, folder=folder)


def run_program(name: str, *words: str, folder: Path | None = None) -> str:
    """A program of this environment; what it prints."""
    program = str(Path(sys.executable).with_name(name))
    return subprocess.run(
        [program, *words], check=True, stdout=subprocess.PIPE, text=True, cwd=folder, timeout=TIMEOUT_SECONDS
    ).stdout


if __name__ == "__main__":
    main()
