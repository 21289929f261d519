"""The parser in plain words: parameters in --help, and errors of lines that it refuses."""

import shlex
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import typer

from picluster.errors import InputError

_NUMBERS = {int: "a whole number", float: "a number"}
_INSTEAD = {"--threads": "--cores says on how many a node computes, with the same bits for every number"}
"""Options of earlier versions, and what there is in their place."""
HELP_NAMES = ["-h", "--help"]
_WORDS: dict[type, str] = {int: "N", float: "X", str: "TEXT", Path: "FILE"}


def command_line(app: typer.Typer) -> Any:
    """Command line of all commands, ready to parse and to show its help."""
    command = typer.main.get_command(app)
    _describe_parameters(command, typer.Context(command, help_option_names=HELP_NAMES))
    return command


def plain_type(annotation: Any) -> Any:
    """Type of one value, also where it may be left out or given more than once."""
    inner = [each for each in getattr(annotation, "__args__", ()) if each is not type(None)]
    return plain_type(inner[0]) if inner else annotation


def _describe_parameters(command: Any, context: typer.Context) -> None:
    for parameter in command.get_params(context):
        if parameter.param_type_name == "argument":  # its name tells what it is
            parameter.display_type_rich = lambda ctx: ""  # noqa: ARG005
        elif parameter.is_flag:
            parameter.metavar = parameter.metavar or ""
        elif parameter.metavar is None and (kind := parameter.type_descriptor).choices is None:
            parameter.metavar = _WORDS.get(plain_type(kind.annotation))
    for each in getattr(command, "commands", {}).values():
        _describe_parameters(each, context)


def in_words(error: typer.TyperException, command: Any, words: Sequence[str]) -> InputError:
    """Make the error of a command line that the parser refused.

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
        fix = _INSTEAD.get(option) or _meant(option, known, words) or fix
        return InputError(f"{path} has no option {option}", fix=fix)
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
    """Make the error of a line whose options are right: an unknown command, none, or too many words."""
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
