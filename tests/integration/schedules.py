"""Random schedules of faults for real local processes: `python -m tests.integration.schedules 50` makes fifty.

A seed draws the task, the plans and engines, what strikes whom and after how many events of the run. Unlike in the
simulation the system decides when exactly something happens: a seed gives the same faults, not the same interleaving.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen

import psutil

from picluster.controller.record.run_folder import RunFolder
from tests.integration.desk import RUN_TIMEOUT_SECONDS, Desk, make_desk, workers_of
from tests.integration.stops import PLANS, WORDS, ctrl_c, fall_asleep, kill_the_controller
from tests.learnt import Learnt, learnt

SMALL_PLANS = [plan for plan in PLANS if not {"4", "5"} & {*plan}]
"""Of few processes, as each of them imports torch."""
GRACE = ("--grace", "2")
GONE_SECONDS = 10.0
MOST_EVENTS = 160
EXIT_CODES = {0, 5, 130, -9}
"""Finished, failed, stopped, killed."""


def _struck(controller: Popen[str], dice: random.Random) -> psutil.Process | None:
    workers = [each for each in workers_of(controller.pid) if each.status() != psutil.STATUS_ZOMBIE]
    return dice.choice(workers) if workers else None


def _kill_any_worker(controller: Popen[str], dice: random.Random) -> None:
    if worker := _struck(controller, dice):
        worker.kill()


def _freeze_any_worker(controller: Popen[str], dice: random.Random) -> None:
    if worker := _struck(controller, dice):
        worker.suspend()


FAULTS: dict[str, Callable[[Popen[str], random.Random], None]] = {
    "kill a worker": _kill_any_worker,
    "freeze a worker": _freeze_any_worker,
    "kill the controller": lambda controller, _: kill_the_controller(controller),
    "Ctrl-C": lambda controller, _: ctrl_c(controller),
    "put the controller to sleep": lambda controller, _: fall_asleep(controller),
}


@dataclass
class Schedules:
    """Schedules at one desk, which know what each task learns undisturbed."""

    desk: Desk
    struck: Counter[str] = field(default_factory=Counter)
    """Faults that came before the run was over."""
    _undisturbed: dict[str, Learnt] = field(default_factory=dict)

    def make(self, seed: int) -> RunFolder:
        """Make one, whose run must come to the bits of an undisturbed one, with nobody left behind on the way."""
        dice = random.Random(seed)
        task = dice.choice(list(WORDS))
        run: RunFolder | None = None
        for _ in range(dice.choice([1, 1, 2, 3])):
            run = self._launch(task, dice, run, dice.choice(list(FAULTS)))
        while run is None or (result := run.result()) is None or result.status != "finished":
            run = self._launch(task, dice, run, "")
        if task not in self._undisturbed:
            self._undisturbed[task] = learnt(self.desk.launch(*WORDS[task], "--strategy", "single"))
        assert learnt(run) == self._undisturbed[task], f"seed {seed}"
        assert not (left := list(run.path.rglob(".*.safetensors"))), f"seed {seed} left half a file: {left}"
        return run

    def _launch(self, task: str, dice: random.Random, run: RunFolder | None, fault: str) -> RunFolder | None:
        """Launch, or go on, with a fault after some events; returns the run, if it has begun."""
        if run and (result := run.result()) and result.status == "finished":
            return run
        what = ("--resume", run.name) if run else WORDS[task]
        how = (*dice.choice(SMALL_PLANS), *GRACE, "--checkpoint-every", str(dice.randint(1, 5)))
        after, before = dice.randrange(MOST_EVENTS), self.desk.runs()
        known = _events(run)
        with self.desk.start("launch", *what, *how, "--max-restarts", str(dice.choice([0, 3]))) as controller:
            deadline = time.monotonic() + RUN_TIMEOUT_SECONDS
            while fault and controller.poll() is None and (run is None or _events(run) < known + after):
                assert time.monotonic() < deadline
                if run is None and (new := self.desk.runs() - before):
                    run = RunFolder(self.desk.folder / "runs" / new.pop())
                time.sleep(0.01)
            workers: list[psutil.Process] = []
            with suppress(psutil.NoSuchProcess):
                workers = workers_of(controller.pid)
            if fault and controller.poll() is None:
                self.struck[fault] += 1
                FAULTS[fault](controller, dice)
            output, errors = controller.communicate(timeout=RUN_TIMEOUT_SECONDS)
        assert controller.returncode in EXIT_CODES, output + errors
        _, left = psutil.wait_procs(workers, GONE_SECONDS)
        assert not left, errors
        if run is None and (new := self.desk.runs() - before):
            run = RunFolder(self.desk.folder / "runs" / new.pop())
        return run if run and run.run_file.exists() else None


def _events(run: RunFolder | None) -> int:
    """Lines that the workers of a run have told so far."""
    files = [*run.path.glob("events.jsonl"), *run.path.glob("nodes/*/metrics.jsonl")] if run else []
    return sum(file.read_bytes().count(b"\n") for file in files)


def main() -> None:
    """Make schedules from a number of them, or from A..B, and tell how it went."""
    first, _, last = sys.argv[1].partition("..")
    seeds = range(int(first), int(last) + 1) if last else range(int(first))
    with tempfile.TemporaryDirectory() as folder:
        (desk := Path(folder, "desk")).mkdir()
        schedules, attempts = Schedules(make_desk(desk)), 0
        for seed in seeds:
            began, run = time.monotonic(), schedules.make(seed)
            attempts += 1 + len(run.attempts())
            print(f"seed {seed}: {1 + len(run.attempts())} attempts, {time.monotonic() - began:.0f} s", flush=True)
        print(f"{len(seeds)} schedules, {attempts} attempts, all with the same bits; {dict(schedules.struck)}")


if __name__ == "__main__":
    main()
