"""Every command in a message can be typed as it stands."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import typer

import picluster
from picluster.cli.main import app
from picluster.cli.terminal.parsing import command_line
from picluster.cli.terminal.typeable import COMMAND, TAKE_INVENTORY, inventory_of, typeable
from picluster.project import BUNDLED

PACKAGE = Path(picluster.__file__).parent
PLACEHOLDERS = ("NAME", "RUN")
COUNTRIES = ("GB",)
"""Values that are typed in capitals."""
COMMAND_LINE = command_line(app)
TYPED = ["picluster", "doctor", "-i", "my pis.yml"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("picluster trust node-b", "picluster trust node-b -i 'my pis.yml'"),
        ("picluster trust 'a; b'; or not", "picluster trust 'a; b' -i 'my pis.yml'; or not"),
        (
            "write one: picluster launch --nodes a,b --dry-run > plan.json",
            "write one: picluster launch --nodes a,b --dry-run -i 'my pis.yml' > plan.json",
        ),
        ("(picluster doctor), picluster reap", "(picluster doctor -i 'my pis.yml'), picluster reap -i 'my pis.yml'"),
        ("picluster provision\n  fix: picluster doctor", None),
        ("picluster trust a -i other.yml", "picluster trust a -i other.yml"),
        ("picluster launch --inventory=other.yml", "picluster launch --inventory=other.yml"),
        ("see picluster runs", "see picluster runs"),
        ("picluster doctor has no option -v", "picluster doctor has no option -v"),
        ("see picluster doctor --help", "see picluster doctor --help"),
        ("this picluster reads 1", "this picluster reads 1"),
        ("see .venv/bin/picluster doctor", "see .venv/bin/picluster doctor"),
    ],
)
def test_a_command_gets_the_inventory_that_was_given(text: str, told: str | None) -> None:
    mended = "picluster provision -i 'my pis.yml'\n  fix: picluster doctor -i 'my pis.yml'"
    assert typeable(text, TYPED) == (mended if told is None else told)


def test_without_an_inventory_of_ones_own_a_command_stays_as_it_is() -> None:
    assert typeable("picluster trust node-b", ["picluster", "doctor"]) == "picluster trust node-b"


@pytest.mark.parametrize(
    "words", [["-i", "x"], ["--inventory", "x"], ["--inventory=x"], ["-ix"], ["--seed", "1", "-i", "x"]]
)
def test_every_spelling_of_the_option_is_understood(words: list[str]) -> None:
    assert inventory_of(words) == "x"


def test_picluster_is_called_as_it_was_where_the_search_path_does_not_lead_to_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert typeable("picluster runs", ["my bin/picluster"]) == "'my bin/picluster' runs"
    (tmp_path / "picluster").touch(mode=0o755)
    assert typeable("picluster runs", ["my bin/picluster"]) == "picluster runs"


def test_make_is_told_where_the_makefile_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert typeable("make setup EXTRAS=ray", TYPED) == f"make -C {shlex.quote(str(BUNDLED))} setup EXTRAS=ray"
    monkeypatch.chdir(BUNDLED)
    assert typeable("make setup", TYPED) == "make setup"


def test_an_installed_wheel_has_no_makefile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("picluster.project.BUNDLED", tmp_path)
    again = "install picluster again, with its extras: controller,worker"
    assert typeable("torch is missing\n  fix: make setup", TYPED) == f"torch is missing\n  fix: {again}"
    assert typeable("here: make setup EXTRAS=mpi; on Pis", TYPED) == f"here: {again},mpi; on Pis"
    again = "install picluster again under /usr/bin/python3.11, with its extras: controller,worker"
    assert typeable("make setup PYTHON=/usr/bin/python3.11; or", TYPED) == f"{again}; or"


def test_the_commands_that_take_an_inventory_are_known() -> None:
    commands = command_line(app).commands
    having = [name for name, each in commands.items() if any("--inventory" in one.opts for one in each.params)]
    assert sorted(having) == sorted(TAKE_INVENTORY)


def messages() -> Iterator[tuple[str, str]]:
    """All commands in the package's texts, 7 in the place of every value; docstrings apart."""
    for file in sorted(PACKAGE.rglob("*.py")):
        if "picluster " not in (text := file.read_text()):
            continue
        tree = ast.parse(text)
        apart = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        apart |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        texts = [_text(node) for node in ast.walk(tree) if id(node) not in apart]
        yield from ((str(file.relative_to(PACKAGE)), command) for text in texts for command in _commands(text))
    for file in sorted(BUNDLED.glob("ansible/**/*.yml")):
        text = re.sub(r"\{\{.*?\}\}", "7", file.read_text())
        for told in re.findall(r"fail_msg: >-\n((?: {6}.*\n)+)", text):
            yield from ((str(file.relative_to(BUNDLED)), command) for command in _commands(" ".join(told.split())))


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "7" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _commands(text: str) -> Iterator[str]:
    """Whatever stands behind `picluster`, if its first word is that of a command. In examples three blanks end it."""
    for line in text.splitlines():
        shown = re.split(r" {2,}", line)[0] if "Examples:" in text else line
        yield from (found[0] for found in COMMAND.finditer(shown) if found["words"].split()[0] in COMMAND_LINE.commands)


MESSAGES = sorted(set(messages()))


def test_there_are_commands_in_messages() -> None:
    assert len(MESSAGES) > 50
    assert ("ansible/roles/preflight/tasks/main.yml", "picluster provision --limit 'all:!7'") in MESSAGES


@pytest.mark.parametrize(("file", "typed"), MESSAGES, ids=str)
def test_a_command_of_a_message_can_be_parsed(file: str, typed: str) -> None:
    command, words = COMMAND_LINE, shlex.split(typed, comments=True)[1:]
    assert not any(word.isupper() for word in words if word not in (*PLACEHOLDERS, *COUNTRIES)), (
        f"{file}: what is to be put there?"
    )
    while words and words[0] in getattr(command, "commands", {}):
        command, words = command.commands[words[0]], words[1:]
    with suppress(typer.Exit):  # it asks for help
        command.make_context("picluster", words)
