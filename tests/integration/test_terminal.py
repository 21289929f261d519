"""Launches in a real terminal, and runs that are made again."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import termios
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.integration.desk import Desk, losses, wait_until, worker_of, workers_of
from tests.integration.terminal import SHOW_CURSOR, SMALL, Terminal, plain, terminal_of


@pytest.fixture
def terminals(desk: Desk) -> Iterator[list[Terminal]]:
    opened: list[Terminal] = []
    yield opened
    for each in opened:
        each.close()
    assert desk.folder.exists()


def launch(desk: Desk, terminals: list[Terminal], *words: str, **screen: Any) -> Terminal:
    return terminal_of(desk, terminals, "launch", *words, **screen)


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), pytest.param(160, 45, marks=pytest.mark.slow)])
def test_a_run_is_seen_from_its_start_to_its_result(
    desk: Desk, terminals: list[Terminal], columns: int, lines: int
) -> None:
    code, words = launch(desk, terminals, *SMALL, "--epochs", "20", columns=columns, lines=lines).end()
    assert code == 0, words
    drawn = plain(words)
    assert max(map(len, drawn)) <= columns
    heads = [line for line in drawn if re.match(r"(starting|training|testing|ending|finished) |node ", line)]
    assert {len(line) for line in heads} == {columns - 2}  # room for the ^C that a terminal echoes
    heads = [line.split()[0] for line in heads if not line.startswith("node ")]
    phases = list(dict.fromkeys(heads))
    assert phases[0] == "starting"
    assert phases[-1] == "finished"
    assert heads == sorted(heads, key=phases.index)
    after = plain(words[words.rfind(SHOW_CURSOR) :])
    assert after[0].startswith("test accuracy 0.")
    assert after[1] == "the nodes' memory and times: picluster report"
    last = words[words.rfind("finished") : words.rfind(SHOW_CURSOR)]
    assert [line.split()[0] for line in plain(last)[-4:-1]] == ["pi1", "pi2", "pi3"]


@pytest.mark.slow
def test_ctrl_c_gives_the_terminal_back_as_it_was(desk: Desk, terminals: list[Terminal]) -> None:
    terminal = launch(desk, terminals, *SMALL, "--epochs", "100000")
    before = terminal.settings()
    terminal.read(until="validation")
    os.write(terminal.screen, b"\x03")
    code, words = terminal.end()
    assert code == 130, words
    assert words.rfind(SHOW_CURSOR) > words.rfind("\x1b[?25l")
    assert any(line.startswith("stopped    after epoch ") for line in plain(words))
    assert re.search(r"error: run \S+ was stopped", words[words.rfind(SHOW_CURSOR) :])
    assert "Traceback" not in words
    assert before == termios.tcgetattr(terminal.screen)


@pytest.mark.slow
def test_all_nodes_are_shown_whatever_is_typed_until_ctrl_c(desk: Desk, terminals: list[Terminal]) -> None:
    terminal = terminal_of(desk, terminals, "top", "--nodes", "2", "--every", "0.5", columns=80)
    before = terminal.settings()
    terminal.read(until="GiB free")  # others' runs may be on this machine: whether it is idle is not known
    os.write(terminal.screen, b"typed\n")
    terminal.resize(columns=40)
    terminal.read(until="GiB free\x1b[")
    os.write(terminal.screen, b"\x03")
    code, words = terminal.end()
    assert code == 130, words
    assert "typed" not in words
    after = plain(words[words.rfind("\x1b[?1049l") :])
    assert max(map(len, after)) <= 40
    assert {"pi1", "pi2"} <= set(after)
    assert before == termios.tcgetattr(terminal.screen)


@pytest.mark.slow
def test_ctrl_z_says_how_long_the_workers_wait_and_after_a_longer_pause_the_run_goes_on(
    desk: Desk, terminals: list[Terminal]
) -> None:
    terminal = launch(desk, terminals, *SMALL, "--epochs", "100000", "--grace", "2", "--checkpoint-every", "50")
    terminal.read(until="validation")
    os.write(terminal.screen, b"\x1a")
    terminal.read(until="training falls back to its newest state; fg")
    assert SHOW_CURSOR in terminal.written.decode()
    (controller,) = {worker.ppid() for worker in workers_of(terminal.process.pid)}
    wait_until(lambda: psutil.Process(controller).status() == psutil.STATUS_STOPPED)
    wait_until(lambda: all(worker.status() == psutil.STATUS_ZOMBIE for worker in psutil.Process(controller).children()))
    os.kill(controller, signal.SIGCONT)
    terminal.read(until="going on   the run: the controller slept for ")
    paused = len(terminal.written)
    while "validation 0." not in terminal.written[paused:].decode(errors="replace"):
        terminal.written += os.read(terminal.screen, 65536)
    os.write(terminal.screen, b"\x03")
    assert terminal.end()[0] == 130


@pytest.mark.slow
def test_a_terminal_that_shows_ascii_only_gets_a_view_of_the_same_width(desk: Desk, terminals: list[Terminal]) -> None:
    poor = replace(desk, environment={**desk.environment, "PYTHONIOENCODING": "ascii"})
    code, words = launch(poor, terminals, *SMALL, "--epochs", "2", columns=30).end()
    assert code == 0, words
    assert words.isascii()
    view = words[words.find("\x1b[?25l") : words.rfind(SHOW_CURSOR)]
    assert max(map(len, plain(view))) <= 30


@pytest.mark.slow
def test_a_failure_is_told_after_the_view_has_closed(desk: Desk, terminals: list[Terminal]) -> None:
    terminal = launch(desk, terminals, *SMALL, "--epochs", "100000")
    terminal.read(until="validation")
    worker = worker_of(terminal.process.pid, "pi3")
    worker.send_signal(signal.SIGKILL)
    code, words = terminal.end()
    assert code == 5
    assert "error: node pi3 (stage 2, layer 2) failed: killed by SIGKILL" in plain(words[words.rfind(SHOW_CURSOR) :])
    assert "error:" not in words[: words.rfind(SHOW_CURSOR)]
    assert any(line.startswith("failed ") for line in plain(words))
    assert [line.split()[-1] for line in plain(words) if line.startswith("pi3 ")][-1] == "failed"


@pytest.mark.slow
def test_a_terminal_that_cannot_draw_gets_plain_lines(desk: Desk, terminals: list[Terminal]) -> None:
    code, words = launch(desk, terminals, *SMALL, "--epochs", "2", term="dumb").end()
    assert code == 0, words
    assert "\x1b[" not in words
    assert [line for line in plain(words) if line.startswith("epoch 2/2  loss ")]


@pytest.mark.slow
def test_a_run_made_again_has_the_same_losses_bit_for_bit(desk: Desk, tmp_path: Path) -> None:
    model = tmp_path / "mine.py"
    shutil.copy(desk.folder / "models" / "sage.py", model)
    words = ("--model", str(model), "--seed", "3", "--fanout", "4,3", "--lr", "0.02", "--cores", "2", "--epochs", "2")
    first = desk.launch(*SMALL, *words, "--tag", "original")
    model.write_text("this is no model any more")
    again = desk.launch("--rerun", first.name[-4:], "--tag", "again")
    other = desk.launch("--rerun", first.name, "--strategy", "data-parallel", "--nodes", "2")
    assert first.run().spec == again.run().spec == other.run().spec
    assert losses(first) == losses(again) == losses(other)
    assert len(losses(first)) > 3
    assert (again.plan().sampler, again.plan().stages) == (first.plan().sampler, first.plan().stages)
    assert other.plan().strategy == "data-parallel"
    assert first.model_file.read_bytes() == again.model_file.read_bytes() == other.model_file.read_bytes()
    assert first.plan().cores == again.plan().cores
    assert set(first.plan().cores.values()) == {2}
    assert [run.run().tag for run in (first, again, other)] == ["original", "again", ""]
    told = json.loads(desk.picluster("runs", "--json", "--tag", "again").stdout)
    assert [run["run"] for run in told["runs"]] == [again.name]
