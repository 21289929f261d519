"""The signals that end or pause a launch, and what a person sees of them."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from picluster.controller.running.observer import Observer, Watch
from picluster.errors import Stopped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from picluster.controller.record.run_folder import RunFolder
    from picluster.schema.events import AnyEvent
    from picluster.schema.graph import GraphMeta
    from picluster.schema.plan import Plan
    from picluster.schema.spec import Spec

_BY = {
    signal.SIGINT: "Ctrl-C",
    signal.SIGTERM: "SIGTERM (picluster stop, or kill)",
    signal.SIGHUP: "SIGHUP (its terminal was closed)",
    signal.SIGQUIT: "SIGQUIT (Ctrl-\\)",
}


class LookedAway(Stopped):
    """Somebody ended a command that only looks on: what it looks at goes on."""


class EndSignals:
    """While it is entered, a signal that asks to end raises Stopped, or a kind of it.

    It may come within any call, which then may fail in a way of its own: that is told as Stopped, too. Signals that are
    ignored, as under nohup, stay so. Only the first counts: neither the end of the run nor that of the command is
    interrupted in turn. Where none came, the handlers are put back.
    """

    def __init__(self, kind: type[Stopped] = Stopped) -> None:
        self._kind = kind
        self.came: signal.Signals | None = None
        """The signal that came."""
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        for number in _BY:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._stop)
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if self.came and isinstance(error, Exception) and not isinstance(error, Stopped):
            raise self._stopped(self.came) from error
        if self.came:
            return
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def check(self) -> None:
        """Raise Stopped where a signal came, and yet the work goes on.

        What a handler raises is lost within a finalizer, or in a call that takes any error for its own.
        """
        if self.came:
            raise self._stopped(self.came)

    def _stop(self, number: int, _frame: object) -> None:
        for each in _BY:
            signal.signal(each, signal.SIG_IGN)
        self.came = signal.Signals(number)
        raise self._stopped(self.came)

    def _stopped(self, came: signal.Signals) -> Stopped:
        return self._kind(f"stopped by {_BY[came]}", by=_BY[came])


class Heedful(Observer):
    """Passes all that it hears on to another observer, and looks each time whether the launch was asked to end."""

    def __init__(self, observer: Observer, check: Callable[[], None]) -> None:
        super().__init__()
        self.folders = observer.folders
        self._observer, self._check = observer, check

    def note(self, head: str, text: str) -> None:
        """Pass a line on."""
        self._check()
        self._observer.note(head, text)

    def planned(self, plan: Plan) -> None:
        """Pass a plan on."""
        self._check()
        self._observer.planned(plan)

    @contextmanager
    def running(self, folder: RunFolder, spec: Spec, plan: Plan, graph: GraphMeta) -> Iterator[Watch]:
        """Pass a run that begins on, and its events."""
        self._check()
        with self._observer.running(folder, spec, plan, graph) as watch:

            def heed(node: str, event: AnyEvent) -> None:
                self._check()
                watch(node, event)

            yield heed


@contextmanager
def pauses_told(consequence: str) -> Iterator[None]:
    """Let Ctrl-Z say what follows from it, before it pauses this process as it always does."""

    def pause(_number: int, _frame: object) -> None:
        text = f"paused: {consequence}; fg\n"
        if sys.stderr.isatty():
            show_cursor = "\n\x1b[?25h" if sys.stdout.isatty() else "\n"
            os.write(sys.stderr.fileno(), (show_cursor + text).encode())  # a stream may be in use just now
        os.kill(os.getpid(), signal.SIGSTOP)

    is_ours = signal.getsignal(signal.SIGTSTP) is signal.SIG_DFL
    if is_ours:
        signal.signal(signal.SIGTSTP, pause)
    try:
        yield
    finally:
        if is_ours:
            signal.signal(signal.SIGTSTP, signal.SIG_DFL)
