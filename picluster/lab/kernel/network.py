"""Network of a lab: cables with a rate, and the bridge between them.

The bridge has a network namespace of its own, joined to the host by one cable: no rule of the host's firewall (Docker
sets some for bridges) and no network manager comes between the nodes, and nothing but that cable is seen of the lab.
"""

import ipaddress
import json
from collections.abc import Iterator

from picluster.lab.kernel.commands import run
from picluster.lab.places import LabPlaces
from picluster.lab.spec import LabSpec, NodeSpec

_UPLINK = "host"
_BURST_BYTES = 256 * 1024
_LATENCY = "50ms"


def bridge_commands(lab: LabSpec) -> Iterator[list[str]]:
    """List the commands that make the bridges, and the host's cable to the first of them."""
    places = LabPlaces(lab.name)
    switch = ["ip", "-n", places.namespace]
    yield ["ip", "netns", "add", places.namespace]
    for number in range(len(lab.nodes[0].interfaces)):
        yield [*switch, "link", "add", f"bridge{number}", "type", "bridge"]
        yield [*switch, "link", "set", f"bridge{number}", "up"]
    yield ["ip", "link", "add", places.interface, "type", "veth", "peer", "name", _UPLINK, "netns", places.namespace]
    yield [*switch, "link", "set", _UPLINK, "master", "bridge0", "up"]
    yield ["ip", "address", "add", f"{lab.host_address}/24", "dev", places.interface]
    yield ["ip", "link", "set", places.interface, "up"]


def node_commands(lab: LabSpec, node: NodeSpec) -> Iterator[list[str]]:
    """List the commands that make a node's network namespace, with cables to the bridges."""
    places = LabPlaces(lab.name)
    namespace = places.node(node.name).namespace
    inside, switch = ["ip", "-n", namespace], ["ip", "-n", places.namespace]
    yield ["ip", "netns", "add", namespace]
    yield [*inside, "link", "set", "lo", "up"]
    for number, (port, interface) in enumerate(zip(port_names(node), node.interfaces, strict=True)):
        # Others remember the hardware address, so it comes from the IP address and is the same after every boot.
        mac = ":".join(f"{byte:02x}" for byte in (2, 0, *ipaddress.IPv4Address(interface.address).packed))
        ends = ["type", "veth", "peer", "name", interface.name, "address", mac, "netns", namespace]
        yield [*switch, "link", "add", port, *ends]
        yield [*switch, "link", "set", port, "master", f"bridge{number}", "up"]
        yield [*inside, "address", "add", f"{interface.address}/24", "dev", interface.name]
        yield [*inside, "link", "set", interface.name, "up"]
        # What leaves the bridge reaches the node, and the other way round: the two directions of the cable.
        yield _slow_down(places.namespace, port, node.rate_bits)
        yield _slow_down(namespace, interface.name, node.rate_bits)


def _slow_down(namespace: str, interface: str, rate_bits: int) -> list[str]:
    bucket = ["burst", str(_BURST_BYTES), "latency", _LATENCY]
    return ["tc", "-n", namespace, "qdisc", "add", "dev", interface, "root", "tbf", "rate", f"{rate_bits}bit", *bucket]


def disconnect(lab: LabSpec, node: NodeSpec) -> None:
    """Remove a node's namespace and its cables."""
    places = LabPlaces(lab.name)
    for port in port_names(node):
        run(["ip", "-n", places.namespace, "link", "delete", port])
    run(["ip", "netns", "delete", places.node(node.name).namespace])


def set_links(lab: LabSpec, node: NodeSpec, *, up: bool) -> None:
    """Plug in all cables of a node at the bridge, or pull them."""
    for port in port_names(node):
        run(["ip", "-n", LabPlaces(lab.name).namespace, "link", "set", port, "up" if up else "down"])


def links_up(lab: LabSpec) -> dict[str, bool]:
    """Tell for every port of the bridge whether its cable is plugged in."""
    links = json.loads(run(["ip", "-json", "-n", LabPlaces(lab.name).namespace, "link", "show"]))
    return {link["ifname"]: "UP" in link["flags"] for link in links}


def routed_networks() -> list[str]:
    """List the networks that this machine has a route to, the default route apart."""
    routes = json.loads(run(["ip", "-json", "-4", "route", "show", "table", "all"]))
    return [route["dst"] for route in routes if route["dst"] != "default" and route.get("type", "unicast") == "unicast"]


def port_names(node: NodeSpec) -> list[str]:
    """Name the ends of a node's cables at the bridge."""
    return [f"{node.name}-{number}" if number else node.name for number in range(len(node.interfaces))]
