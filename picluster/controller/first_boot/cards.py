"""Files of cloud-init for the boot partition of a Pi's SD card, and the inventory of these Pis. Pure.

Nothing in them needs the internet: a Pi on a network without it comes up all the same.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from picluster.schema.cluster_file import ClusterFile

Content = Mapping[str, Any]

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


def _user_data(cluster: ClusterFile, name: str, public_key: str) -> Content:
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


def _network(cluster: ClusterFile, name: str) -> Content:
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


def _yaml(content: Content) -> str:
    import yaml  # type: ignore[import-untyped]

    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=1_000_000)
    return text
