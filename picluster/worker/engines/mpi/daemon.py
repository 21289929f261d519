"""mpirun and its daemons as children of a worker: whatever ends the worker ends them, and removes what they leave."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

from picluster.worker.engines import find_program
from picluster.worker.engines.base import Peers

END_SECONDS = 10.0
"""Time that mpirun and its daemons may take to end after the last rank has left."""
_DIES_WITH_US = ("setpriv", "--pdeathsig", "KILL", "--")
# In a session of its own and nobody's child, so that it outlives whatever ends the worker; not for long.
_KEEPER = 'exec 3<&0; (trap "" HUP INT TERM; cat <&3; rm -rf -- "$0") &'


class Pipe:
    """A pipe that other processes of the same user open by a path."""

    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe()

    def path(self, end: int) -> str:
        """Path of one of its ends, for other processes."""
        return f"/proc/{os.getpid()}/fd/{end}"

    def close(self) -> None:
        """Close both ends."""
        for end in (self.read_end, self.write_end):
            with suppress(OSError):
                os.close(end)


class Daemon:
    """mpirun, or its daemon on another host: it dies with the worker, and so does its folder."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="picluster-mpi-"))
        self._kept = Pipe()
        self._log = self._folder / "log"
        subprocess.run(
            ["sh", "-c", _KEEPER, str(self._folder)],  # noqa: S607  every system has it in its own place
            stdin=self._kept.read_end,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            check=True,
        )
        os.close(self._kept.read_end)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, name: str, words: list[str], peers: Peers) -> None:
        """Run it in the background. The calling thread must live as long as the worker: the kernel watches it."""
        program = find_program(name)
        assert program is not None
        own = {"prte_tmpdir_base": str(self._folder)}
        if not ip_address(peers.address).is_loopback:  # mpirun refuses to; but there it has no daemons to speak with
            own["prte_if_include"] = peers.interface
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*_DIES_WITH_US, program, *parameters(own), *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **_environment_of(program)},
            )

    @property
    def number(self) -> int:
        """Number of its process."""
        assert self._process is not None
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """True when it has ended, as it does not by itself while ranks are at work."""
        return self._process is not None and self._process.poll() is not None

    def said(self) -> str:
        """Return the last line of its log, and copy the log into the worker's."""
        text = self._log.read_text(errors="replace") if self._log.exists() else ""
        sys.stderr.write(text)
        lines = [line.strip() for line in text.splitlines() if re.search("[a-z]", line)]
        return lines[-1] if lines else "it gives no reason"

    def close(self) -> None:
        """Wait until it has ended by itself, as it does when the ranks have left; then its folder goes."""
        if self._process is not None:
            try:
                self._process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
        os.close(self._kept.write_end)


def parameters(values: dict[str, str]) -> list[str]:
    """Write settings as words of the command line of mpirun and its daemon."""
    return [word for name, value in values.items() for word in ("--prtemca", name, value)]


def _environment_of(program: str) -> dict[str, str]:
    """Tell Open MPI of a wheel where it lies, and let it run as root, which it refuses unless asked twice."""
    prefix = Path(program).parents[1]
    names = ("OMPI", "PRTE")
    consent = {f"{name}_ALLOW_RUN_AS_ROOT{more}": "1" for name in names for more in ("", "_CONFIRM")}
    if prefix != Path(sys.prefix):
        return consent
    places = dict.fromkeys(("OPAL_PREFIX", "PMIX_PREFIX", "PRTE_PREFIX"), str(prefix))
    return {**consent, **places, "LD_LIBRARY_PATH": str(prefix / "lib")}
