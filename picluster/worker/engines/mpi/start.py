"""Makes this worker a process of Open MPI, without SSH: mpirun and its daemons are started by the workers themselves.

mpirun (a child of worker 0) asks a launch agent for a daemon on every other host; ours hands that request to a worker
there. What mpirun and daemons fork in a rank's place is a shell that passes its environment on to the rank's worker,
which so becomes the rank, and that ends when the worker does. docs/engines.md has the picture.
"""

from __future__ import annotations

import json
import os
import select
import shlex
import time
from contextlib import suppress
from dataclasses import dataclass

from picluster.errors import RunFailed
from picluster.worker.engines.base import CONNECT_TIMEOUT, Peers
from picluster.worker.engines.mpi.daemon import Daemon, Pipe, parameters, shut

_TICK_SECONDS = 0.1
# The environment ends with an empty entry; the pipe that is open for reading ends with the worker.
_STAND_IN = 'exec 3<"$2"; { env -0; printf "\\0"; } >"$1"; exec cat <&3'
# mpirun calls it as it would call ssh, for all hosts at once: host, then the daemon's command line.
_AGENT = 'exec 3>{pipe}; flock 3; printf "%s\\0" "$@" "" >&3\n'
# What a daemon must know of mpirun; the rest of its command line every host writes itself.
_KEPT = ("ess_base_nspace", "ess_base_vpid", "ess_base_num_procs", "prte_hnp_uri", "PREFIXES")
_OPEN_MPI = ("PMIX_", "OMPI_", "OPAL_", "PRTE_")


@dataclass(frozen=True)
class Place:
    """Pipes by which a rank's environment is handed over, as its worker tells the others."""

    address: str
    """IP address of the worker's host."""
    environment: str
    """Path of the pipe that takes the environment."""
    held: str
    """Path of the pipe that is open as long as the worker lives."""


class Membership:
    """This worker's part in the Open MPI job."""

    def __init__(self, peers: Peers) -> None:
        """Join: set the environment that makes this process a rank; RunFailed where Open MPI does not start."""
        self._peers = peers
        self._environment, self._held, self._requests = Pipe(), Pipe(), Pipe()
        environment = self._environment.path(self._environment.write_end)
        own = Place(peers.address, environment, self._held.path(self._held.read_end))
        self._places = [Place(**json.loads(each)) for each in peers.exchange("mpi/place", json.dumps(vars(own)))]
        self._daemon = self._start_daemon()
        os.environ.update(self._receive_environment())
        self._environment.close()
        self._requests.close()
        os.close(self._held.read_end)

    @property
    def is_broken(self) -> bool:
        """True when Open MPI has given the job up, on this host or on all."""
        poll = select.poll()
        poll.register(self._held.write_end, 0)  # tells when nobody has the other end open any more
        return bool(poll.poll(0)) or (self._daemon is not None and self._daemon.has_ended)

    def shut(self) -> None:
        """Let nobody in any more: to be called when every worker is connected with every other."""
        with suppress(OSError):
            shut(os.getpid())
            if self._daemon is not None:
                shut(self._daemon.number)

    def close(self) -> None:
        """Let the rank's stand-in end, and with the last of them mpirun."""
        os.close(self._held.write_end)
        if self._daemon is not None:
            self._daemon.close()

    def _start_daemon(self) -> Daemon | None:
        """Start mpirun as worker 0, and its daemon as the first worker of any other host."""
        peers = self._peers
        if peers.rank == 0:
            agent = os.memfd_create("agent")
            os.write(agent, _AGENT.format(pipe=self._requests.path(self._requests.write_end)).encode())
            return Daemon("mpirun", mpirun_words(self._places, f"sh /proc/{os.getpid()}/fd/{agent}"), peers)
        if peers.address in {place.address for place in self._places[: peers.rank]}:
            return None
        return Daemon("prted", json.loads(peers.store.get(_request_key(peers.address))), peers)

    def _receive_environment(self) -> dict[str, str]:
        """Read what the stand-in of this rank writes; worker 0 passes on meanwhile what mpirun asks of other hosts."""
        deadline = time.monotonic() + CONNECT_TIMEOUT.total_seconds()
        environment, requests = self._environment.read_end, self._requests.read_end
        received = requested = b""
        while not received.endswith(b"\0\0"):
            readable, _, _ = select.select([environment, requests], [], [], _TICK_SECONDS)
            if environment in readable:
                received += os.read(environment, 65536)
            if requests in readable:
                requested = self._pass_on(requested + os.read(requests, 65536))
            if self._daemon is not None and self._daemon.has_ended:
                raise RunFailed(f"Open MPI could not be started: {self._daemon.last_line()}", fix="read the log")
            if time.monotonic() > deadline:
                reason = f": {self._daemon.last_line()}" if self._daemon is not None else ""
                raise RunFailed(f"Open MPI did not start within {CONNECT_TIMEOUT}{reason}", fix="read the log")
        entries = (entry.partition("=") for entry in os.fsdecode(received).split("\0"))
        return {name: value for name, _, value in entries if name.startswith(_OPEN_MPI)}

    def _pass_on(self, received: bytes) -> bytes:
        """Give each complete request to its host; returns what is not complete yet."""
        *requests, rest = received.split(b"\0\0")
        for request in requests:
            address, *words = os.fsdecode(request).split("\0")
            self._peers.store.set(_request_key(address), json.dumps(daemon_words(words)))
        return rest


def mpirun_words(places: list[Place], agent: str) -> list[str]:
    """Write the command line of mpirun: one stand-in for each rank, on its host, in the order of ranks."""
    # No tree: daemons would start others by themselves.
    wanted = {"plm_ssh_agent": agent, "plm_ssh_no_tree_spawn": "1", "plm_ssh_num_concurrent": str(len(places))}
    # ulfm: who loses a peer is told so, instead of being ended.
    words = [*parameters(wanted), "--with-ft", "ulfm", "--leave-session-attached", "--bind-to", "none"]
    for place in places:
        words += [":"] if place is not places[0] else []
        words += ["-n", "1", "--host", f"{place.address}:1"]
        words += ["sh", "-c", _STAND_IN, "rank", place.environment, place.held]
    return words


def daemon_words(asked: list[str]) -> list[str]:
    """Select what a host is to keep of the daemon's command line, which mpirun wrote for a shell."""
    words = shlex.split(" ".join(asked[1:]))
    triples = zip(words, words[1:], words[2:], strict=False)
    kept = {name: value for option, name, value in triples if option == "--prtemca" and name in _KEPT}
    own = {"ess": "env", "plm": "ssh", "pmix_session_server": "1"}
    return ["--leave-session-attached", "--allow-run-as-root", *parameters({**own, **kept})]


def _request_key(address: str) -> str:
    return f"mpi/daemon/{address}"
