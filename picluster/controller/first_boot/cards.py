"""First boot of Pis: reads the cluster file; writes their inventory and cloud-init's files for their cards.

Nothing in them needs the internet: a Pi on a network without it comes up all the same.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import shlex
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import yaml  # type: ignore[import-untyped]

from picluster.controller.record.record_files import refuse
from picluster.errors import InputError
from picluster.project import HOSTS, find
from picluster.schema.cluster_file import ClusterFile
from picluster.wording import in_words, yaml_in_words

CARDS = Path("cards")
_EXAMPLE = "inventory/cluster.example.yml"
_KEY_TYPES = ("ssh-ed25519", "ssh-rsa", "ecdsa-sha2-", "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-")

_ANY_CABLE = "cable"  # netplan's name for the one cable that there is: the system calls it eth0 or end0
_FIRST_WIFI = "wlan0"
# Raspberry Pi OS starts SSH only when it is told to; Ubuntu listens already, by a socket.
_START_SSH = "systemctl is-active --quiet ssh.socket || systemctl enable --now ssh"
# Ubuntu Server answers for its .local name only where it is told to; the second file stands beside what netplan writes
# for the link. Raspberry Pi OS has avahi for that.
_ANSWER_FOR_NAME = "systemctl try-restart systemd-resolved systemd-networkd || true"
_ANSWER_FILES = {
    "/etc/systemd/resolved.conf.d/picluster.conf": "[Resolve]\nMulticastDNS=yes\n",
    "/etc/systemd/network/10-netplan-{link}.network.d/picluster.conf": "[Network]\nMulticastDNS=yes\n",
}
# Raspberry Pi OS keeps the radio off until it knows the country, and hears of it in no other way.
_SET_COUNTRY = "if command -v raspi-config; then raspi-config nonint do_wifi_country {}; fi"

_HOSTS = """\
---
# Written by picluster init; it is yours now. What else can be said of a host: inventory/example.yml.
picluster:
  hosts:
{hosts}
  vars:
    ansible_user: {user}
{key}"""


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


def _read_yaml(text: str) -> Any:
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
    if not _is_public_key(text):
        raise InputError(f"{file} is no SSH public key", fix="name a file such as ~/.ssh/id_ed25519.pub, of one line")
    return text


def _is_public_key(text: str) -> bool:
    words = text.split(None, 2)
    if len(text.splitlines()) != 1 or len(words) < 2 or not words[0].startswith(_KEY_TYPES):  # noqa: PLR2004
        return False
    try:
        blob = base64.b64decode(words[1], validate=True)
    except binascii.Error:
        return False
    return blob[4:].startswith(words[0].encode())


def write_all(cluster: ClusterFile, public_key: str, *, force: bool) -> None:
    """Write `cards/` and `inventory/hosts.yml` of this folder; InputError where they may not be replaced.

    DataError where the disk does not allow it; then all is as it was.
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


def card(cluster: ClusterFile, name: str, public_key: str) -> dict[str, str]:
    """Write the files for one node's card; returns their texts by name."""
    user_data, network = _user_data(cluster, name, public_key), {"network": _network(cluster, name)}
    known = hashlib.sha256(json.dumps([user_data, network]).encode()).hexdigest()[:12]
    # cloud-init does its work once for an instance: what was edited since is a new one.
    meta_data = {"dsmode": "local", "instance-id": f"{name}-{known}", "local-hostname": name}
    return {
        "user-data": "#cloud-config\n" + _yaml(user_data),
        "network-config": _yaml(network),
        "meta-data": _yaml(meta_data),
    }


def inventory(cluster: ClusterFile) -> str:
    """Write the text of `inventory/hosts.yml`."""
    hosts = [f"    {name}:\n      ansible_host: {cluster.address(name) or f'{name}.local'}" for name in cluster.nodes]
    private = cluster.key.removesuffix(".pub")
    file = Path(private).expanduser()
    # A key with a path of its own: another one means something else in another folder. The agent may have it as well.
    has_private = private != cluster.key and file.is_absolute() and file.is_file()
    key = f"    {_yaml({'ansible_ssh_private_key_file': private})}" if has_private else ""
    return _HOSTS.format(hosts="\n".join(hosts), user=cluster.user, key=key)


def _user_data(cluster: ClusterFile, name: str, public_key: str) -> Mapping[str, Any]:
    by_name, link = cluster.address(name) is None, _link(cluster)
    commands = [_START_SSH]
    if by_name:
        commands.append(_ANSWER_FOR_NAME)
    if cluster.wifi:
        commands.append(_SET_COUNTRY.format(shlex.quote(cluster.wifi.country)))
    user = {
        "name": cluster.user,
        "groups": ["adm", "sudo"],
        "shell": "/bin/bash",
        "lock_passwd": True,
        "sudo": "ALL=(ALL) NOPASSWD:ALL",
        "ssh_authorized_keys": [public_key],
    }
    files = [{"path": path.format(link=link), "content": text} for path, text in _ANSWER_FILES.items() if by_name]
    return {
        "hostname": name,
        "manage_etc_hosts": "localhost",
        "users": [user],
        "ssh_pwauth": False,
        **({"write_files": files} if files else {}),
        "runcmd": [["sh", "-c", command] for command in commands],
    }


def _link(cluster: ClusterFile) -> str:
    """Netplan's name of the connection: with Wi-Fi that must be the interface."""
    named = cluster.network.interface if cluster.network else None
    return named or (_FIRST_WIFI if cluster.wifi else _ANY_CABLE)


def _network(cluster: ClusterFile, name: str) -> Mapping[str, Any]:
    """Network in netplan's form."""
    link, wifi = _link(cluster), cluster.wifi
    # Without `optional` the start waits two minutes for a cable that is not plugged in.
    settings = {**_addresses(cluster, name), "optional": True}
    if wifi:
        joined = {"regulatory-domain": wifi.country, "access-points": {wifi.name: {"password": wifi.password}}}
        return {"version": 2, "wifis": {link: settings | joined}}
    match = {"match": {"name": "e*"}} if link == _ANY_CABLE else {}
    return {"version": 2, "ethernets": {link: match | settings}}


def _addresses(cluster: ClusterFile, name: str) -> dict[str, object]:
    address = cluster.address(name)
    if address is None or cluster.network is None:
        return {"dhcp4": True}
    network = cluster.network
    return {
        "dhcp4": False,
        "addresses": [f"{address}/{network.prefix}"],
        "routes": [{"to": "0.0.0.0/0", "via": network.gateway}],
        "nameservers": {"addresses": list(network.dns or (network.gateway,))},
    }


def _yaml(content: Mapping[str, Any]) -> str:
    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=1_000_000)
    return text
