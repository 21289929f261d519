"""Prints what measuring a step costs a worker, part by part, and its share of the steps of real runs.

Before each call the caches are swept, as a training step sweeps them: with warm ones it takes a fraction of that.
Cora is trained when PICLUSTER_INPUT names a folder with its raw files; without it nothing is downloaded.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

import numpy as np

from picluster.controller.record.run_folder import RunFolder
from picluster.schema.events import StepDone
from picluster.worker.measuring.metrics import OBSERVE_SECONDS, SAMPLE_SECONDS, ResourceSampler, StepMeter
from picluster.worker.session import EventWriter
from picluster.worker.wire.links import Clock
from tests.unit.worker.measuring.peer import peers

ROUNDS = 400
CONNECTIONS = 6
SWEPT_BYTES = 16 << 20
RUN_TIMEOUT_SECONDS = 120
CORA = ("--dataset", "cora", "--model", "gcn", "--epochs", "100")
RUNS = {
    "Cora GCN, one node": (*CORA, "--strategy", "single"),
    "Cora GCN, layer-split over four": (*CORA, "--layers-per-node", "1"),
    "reddit-like 0.01, layer-split over four": ("--scale", "0.01", "--layers-per-node", "1", "--epochs", "5"),
}


class Part(NamedTuple):
    """A part of the measuring and how often a step of some length needs it."""

    name: str
    times: Callable[[float], float]
    call: Callable[[], object]


def main() -> None:
    """Measure the parts, then the steps of real runs."""
    with ExitStack() as stack:
        sockets = stack.enter_context(peers(CONNECTIONS))
        parts = make_parts(stack.enter_context(listener_of_events()))
        costs = measure(parts)
        print(f"{len(sockets)} TCP sockets; µs of processor time, median (10th–90th percentile) of {ROUNDS}\n")
    for part in parts:
        low, *_, high = quantiles(costs[part.name], n=10)
        print(f"  {part.name:<32} {median(costs[part.name]):6.1f}  ({low:.1f}–{high:.1f})")
    medians = {name: median(values) for name, values in costs.items()}
    print("\n  real run                                    node      step, ms   measuring, ms   share")
    for title, words in RUNS.items():
        for node, step_seconds in step_times(words).items():
            cost = sum(part.times(step_seconds) * medians[part.name] for part in parts) / 1e6
            share = cost / step_seconds
            print(f"  {title:<43} {node:<8} {step_seconds * 1e3:9.1f} {cost * 1e3:15.3f} {share:8.2%}")


def make_parts(writer: EventWriter) -> list[Part]:
    """List what a worker measures in a step; some of it is done only a few times a second."""
    meter, observing, resources = StepMeter(Clock()), ResourceSampler(writer.emit), ResourceSampler(writer.emit)
    event = meter.finish(1, 1, 0.5)

    def observe() -> None:
        observing._observe_time = 0.0  # noqa: SLF001  as if the time had passed
        observing.observe()

    return [
        Part("end of a step", lambda _: 1, lambda: meter.finish(1, 1, 0.5)),
        Part("begin of an epoch", lambda _: 1, meter.skip),
        Part("writing the event", lambda _: 1, lambda: writer.emit(event)),
        Part("memory after a step", lambda step: min(1, step / OBSERVE_SECONDS), observe),
        Part("resources, twice a second", lambda step: step / SAMPLE_SECONDS, lambda: writer.emit(resources.read())),
    ]


def measure(parts: list[Part]) -> dict[str, list[float]]:
    """Microseconds of this thread, less what the clock itself takes; caches are swept before each call."""
    swept = np.zeros(SWEPT_BYTES, np.uint8)
    costs: dict[str, list[float]] = {part.name: [] for part in parts}
    for _ in range(ROUNDS):
        for part in parts:
            swept += 1
            begin = time.thread_time()
            between = time.thread_time()
            part.call()
            costs[part.name].append((time.thread_time() - between - (between - begin)) * 1e6)
    return costs


@contextmanager
def listener_of_events() -> Iterator[EventWriter]:
    """A writer into a pipe which another process reads, as the controller does."""
    words = [sys.executable, "-c", "import sys\nfor line in sys.stdin.buffer: pass"]
    with subprocess.Popen(words, stdin=subprocess.PIPE) as reader:
        assert reader.stdin is not None
        yield EventWriter(reader.stdin)  # type: ignore[arg-type]  # IO[bytes] is what it needs
        reader.stdin.close()


def step_times(words: tuple[str, ...]) -> dict[str, float]:
    """Median seconds of a training step on each node of a real run; nothing where its data is not here."""
    if "cora" in words and "PICLUSTER_INPUT" not in os.environ:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "picluster.cli.main", "launch", *words]
        done = subprocess.run(
            command, cwd=folder, check=False, capture_output=True, text=True, timeout=RUN_TIMEOUT_SECONDS
        )
        if done.returncode != 0:
            sys.exit(done.stderr)
        (path,) = (Path(folder) / "runs").iterdir()
        run = RunFolder(path)
        return {node: median(step_seconds(run, node)) for node in run.plan().nodes}


def step_seconds(run: RunFolder, node: str) -> list[float]:
    """List the times of a node's training steps but the first, which prepares what the others use."""
    events = (recorded.event for recorded in run.metrics(node))
    return [event.step_ms / 1e3 for event in events if isinstance(event, StepDone)][1:]


if __name__ == "__main__":
    main()
