"""Looks at nodes' host keys, and records them where OpenSSH looks for them: so Ansible, rsync and we trust the same."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from picluster.controller.nodes.fan_out import try_all
from picluster.controller.nodes.ssh.address import resolve
from picluster.controller.nodes.ssh.connection import host_key
from picluster.controller.nodes.ssh.failures import HostKeyShown, in_words
from picluster.controller.nodes.ssh.known_hosts import hashed, known_keys, lines_of, without
from picluster.errors import InputError, PiclusterError

if TYPE_CHECKING:
    from picluster.controller.nodes.inventory import RemoteNode
    from picluster.controller.nodes.ssh.failures import Verdict

LOOK_SECONDS = 20.0
"""For a node behind several others, each of which is entered first."""
_SALT_BYTES = 20


def look(nodes: Sequence[RemoteNode]) -> dict[str, Verdict | PiclusterError]:
    """The key of every node, or why it cannot be had.

    Where a host on the way to a node is not trusted yet, the verdict is on that one: look again once it is.
    """
    words = {node.name: node.ssh_words for node in nodes}

    def show(name: str) -> Verdict:
        verdict = host_key(name, resolve(words[name]))
        if verdict.state == "revoked":
            raise in_words(name, verdict.address, HostKeyShown(verdict))
        return verdict

    return try_all(words, show, timeout_seconds=LOOK_SECONDS, doing="looking at its host key")


def record(verdict: Verdict) -> Path:
    """Write a host's key down, in place of what was recorded of it; returns the file.

    Raises:
        InputError: that is no file, or cannot be written.
    """
    address, key = verdict.address, verdict.key
    if address.new_keys is None or (address.new_keys.exists() and not address.new_keys.is_file()):
        what = f"UserKnownHostsFile of {address.host} is {address.new_keys or 'none'}: nothing can be recorded there"
        raise InputError(what, fix="name a file, in ~/.ssh/config or ansible_ssh_common_args")
    file = address.new_keys.resolve()  # it may be a link into somebody's collection of settings
    name = address.known_name
    try:
        text = file.read_bytes().decode(errors="surrogateescape") if file.exists() else ""
        known, _ = known_keys(text.splitlines(), name)
        if known == [key]:
            return file
        kept = without(text, name)
        line = key.line(hashed(name, secrets.token_bytes(_SALT_BYTES)) if address.hashes_names else name)
        _replace(file, kept + ("" if kept.endswith("\n") or not kept else "\n") + line)
    except OSError as error:
        raise InputError(f"cannot write {file}: {error.strerror}", fix="see its permissions, and free space") from error
    return file


def elsewhere(verdict: Verdict) -> list[Path]:
    """Files that still give the host another key than the one that it shows, and that `record` leaves alone."""
    name = verdict.address.known_name
    return [
        file
        for file in verdict.address.known_hosts
        if any(key != verdict.key for key in known_keys(lines_of([file]), name)[0])
    ]


def _replace(file: Path, text: str) -> None:
    """Write aside and rename, so that no reader ever sees half of it; its mode stays, or is 0600."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    mode = file.stat().st_mode & 0o777 if file.exists() else 0o600
    descriptor, aside = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(text.encode(errors="surrogateescape"))
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
        Path(aside).replace(file)
    except BaseException:
        Path(aside).unlink()
        raise
