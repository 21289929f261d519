"""Real runs: `picluster` as a person types it, with real worker processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from picluster.controller.record.report import make_report
from picluster.controller.record.run_folder import RunFolder
from picluster.schema.events import StepDone

CHECKOUT = Path(__file__).parents[2]
RUN_TIMEOUT_SECONDS = 480
SLACK_BYTES = 32 << 20
GRAPH = ("--dataset", "reddit-like", "--scale", "0.003")


@dataclass(frozen=True)
class Desk:
    """A working folder with an inventory of local nodes named pi1, pi2 …"""

    folder: Path
    environment: dict[str, str]

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "picluster.cli.main", *words]

    def start(self, *words: str, under: Sequence[str] = ()) -> subprocess.Popen[str]:
        """`picluster` in the background, in a process group of its own as under a shell; by way of another program."""
        return subprocess.Popen(
            [*under, *self.command(*words)],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
        )

    def picluster(self, *words: str) -> subprocess.CompletedProcess[str]:
        with self.start(*words) as process:
            output, errors = process.communicate(timeout=RUN_TIMEOUT_SECONDS)
        return subprocess.CompletedProcess(words, process.returncode, output, errors)

    def launch(self, *words: str) -> RunFolder:
        """A run that must succeed."""
        before = self.runs()
        done = self.picluster("launch", *words)
        assert done.returncode == 0, done.stdout + done.stderr
        (name,) = self.runs() - before
        return RunFolder(self.folder / "runs" / name)

    def runs(self) -> set[str]:
        folder = self.folder / "runs"
        return {path.name for path in folder.iterdir()} if folder.exists() else set()


def make_desk(folder: Path) -> Desk:
    (folder / "inventory").mkdir()
    hosts = "".join(f"        pi{number}:\n          ansible_connection: local\n" for number in range(1, 6))
    inventory = f"all:\n  children:\n    picluster:\n      hosts:\n{hosts}"
    (folder / "inventory" / "hosts.yml").write_text(inventory)
    (folder / "models").symlink_to(CHECKOUT / "models")
    # Desks side by side share what is known of models and of this machine's numerics: finding it out takes seconds.
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder.parent / "cache")}
    return Desk(folder, environment)


def wait_until(happens: Callable[[], object]) -> None:
    deadline = time.monotonic() + RUN_TIMEOUT_SECONDS
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def losses(run: RunFolder) -> list[float]:
    """Of every training step, as the last stage told them."""
    judge = run.plan().stages[-1].nodes[0]
    steps = (recorded.event for recorded in run.metrics(judge))
    return [step.loss for step in steps if isinstance(step, StepDone) and step.loss is not None]


def steps_of(run: RunFolder, node: str) -> list[StepDone]:
    return [recorded.event for recorded in run.metrics(node) if isinstance(recorded.event, StepDone)]


def assert_memory_was_as_expected(run: RunFolder) -> None:
    """No node took more memory of its own than its plan expected, and none was expected to take far more.

    Nodes that sample alone take so little that their bounds, such as bytes that lie ahead, weigh more than they take.
    The peak hangs on how much is under way at once: under a load of 6, 1.51 times a peak was expected once.
    """
    for node in make_report(run).nodes:
        measured, expected = node.memory.peak_anonymous_bytes, node.memory.expected_anonymous_bytes
        assert measured is not None
        assert expected is not None
        assert measured <= expected <= max(1.6 * measured, measured + SLACK_BYTES), (
            f"{node.name} ({node.role}): {measured} of {expected}"
        )


def workers_of(controller: int, node: str = "") -> list[psutil.Process]:
    """The worker processes of a controller; of one node, where it is named."""
    found = []
    for child in psutil.Process(controller).children(recursive=True):
        words = _command_line(child)
        if "picluster-worker" in " ".join(words) and (not node or f"--node={node}" in words):
            found.append(child)
    return found


def worker_of(controller: int, node: str) -> psutil.Process:
    """The worker process of one node."""
    (worker,) = workers_of(controller, node)
    return worker


def _command_line(process: psutil.Process) -> Sequence[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
