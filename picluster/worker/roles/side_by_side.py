"""Micro-batches side by side: threads, one for each core, that share the actions of a step among them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from picluster.system import System
from picluster.worker.roles.schedule import Action
from picluster.worker.wire.links import Clock

Taken = TypeVar("Taken")
Made = TypeVar("Made")


class Way(NamedTuple, Generic[Taken, Made]):
    """Functions that do each action of a step."""

    take: Callable[[Action], Taken]
    """Receives what it needs: one action after the other, in their order."""
    compute: Callable[[Action, Taken, int], Made]
    """Computes it, on the core of that number, while others are computed."""
    give: Callable[[Action, Made], None]
    """Passes on what came of it: one after the other, and all of a kind in their order."""


class Cores:
    """Threads that compute side by side, the caller's among them: each takes the next action when it is free."""

    def __init__(self, count: int, clock: Clock, fail: Callable[[BaseException], None], system: System) -> None:
        """`fail` ends the worker when one of the other threads breaks."""
        self._clock, self._fail, self._system = clock, fail, system
        self._rounds, self._ends = system.queue(0), system.queue(0)
        self._helpers = count - 1
        for core in range(1, count):
            system.start_thread(self._help, core, name=f"core {core + 1}")

    def go(self, actions: Sequence[Action], way: Way[Taken, Made]) -> None:
        """Do all actions; returns when what came of the last has been passed on."""
        helpers = min(self._helpers, len({number for _, number in actions}) - 1)
        this_round = _Round(actions, way, self._clock, self._system)
        for _ in range(helpers):
            self._rounds.put(this_round)
        this_round.work(0)
        for _ in range(helpers):
            self._ends.get()

    def close(self) -> None:
        """Let the other threads end."""
        for _ in range(self._helpers):
            self._rounds.put(None)

    def _help(self, core: int) -> None:
        try:
            while (this_round := self._rounds.get()) is not None:
                this_round.work(core)
                self._ends.put(None)
        except BaseException as error:  # noqa: BLE001  it must reach the controller, whatever it is
            self._fail(error)


class _Round(Generic[Taken, Made]):
    """The actions of one step."""

    def __init__(self, actions: Sequence[Action], way: Way[Taken, Made], clock: Clock, system: System) -> None:
        self._actions, self._way, self._clock = iter(actions), way, clock
        self._taking, self._giving = system.lock(), system.lock()
        self._taken, self._given = Counter[str](), Counter[str]()
        self._made: dict[tuple[str, int], tuple[Action, Made]] = {}
        """Results that wait for something before them, by kind and number among their kind."""

    def work(self, core: int) -> None:
        """Do one action after the other, as long as there are any."""
        while True:
            with self._taking:
                action = next(self._actions, None)
                if action is None:
                    return
                kind = action[0]
                place, taken = (kind, self._taken[kind]), self._way.take(action)
                self._taken[kind] += 1
            with self._clock.spent("computing"):
                made = self._way.compute(action, taken, core)
            del taken
            with self._giving:
                self._made[place] = action, made
                while (place := (kind, self._given[kind])) in self._made:
                    self._way.give(*self._made.pop(place))
                    self._given[kind] += 1
