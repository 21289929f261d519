"""The nodes, as Ansible sees them."""

from __future__ import annotations

import ipaddress
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import msgspec

from picluster.controller.nodes import inventory_file
from picluster.controller.nodes.host_variables import host_variables
from picluster.controller.nodes.listing import list_inventory
from picluster.controller.nodes.ssh.address import ssh_words
from picluster.errors import InputError
from picluster.project import HOSTS, INVENTORIES, find
from picluster.schema.facts import NodeFacts
from picluster.wording import in_words

MOST_DIGITS = 9
"""Most digits of a whole number: of nodes, cores, megabytes."""
_GROUP = "picluster"
_OVER_SSH = ("ssh", "smart", "paramiko", "paramiko_ssh")


@dataclass(frozen=True)
class Node:
    """One host of the inventory: a process on this machine, or a `RemoteNode`."""

    name: str
    """As the inventory calls it."""
    owned_address: str | None = None
    """The IP address of its data plane, where the person says so: `picluster_address`."""
    meter: str = ""
    """Command there that prints its watts, or a file there that holds them: `picluster_meter`."""
    memory_bytes: int | None = None
    cores: int | None = None
    """`picluster_memory_mb` and `picluster_cores`, where the inventory has both; else the node is asked itself."""

    @property
    def words(self) -> dict[str, Any]:
        """Facts that the inventory tells, which count more than what the node says itself."""
        strength = {"memory_bytes": self.memory_bytes, "limit_bytes": None, "cores": self.cores}
        return {"name": self.name, **(strength if self.cores else {})}

    @property
    def facts(self) -> NodeFacts:
        """Facts of a node that was not asked."""
        return NodeFacts(**self.words)


@dataclass(frozen=True)
class RemoteNode(Node):
    """A machine of its own, entered over SSH."""

    ssh_words: tuple[str, ...] = ()
    """Words after `ssh` that lead there, the destination last."""
    home: str = "/opt/picluster"
    """Folder where picluster is installed there: `picluster_home` in the inventory."""
    cache: str = "~/.cache/picluster"
    """Folder where it keeps data: `picluster_cache` in the inventory."""


def remote_nodes(nodes: Iterable[Node]) -> list[RemoteNode]:
    """Those of the nodes that are machines of their own."""
    return [node for node in nodes if isinstance(node, RemoteNode)]


def default_inventory() -> Path:
    """The person's own `inventory/hosts.yml` where there is one, else four local processes."""
    return HOSTS if HOSTS.exists() else find(INVENTORIES / "local.yml")


def read_inventory(path: Path) -> list[Node]:
    """All hosts of the group `picluster`, or of all groups where there is no such group, in the file's order.

    InputError: the file is missing, unreadable or names no host. MissingError: Ansible is not installed.
    """
    if "," in str(path):
        raise InputError(f"Ansible takes {path} for a list of hosts", fix="give it a name without a comma")
    if not path.exists():
        raise InputError(f"there is no inventory {path}", fix=_make_one(path))
    inventory_file.check(path)
    return nodes_of(list_inventory(path), path)


def nodes_of(listing: Mapping[str, Any], path: Path) -> list[Node]:
    """The same hosts, as `ansible-inventory` lists what stands in the file."""
    listed = _listing_of(listing, path)
    groups = {group: list(dict.fromkeys(_hosts(listed, group))) for group in listed if group != "_meta"}
    names = groups.get(_GROUP if _GROUP in groups else "all", [])
    if not names:
        raise InputError(f"inventory {path} names no host", fix=inventory_file.see_example())
    strange = [name for name in names if "/" in name or name.startswith(".") or not name.isprintable() or not name]
    if strange:
        what = f"inventory {path} names {strange[0]!r}: no host may contain / or begin with a dot"
        raise InputError(what, fix="call it otherwise, and say its address by ansible_host")
    variables = listed["_meta"].hostvars if "_meta" in listed else {}
    return [_node(name, host_variables(name, variables, groups)) for name in names]


class _Group(msgspec.Struct):
    """Group as Ansible lists it; of `_meta` the variables of all hosts."""

    hosts: list[str] = []
    children: list[str] = []
    hostvars: dict[str, dict[str, Any]] = {}


def _listing_of(listing: Mapping[str, Any], path: Path) -> dict[str, _Group]:
    """The listing, with its groups as records. InputError where it is none of Ansible's."""
    try:
        return msgspec.convert(listing, dict[str, _Group])
    except (msgspec.ValidationError, UnicodeEncodeError) as error:
        what = f"inventory {path} is listed by Ansible in a form that picluster does not know: {in_words(error)}"
        raise InputError(what, fix=f"see what it says: ansible-inventory -i {shlex.quote(str(path))} --list") from None


def _make_one(path: Path) -> str:
    there = sorted(each for each in INVENTORIES.glob("*.yml") if not each.name.startswith("cluster"))
    near = get_close_matches(str(path), map(str, there), n=1)
    copy = shlex.join(["cp", str(find(INVENTORIES / "example.yml")), str(path)])
    return f"did you mean {near[0]}? Or begin with the example: {copy}" if near else f"begin with the example: {copy}"


def _node(name: str, variables: Mapping[str, str]) -> Node:
    connection, address = variables.get("ansible_connection", "ssh"), variables.get("picluster_address")
    meter = variables.get("picluster_meter", "")
    try:
        if address is not None:
            ipaddress.IPv4Address(address)
    except ValueError:
        what = f"picluster_address of {name} is {address!r}, and no IPv4 address"
        raise InputError(what, fix="see `ip -4 address` on it") from None
    if connection.rpartition(".")[2] == "local":
        return Node(name, owned_address=address, meter=meter, **_strength(name, variables))
    if connection.rpartition(".")[2] not in _OVER_SSH:
        what = f"ansible_connection of {name} is {connection!r}: picluster enters nodes over SSH"
        raise InputError(what, fix="leave it out, or say local for a process on this machine")
    told = {"home": variables.get("picluster_home"), "cache": variables.get("picluster_cache")}
    given: dict[str, Any] = {key: value for key, value in told.items() if value}
    words = tuple(ssh_words(name, variables))
    return RemoteNode(name, ssh_words=words, owned_address=address, meter=meter, **given, **_strength(name, variables))


def _strength(name: str, variables: Mapping[str, str]) -> dict[str, Any]:
    found = []
    for variable in ("picluster_memory_mb", "picluster_cores"):
        text = variables.get(variable, "")
        if text and not (text.isdecimal() and len(text) <= MOST_DIGITS and int(text)):
            what = (
                f"{variable} of {name} is {text!r}: it must be a whole number above 0, of at most {MOST_DIGITS} digits"
            )
            raise InputError(what, fix="write it in digits, or leave it out: then the node is asked")
        found.append(int(text or 0))
    memory_mb, cores = found
    return {"memory_bytes": memory_mb << 20, "cores": cores} if memory_mb and cores else {}


def _hosts(listing: Mapping[str, _Group], group: str, within: tuple[str, ...] = ()) -> Iterator[str]:
    if group not in listing or group in within:
        return
    yield from listing[group].hosts
    for child in listing[group].children:
        yield from _hosts(listing, child, (*within, group))
