"""Programs that the controller starts, replaced by ones that write down how they were called and answer as told."""

import json
import sys
from pathlib import Path

import pytest

# A script of the shell and of Python: the line after #! must not hold a path with spaces.
PROGRAM = """#!/bin/sh
'''exec' "{python}" "$0" "$@"
' '''
import json, sys
with open({log!r}, "a") as log:
    print(json.dumps(sys.argv[1:]), file=log)
sys.stdout.write({out!r})
sys.stderr.write({err!r})
sys.exit({code})
"""
PYTHON = sys.executable


class StandIn:
    """One program; the controller looks for it beside the interpreter."""

    def __init__(self, file: Path, out: str) -> None:
        self._file, self._log = file, file.with_suffix(".asked")
        self.answers(out)

    def answers(self, out: str = "", err: str = "", code: int = 0) -> None:
        text = PROGRAM.format(python=PYTHON, log=str(self._log), out=out, err=err, code=code)
        self._file.write_text(text)
        self._file.chmod(0o755)

    @property
    def asked(self) -> list[list[str]]:
        """The words after the program's name, call by call."""
        return [json.loads(line) for line in self._log.read_text().splitlines()] if self._log.exists() else []


def stand_in_python(folder: Path, monkeypatch: pytest.MonkeyPatch, out: str) -> StandIn:
    """For `python -m picluster.worker.main`."""
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    return StandIn(folder / "python", out)
