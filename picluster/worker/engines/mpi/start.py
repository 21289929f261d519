"""Makes this worker a process of Open MPI, without SSH: mpirun and its daemons are started by the workers themselves.

mpirun (a child of worker 0) asks a launch agent for a daemon on every other host; ours hands that wish to a worker
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
from ipaddress import ip_address

from picluster.errors import RunFailed
from picluster.worker.engines.base import CONNECT_TIMEOUT, Peers
from picluster.worker.engines.mpi.daemon import Daemon, Pipe, parameters
from picluster.worker.engines.mpi.guard import guard

_TICK_SECONDS = 0.1
# The environment ends with an empty entry; the pipe that is open for reading ends with the worker.
_STAND_IN = 'exec 3<"$2"; { env -0; printf "\\0"; } >"$1"; exec cat <&3'
# mpirun calls it as it would call ssh, for all hosts at once: host, then the daemon's command line.
_AGENT = 'exec 3>{pipe}; flock 3; printf "%s\\0" "$@" "" >&3\n'
# What a daemon must know of mpirun; the rest of its command line every host writes itself.
_WISHES = ("ess_base_nspace", "ess_base_vpid", "ess_base_num_procs", "prte_hnp_uri", "PREFIXES")
_OPEN_MPI = ("PMIX_", "OMPI_", "OPAL_", "PRTE_")


@dataclass(frozen=True)
class Place:
    """Pipes by which a rank's environment is handed over, as its worker tells the others."""

    address: str
    """IP address of the worker's host."""
    told: str
    """Path of the pipe that takes the environment."""
    held: str
    """Path of the pipe that is open as long as the worker lives."""


class Membership:
    """This worker's part in the Open MPI job."""

    def __init__(self, peers: Peers) -> None:
        """Join; returns when the environment that makes this process a rank is set.

        Raises:
            RunFailed: Open MPI could not be started.
        """
        self._peers = peers
        self._told, self._held, self._wishes = Pipe(), Pipe(), Pipe()
        self._daemon: Daemon | None = None
        own = Place(peers.address, self._told.path(self._told.write_end), self._held.path(self._held.read_end))
        peers.store.set(_place(peers.rank), json.dumps(vars(own)))
        if peers.rank == 0:
            self._start_mpirun()
        elif peers.address not in {self._place_of(rank).address for rank in range(peers.rank)}:
            self._start_daemon()
        os.environ.update(self._hear_environment())
        self._told.close()
        self._wishes.close()
        os.close(self._held.read_end)

    @property
    def is_broken(self) -> bool:
        """True when Open MPI has given the job up, on this host or on all."""
        poll = select.poll()
        poll.register(self._held.write_end, 0)  # tells when nobody has the other end open any more
        return bool(poll.poll(0)) or (self._daemon is not None and self._daemon.has_ended)

    def guard(self) -> None:
        """Let in only what comes by the data plane, where we may: to be called when all sockets are there."""
        peers = self._peers
        beside = [self._place_of(rank) for rank in range(peers.world_size) if rank != peers.rank]
        if not ip_address(peers.address).is_loopback and peers.address in {place.address for place in beside}:
            return  # what workers of one machine send each other comes by lo, whatever its address
        with suppress(OSError):
            guard(os.getpid(), peers.interface)
            if self._daemon is not None:
                guard(self._daemon.number, peers.interface)

    def close(self) -> None:
        """Let the rank's stand-in end, and with the last of them mpirun."""
        os.close(self._held.write_end)
        if self._daemon is not None:
            self._daemon.close()

    def _place_of(self, rank: int) -> Place:
        return Place(**json.loads(self._peers.store.get(_place(rank))))

    def _start_mpirun(self) -> None:
        places = [self._place_of(rank) for rank in range(self._peers.world_size)]
        agent = os.memfd_create("agent")
        os.write(agent, _AGENT.format(pipe=self._wishes.path(self._wishes.write_end)).encode())
        self._daemon = Daemon()
        words = mpirun_words(places, f"sh /proc/{os.getpid()}/fd/{agent}")
        self._daemon.start("mpirun", words, self._peers)

    def _start_daemon(self) -> None:
        words = json.loads(self._peers.store.get(_wish(self._peers.address)))
        self._daemon = Daemon()
        self._daemon.start("prted", words, self._peers)

    def _hear_environment(self) -> dict[str, str]:
        """Read what the stand-in of this rank writes; worker 0 passes on meanwhile what mpirun asks of other hosts."""
        deadline = time.monotonic() + CONNECT_TIMEOUT.total_seconds()
        heard = wished = b""
        while not heard.endswith(b"\0\0"):
            readable, _, _ = select.select([self._told.read_end, self._wishes.read_end], [], [], _TICK_SECONDS)
            if self._told.read_end in readable:
                heard += os.read(self._told.read_end, 65536)
            if self._wishes.read_end in readable:
                wished = self._pass_on(wished + os.read(self._wishes.read_end, 65536))
            if self._daemon is not None and self._daemon.has_ended:
                raise RunFailed(f"Open MPI could not be started: {self._daemon.said()}", fix="read the log")
            if time.monotonic() > deadline:
                said = f": {self._daemon.said()}" if self._daemon is not None else ""
                raise RunFailed(f"Open MPI did not start within {CONNECT_TIMEOUT}{said}", fix="read the log")
        entries = (entry.partition("=") for entry in os.fsdecode(heard).split("\0"))
        return {name: value for name, _, value in entries if name.startswith(_OPEN_MPI)}

    def _pass_on(self, heard: bytes) -> bytes:
        """Give each complete wish to its host; returns what is not complete yet."""
        *wishes, rest = heard.split(b"\0\0")
        for wish in wishes:
            address, *words = os.fsdecode(wish).split("\0")
            self._peers.store.set(_wish(address), json.dumps(daemon_words(words)))
        return rest


def mpirun_words(places: list[Place], agent: str) -> list[str]:
    """Write the command line of mpirun: one stand-in for each rank, on its host, in the order of ranks."""
    # No tree: daemons would start others by themselves.
    wanted = {"plm_ssh_agent": agent, "plm_ssh_no_tree_spawn": "1", "plm_ssh_num_concurrent": str(len(places))}
    # ulfm: who loses a peer is told so, instead of being ended.
    words = [*parameters(wanted), "--with-ft", "ulfm", "--leave-session-attached", "--bind-to", "none"]
    for place in places:
        words += [":"] if place is not places[0] else []
        words += ["-n", "1", "--host", f"{place.address}:1", "sh", "-c", _STAND_IN, "rank", place.told, place.held]
    return words


def daemon_words(asked: list[str]) -> list[str]:
    """Select what a host is to keep of the daemon's command line, which mpirun wrote for a shell."""
    words = shlex.split(" ".join(asked[1:]))
    triples = zip(words, words[1:], words[2:], strict=False)
    wished = {name: value for option, name, value in triples if option == "--prtemca" and name in _WISHES}
    own = {"ess": "env", "plm": "ssh", "pmix_session_server": "1"}
    return ["--leave-session-attached", "--allow-run-as-root", *parameters({**own, **wished})]


def _place(rank: int) -> str:
    return f"mpi/place/{rank}"


def _wish(address: str) -> str:
    return f"mpi/daemon/{address}"
