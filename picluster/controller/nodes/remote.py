"""A worker on another machine: its steward becomes it, rsync brings its data, SFTP fetches what it wrote."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import msgspec
import paramiko

from picluster.controller.nodes.agent_session import AgentSession
from picluster.controller.nodes.fitness import unfit
from picluster.controller.nodes.machine import ANSWER_SECONDS, STATE_SECONDS, Parcel, Places
from picluster.controller.nodes.shipping import Shipment, bring_whole, files_of, rsync_command
from picluster.controller.nodes.ssh.address import resolve
from picluster.controller.nodes.ssh.connection import connect
from picluster.errors import DataError, PiclusterError, RunFailed
from picluster.refusals import is_of_the_disk
from picluster.schema.agent import (
    BecomeWorker,
    CountOomKills,
    EndGroups,
    FindRoutes,
    Look,
    RemoveFolder,
    TellClaims,
    TellState,
    VerifyFiles,
)
from picluster.schema.facts import NodeFacts

if TYPE_CHECKING:
    import fabric

    from picluster.controller.nodes.inventory import RemoteNode
    from picluster.schema.events import WorkerState

CLOSE_SECONDS = 5.0
MEMORY_SECONDS = 2.0
"""Time for a node to say whether its kernel killed the worker, for which others wait that have lost it."""
FETCH_SECONDS = 60.0
VERIFY_SECONDS = 900.0
"""Time for a node to read what was shipped to it: a card may give 10 MB/s."""
_DISK_WORDS = re.compile("No space left|Read-only file system|quota exceeded|Input/output error")
"""The kernel's words for a disk that takes nothing."""


