"""Every option of every command, given what it does not take: which one, what was given, what is wanted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from picluster.cli.main import app
from picluster.cli.terminal.parsing import command_line
from tests.unit.cli.conftest import Picluster

LIBRARY_WORDS = ("Input should", "Value error", "valid integer", "Invalid value", "parse string", "pydantic", "Error:")


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """All commands, by what is typed to get there."""
    yield path, command
    for name, each in getattr(command, "commands", {}).items():
        yield from commands(each, (*path, name))


COMMANDS = dict(commands(command_line(app)))
OPTIONS = [
    (path, max(each.opts, key=len), each)
    for path, command in COMMANDS.items()
    for each in command.params
    if each.param_type_name == "option"
]


def wrong_values(option: Any) -> list[str]:
    """What an option of numbers or of choices does not take."""
    kind = option.type_descriptor
    if option.is_flag or not (kind.choices or kind.annotation in (int, float)):
        return []
    too_small = [str(option.min - 1)] if getattr(option, "min", None) is not None else []
    return ["abc", "", "1x", *too_small, *(["1.5"] if kind.annotation is int else [])]


@pytest.mark.parametrize(
    ("path", "name", "option"),
    OPTIONS,
    ids=lambda value: " ".join(value) if value and isinstance(value, tuple) else str(value)[:30],
)
def test_an_option_tells_what_it_wants(picluster: Picluster, path: tuple[str, ...], name: str, option: Any) -> None:
    trials = [[name, value] for value in wrong_values(option)]
    trials += [[f"{name}=3"]] if option.is_flag else [[name]]
    for trial in trials:
        answer = picluster(*path, *trial)
        assert (answer.code, answer.out) == (2, "")
        error, fix = answer.err.splitlines()
        assert error.startswith(f"error: {name} ")
        assert "must be " in error or "is a switch" in error or "needs a value: " in error
        assert not any(words in answer.err for words in LIBRARY_WORDS)
        assert fix == f"  fix: see {' '.join(('picluster', *path))} --help"


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_is_short_for_all_and_shows_no_type_of_a_switch(picluster: Picluster, path: tuple[str, ...]) -> None:
    answer = picluster(*path, "-h")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == picluster(*path, "--help").out
    assert not any(word in answer.out for word in ("<bool>", "<str>", "<int", "<float", "<path>"))
    assert max(map(len, answer.out.splitlines())) <= 80
