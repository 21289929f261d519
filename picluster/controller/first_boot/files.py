"""Files of `picluster init`: reads cluster file and public key; writes inventory and cards, all of them or none."""

from __future__ import annotations

import base64
import binascii
import os
import shlex
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec

from picluster.controller.first_boot.cards import card, inventory
from picluster.controller.record.record_files import refuse
from picluster.errors import InputError
from picluster.project import HOSTS, find
from picluster.schema.cluster_file import ClusterFile
from picluster.wording import in_words, yaml_in_words

CARDS = Path("cards")
_EXAMPLE = "inventory/cluster.example.yml"
_KEY_TYPES = ("ssh-ed25519", "ssh-rsa", "ecdsa-sha2-", "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-")


def read_cluster(file: Path) -> ClusterFile:
    """Read the cluster file; raises InputError, with the place, where it is missing, is no YAML or does not fit."""
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        copy = shlex.join(["cp", str(find(_EXAMPLE)), str(file)])
        raise InputError(f"there is no {file}", fix=f"{copy}, and put in your own names") from None
    except UnicodeDecodeError:
        raise InputError(f"{file} is no text", fix=f"see {find(_EXAMPLE)}") from None
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror}") from None
    try:
        return msgspec.convert(_read_yaml(text), ClusterFile)
    except msgspec.ValidationError as error:
        raise InputError(
            f"{file} does not fit: {in_words(error)}", fix=f"see {find(_EXAMPLE)}; what YAML mistakes goes in quotes"
        ) from None
    except InputError as error:
        raise InputError(f"{file}: {error.what}", fix=error.fix) from None


def read_public_key(cluster: ClusterFile, beside: Path) -> str:
    """Read the line of the key that the cluster file names; raises InputError where that is no public key."""
    file = beside / Path(cluster.key).expanduser()
    try:
        text = file.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        make = shlex.join(["ssh-keygen", "-t", "ed25519", "-f", str(file.with_suffix(""))])
        raise InputError(f"there is no public key {file}", fix=f"make one: {make}") from None
    except (OSError, UnicodeDecodeError):
        raise InputError(f"cannot read the public key {file}", fix=f"see ls -l {shlex.quote(str(file))}") from None
    if "PRIVATE KEY" in text:
        raise InputError(f"{file} is a private key, which belongs on no card", fix=f"name the public one: {file}.pub")
    if not _is_public_key(text):
        raise InputError(f"{file} is no SSH public key", fix="name a file such as ~/.ssh/id_ed25519.pub, of one line")
    return text


def write_all(cluster: ClusterFile, public_key: str, *, force: bool) -> None:
    """Write `cards/` and `inventory/hosts.yml` of this folder.

    Raises:
        InputError: they are there already, and may not be replaced.
        DataError: the disk does not allow it; then all is as it was.
    """
    there = [str(path) for path in (HOSTS, CARDS) if path.exists()]
    if there and not force:
        raise InputError(
            f"{' and '.join(there)} would be overwritten", fix="--force does; keep a copy of what you need"
        )
    try:
        HOSTS.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".cards-", dir=".", ignore_cleanup_errors=True) as name:
            staged = Path(name)
            (staged / "new").mkdir(mode=0o700)  # the password of a Wi-Fi may be in it
            for node in cluster.nodes:
                (staged / "new" / node).mkdir()
                for file, text in card(cluster, node, public_key).items():
                    (staged / "new" / node / file).write_text(text, encoding="utf-8")
            hosts = HOSTS.with_name(f".{HOSTS.name}.{os.getpid()}")
            hosts.write_text(inventory(cluster), encoding="utf-8")
            _put_in_place(hosts, staged)
    except OSError as error:
        refuse("write", Path(error.filename or CARDS), error)


def _put_in_place(hosts: Path, staged: Path) -> None:
    """Rename the inventory and the cards into place; where the second fails, the first is renamed back."""
    with ExitStack() as back:
        back.callback(hosts.unlink, missing_ok=True)
        if CARDS.exists():
            CARDS.replace(staged / "old")
            back.callback((staged / "old").replace, CARDS)
        (staged / "new").replace(CARDS)
        back.callback(shutil.rmtree, CARDS)
        hosts.replace(HOSTS)
        back.pop_all()


def _is_public_key(text: str) -> bool:
    words = text.split(None, 2)
    if len(text.splitlines()) != 1 or len(words) < 2 or not words[0].startswith(_KEY_TYPES):  # noqa: PLR2004
        return False
    try:
        blob = base64.b64decode(words[1], validate=True)
    except binascii.Error:
        return False
    return blob[4:].startswith(words[0].encode())


def _read_yaml(text: str) -> Any:
    import yaml  # type: ignore[import-untyped]

    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        """Loader that refuses a name that stands there twice, of which YAML would take the last."""

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            keys = [self.construct_object(key, deep=True) for key, _ in node.value]
            for key in keys:
                if keys.count(key) > 1:
                    raise InputError(f"{key} stands there twice", fix=f"see line {node.start_mark.line + 1} and after")
            return super().construct_mapping(node, deep)

    try:
        return yaml.load(text, Loader)  # noqa: S506 -- it is a SafeLoader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        reason = yaml_in_words(str(getattr(error, "problem", None) or getattr(error, "reason", "")))
        raise InputError(f"{where}{reason}", fix=f"see {find(_EXAMPLE)}") from None
