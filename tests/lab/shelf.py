"""A person's working folder whose inventory/hosts.yml is a lab's."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from picluster.controller.record.run_folder import RunFolder
from picluster.schema.events import StepDone
from tests.integration.desk import Desk, make_desk
from tests.lab.running import RunningLab, eventually

WORKER = "/opt/picluster/.venv/bin/picluster-worker work"
LONG = ("--layers-per-node", "1", "--epochs", "2000")
START_SECONDS = 240.0
"""Time that workers on slow nodes may take to import torch and make a step, whatever else the machine does."""
END_SECONDS = 120


@dataclass(frozen=True)
class Shelf:
    """Where a person types, and the virtual Pis."""

    desk: Desk
    lab: RunningLab

    @contextmanager
    def training(self, *words: str) -> Iterator[tuple[subprocess.Popen[str], RunFolder]]:
        """A long run that has done its first step. It is killed at the end, if it still goes on."""
        before = self.desk.runs()
        with self.desk.start("launch", *LONG, *words) as process:
            try:
                eventually(lambda: bool(self.desk.runs() - before) or process.poll() is not None)
                assert process.poll() is None, process.communicate()
                run = RunFolder(self.desk.folder / "runs" / (self.desk.runs() - before).pop())
                eventually(run.plan_file.exists)
                judge = run.plan().stages[-1].nodes[0]
                eventually(lambda: has_stepped(run, judge) or process.poll() is not None, within_seconds=START_SECONDS)
                assert process.poll() is None, process.communicate()
                yield process, run
            finally:
                if process.poll() is None:
                    process.send_signal(signal.SIGINT)
                process.communicate(timeout=END_SECONDS)

    def workers(self, node: str) -> list[int]:
        """Processes of workers on a node, by its own count. Asked past network and sshd."""
        told = self.lab.in_node(node, f"pgrep -f '^/opt/picluster/.venv/bin/python {WORKER}' || true").stdout
        return [int(word) for word in told.split()]

    def busy(self) -> dict[str, list[int]]:
        """Nodes with workers."""
        found = {node: self.workers(node) for node in self.lab.addresses}
        return {node: workers for node, workers in found.items() if workers}

    def seconds_until_idle(self, within_seconds: float) -> float:
        """How long it takes until no node has a worker."""
        begun = time.monotonic()
        eventually(lambda: not self.busy(), within_seconds=within_seconds)
        return time.monotonic() - begun

    def report(self, run: RunFolder) -> dict[str, Any]:
        told = self.desk.picluster("report", run.name, "--json")
        assert told.returncode == 0, told.stderr
        found: dict[str, Any] = json.loads(told.stdout)
        return found


def make_shelf(folder: Path, lab: RunningLab) -> Shelf:
    desk = make_desk(folder)
    shutil.copy(lab.inventory, folder / "inventory" / "hosts.yml")
    return Shelf(desk, lab)


def has_stepped(run: RunFolder, judge: str) -> bool:
    """Whether the last stage has told of a step."""
    return run.metrics_file(judge).exists() and any(isinstance(each.event, StepDone) for each in run.metrics(judge))
