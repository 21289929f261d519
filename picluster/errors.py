"""The error tree: what picluster refuses or reports in one clear line, without a traceback.

    PiclusterError
    ├── InputError      2   what the person gave does not fit: an option, a model file, a plan
    ├── DataError       3   a data set or graph folder is missing, damaged or cannot be prepared
    ├── MissingError    4   this machine or a node lacks something that the work needs
    ├── RunFailed       5   a node failed while the run was under way
    │   └── PeerLost        … because another one's connection broke: an echo, not the cause
    └── Stopped       130   somebody stopped the run

The number is the exit code of the command line. Anything outside this tree is a bug: traceback, exit code 1.
"""

from collections.abc import Sequence
from typing import Literal

Fault = Literal[
    "killed",
    "out-of-memory",
    "unreachable",
    "silent",
    "frozen",
    "ended",
    "disk",
    "paused",
    "refused",
    "model",
    "other",
]
"""Kind of a failure, by which it is decided how to go on; `Failure` in `schema/run.py` says what each means."""


class PiclusterError(Exception):
    """A message for the person: what is wrong, with the values, and how to mend it."""

    exit_code = 1
    fault: Fault = "other"
    """Kind of the failure that it is to a run under way."""

    def __init__(self, what: str, *, fix: str = "", fault: Fault | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix
        self.fault = fault or self.fault

    def __str__(self) -> str:
        return f"{self.what}\n  fix: {self.fix}" if self.fix else self.what


class InputError(PiclusterError):
    """An option, model file, inventory or plan that does not fit."""

    exit_code = 2
    fault: Fault = "model"


class DataError(PiclusterError):
    """A data set or graph folder that is missing, damaged or cannot be prepared."""

    exit_code = 3


class MissingError(PiclusterError):
    """This machine or a node lacks a program, a package or a right that the work needs."""

    exit_code = 4
    fault: Fault = "refused"


class RunFailed(PiclusterError):
    """A node failed while the run was under way."""

    exit_code = 5

    def __init__(
        self,
        what: str,
        *,
        fix: str = "",
        log: str = "",
        last_lines: Sequence[str] = (),
        fault: Fault | None = None,
    ) -> None:
        super().__init__(what, fix=fix, fault=fault)
        self.log = log
        """File of the node's log, where there is one."""
        self.last_lines = tuple(last_lines)
        """The end of that log."""

    def __str__(self) -> str:
        log = [f"log: {self.log}{', which ends with' if self.last_lines else ''}"] if self.log else []
        return "\n  ".join([super().__str__(), *log, *(f"  {line}" for line in self.last_lines)])


class PeerLost(RunFailed):
    """The connection to another worker broke: the echo of a failure elsewhere."""


class Stopped(PiclusterError):
    """Somebody stopped the run: Ctrl-C, or a signal that asks to end."""

    exit_code = 130

    def __init__(self, what: str, *, fix: str = "", by: str = "") -> None:
        super().__init__(what, fix=fix)
        self.by = by
        """The person or the cause that stopped it, such as `Ctrl-C`."""
