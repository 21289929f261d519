"""The person of a schedule: starts a run, and after each fault that ends it goes on with it, until it has finished."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from picluster.controller.nodes.inventory import Node
from picluster.controller.nodes.reaching import Means
from picluster.controller.planning.request import LaunchRequest
from picluster.controller.record.run_folder import RunFolder
from picluster.controller.running.course import train
from picluster.controller.running.observer import Observer
from picluster.controller.running.placement import Placement
from picluster.errors import PiclusterError
from tests.learnt import Learnt, learnt
from tests.simulation.checks import wrong_in
from tests.simulation.machine import SimulatedMachine
from tests.simulation.tasks import NAMES, SimulatedTask, draw_plan
from tests.simulation.world import GRACE_SECONDS

if TYPE_CHECKING:
    from tests.simulation.faults import Fault
    from tests.simulation.scheduler import Process
    from tests.simulation.world import World

SETTLE_SECONDS = 40.0
"""Time after which nothing of a run is left anywhere, once its controller has ended."""


class Person:
    """Makes a run, whatever happens to it."""

    def __init__(self, world: World, task: SimulatedTask, faults: Sequence[Fault], dice: random.Random) -> None:
        self._world, self._task, self._faults, self._dice = world, task, faults, dice
        self._scheduler = world.scheduler
        self._is_over = False
        self._request = LaunchRequest(
            grace=GRACE_SECONDS,
            checkpoint_every=dice.choice(["1", "1", "1", "1", "2", "2", "0.3s", "never"]),
            max_restarts=dice.choice([0, 1, 3]),
        )
        self.ends: list[str] = []
        self.wrong: list[str] = []

    def act(self) -> None:
        """Start the run until it has finished."""
        for fault in self._faults:
            self._world.person.start(partial(self._let_happen, fault), f"fate: {fault}")
        for attempt in range(3 + len(self._faults)):
            if attempt and (attempt > len(self._faults) or self._dice.random() < 0.7):
                self._world.mend()
            controller = self._make_controller_work()
            if self.ends[-1] == "finished" or self._dice.random() < 0.7:
                self._see_everything_end(controller)
            if self.ends[-1] == "finished":
                break
        else:
            self.wrong.append(f"never finishes: {self.ends}")
        self._is_over = True

    def look(self) -> Learnt:
        """What was learnt; adds to `wrong` what may not be in the run's folder."""
        folder = self._folder()
        assert folder is not None
        self.wrong += wrong_in(folder, self._world)
        return learnt(folder)

    def _let_happen(self, fault: Fault) -> None:
        def is_due() -> bool:
            begun = 0 if fault.since == "start" else self._world.training_began
            return begun is not None and self._scheduler.steps >= begun + fault.step

        self._scheduler.wait("its step", lambda: self._is_over or is_due())
        if not self._is_over:
            fault.strike(self._world)

    def _make_controller_work(self) -> Process:
        """Start a controller, and wait for its end."""
        process = self._world.new_controller()
        self._world.main = process.start(self._lead, "main")
        self._world.main.join()
        if process.is_dead:
            self.ends.append("killed")
        return process

    def _lead(self) -> None:
        """Do what `picluster launch` does, or with `--resume`, when nodes and plan are known."""
        try:
            plan, observer = draw_plan(self._dice, self._task.depth), Observer(None, self.ends.append)
            train(self._task.as_task, plan, self._placement(), observer, self._folder())
        except PiclusterError as error:
            self.ends.append(f"{type(error).__name__}: {error}")
            self._see_result(error)
        else:
            self.ends.append("finished")

    def _see_result(self, error: PiclusterError) -> None:
        """See that the run's folder tells how a run has ended that was not killed, and its error once what to do."""
        folder = self._folder()
        if error.fix.count("--resume") > 1:
            self.wrong.append(f"twice the same advice: {error.fix}")
        if folder and not self._world.desk.was_bad and folder.result() is None:
            self.wrong.append(f"no result of: {self.ends[-1]}")

    def _placement(self) -> Placement:
        world, process = self._world, self._world.controllers[-1]
        nodes = [Node(name, memory_bytes=1 << 30, cores=4) for name in NAMES]
        means = Means(lambda node: SimulatedMachine(world, world.nodes[node.name]), world.system(process))
        facts = [node.facts for node in nodes]
        return Placement(request=self._request, nodes=nodes, facts=facts, means=means)

    def _folder(self) -> RunFolder | None:
        """The folder of the run, once it has begun."""
        found = [file.parent for file in (self._world.desk.folder / "runs").glob("*/run.json")]
        return RunFolder(found[0]) if found else None

    def _see_everything_end(self, controller: Process) -> None:
        """See that nothing of an attempt is left; what is frozen may stay for as long as it is."""
        if not self._scheduler.wait("the end of everything", lambda: not self._left(controller), SETTLE_SECONDS):
            self.wrong.append(f"left behind: {', '.join(self._left(controller))}")
            controller.kill()
            for node in self._world.nodes.values():
                for process in node.living:
                    process.kill()

    def _left(self, controller: Process) -> list[str]:
        living = [process for node in self._world.nodes.values() for process in node.living]
        threads = [thread.name for thread in self._scheduler.threads_of(controller)]
        return [*threads, *(process.name for process in living if not process.is_frozen)]
