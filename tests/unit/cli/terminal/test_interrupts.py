"""The signals that end or pause a launch, before it has begun and while it goes on."""

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from picluster.cli.terminal.interrupts import EndSignals, Heedful
from picluster.controller.running.observer import Observer
from picluster.errors import Stopped

END_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in END_SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("number", "by"),
    [
        (signal.SIGINT, "Ctrl-C"),
        (signal.SIGTERM, "SIGTERM (picluster stop, or kill)"),
        (signal.SIGHUP, "SIGHUP (its terminal was closed)"),
        (signal.SIGQUIT, "SIGQUIT (Ctrl-\\)"),
    ],
)
def test_a_signal_that_asks_to_end_does_so_once_and_says_who_asked(number: signal.Signals, by: str) -> None:
    for each in END_SIGNALS:
        signal.signal(each, signal.SIG_DFL)
    with EndSignals() as signals:
        with pytest.raises(Stopped) as caught:
            signal.raise_signal(number)
        for each in END_SIGNALS:  # the end itself is not interrupted
            signal.raise_signal(each)
    assert (caught.value.what, caught.value.by, signals.came) == (f"stopped by {by}", by, number)
    for each in END_SIGNALS:  # nor is what the command still says
        signal.raise_signal(each)


def test_a_call_that_a_signal_makes_fail_in_its_own_way_is_told_as_stopped() -> None:
    def interrupted() -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            raise KeyError("as Thread.start does where the thread has ended before it returns")

    with pytest.raises(Stopped, match="stopped by Ctrl-C") as caught, EndSignals():
        interrupted()
    assert isinstance(caught.value.__cause__, KeyError)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_signal_that_is_lost_in_a_finalizer_ends_the_launch_at_its_next_event() -> None:
    class Finalizer:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGINT)

    heard: list[str] = []
    observer = Observer(on_note=heard.append)
    with EndSignals() as signals:
        heedful = Heedful(observer, signals.check)
        heedful.note("model", "sage")
        Finalizer()
        assert signals.came == signal.SIGINT
        with pytest.raises(Stopped, match="stopped by Ctrl-C"):
            heedful.note("engine", "sockets")
    assert heard == ["model: sage"]


def test_a_process_with_threads_left_ends_with_its_exit_code_and_last_words() -> None:
    code = (
        "import io, sys, threading, time; from picluster.cli.main import leave\n"
        "held = io.BufferedWriter(io.FileIO(2, 'w', closefd=False)); sys.stderr = io.TextIOWrapper(held)\n"
        "def hold():\n    while True: print('x', file=sys.stderr, flush=True)\n"
        "threading.Thread(target=hold, daemon=True).start(); time.sleep(0.1)\n"
        "print('last words'); leave(130)"
    )
    for _ in range(5):
        done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (130, "last words\n"), done.stderr[-500:]


def test_handlers_are_put_back_where_no_signal_came() -> None:
    for each in END_SIGNALS:
        signal.signal(each, signal.SIG_DFL)
    with EndSignals():
        assert signal.SIG_DFL not in {signal.getsignal(each) for each in END_SIGNALS}
    assert {signal.getsignal(each) for each in END_SIGNALS} == {signal.SIG_DFL}


def test_what_is_ignored_stays_so_as_under_nohup() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with EndSignals():
        signal.raise_signal(signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


@pytest.mark.parametrize(
    ("program", "handler"), [("picluster", "SIG_DFL"), ("-m", "SIG_DFL"), ("pytest", "default_int_handler")]
)
def test_ctrl_c_while_modules_are_imported_shows_no_traceback(program: str, handler: str) -> None:
    code = f"import signal, sys; sys.argv[0] = {program!r}; import picluster.cli; "
    code += f"assert signal.getsignal(signal.SIGINT) is signal.{handler}"
    subprocess.run([sys.executable, "-c", code], check=True)
