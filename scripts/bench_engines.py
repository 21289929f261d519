"""Prints how long a training step takes over each engine, beside Gloo: real runs of local processes that take turns.

Two runs of the same settings differ by some percent on a quiet machine: the ratios of many pairs tell, not one.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import picluster
from picluster.controller.record.run_folder import RunFolder
from scripts.bench_metrics import step_seconds

ROUNDS = 7
ENGINES = ("sockets",)
"""Engines that are measured beside Gloo."""
SETTINGS: dict[str, dict[str, Any]] = {
    "two replicas that add up gradients": {"strategy": "data-parallel", "nodes": 2},
    "layer-split over three": {"strategy": "layer-split", "layers_per_node": 1, "nodes": 3},
    "the same, hardly any work": {
        "strategy": "layer-split",
        "layers_per_node": 1,
        "nodes": 3,
        "scale": 0.01,
        "batch_size": 64,
    },
}
COMMON: dict[str, Any] = {"dataset": "reddit-like", "scale": 0.05, "epochs": 3, "cores": 1, "test": "sampled"}


def main() -> None:
    """Measure all settings with every engine in turn, and print the ratios' median and spread."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        print(f"seconds of a step, medians of {rounds} runs each that took turns; ratio to gloo: median (least–most)\n")
        for title, setting in SETTINGS.items():
            seconds: dict[str, list[float]] = {engine: [] for engine in ("gloo", *ENGINES)}
            for number in range(rounds):
                # Whoever begins has the colder machine.
                for engine in list(seconds) if number % 2 == 0 else reversed(list(seconds)):
                    seconds[engine].append(seconds_of_step(engine, setting))
            for engine, times in seconds.items():
                ratios = sorted(time / other for time, other in zip(times, seconds["gloo"], strict=True))
                print(
                    f"  {title:<36} {engine:<8} {median(times):8.4f} s   "
                    f"{median(ratios):5.3f} ({ratios[0]:.3f}–{ratios[-1]:.3f})",
                    flush=True,
                )


def seconds_of_step(engine: str, setting: dict[str, Any]) -> float:
    """Train once; returns the median time of a step on the slowest node."""
    run = picluster.launch(engine=engine, seed=1, **{**COMMON, **setting})
    folder = RunFolder(Path(run.folder))
    return max(median(step_seconds(folder, node)) for node in folder.plan().nodes)


if __name__ == "__main__":
    main()
