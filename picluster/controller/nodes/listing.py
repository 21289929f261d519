"""Listing of an inventory by `ansible-inventory`, which alone reads inventories; kept for plain files.

Ansible takes about a second to start, which every launch would wait for.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

import picluster
from picluster.controller.record.record_files import keep_answer
from picluster.errors import InputError, MissingError
from picluster.project import program, user_cache

READ_TIMEOUT_SECONDS = 60
_SCRIPT_SAYS = "Standard error from inventory script:"
_BESIDE = ("group_vars", "host_vars")
_SETTINGS = (
    *("ansible.cfg", "~/.ansible.cfg", "/etc/ansible/ansible.cfg"),
    *("~/.ansible/plugins", "/usr/share/ansible/plugins"),
)
"""Files by which Ansible may read an inventory otherwise."""
_SECRET = re.compile(rb'"[^"]*(?:pass|secret|token|vault)[^"]*"\s*:', re.IGNORECASE)
"""A variable of which no copy is to lie about."""


def list_inventory(path: Path) -> dict[str, Any]:
    """Groups and variables of an inventory, as `ansible-inventory --list` tells them.

    What it told of the very same files is told again without asking it, unless a program, a plugin or settings of
    Ansible's own have a part in the answer. An answer with secrets is not kept.

    InputError: Ansible cannot read it. MissingError: Ansible is not installed.
    """
    kept = _kept_file(path)
    if kept:
        with suppress(OSError, msgspec.DecodeError):  # not there, or damaged: ask
            return msgspec.json.decode(kept.read_bytes(), type=dict[str, Any])
    answer = _ask(path)
    listing = msgspec.json.decode(answer, type=dict[str, Any])
    if kept and kept == _kept_file(path) and not _SECRET.search(answer):
        keep_answer(kept, answer)
    return listing


def _kept_file(path: Path) -> Path | None:
    """File for the listing, named by all that it depends on; None where that is more than the content of files."""
    if any(name.startswith("ANSIBLE_") for name in os.environ):
        return None
    try:
        if any(Path(each).expanduser().exists() for each in _SETTINGS):
            return None
        digest = hashlib.sha256(f"{picluster.__version__} {metadata.version('ansible-core')} {path.suffix}".encode())
        for name, content in _contents(path):
            digest.update(f"\0{name!a} {len(content)}\0".encode() + content)
        return user_cache() / "inventories" / f"{digest.hexdigest()}.json"
    except (OSError, LookupError, RuntimeError, metadata.PackageNotFoundError):  # RuntimeError: the user has no home
        return None


def _contents(path: Path) -> Iterator[tuple[str, bytes]]:
    """The inventory and the files of variables beside it. LookupError: some of it is no plain file."""
    folder = path.absolute().parent
    if not path.is_file() or os.access(path, os.X_OK):
        raise LookupError(path)
    text = path.read_bytes()
    if text.startswith(b"#!") or b"plugin" in text:
        raise LookupError(path)
    yield "", text
    for file in sorted(file for name in _BESIDE for file in (folder / name).rglob("*")):
        if file.is_dir() and not file.is_symlink():
            continue
        if not file.is_file():
            raise LookupError(file)
        yield str(file.relative_to(folder)), file.read_bytes()


def _ask(path: Path) -> bytes:
    command = program("ansible-inventory")
    if command is None:
        raise MissingError("ansible-inventory is not installed", fix="make setup")
    # Ansible refuses to start in a locale that is not UTF-8, which is usual over SSH.
    # And a broken file beside good ones must not pass for an absent one.
    environment = {
        **os.environ,
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_INVENTORY_UNPARSED_FAILED": "true",
        "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true",
    }
    words = [command, "-i", str(path.absolute()), "--list"]
    try:
        with _home_of_ansible() as home:
            listed = subprocess.run(
                words,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                env=environment | home,
                timeout=READ_TIMEOUT_SECONDS,
            )
    except subprocess.TimeoutExpired:
        what = f"Ansible takes longer than {READ_TIMEOUT_SECONDS} s to read inventory {path}"
        raise InputError(what, fix=f"see what `{shlex.join(words)}` does") from None
    if listed.returncode != 0:
        what = f"Ansible cannot read inventory {path}: {_reason(listed.stderr.decode(errors='replace'))}"
        raise InputError(what, fix=f"see what it says: {shlex.join(words)}")
    return listed.stdout


@contextmanager
def _home_of_ansible() -> Iterator[dict[str, str]]:
    """Variables that give Ansible a place for its own files where the person's home cannot be written to."""
    home = Path(os.environ.get("HOME") or "/")
    if "ANSIBLE_HOME" in os.environ or os.access(home / ".ansible", os.W_OK) or os.access(home, os.W_OK):
        yield {}
        return
    with TemporaryDirectory() as folder:
        yield {"ANSIBLE_HOME": folder}


def _reason(words: str) -> str:
    """Complaint of Ansible about a file that looks right, in one line."""
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    if _SCRIPT_SAYS in lines:
        said = lines[lines.index(_SCRIPT_SAYS) + 1 :]
        return f"the program failed: {said[0]}" if said else "the program failed"
    if "'script' plugin" in words:
        return "it is a program, and what it prints is no inventory in JSON"
    if "'toml' plugin" in words:
        return "it is no TOML" + (f": line {found[1]}" if (found := re.search(r"at line (\d+)", words)) else "")
    failed = [line.partition("Failed to parse inventory: ")[2] for line in lines]
    return next(
        filter(None, failed), "it gives no reason" if any("Completely" in line for line in lines) else lines[-1]
    )
