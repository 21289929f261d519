"""The signals that end or pause a launch, and what a person sees of them."""

from __future__ import annotations

import os
import signal
import sys

from picluster.controller.comparison.child_launch import END_SIGNALS
from picluster.errors import Stopped

_BY = {
    signal.SIGINT: "Ctrl-C",
    signal.SIGTERM: "SIGTERM (picluster stop, or kill)",
    signal.SIGHUP: "SIGHUP (its terminal was closed)",
    signal.SIGQUIT: "SIGQUIT (Ctrl-\\)",
}


def end_on_signals() -> None:
    """Let signals that ask to end raise Stopped. Those that are ignored, as under nohup, stay so."""
    for number in END_SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)


def tell_of_pauses(grace_seconds: float) -> None:
    """Let Ctrl-Z say how long the workers wait, before it pauses this process as it always does."""

    def pause(_number: int, _frame: object) -> None:
        text = f"paused: the workers end when picluster sleeps for longer than {grace_seconds:g} s (--grace); fg\n"
        if sys.stderr.isatty():
            show_cursor = "\n\x1b[?25h" if sys.stdout.isatty() else "\n"
            os.write(sys.stderr.fileno(), (show_cursor + text).encode())  # a stream may be in use just now
        os.kill(os.getpid(), signal.SIGSTOP)

    if signal.getsignal(signal.SIGTSTP) is signal.SIG_DFL:
        signal.signal(signal.SIGTSTP, pause)


def _stop(number: int, _frame: object) -> None:
    """Once: what ends the run must not be interrupted in turn."""
    for each in END_SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    by = _BY[signal.Signals(number)]
    raise Stopped(f"stopped by {by}", by=by)
