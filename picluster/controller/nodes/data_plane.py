"""Which address and interface of a node carries the tensors: the one that routes to its peers, never its host name's.

On Ubuntu a host's own name resolves to 127.0.1.1, which no peer can reach.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec
import psutil

from picluster.errors import RunFailed

if TYPE_CHECKING:
    from picluster.controller.nodes.agent_session import Steward
    from picluster.controller.nodes.inventory import Node

Routes = Mapping[str, tuple[str, str]]
"""Peer's address → own address and interface towards it."""


def meeting_address(entered_at: str, interfaces: Mapping[str, str]) -> str:
    """The address at which the others shall look for a node.

    Args:
        entered_at: the node's own address on the SSH connection, which its network leads to; may be of IPv6.
        interfaces: the node's IPv4 addresses, each with its interface.

    Raises:
        RunFailed: it has none but for itself.
    """
    if entered_at in interfaces:
        return entered_at
    outward = [address for address in interfaces if not ipaddress.ip_address(address).is_loopback]
    if not outward:
        raise RunFailed("it has no IPv4 address", fix="give it one: the data plane needs IPv4")
    return outward[0]


def data_address(own: str, interfaces: Mapping[str, str], routes: Routes) -> tuple[str, str]:
    """Address and interface of a node's data plane.

    Args:
        own: where the others look for it.
        interfaces: its IPv4 addresses, each with its interface.
        routes: its ways to the others.

    Raises:
        RunFailed: the kernel knows no interface for it.
    """
    outward = ((address, interface) for peer, (address, interface) in routes.items() if address != peer)
    address, interface = next(outward, (own, interfaces.get(own, "")))
    if not interface:
        raise RunFailed(f"none of its interfaces has the address {address}", fix="picluster doctor")
    return address, interface


def meet(node: Node, entered_at: str, interfaces: Mapping[str, str]) -> str:
    """Where the others look for a node: as the person says, else see `meeting_address`."""
    return node.owned_address or meeting_address(entered_at, interfaces)


def settle(
    node: Node, meeting: Mapping[str, str], interfaces: Mapping[str, str], steward: Callable[[], Steward]
) -> tuple[str, str]:
    """Address and interface of a node's data plane, whose routes it asks for where the person does not say.

    Args:
        node: whose.
        meeting: where the others look for each node.
        interfaces: its IPv4 addresses, each with its interface.
        steward: gives one that runs there; not called for a node of this machine.

    Raises:
        RunFailed: see `data_address`.
    """
    routes: Routes = {}
    if not node.owned_address:
        peers = [address for other, address in meeting.items() if other != node.name]
        if node.is_local:
            routes = routes_here(peers)
        else:
            routes = msgspec.convert(steward().ask("routes", peers=peers), dict[str, tuple[str, str]])
    return data_address(meeting[node.name], interfaces, routes)


def interfaces_here() -> dict[str, str]:
    """This machine's IPv4 addresses, each with its interface."""
    return {
        each.address: name
        for name, addresses in psutil.net_if_addrs().items()
        for each in addresses
        if each.family == socket.AF_INET
    }


def routes_here(peers: Iterable[str]) -> dict[str, tuple[str, str]]:
    """This machine's ways to others, as the kernel would send."""
    interfaces, found = interfaces_here(), {}
    for peer in peers:
        with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((peer, 9))  # of UDP: nothing is sent
            own = probe.getsockname()[0]
            found[peer] = (own, interfaces.get(own, ""))
    return found
