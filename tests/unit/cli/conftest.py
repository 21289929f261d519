"""A command line in the test's own process, in an empty folder, with stand-ins for the programs that it starts."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import msgspec
import pytest

from picluster.cli.main import main
from picluster.cli.terminal.parsing import command_line
from picluster.schema.record import to_json
from tests.unit.controller.made import a_model
from tests.unit.controller.stand_in import StandIn, stand_in_python

NODES = ["pi1", "pi2", "pi3", "pi4"]
MADE_ONCE = cache(command_line)
"""Making it takes longer than most commands; a process makes it once anyway."""


@dataclass
class Answer:
    """What the command line said, and its exit code."""

    code: int
    out: str
    err: str


Picluster = Callable[..., Answer]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where the person works."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "80")
    return folder


@pytest.fixture
def picluster(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Picluster:
    assert here.is_dir()

    def run(*words: str) -> Answer:
        monkeypatch.setattr(sys, "argv", ["picluster", *words])
        monkeypatch.setattr("picluster.cli.main.leave", sys.exit)  # this process goes on
        monkeypatch.setattr("picluster.cli.main.command_line", MADE_ONCE)
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        code = ended.value.code
        return Answer(code if isinstance(code, int) else 0, said.out, said.err)

    return run


@pytest.fixture
def launch(picluster: Picluster, here: Path, monkeypatch: pytest.MonkeyPatch) -> Picluster:
    """`picluster launch` on a tiny graph and four nodes of an inventory that is beside the point."""
    programs = here.parent / "programs"
    programs.mkdir()
    (here / "hosts.yml").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(here.parent / "cache"))
    stand_in_python(programs, monkeypatch, to_json(a_model()).decode())
    StandIn(programs / "ansible-inventory", _listing(NODES))
    return lambda *words: picluster("launch", "--inventory", "hosts.yml", "--scale", "0.001", *words)


def _listing(nodes: Sequence[str]) -> str:
    variables = {node: {"ansible_connection": "local"} for node in nodes}
    return msgspec.json.encode({"_meta": {"hostvars": variables}, "picluster": {"hosts": nodes}}).decode()
