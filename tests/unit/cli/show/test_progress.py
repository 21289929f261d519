"""Live view or plain lines: what standard output allows."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from picluster.cli.show.progress import LaunchScreen, Lines, LiveView, progress
from picluster.cli.show.run_state import RunState
from picluster.controller.record.run_folder import RunFolder
from picluster.errors import Stopped
from tests.unit.cli.show.test_live_view import READY, epoch_done, step
from tests.unit.controller.made import a_plan, a_spec, copy_of_run_v1

SHOW_CURSOR, HIDE_CURSOR = "\x1b[?25h", "\x1b[?25l"


class Terminal(io.StringIO):
    """Standard output is one, or says so."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Terminal]:
    """Puts one in the place of standard output; pytest would put its own there after a fixture."""

    def put() -> Terminal:
        screen = Terminal()
        monkeypatch.setattr("sys.stdout", screen)
        return screen

    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return put


def a_view(screen: io.StringIO) -> LiveView:
    console = Console(file=screen, force_terminal=True, width=80, height=24, legacy_windows=False)
    return LiveView(RunState(a_spec(), a_plan(), 1000), console)


def test_a_terminal_gets_the_live_view(terminal: Callable[[], Terminal]) -> None:
    terminal()
    assert isinstance(progress(a_spec(), a_plan(), 1000), LiveView)


@pytest.mark.parametrize("term", ["dumb", "unknown", None])
def test_a_terminal_that_cannot_move_its_cursor_gets_plain_lines(
    terminal: Callable[[], Terminal], monkeypatch: pytest.MonkeyPatch, term: str | None
) -> None:
    terminal()
    monkeypatch.delenv("TERM") if term is None else monkeypatch.setenv("TERM", term)
    with progress(a_spec(), a_plan(), 1000) as watch:
        assert isinstance(watch, Lines)


def test_a_pipe_gets_plain_lines_even_where_colours_are_forced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with progress(a_spec(), a_plan(), 1000) as watch:
        assert isinstance(watch, Lines)


def test_without_colours_the_view_has_none(terminal: Callable[[], Terminal], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    screen = terminal()
    with progress(a_spec(), a_plan(), 1000) as watch:
        watch("a", READY)
    assert "starting" in screen.getvalue()
    assert not any(f"\x1b[{colour}m" in screen.getvalue() for colour in range(30, 50))
    assert "\x1b[38;" not in screen.getvalue()


@pytest.mark.parametrize("error", [None, Stopped("SIGINT came"), KeyboardInterrupt(), RuntimeError("a bug")])
def test_however_it_ends_the_cursor_comes_back_and_the_last_state_stays(error: BaseException | None) -> None:
    screen = io.StringIO()
    view = a_view(screen)
    with suppress(type(error) if error else Stopped), view as watch:
        watch("a", READY)
        if error:
            raise error
    words = screen.getvalue()
    assert words.rfind(SHOW_CURSOR) > words.rfind(HIDE_CURSOR) >= 0
    assert ("stopped" if isinstance(error, Stopped | KeyboardInterrupt) else "failed") in words
    assert words.removesuffix(SHOW_CURSOR).endswith("\n")


def test_what_is_printed_meanwhile_stands_above_the_view(capsys: pytest.CaptureFixture[str]) -> None:
    screen = io.StringIO()
    with a_view(screen):
        sys.stderr.write("a warning\n")
    assert "a warning\n" in screen.getvalue()
    assert capsys.readouterr().err == ""


def test_events_may_come_while_it_is_drawn() -> None:
    view = a_view(io.StringIO())
    with view as watch:
        drawer = threading.Thread(target=lambda: [view._draw() for _ in range(50)])
        drawer.start()
        for node in "abcd":
            watch(node, READY)
        for number in range(2000):
            watch("d", step(number % 10 + 1))
        drawer.join()


def test_the_folder_of_a_run_is_told_once_for_all_of_its_attempts(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    screen, run = LaunchScreen(), RunFolder(copy_of_run_v1(tmp_path / "run"))
    for _ in range(2):
        with screen.running(run, run.run().spec, run.plan(), run.run().graph):
            pass
    assert capsys.readouterr().out == f"run        {run.path}\n"


def test_a_line_of_an_epoch_tells_which_was_the_best(capsys: pytest.CaptureFixture[str]) -> None:
    with nullcontext(Lines(a_spec(), a_plan())) as watch:
        for node in "abcd":
            watch(node, READY)
        watch("d", epoch_done(1))
        watch("d", msgspec.structs.replace(epoch_done(2), best=False))
    assert capsys.readouterr().out.splitlines() == [
        "ready      4 nodes after 1.0 s",
        "epoch 1/1  loss 1.0000  train 0.2500  validation 0.5000  5.00 s  best 1",
        "epoch 2/1  loss 1.0000  train 0.2500  validation 0.5000  5.00 s  best 1",
    ]
