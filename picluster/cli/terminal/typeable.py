"""Commands in messages, made ready to be typed here: with the inventory that was given, from this folder.

A message ends with its command, or goes on after a comma, a semicolon, a bar, a bracket or `>`.
"""

import re
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

TAKE_INVENTORY = ("compare", "doctor", "launch", "probe", "provision", "reap", "reset", "stop", "top", "trust")
"""Commands that have the option --inventory."""

_WORD = r"""(?:'[^']*'|"[^"]*"|[,;](?=\S)|[^\s'",;)>|`])+"""
COMMAND = re.compile(rf"(?<![\w/.-])picluster(?P<words>(?: {_WORD})+)")
"""Command line in a text; others may follow."""
_SETUP = re.compile(
    r"(?<![\w/.-])make setup\b(?P<words>(?: EXTRAS=(?P<extras>[\w,]+))?(?: PYTHON=(?P<python>[\w./-]+))?)"
)
_INVENTORY = ("-i", "--inventory")
_PROSE = {"has", "needs", "takes"}
"""Words behind the name of a command that make a sentence of it."""


def typeable(text: str, typed: Sequence[str] | None = None) -> str:
    """Complete the commands in a message, so that they look where the person looked.

    Args:
        text: the message.
        typed: the command line that it answers, the program first; None: this process's.
    """
    typed = sys.argv if typed is None else typed
    # picluster by that name where the search path leads to it, else as it was typed.
    is_found = "/" not in typed[0] or Path(typed[0]).name != "picluster" or shutil.which("picluster")
    given, program = inventory_of(typed[1:]), "picluster" if is_found else shlex.quote(typed[0])
    told = COMMAND.sub(lambda found: _completed(found["words"], program, given), text)
    return _SETUP.sub(lambda found: _set_up(**found.groupdict()), told)


def inventory_of(words: Sequence[str]) -> str | None:
    """Inventory that a command line names."""
    for place, word in enumerate(words):
        if word in _INVENTORY:
            return words[place + 1] if place + 1 < len(words) else None
        if word.startswith("--inventory="):
            return word.partition("=")[2]
        if word.startswith("-i") and not word.startswith("--"):
            return word[2:]
    return None


def _completed(words: str, program: str, inventory: str | None) -> str:
    split = words.split()
    is_complete = any(word.startswith((*_INVENTORY, "--help")) for word in split) or not _PROSE.isdisjoint(split[1:2])
    if inventory is None or split[0] not in TAKE_INVENTORY or is_complete:
        return program + words
    return f"{program}{words} -i {shlex.quote(inventory)}"


def _set_up(words: str, extras: str | None, python: str | None) -> str:
    """Words that tell how to install packages: by the clone's Makefile, or as picluster's wheel was installed."""
    from picluster.project import BUNDLED

    if not (BUNDLED / "Makefile").exists():
        wanted = ",".join(["controller", "worker", *([extras] if extras else [])])
        return f"install picluster again{f' under {python}' if python else ''}, with its extras: {wanted}"
    directory = "" if Path.cwd() == BUNDLED else f"-C {shlex.quote(str(BUNDLED))} "
    return f"make {directory}setup{words}"
