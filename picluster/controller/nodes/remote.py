"""A worker on another machine: its steward becomes it, rsync brings its data, SFTP fetches what it wrote."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

import msgspec
import paramiko

from picluster.controller.nodes.agent_session import StewardSession
from picluster.controller.nodes.fitness import Seen
from picluster.controller.nodes.machine import Parcel, Places
from picluster.controller.nodes.shipping import Shipment, files_of, rsync_command, state_of
from picluster.errors import DataError, PiclusterError, RunFailed

if TYPE_CHECKING:
    import fabric

LEAVE_SECONDS = 5.0
FETCH_SECONDS = 60.0


class SshTransport:
    """The way to one machine."""

    is_machine = True

    def __init__(self, connection: fabric.Connection, steward: StewardSession, ssh_words: Sequence[str]) -> None:
        """`steward` runs on the other side of the connection; `ssh_words` lead there too."""
        self._connection, self.steward, self._ssh_words = connection, steward, ssh_words
        self.address = self.interface = ""
        self._seen: Seen | None = None
        self._folder: PurePosixPath | None = None
        self._shipment: Shipment | None = None

    def look(self, home: str, cache: str, graph: Path, arrays: Sequence[str]) -> Seen:
        """What there is on the node; remembered for the run."""
        wanted = state_of(files_of(graph, arrays))
        answer = self.steward.ask("look", home=home, cache=cache, graph=graph.name, wanted=wanted)
        self._seen = msgspec.convert(answer, Seen)
        return self._seen

    def start(self, parcel: Parcel, environment: Mapping[str, str]) -> _RemoteWorker:
        """Let the steward become the worker."""
        assert self._seen is not None
        folder = PurePosixPath(self._seen.cache, "runs", parcel.run, parcel.node)
        self._folder = folder
        answer = self.steward.ask(
            "work",
            folders=[str(folder), str(self._graph_folder(parcel))],
            files={str(folder / "model.py"): parcel.model_file.read_text(encoding="utf-8")},
            environment=dict(environment),
            command=[self._seen.worker, *parcel.words],
            unit=unit_name(parcel.run, parcel.node),
        )
        if "error" in answer:
            error = answer["error"]
            kind = DataError if "No space" in error else RunFailed
            raise kind(f"the worker cannot be started: {error}", fix="picluster doctor")
        return _RemoteWorker(self, self.steward, parcel)

    def deliver(self, parcel: Parcel) -> Places:
        """Ship the files that are lacking there."""
        assert self._seen is not None
        assert self._folder is not None
        graph = self._graph_folder(parcel)
        files = [file for file in files_of(parcel.graph_folder, parcel.arrays) if file.name in self._seen.lacking]
        if files:
            self._shipment = Shipment(rsync_command(files, self._ssh_words, self._connection.user, graph))
            self._shipment.finish()
        if parcel.weights_file:
            self._put(parcel.weights_file, self._folder / parcel.weights_file.name)
        return Places(
            model_file=str(self._folder / "model.py"),
            graph_folder=str(graph),
            output_folder=str(self._folder),
            weights_file=str(self._folder / parcel.weights_file.name) if parcel.weights_file else None,
        )

    def fetch(self, path: str, destination: Path) -> None:
        """Copy the file here and remove it there."""
        with self._files() as files:
            files.get(path, str(destination))
            files.remove(path)

    def kill(self, run: str, node: str) -> None:
        """End the worker of that run and node, by a steward of its own."""
        with suppress(PiclusterError):
            steward = StewardSession(self._connection, timeout_seconds=LEAVE_SECONDS)
            claims = steward.ask("claimed")["claims"]
            steward.ask("end", groups=[each["group"] for each in claims if (each["run"], each["node"]) == (run, node)])
            steward.close()

    def ran_out_of_memory(self) -> bool:
        """Whether the kernel counts more kills than before the run."""
        with suppress(PiclusterError):
            steward = StewardSession(self._connection, timeout_seconds=LEAVE_SECONDS)
            before, now = self._seen.oom_kills if self._seen else None, steward.ask("oom")["oom_kills"]
            steward.close()
            return before is not None and now is not None and now > before
        return False

    def close(self) -> None:
        """End what is being shipped, remove the run's folder on the node, and disconnect."""
        if self._shipment:
            self._shipment.abandon()
        with suppress(PiclusterError):
            if self._folder is not None:
                steward = StewardSession(self._connection, timeout_seconds=LEAVE_SECONDS)
                steward.ask("remove", folder=str(self._folder))
        self._connection.close()

    def _graph_folder(self, parcel: Parcel) -> PurePosixPath:
        assert self._seen is not None
        return PurePosixPath(self._seen.cache, "graphs", parcel.graph_folder.name)

    def _put(self, file: Path, destination: PurePosixPath) -> None:
        with self._files() as files:
            files.put(str(file), str(destination))

    @contextmanager
    def _files(self) -> Iterator[paramiko.SFTPClient]:
        """The node's files, by SFTP."""
        try:
            assert self._connection.transport is not None
            client = paramiko.SFTPClient.from_transport(self._connection.transport)
            assert client is not None
            with client:
                channel = client.get_channel()
                assert channel is not None
                channel.settimeout(FETCH_SECONDS)
                yield client
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise RunFailed(
                f"copying a file failed: {str(error) or type(error).__name__}", fix="picluster doctor"
            ) from error


class _RemoteWorker:
    """A steward that has become a worker."""

    def __init__(self, transport: SshTransport, steward: StewardSession, parcel: Parcel) -> None:
        self._transport, self._steward, self._parcel = transport, steward, parcel
        self.output: BinaryIO = steward.output
        self.log: BinaryIO = steward.log
        self.tell, self.hang_up, self.wait = steward.tell, steward.hang_up, steward.wait
        steward.wait_for_words()

    def kill(self) -> None:
        self._transport.kill(self._parcel.run, self._parcel.node)
        self._steward.close()


def unit_name(run: str, node: str) -> str:
    """Of the transient unit: systemd takes few characters, and a name must not begin with a dash."""
    return "picluster-" + re.sub(r"[^A-Za-z0-9:_.-]", "_", f"{run}-{node}")
