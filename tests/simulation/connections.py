"""Connections between simulated machines: late, cut for a while, or broken."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.simulation.scheduler import Scheduler

LATENCY_SECONDS = (0.0002, 0.004)


class Connection:
    """Carries things between its sides, 0 and 1, in the order in which they were sent, as TCP does.

    While the way is down they wait. Either side gives up after a silence of its own; the other one notices that when
    the way is up again.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        is_up: Callable[[], bool],
        takers: tuple[Callable[[Any], None], Callable[[Any], None]],
        silences: tuple[float | None, float | None],
        latency_factor: Callable[[], float] = lambda: 1.0,
    ) -> None:
        """`takers`: get what arrives at a side, and None when nothing comes any more."""
        self.is_closed = [False, False]
        self._scheduler, self._way_is_up, self._takers, self._silences = scheduler, is_up, takers, silences
        self._latency_factor = latency_factor
        self._waiting: list[tuple[int, Any]] = []
        self._last = [0.0, 0.0]
        self._outage = 0
        self._was_up = is_up()

    @property
    def is_up(self) -> bool:
        """True where nothing on the way is cut."""
        return self._way_is_up()

    def send(self, side: int, thing: object) -> None:
        """Send something from a side to the other, unless this one is closed."""
        if not self.is_closed[side]:
            self._post(1 - side, thing)

    def end(self, side: int) -> None:
        """Close a side, as the end of its process does: the other one gets what was sent, and then the end."""
        if not self.is_closed[side]:
            self._post(1 - side, None)
            self._close(side)

    def update(self) -> None:
        """Take note that the way may have gone down or up."""
        if (is_up := self.is_up) == self._was_up:
            return
        self._was_up = is_up
        self._outage += 1
        if is_up:
            waiting, self._waiting = self._waiting, []
            for side, thing in waiting:
                self._arrive(side, thing)
            return
        for side, seconds in enumerate(self._silences):
            if seconds is not None:
                self._scheduler.at(self._scheduler.now + seconds, partial(self._give_up, side, self._outage))

    def break_off(self, side: int) -> None:
        """Have a side see at once that the connection is broken."""
        if not self.is_closed[side]:
            self._close(side)
            self._takers[side](None)

    def _give_up(self, side: int, outage: int) -> None:
        if outage == self._outage:
            self.break_off(side)
            self._post(1 - side, None)

    def _close(self, side: int) -> None:
        self.is_closed[side] = True

    def _post(self, side: int, thing: object) -> None:
        latency = self._scheduler.dice.uniform(*LATENCY_SECONDS) * self._latency_factor()
        self._last[side] = max(self._last[side], self._scheduler.now + latency)
        self._scheduler.at(self._last[side], partial(self._arrive, side, thing))

    def _arrive(self, side: int, thing: object) -> None:
        if self.is_closed[side]:
            return
        if not self.is_up:
            self._waiting.append((side, thing))
            return
        if thing is None:
            self._close(side)
        self._takers[side](thing)
