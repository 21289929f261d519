"""The scheduler: one thread runs at a time, chosen by a seed; time passes when all of them wait."""

from __future__ import annotations

import hashlib
import heapq
import random
import threading
import traceback
from collections.abc import Callable
from itertools import count

MOST_STEPS = 50_000
MOST_SECONDS = 1_500.0
"""Simulated; a schedule that takes longer hangs."""
KEPT_LINES = 200_000


class Killed(BaseException):
    """Unwinds a thread of a process that is no more."""


class Hang(Exception):
    """Threads wait for each other, or for ever go on."""


class Process:
    """Simulated process: threads that are frozen, and end, together."""

    def __init__(self, scheduler: Scheduler, name: str) -> None:
        self.name, self.is_dead, self.is_frozen = name, False, False
        self.at_end: list[Callable[[], None]] = []
        """Called once, when it dies."""
        self._scheduler = scheduler

    def start(self, work: Callable[[], None], name: str) -> SimulatedThread:
        """Start a thread of it."""
        return self._scheduler.add(self, f"{self.name}/{name}", work)

    def thaw(self) -> None:
        """Let it go on, if it was frozen."""
        self.is_frozen = False

    def kill(self) -> None:
        """End it: none of its threads does anything any more."""
        if self.is_dead:
            return
        self._scheduler.note(f"{self.name} dies")
        self.is_dead, self.is_frozen = True, False
        for end in self.at_end:
            end()


class SimulatedThread:
    """A real thread that runs only while it has the baton."""

    def __init__(self, scheduler: Scheduler, process: Process, name: str, work: Callable[[], None]) -> None:
        self.process, self.name, self.has_ended = process, name, False
        self.waits_for = "its start"
        self.ready: Callable[[], bool] = _always
        self.deadline: float | None = None
        self.interruption: BaseException | None = None
        """Raised in it when it runs next, as a signal's handler does in a main thread."""
        self.was_interrupted = False
        self.baton = threading.Lock()
        self.baton.acquire()
        self._scheduler, self._work = scheduler, work
        self._real = threading.Thread(target=self._run, name=name, daemon=True)
        self._real.start()

    def join(self, timeout: float | None = None) -> None:
        """Wait for its end."""
        self._scheduler.wait(f"join {self.name}", lambda: self.has_ended, timeout)

    def is_alive(self) -> bool:
        """True until its end."""
        return not self.has_ended

    def leave_real_thread(self) -> None:
        """Wait for the end of the real thread, which is about to end by itself."""
        self._real.join(10)
        assert not self._real.is_alive(), f"the thread {self.name} goes on"

    def _run(self) -> None:
        self.baton.acquire()
        try:
            if not self.process.is_dead:
                self._work()
        except Killed:
            pass
        except BaseException as error:  # noqa: BLE001  the schedule has failed by it
            self._scheduler.broken.append(f"{self.name}: {''.join(traceback.format_exception(error))}")
        finally:
            self.has_ended = True
            self._scheduler.leave()


def _always() -> bool:
    return True


def _never() -> bool:
    return False


