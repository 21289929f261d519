"""Which address and interface of a node carries the tensors: the one that routes to its peers, never its host name's.

On Ubuntu a host's own name resolves to 127.0.1.1, which no peer can reach.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import TYPE_CHECKING

from picluster.controller.nodes.fan_out import try_all
from picluster.errors import PiclusterError, RunFailed
from picluster.system import SYSTEM, System

if TYPE_CHECKING:
    from picluster.controller.nodes.machine import Machine
    from picluster.schema.facts import NodeFacts

ROUTES_SECONDS = 9.0


def meeting_address(entered_at: str, interfaces: Mapping[str, str]) -> str:
    """The address at which the others shall look for a node; RunFailed where it has none but for itself.

    `entered_at` is its own address on the SSH connection, which its network leads to; it may be of IPv6.
    """
    if entered_at in interfaces:
        return entered_at
    outward = [address for address in interfaces if not ipaddress.ip_address(address).is_loopback]
    if not outward:
        raise RunFailed("it has no IPv4 address", fix="give it one: the data plane needs IPv4")
    return outward[0]


def data_address(own: str, interfaces: Mapping[str, str], routes: Mapping[str, tuple[str, str]]) -> tuple[str, str]:
    """Address and interface of a node's data plane; RunFailed where the kernel knows no interface for it.

    The others look for it at `own`; `routes` has its own address and interface towards each of theirs.
    """
    outward = ((address, interface) for peer, (address, interface) in routes.items() if address != peer)
    address, interface = next(outward, (own, interfaces.get(own, "")))
    if not interface:
        raise RunFailed(f"none of its interfaces has the address {address}", fix="picluster doctor")
    return address, interface


def data_planes(
    machines: Mapping[str, Machine], seen: Mapping[str, NodeFacts], system: System = SYSTEM
) -> dict[str, tuple[str, str] | PiclusterError]:
    """Address and interface of every node's data plane, or why it has none.

    Each is asked for its routes to the others, where the person does not say its address. Processes of this machine
    alone meet at its loopback.
    """
    if not any(machine.is_exclusive for machine in machines.values()):
        return {name: (machine.address, machine.interface) for name, machine in machines.items()}
    meeting: dict[str, str] = {}
    errors: dict[str, tuple[str, str] | PiclusterError] = {}
    for name, machine in machines.items():
        try:
            found = seen[name]
            meeting[name] = machine.owned_address or meeting_address(found.ssh_address, found.interfaces)
        except RunFailed as error:
            errors[name] = error

    def settle(name: str) -> tuple[str, str]:
        peers = [address for other, address in meeting.items() if other != name]
        routes = {} if machines[name].owned_address else machines[name].routes(peers)
        return data_address(meeting[name], seen[name].interfaces, routes)

    doing = "finding its routes"
    return errors | try_all(meeting, settle, timeout_seconds=ROUTES_SECONDS, doing=doing, system=system)
