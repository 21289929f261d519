"""The network that a card's `network-config` sets up: addresses, and the Wi-Fi to be joined."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface
from typing import Any

from picluster.controller.first_boot.card import ANY_CABLE
from picluster.controller.first_boot.verifying.findings import Fact, Finding, Mistake
from picluster.controller.first_boot.verifying.user import AGAIN
from picluster.schema.cluster_file import WIFI_PASSWORD_LENGTHS

_KINDS = {"ethernets": "cable", "wifis": "Wi-Fi"}
_KNOWN = {"version", "renderer", *_KINDS, "bridges", "bonds", "vlans", "modems", "tunnels"}
_KEY = re.compile(r"[0-9a-fA-F]{64}")


def judge_network(config: Mapping[str, Any] | None, *, radio_waits: bool) -> Iterator[Finding]:
    """Judge what netplan is given; `radio_waits` where the system keeps the Wi-Fi off until it knows the country."""
    network = (config or {}).get("network", config) or {}
    if not isinstance(network, dict):
        yield Mistake("network-config has no network: with names and values below it", AGAIN)
        return
    if network and network.get("version") != 2:  # noqa: PLR2004
        yield Mistake(f"network-config is of version {network.get('version')}, not 2: it is not read here", AGAIN)
        return
    if unknown := sorted({str(name) for name in network} - _KNOWN):
        yield Mistake(f"network-config has {', '.join(unknown)}, which netplan refuses", "see netplan.io/reference")
    links = [(kind, *each) for kind in _KINDS for each in _links(network.get(kind))]
    if not links:
        yield Fact("address", "by DHCP, on the cable")
    for kind, name, link in links:
        yield from _judge_link(_KINDS[kind] if name == ANY_CABLE else f"{_KINDS[kind]} {name}", link)
        if kind == "wifis":
            yield from _judge_wifi(name, link, radio_waits=radio_waits)


def _links(given: object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(given, dict):
        for name, link in given.items():
            yield str(name), link if isinstance(link, dict) else {}


def _judge_link(where: str, link: Mapping[str, Any]) -> Iterator[Finding]:
    addresses = link.get("addresses") or []
    if not addresses and not link.get("dhcp4"):
        yield Mistake(f"{where} gets no address", "dhcp4: true, or addresses")
    if not addresses and link.get("dhcp4"):
        yield Fact("address", f"by DHCP, on the {where}")
    for each in addresses:
        try:
            interface = ip_interface(str(each))
        except ValueError:
            yield Mistake(f"{where} has the address {each!r}, which is none", "such as 192.168.1.101/24")
            continue
        if "/" not in str(each):
            yield Mistake(f"{where} has the address {each} without a prefix", f"such as {each}/24")
        yield Fact("address", f"{each} on the {where}, {_way_out(link)}", key=str(interface.ip))
        yield from _judge_gateway(where, interface, link)


def _way_out(link: Mapping[str, Any]) -> str:
    gateways = [str(way) for way in _gateways(link)]
    return f"by way of {', '.join(gateways)}" if gateways else "with no way out"


def _gateways(link: Mapping[str, Any]) -> Iterator[object]:
    for route in link.get("routes") or []:
        if isinstance(route, dict) and route.get("to") in ("default", "0.0.0.0/0", "0/0"):
            yield route.get("via")
    if link.get("gateway4"):
        yield link["gateway4"]


def _judge_gateway(where: str, interface: IPv4Interface | IPv6Interface, link: Mapping[str, Any]) -> Iterator[Finding]:
    for gateway in _gateways(link):
        try:
            within = ip_address(str(gateway)) in interface.network
        except ValueError:
            yield Mistake(
                f"{where} has the gateway {gateway!r}, which is no address", "the router's, such as 192.168.1.1"
            )
            continue
        if not within:
            yield Mistake(f"{where} has the gateway {gateway}, which is not in {interface.network}", AGAIN)


def _judge_wifi(name: str, link: Mapping[str, Any], *, radio_waits: bool) -> Iterator[Finding]:
    points = link.get("access-points")
    if not isinstance(points, dict) or not points:
        yield Mistake(f"the Wi-Fi {name} names no access point", AGAIN)
        return
    country = link.get("regulatory-domain")
    for ssid, point in points.items():
        password = (point or {}).get("password") if isinstance(point, dict | None) else point
        known = f"in {country}" if country else "in a country that is not said"
        yield Fact("wifi", f"{ssid}, {known}, {'with a key' if password else 'open to all'}")
        if password is not None and not _is_key(str(password)):
            yield Mistake(
                f"the key of the Wi-Fi {ssid} is too short or too long", "8 to 63 characters, or 64 hexadecimal digits"
            )
    if not country and radio_waits:
        yield Mistake(f"the Wi-Fi {name} has no country: the radio stays off", "regulatory-domain: GB, or yours")


def _is_key(password: str) -> bool:
    return bool(_KEY.fullmatch(password)) or len(password.encode()) in WIFI_PASSWORD_LENGTHS