class RemoteMachine:
    """A machine that is entered over SSH. Its first steward stays, and becomes the worker."""

    is_exclusive = True

    def __init__(self, node: RemoteNode) -> None:
        self._node = node
        self.owned_address, self.meter, self.data_folder = node.owned_address, node.meter, node.cache
        self.python = f"{node.home}/.venv/bin/python"
        self.address = self.interface = ""
        self._entered: fabric.Connection | None = None
        self._first_steward: AgentSession | None = None
        self._seen = node.facts
        self._folder: PurePosixPath | None = None
        self._shipment: Shipment | None = None

    def enter(self, *, silence_seconds: float | None = None) -> None:
        """Connect over SSH; nothing is done where a survey has connected before."""
        if self._entered is None:
            self._entered = connect(self._node.name, resolve(self._node.ssh_words), silence_seconds=silence_seconds)

    @property
    def _connection(self) -> fabric.Connection:
        assert self._entered is not None
        return self._entered

    @property
    def _steward(self) -> AgentSession:
        if self._first_steward is None:
            self._first_steward = self.agent()
        return self._first_steward

    def agent(self, program: str = "steward", *, timeout_seconds: float = ANSWER_SECONDS) -> AgentSession:
        """Send the program there, and start it."""
        return AgentSession(self._connection, timeout_seconds=timeout_seconds, program=program)

    def look(self, graph: str, wanted: Mapping[str, Sequence[int]]) -> NodeFacts:
        """Facts of the node; remembered for the run."""
        home, cache = self._node.home, self._node.cache
        files = {name: list(state) for name, state in wanted.items()}
        question = Look(name=self._node.name, home=home, cache=cache, graph=graph, wanted=files)
        self._seen = msgspec.structs.replace(self._steward.ask(question), **self._node.words)
        return self._seen

    def unfit(self, seen: NodeFacts, sizes: Mapping[str, int]) -> PiclusterError | None:
        """Reason why it cannot take part, see `fitness.unfit`."""
        return unfit(seen, self._node.home, sizes)

    def routes(self, peers: Sequence[str]) -> Mapping[str, tuple[str, str]]:
        """Own address and interface towards each of these addresses, as its kernel would send."""
        return self._steward.ask(FindRoutes(peers=list(peers))).routes

    def start(self, parcel: Parcel, environment: Mapping[str, str]) -> AgentSession:
        """Let the steward become the worker."""
        assert self._seen.worker is not None
        folder = PurePosixPath(self._seen.cache, "runs", parcel.run, parcel.node)
        self._folder = folder
        order = BecomeWorker(
            folders=[str(folder), str(self._graph_folder(parcel))],
            files={str(folder / "model.py"): parcel.model_file.read_text(encoding="utf-8")},
            environment=dict(environment),
            command=[self._seen.worker, *parcel.words],
            # systemd takes few characters, and no name may begin with a dash.
            unit="picluster-" + re.sub(r"[^A-Za-z0-9:_.-]", "_", f"{parcel.run}-{parcel.node}"),
        )
        if error := self._steward.ask(order).error:
            what, of_the_disk = f"the worker cannot be started: {error}", _DISK_WORDS.search(error)
            if of_the_disk:
                raise DataError(what, fix="picluster doctor", fault="disk")
            raise RunFailed(what, fix="picluster doctor", fault="refused")
        self._steward.become_worker(partial(self._kill, parcel))
        return self._steward

    def deliver(self, parcel: Parcel) -> Places:
        """Ship the files that are lacking there."""
        assert self._folder is not None
        graph = self._graph_folder(parcel)
        files, known = files_of(parcel.graph_folder, parcel.arrays), self._seen.verified
        lacking = [file for file in files if file.name in self._seen.lacking]
        doubtful = [
            file for file in files if file in lacking or known.get(file.name) != parcel.checksums.get(file.name)
        ]
        self._bring(parcel, graph, lacking, doubtful)
        # Layers' files that the node has kept stay as they are.
        self._bring(parcel, self._folder, parcel.layer_files, parcel.layer_files)
        weights = None
        if parcel.weights_file:
            weights = str(self._folder / parcel.weights_file.name)
            with self._files() as there:
                there.put(str(parcel.weights_file), weights)
        return Places(
            model_file=str(self._folder / "model.py"),
            graph_folder=str(graph),
            output_folder=str(self._folder),
            weights_file=weights,
            layer_files=tuple(str(self._folder / file.name) for file in parcel.layer_files),
        )

    def _bring(self, parcel: Parcel, folder: PurePosixPath, lacking: Sequence[Path], doubtful: Sequence[Path]) -> None:
        """Bring files into a folder of the node, whole."""

        def find_damaged(checksums: dict[str, str]) -> Sequence[str]:
            if not checksums:
                return ()
            with closing(self.agent(timeout_seconds=VERIFY_SECONDS)) as steward:
                return steward.ask(VerifyFiles(folder=str(folder), checksums=checksums)).damaged

        bring_whole(lacking, doubtful, parcel.checksums, partial(self._ship, folder=folder), find_damaged)

    def _ship(self, files: Sequence[Path], folder: PurePosixPath) -> None:
        """Bring files into a folder of the node."""
        if files:
            self._shipment = Shipment(rsync_command(files, self._node.ssh_words, self._connection.user, folder))
            self._shipment.finish()

    def fetch(self, path: str, destination: Path) -> None:
        """Copy the file here, one request after the other.

        The thread by which paramiko would ask for parts ahead may still be sending when the channel is closed, and sshd
        then ends the whole connection.
        """
        try:
            with self._files() as files:
                files.get(path, str(destination), prefetch=False)
        except RunFailed as error:
            if isinstance(error.__cause__, FileNotFoundError):
                raise error.__cause__ from None
            raise

    def _kill(self, parcel: Parcel) -> None:
        """End the worker, by a steward of its own."""
        with suppress(PiclusterError), closing(self.agent(timeout_seconds=CLOSE_SECONDS)) as steward:
            claims = steward.ask(TellClaims()).claims
            steward.ask(
                EndGroups(groups=[each.group for each in claims if (each.run, each.node) == (parcel.run, parcel.node)])
            )

    def worker_state(self) -> WorkerState:
        """State of the worker's process, by a steward of its own."""
        run, node = ("", "") if self._folder is None else (self._folder.parent.name, self._folder.name)
        with closing(self.agent(timeout_seconds=STATE_SECONDS)) as steward:
            return steward.ask(TellState(run=run, node=node)).state

    def ran_out_of_memory(self) -> bool:
        """True where the kernel counts more kills than before the run."""
        with suppress(PiclusterError), closing(self.agent(timeout_seconds=MEMORY_SECONDS)) as steward:
            before, now = self._seen.oom_kills, steward.ask(CountOomKills()).oom_kills
            return before is not None and now is not None and now > before
        return False

    def close(self, *, for_good: bool = True) -> None:
        """End what is being shipped, disconnect, and before it, where the run is over, remove its folder."""
        if self._shipment:
            self._shipment.abandon()
        if self._entered is None:
            return
        with suppress(PiclusterError):
            if self._folder is not None and for_good:
                self.agent(timeout_seconds=CLOSE_SECONDS).ask(RemoveFolder(folder=str(self._folder)))
        self._connection.close()

    def _graph_folder(self, parcel: Parcel) -> PurePosixPath:
        return PurePosixPath(self._seen.cache, "graphs", parcel.graph_folder.name)

    @contextmanager
    def _files(self) -> Iterator[paramiko.SFTPClient]:
        """The node's files, by SFTP."""
        try:
            with self._connection.client.open_sftp() as client:
                client.get_channel().settimeout(FETCH_SECONDS)
                yield client
        except (paramiko.SSHException, OSError, EOFError) as error:
            if is_of_the_disk(error):  # of this machine: the node's own says no such number
                raise
            what = f"copying a file failed: {str(error) or type(error).__name__}"
            raise RunFailed(what, fix="picluster doctor", fault="unreachable") from error
