"""Errors of command lines that cannot be parsed: which option, what was given, what is wanted."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from picluster.cli.terminal.parameters import plain_type
from picluster.errors import InputError

if TYPE_CHECKING:
    import typer

_NUMBERS = {int: "a whole number", float: "a number"}


def in_words(error: typer.TyperException, command: Any, words: Sequence[str]) -> InputError:
    """The error of a command line that the parser refused.

    Args:
        error: the parser's.
        command: the whole command line's, with its commands in it.
        words: what was typed after `picluster`.
    """
    path, command = _resolve(command, words)
    fix = f"see {path} --help"
    option, param = getattr(error, "option_name", ""), getattr(error, "param", None)
    if type(error).__name__ == "NoSuchOption":
        known = [each for one in command.params for each in (*one.opts, *one.secondary_opts)]
        return InputError(f"{path} has no option {option}", fix=_meant(option, known, words) or fix)
    if type(error).__name__ == "BadOptionUsage":
        param = next(each for each in command.params if option in (*each.opts, *each.secondary_opts))
        given = next((word for word in words if word.startswith(f"{option}=")), "").partition("=")[2]
        told = f"is a switch and takes no value, but was given {given!r}" if param.is_flag else ""
        return InputError(f"{option} {told or f'needs a value: {wanted(param)}'}", fix=fix)
    if type(error).__name__ == "MissingParameter" and param is not None:
        return InputError(f"{path} needs {param.display_name_raw if _is_argument(param) else param.opts[0]}", fix=fix)
    if param is not None:
        name = param.display_name_raw if _is_argument(param) else max(param.opts, key=len)
        cause: Any = error.__cause__  # of the library beneath the parser, which knows the value
        value = cause.errors()[0]["input"] if cause is not None and hasattr(cause, "errors") else str(error)
        return InputError(f"{name} {value!r}: it must be {wanted(param)}", fix=fix)
    return _of_words(error, path, command, words)


def wanted(param: Any) -> str:
    """Values that a parameter takes, such as `a whole number from 1 to 9`."""
    kind, choices = param.type_descriptor, param.type_descriptor.choices
    if choices is not None:
        return f"one of {', '.join(str(getattr(each, 'value', each)) for each in choices)}"
    noun = "the name of a file" if kind.is_path else _NUMBERS.get(plain_type(kind.annotation), "a text")
    low, high = getattr(param, "min", None), getattr(param, "max", None)
    if low is not None and high is not None:
        return f"{noun} from {low:g} to {high:g}"
    return noun if low is None else f"{noun} of at least {low:g}"


def _of_words(error: typer.TyperException, path: str, command: Any, words: Sequence[str]) -> InputError:
    """The error where no option is to blame: an unknown command, none, or too many words."""
    commands = getattr(command, "commands", None)
    if commands is None:
        told = error.format_message()
        extra = told.partition("(s) (")[2].rpartition(")")[0]
        takes = ", ".join(each.display_name_raw for each in command.params if _is_argument(each))
        what = f"{path} takes {f'{takes} and nothing else' if takes else 'options only'}"
        return InputError(f"{what}, but was given {extra}", fix=f"see {path} --help")
    typed = [word for word in words if not word.startswith("-") and word not in path.split()]
    if not typed:
        return InputError(f"{path} needs a command: {', '.join(commands)}", fix=f"see {path} --help")
    fix = _meant(typed[0], commands, words) or f"see {path} --help"
    return InputError(f"{path} has no command {typed[0]!r}", fix=fix)


def _meant(typed: str, known: Iterable[str], words: Sequence[str]) -> str:
    """Command line with the nearest known word in the place of a wrong one; empty where none is near."""
    near = get_close_matches(typed, list(known), n=1)
    mended = [near[0] + word.removeprefix(typed) if word.partition("=")[0] == typed else word for word in words if near]
    return f"did you mean: {shlex.join(['picluster', *mended])}" if near else ""


def _resolve(command: Any, words: Sequence[str]) -> tuple[str, Any]:
    """Path of the command that the words name, and the command."""
    path = ["picluster"]
    for word in words:
        if word not in getattr(command, "commands", {}):
            break
        command = command.commands[word]
        path.append(word)
    return " ".join(path), command


def _is_argument(param: Any) -> bool:
    return bool(param.param_type_name == "argument")
