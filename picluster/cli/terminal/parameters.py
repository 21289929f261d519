"""Parameters in --help: switches without a type, numbers and files by a plain word; and -h is --help."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

HELP_NAMES = ["-h", "--help"]
_WORDS: dict[type, str] = {int: "N", float: "X", str: "TEXT", Path: "FILE"}


def dressed(app: typer.Typer) -> Any:
    """The whole command line with its commands, ready to parse and to show its help."""
    command = typer.main.get_command(app)
    _dress(command, typer.Context(command, help_option_names=HELP_NAMES))
    return command


def plain_type(annotation: Any) -> Any:
    """The type of one value: what may be left out, or given more than once, is of the type inside."""
    inner = [each for each in getattr(annotation, "__args__", ()) if each is not type(None)]
    return plain_type(inner[0]) if inner else annotation


def _dress(command: Any, context: typer.Context) -> None:
    for parameter in command.get_params(context):
        if parameter.param_type_name == "argument":  # its name tells what it is
            parameter.display_type_rich = lambda ctx: ""  # noqa: ARG005
        elif parameter.is_flag:
            parameter.metavar = parameter.metavar or ""
        elif parameter.metavar is None and (kind := parameter.type_descriptor).choices is None:
            parameter.metavar = _WORDS.get(plain_type(kind.annotation))
    for each in getattr(command, "commands", {}).values():
        _dress(each, context)
