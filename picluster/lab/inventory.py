"""The inventory of a lab, as Ansible and picluster read it."""

from __future__ import annotations

from math import ceil

from picluster.lab.machine.recipe import USER
from picluster.lab.places import LabPlaces
from picluster.lab.spec import LabSpec


def inventory_text(lab: LabSpec) -> str:
    """YAML. Names and paths need no quotes: a lab's name is letters and digits."""
    places = LabPlaces(lab.name)
    # nftables speaks a netlink that qemu does not pass on to the kernel.
    firewall = "    firewall_enabled: false\n" if lab.emulated else ""
    hosts = "".join(
        f"    {node.name}:\n      ansible_host: {node.address}\n"
        f"      picluster_memory_mb: {max(1, node.memory_bytes >> 20)}\n      picluster_cores: {ceil(node.cpus)}\n"
        for node in lab.nodes
    )
    return (
        f"---\n# The lab {lab.name}; taken away by: picluster lab down\n"
        f"picluster:\n  hosts:\n{hosts}"
        f"  vars:\n    ansible_user: {USER}\n"
        f"    ansible_ssh_private_key_file: {places.key}\n"
        f"    ansible_ssh_common_args: -o UserKnownHostsFile={places.known_hosts}\n"
        f"{firewall}"
    )
