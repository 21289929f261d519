"""Shipping of a node's part of the graph folder: by rsync, and only what is lacking."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from picluster.errors import DataError, Fault, MissingError, RunFailed
from picluster.graph.folder import META_FILE, GraphFolder, array_path, sha256

SHIP_TIMEOUT_SECONDS = 3600.0
STALL_SECONDS = 30
"""rsync gives up when nothing moves for so long."""
_KEY_EXCHANGE = ("-o", "KexAlgorithms=^curve25519-sha256")
"""Key exchange that paramiko uses as well. OpenSSH prefers one that costs 0.1 s of processor time a connection."""
_NO_PROGRAM = 127


def files_of(folder: Path, arrays: Iterable[str]) -> list[Path]:
    """The files that hold these arrays, and the folder's own description."""
    return [folder / META_FILE, *(array_path(folder, name) for name in arrays)]


def checksums_of(graph: GraphFolder) -> dict[str, str]:
    """SHA-256 of a graph folder's files by name, as its description tells them; and of that, as it is."""
    arrays = {array_path(graph.path, name).name: each.sha256 for name, each in graph.meta.files.items()}
    return {**arrays, META_FILE: sha256(graph.path / META_FILE)}


def state_of(files: Iterable[Path]) -> dict[str, list[int]]:
    """For each file by name its bytes and time of change in whole seconds: what tells a steward that it has it."""
    states = {file.name: file.stat() for file in files}
    return {name: [state.st_size, int(state.st_mtime)] for name, state in states.items()}


def rsync_command(files: Sequence[Path], ssh_words: Sequence[str], user: str, folder: PurePosixPath) -> list[str]:
    """The command that brings files into a folder of the node, which exists.

    `ssh_words` stand between `ssh` and the command, the destination last; `user` is the account on the node.
    """
    *options, host = ssh_words
    place = f"[{host}]" if ":" in host else host  # an address of IPv6
    shell = ["ssh", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", *_KEY_EXCHANGE, *options]
    return [
        *("rsync", "--times", "--checksum", "--partial", "--protect-args", f"--timeout={STALL_SECONDS}"),
        *("--rsh", shlex.join(shell), "--", *(str(file.absolute()) for file in files)),
        f"{user}@{place}:{folder}/",
    ]


def bring_whole(
    lacking: Sequence[Path],
    doubtful: Sequence[Path],
    checksums: Mapping[str, str],
    ship: Callable[[Sequence[Path]], None],
    find_damaged: Callable[[dict[str, str]], Collection[str]],
) -> None:
    """Ship the files that are lacking; then those once more that are not there with their checksums, by name.

    `find_damaged` tells which these are, of the files that are `doubtful`. DataError where a file is damaged here, or
    still there.
    """
    ship(lacking)
    damaged = find_damaged({file.name: checksums[file.name] for file in doubtful if file.name in checksums})
    again = [file for file in doubtful if file.name in damaged]
    for file in again:
        if sha256(file) != checksums[file.name]:
            raise DataError(f"{file} is damaged on this machine", fix="prepare the graph again, or go on once more")
    ship(again)
    if left := again and find_damaged({file.name: checksums[file.name] for file in again}):
        what = f"{', '.join(sorted(left))} is damaged there, also after it was shipped again"
        raise DataError(what, fix="see whether its card is well: dmesg on it tells", fault="disk")


class Shipment:
    """One rsync under way."""

    def __init__(self, command: Sequence[str]) -> None:
        """Start it. MissingError where it is not installed here."""
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
            )
        except FileNotFoundError:
            raise MissingError("rsync is not installed here", fix="sudo apt install rsync") from None

    def finish(self) -> None:
        """Wait for its end. MissingError: the node has no rsync; DataError: its disk is full; RunFailed: otherwise."""
        try:
            _, told = self._process.communicate(timeout=SHIP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self.abandon()
            what = f"shipping its data took longer than {SHIP_TIMEOUT_SECONDS:g} s"
            raise RunFailed(what, fault="unreachable") from None
        if self._process.returncode == 0:
            return
        words = told.strip()
        if "rsync: command not found" in words or self._process.returncode == _NO_PROGRAM:
            raise MissingError("rsync is not installed on it", fix="sudo apt install rsync on it")
        if "No space left on device" in words:
            raise DataError("its disk is full: the data of its role do not fit", fix="free space there", fault="disk")
        first = words.splitlines()[0] if words else f"exit code {self._process.returncode}"
        fault: Fault = "disk" if "Read-only file system" in words else "unreachable"
        raise RunFailed(f"rsync failed: {first}", fix="picluster doctor", fault=fault)

    def abandon(self) -> None:
        """End it, wherever it is; what has arrived stays for the next time."""
        self._process.kill()
