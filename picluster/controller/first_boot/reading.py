"""Reads what a shelf of Pis is to be: the cluster file, the public key that opens its nodes, a Wi-Fi's password."""

from __future__ import annotations

import base64
import binascii
import shlex
from pathlib import Path
from typing import Any

import msgspec
import yaml  # type: ignore[import-untyped]

from picluster.errors import InputError
from picluster.project import find
from picluster.schema.cluster_file import ClusterFile, Wifi
from picluster.wording import counted, in_words, yaml_in_words

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
        return msgspec.convert(read_yaml(text), ClusterFile)
    except msgspec.ValidationError as error:
        raise InputError(
            f"{file} does not fit: {in_words(error)}", fix=f"see {find(_EXAMPLE)}; what YAML mistakes goes in quotes"
        ) from None
    except InputError as error:
        raise InputError(f"{file}: {error.what}", fix=error.fix) from None


def read_yaml(text: str) -> Any:
    """Parse YAML in which no name stands twice; raises InputError, with the line, where it is none."""

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
    if not is_public_key(text):
        raise InputError(f"{file} is no SSH public key", fix="name a file such as ~/.ssh/id_ed25519.pub, of one line")
    return text


def is_public_key(text: str) -> bool:
    """Tell whether a text is the one line of an SSH public key."""
    words = text.split(None, 2)
    if len(text.splitlines()) != 1 or len(words) < 2 or not words[0].startswith(_KEY_TYPES):  # noqa: PLR2004
        return False
    try:
        blob = base64.b64decode(words[1], validate=True)
    except binascii.Error:
        return False
    return blob[4:].startswith(words[0].encode())


def read_password(file: Path) -> str:
    """Read the password of a Wi-Fi from a file of one line; InputError where it has none."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise InputError(f"cannot read --wifi-password-file {file}: {reason}") from None
    if len(lines) != 1:
        raise InputError(
            f"--wifi-password-file {file} has {counted(len(lines), 'line')}", fix="the password in one line"
        )
    return lines[0]


def join_wifi(cluster: ClusterFile, name: str, country: str) -> ClusterFile:
    """Let the nodes join this Wi-Fi, in the place of what the cluster file says; its password is yet to be given."""
    return msgspec.structs.replace(cluster, wifi=Wifi(name=name, country=country))


def with_password(cluster: ClusterFile, password: str) -> ClusterFile:
    """Give the Wi-Fi its password; InputError where no node joins one, or where this cannot be its password."""
    if cluster.wifi is None:
        raise InputError("a Wi-Fi's password is given, but no node joins one", fix="--wifi and --wifi-country")
    wifi = Wifi(name=cluster.wifi.name, country=cluster.wifi.country, password=password)
    return msgspec.structs.replace(cluster, wifi=wifi)