class Scheduler:
    """Chooses who runs at every point at which somebody may have to wait."""

    def __init__(self, seed: int, *, keep_trace: bool = False) -> None:
        self.dice = random.Random(seed)
        self.now, self.steps = 0.0, 0
        self.broken: list[str] = []
        """Threads that ended by an exception."""
        self.lines: list[str] | None = [] if keep_trace else None
        self._hash = hashlib.blake2b(digest_size=8)
        self._threads: list[SimulatedThread] = []
        self._ended: list[SimulatedThread] = []
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._current: SimulatedThread | None = None
        self._is_over = threading.Lock()
        self._stuck = ""

    @property
    def trace(self) -> str:
        """Hash of all that has happened."""
        return self._hash.hexdigest()

    def note(self, line: str) -> None:
        """Take down what happens."""
        line = f"{self.now:.6f} {line}"
        self._hash.update(line.encode())
        if self.lines is not None and len(self.lines) < KEPT_LINES:
            self.lines.append(line)

    @property
    def current(self) -> SimulatedThread:
        """The thread that runs."""
        assert self._current is not None
        return self._current

    def runs_here(self) -> bool:
        """True where the calling thread is the one that runs, rather than one outside of the simulation."""
        return self._current is not None and self._current._real is threading.current_thread()

    def threads_of(self, process: Process) -> list[SimulatedThread]:
        """Threads of a process that have not ended."""
        return [thread for thread in self._threads if thread.process is process]

    def add(self, process: Process, name: str, work: Callable[[], None]) -> SimulatedThread:
        """Make a thread, which runs when it is chosen."""
        thread = SimulatedThread(self, process, name, work)
        self._threads.append(thread)
        return thread

    def at(self, time: float, action: Callable[[], None]) -> None:
        """Have something happen at a time; `action` must not wait."""
        heapq.heappush(self._timers, (time, next(self._numbers), action))

    def wait(self, what: str, ready: Callable[[], bool], seconds: float | None = None) -> bool:
        """Let others run until `ready`; False where it is not within so many seconds."""
        me = self.current
        self._check(me)
        me.waits_for, me.ready = what, ready
        me.deadline = None if seconds is None else self.now + max(0.0, seconds)
        chosen = self._choose()
        if chosen is not me:
            self._pass_on(chosen)
            me.baton.acquire()
        self._check(me)
        return ready()

    def pause(self, what: str) -> None:
        """Let another one run, perhaps."""
        self.wait(what, _always)

    def sleep(self, seconds: float, what: str = "sleep") -> None:
        """Let time pass."""
        self.wait(what, _never, seconds)

    def leave(self) -> None:
        """Hand over, for a thread that has ended."""
        me = self.current
        self._threads.remove(me)
        self._ended.append(me)
        if self._threads:
            self._pass_on(self._choose())
        else:
            self._current = None
            self._is_over.release()

    def run(self, process: Process, work: Callable[[], None]) -> None:
        """Run `work` as the first thread of a process, until no thread is left. Hang where that does not happen."""
        self._is_over.acquire()
        process.start(work, "main")
        self._pass_on(self._choose())
        self._is_over.acquire()
        for thread in self._ended:
            thread.leave_real_thread()
        if self._stuck:
            raise Hang(self._stuck)

    def _check(self, me: SimulatedThread) -> None:
        if me.process.is_dead:
            raise Killed
        if me.interruption is not None:
            error, me.interruption = me.interruption, None
            raise error

    def _pass_on(self, chosen: SimulatedThread) -> None:
        self._current = chosen
        chosen.baton.release()

    def _choose(self) -> SimulatedThread:
        self.steps += 1
        while True:
            while self._timers and self._timers[0][0] <= self.now:
                heapq.heappop(self._timers)[2]()
            able = self._able()
            if able and self.steps <= MOST_STEPS:
                break
            if not able and self._let_time_pass():
                continue
            self._give_up()
        chosen = able[self.dice.randrange(len(able))] if len(able) > 1 else able[0]
        self.note(f"{chosen.name}: {chosen.waits_for}")
        return chosen

    def _able(self) -> list[SimulatedThread]:
        """Threads that nothing keeps from going on. Written for speed: it takes a good part of all time."""
        now, able = self.now, []
        for thread in self._threads:
            process, deadline, ready = thread.process, thread.deadline, thread.ready
            if process.is_frozen:
                continue
            is_due = deadline is not None and deadline <= now
            if is_due or process.is_dead or thread.interruption or (ready is not _never and ready()):
                able.append(thread)
        return able

    def _let_time_pass(self) -> bool:
        """Go to the next moment at which something happens; False where there is none."""
        moments = [t.deadline for t in self._threads if t.deadline is not None and not t.process.is_frozen]
        if self._timers:
            moments.append(self._timers[0][0])
        if not moments or min(moments) > MOST_SECONDS:
            return False
        self.now = max(self.now, min(moments))
        return True

    def _give_up(self) -> None:
        """Say who waits for what, and end everybody."""
        waiting = ", ".join(f"{thread.name} ({thread.waits_for})" for thread in self._threads)
        self._stuck = self._stuck or f"after {self.steps} steps and {self.now:.1f} s: {waiting}"
        self.steps = -MOST_STEPS
        for thread in self._threads:
            thread.process.at_end.clear()
            thread.process.is_dead, thread.process.is_frozen = True, False
