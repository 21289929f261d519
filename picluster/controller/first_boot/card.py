"""The files of one node's card: what cloud-init does at the first start, on Raspberry Pi OS and on Ubuntu alike.

Both take `user-data`, `network-config` and `meta-data` from the boot partition (docs/first-boot.md names the sources).
Nothing in them needs the internet: a Pi on a network without it comes up all the same.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Mapping
from typing import Any

import yaml  # type: ignore[import-untyped]

from picluster.schema.cluster_file import ClusterFile, Wifi

ANY_CABLE = "cable"
"""Name that netplan is given for the one cable that there is: the system calls it eth0 or end0."""
FIRST_WIFI = "wlan0"
# Raspberry Pi OS starts SSH only when it is told to; Ubuntu listens already, by a socket.
_START_SSH = "systemctl is-active --quiet ssh.socket || systemctl enable --now ssh"
# Ubuntu Server answers for its .local name only where it is told to; the second file stands beside what netplan writes
# for the link. Raspberry Pi OS has avahi for that.
_ANSWER_FOR_NAME = "systemctl try-restart systemd-resolved systemd-networkd || true"
_ANSWER = "/etc/systemd/resolved.conf.d/picluster.conf", "[Resolve]\nMulticastDNS=yes\n"
_ANSWER_ON = "/etc/systemd/network/10-netplan-{}.network.d/picluster.conf", "[Network]\nMulticastDNS=yes\n"
# Raspberry Pi OS keeps the radio off until it knows the country, and hears of it in no other way.
_SET_COUNTRY = "if command -v raspi-config; then raspi-config nonint do_wifi_country {}; fi"
# Raspberry Pi OS renames its own first account, and may pass over cloud-init's `sudo`: Imager writes this file, too.
_SUDO = "/etc/sudoers.d/010_{}-nopasswd", "{} ALL=(ALL) NOPASSWD:ALL\n"
_PSK_ROUNDS, _PSK_BYTES = 4096, 32  # IEEE 802.11i, H.4


def card(cluster: ClusterFile, name: str, public_key: str) -> dict[str, str]:
    """Write the files for one node's card; returns their texts by name."""
    user_data, network = _user_data(cluster, name, public_key), {"network": _network(cluster, name)}
    # cloud-init does its work once for an instance: what was edited since is a new one.
    meta_data = {
        "dsmode": "local",
        "instance-id": f"{name}-{instance_content(user_data, network)}",
        "local-hostname": name,
    }
    return {
        "user-data": "#cloud-config\n" + as_yaml(user_data),
        "network-config": as_yaml(network),
        "meta-data": as_yaml(meta_data),
        # Raspberry Pi OS starts SSH where it finds this file, also where cloud-init's last step waits for something.
        "ssh": "",
    }


def instance_content(user_data: object, network_config: object) -> str:
    """Digest of a card's content, the end of its instance's name."""
    return hashlib.sha256(json.dumps([user_data, network_config], default=str).encode()).hexdigest()[:12]


def wifi_key(wifi: Wifi) -> str:
    """Derive the key that opens a Wi-Fi from its name and password, in hexadecimal digits: the password stays here."""
    password, salt = (wifi.password or "").encode(), wifi.name.encode()
    return hashlib.pbkdf2_hmac("sha1", password, salt, _PSK_ROUNDS, _PSK_BYTES).hex()


def as_yaml(content: Mapping[str, Any]) -> str:
    """Write YAML in the order of its names, a value on one line however long it is."""
    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=1_000_000)
    return text


def _user_data(cluster: ClusterFile, name: str, public_key: str) -> Mapping[str, Any]:
    by_name = cluster.address(name) is None
    commands = [_START_SSH]
    if by_name:
        commands.append(_ANSWER_FOR_NAME)
    if cluster.wifi:
        commands.append(_SET_COUNTRY.format(shlex.quote(cluster.wifi.country)))
    return {
        "hostname": name,
        "manage_etc_hosts": "localhost",
        # The system's own first account by another name, with the groups that this system gives it. An account in
        # `users` would have those alone that are named here (rpi-imager, issue 1601).
        "user": {
            "name": cluster.user,
            "shell": "/bin/bash",
            "lock_passwd": True,
            "sudo": "ALL=(ALL) NOPASSWD:ALL",
            "ssh_authorized_keys": [public_key],
        },
        "ssh_pwauth": False,
        "write_files": _files(cluster, by_name=by_name),
        "runcmd": [["sh", "-c", command] for command in commands],
    }


def _files(cluster: ClusterFile, *, by_name: bool) -> list[Mapping[str, str]]:
    path, text = _SUDO
    files: list[Mapping[str, str]] = [
        {"path": path.format(cluster.user), "content": text.format(cluster.user), "permissions": "0440"}
    ]
    if by_name:
        path, text = _ANSWER_ON
        answering = [_ANSWER, *((path.format(link), text) for link in _links(cluster))]
        files += [{"path": path, "content": text} for path, text in answering]
    return files


def _links(cluster: ClusterFile) -> tuple[str, ...]:
    """Netplan's names of the connections, the one that the cluster file describes first; a Wi-Fi's is its interface."""
    named = cluster.network.interface if cluster.network else None
    return (named or FIRST_WIFI, ANY_CABLE) if cluster.wifi else (named or ANY_CABLE,)


def _network(cluster: ClusterFile, name: str) -> Mapping[str, Any]:
    """Network in netplan's form. With a Wi-Fi, a cable is taken as well: a way in where the Wi-Fi cannot be joined."""
    links, wifi = _links(cluster), cluster.wifi
    # Without `optional` the start waits two minutes for a cable that is not plugged in.
    settings = {**_addresses(cluster, name), "optional": True}
    if wifi is None:
        return {"version": 2, "ethernets": {links[0]: _matching(links[0]) | settings}}
    cable = _matching(ANY_CABLE) | {"dhcp4": True, "optional": True}
    joined = {"regulatory-domain": wifi.country, "access-points": {wifi.name: {"password": wifi_key(wifi)}}}
    return {"version": 2, "ethernets": {ANY_CABLE: cable}, "wifis": {links[0]: settings | joined}}


def _matching(link: str) -> dict[str, object]:
    return {"match": {"name": "e*"}} if link == ANY_CABLE else {}


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
