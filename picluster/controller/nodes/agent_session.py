"""A conversation with an agent on a node, over one SSH channel; a steward may become a worker in the end."""

from __future__ import annotations

import functools
import json
import shlex
import signal
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import msgspec
import paramiko

import picluster
from picluster.controller.nodes.machine import ANSWER_SECONDS, Exit, lines_of
from picluster.errors import MissingError, PiclusterError, RunFailed
from picluster.schema.record import to_json

if TYPE_CHECKING:
    import fabric

    from picluster.schema.agent import AnswerType, Question

_SIGNAL_CODES = 128
_NOT_FOUND = 127
_LONGEST_WORDS = 64 << 10
_PROGRAMS = {
    "steward": ("answering", "claims", "control_groups", "premises", "processes", "verifying", "steward"),
    "examiner": ("answering", "control_groups", "premises", "examiner"),
    "gauge": ("answering", "claims", "control_groups", "premises", "examiner", "gauge"),
    "prober": ("answering", "prober"),
}
"""The modules of each of the programs of `agent/`, in the order in which they import each other."""
# The text of the program comes first on standard input, its length before it; then questions. On one line, since
# there are shells that break a quoted one.
BOOT = 'import sys; i = sys.stdin.buffer; exec(compile(i.read(int(i.readline())), "errand", "exec"))'
_LOAD = """
import json, sys, types
for name, text in json.loads({texts!r}).items():
    module = sys.modules[name] = types.ModuleType(name)
    module.__path__ = []
    exec(compile(text, name, "exec"), module.__dict__)
sys.modules["picluster.agent.answering"].answer_all(module.ANSWERS)
"""
_COMMAND = f"exec python3 -I -S -c {shlex.quote(BOOT)}"


class AgentSession:
    """One running agent. Not for several threads at once until it is a worker."""

    def __init__(
        self, connection: fabric.Connection, *, timeout_seconds: float = ANSWER_SECONDS, program: str = "steward"
    ) -> None:
        """Send the program there, and start it. RunFailed where the connection breaks."""
        source = program_text(program)
        try:
            self._channel = connection.transport.open_session(timeout=timeout_seconds)
            self._channel.settimeout(timeout_seconds)
            self._said: BinaryIO = cast("BinaryIO", self._channel.makefile("rb"))
            self._written: BinaryIO = cast("BinaryIO", self._channel.makefile_stderr("rb"))
            self._answers = lines_of(self._said)
            self.output: Iterable[bytes] = self._answers
            self.log: Iterable[bytes] = lines_of(self._written)
            self._channel.exec_command(_COMMAND)
            self._channel.sendall(f"{len(source)}\n".encode() + source)
        except OSError as error:
            raise self._why_it_ended() from error
        except (paramiko.SSHException, EOFError) as error:
            what = f"SSH broke off: {str(error) or type(error).__name__}"
            raise RunFailed(what, fix="try again", fault="unreachable") from error

    def ask(self, question: Question[AnswerType]) -> AnswerType:
        """The program's answer. MissingError: there is no python3; RunFailed: none comes in time, or another one."""
        try:
            self._channel.sendall(to_json(question) + b"\n")
            line = next(self._answers, b"")
        except TimeoutError as error:
            what = f"it gives no answer within {self._channel.gettimeout():g} s"
            raise RunFailed(what, fix="see whether it is busy or cut off", fault="unreachable") from error
        except OSError as error:
            raise self._why_it_ended() from error
        try:
            return question.read_answer(line)
        except msgspec.DecodeError:
            raise self._why_it_ended(line) from None

    def _why_it_ended(self, said: bytes = b"") -> PiclusterError:
        """In place of an answer: how it ended, or what else spoke in its place."""
        if not self._channel.status_event.wait(1.0):
            if not said:
                return RunFailed("SSH broke off", fix="try again", fault="unreachable")
            fix = "let its ~/.bashrc print nothing where there is no terminal: [ -t 1 ] || return"
            what = f"its shell says {_last_line(said)!r} when a program logs in, which no program wants"
            return RunFailed(what, fix=fix, fault="refused")
        if (code := self._channel.recv_exit_status()) == _NOT_FOUND:
            return MissingError("python3 is not installed on it", fix="sudo apt install python3 on it")
        with suppress(OSError):
            said = self._written.read(_LONGEST_WORDS) or said or self._said.read(_LONGEST_WORDS)
        told = _last_line(said) or f"exit code {code}"
        fix = "see what `ssh` to it says, and its python3"
        return RunFailed(f"its shell does not start python3: {told}", fix=fix, fault="refused")

    def become_worker(self, kill: Callable[[], None]) -> None:
        """From now on a worker runs there, which `kill` ends: reading waits for as long as it takes."""
        self._kill = kill
        self._channel.settimeout(None)

    def kill(self) -> None:
        """End the worker, and let go of the channel."""
        self._kill()
        self.close()

    def tell(self, line: bytes) -> None:
        """Write a line to its standard input; says nothing when it is gone."""
        with suppress(OSError):
            self._channel.sendall(line)

    def hang_up(self) -> None:
        """Close its standard input."""
        with suppress(OSError, EOFError):
            self._channel.shutdown_write()

    def wait(self, timeout_seconds: float) -> Exit | None:
        """End of what runs there; None when it has not ended within that time."""
        if not self._channel.status_event.wait(timeout_seconds):
            return None
        code = self._channel.recv_exit_status()
        if code < 0:  # the connection broke
            return Exit(None, None)
        with suppress(ValueError):
            if code > _SIGNAL_CODES:
                return Exit(None, signal.Signals(code - _SIGNAL_CODES).name)
        return Exit(code, None)

    def close(self) -> None:
        """Let go of the channel."""
        self._channel.close()


@functools.cache
def program_text(program: str) -> bytes:
    """A program that holds the texts of its modules by name; their packages are empty on the other side."""
    packages = {"picluster": "", "picluster.agent": ""}
    folder = Path(picluster.__file__).parent / "agent"
    modules = {f"picluster.agent.{name}": (folder / f"{name}.py").read_text() for name in _PROGRAMS[program]}
    return _LOAD.format(texts=json.dumps({**packages, **modules})).encode()


def _last_line(said: bytes) -> str:
    return said.decode(errors="replace").strip().rpartition("\n")[2]
