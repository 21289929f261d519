from __future__ import annotations

import ipaddress

import pytest

from picluster.errors import InputError, MissingError
from picluster.lab.kernel.network import bridge_commands, node_commands
from picluster.lab.places import LabPlaces
from picluster.lab.spec import (
    MAX_NODES,
    PIS,
    LabRequest,
    NodeLimits,
    free_network,
    parse_likeness,
    parse_rate,
    parse_releases,
    parse_size,
    specify,
)

LIMITS = NodeLimits(memory_bytes=1 << 30, cpus=0.5, rate_bits=940_000_000)


def wanted(
    name: str = "lab",
    nodes: int = 4,
    like: tuple[str, ...] = (),
    releases: tuple[str, ...] = ("bookworm",),
    *,
    emulated: bool = False,
    second: bool = False,
) -> LabRequest:
    return LabRequest(
        name=name,
        nodes=nodes,
        limits=LIMITS,
        like=like,
        releases=releases,
        disk_bytes=8 << 30,
        fresh=False,
        emulated=emulated,
        own_files=False,
        second_interface=second,
    )


def test_a_node_has_a_pis_means_where_it_is_to_be_like_one() -> None:
    lab = specify(wanted(nodes=2, like=("zero2w", "pi5")), "10.66.0.0/24")
    assert [node.memory_bytes for node in lab.nodes] == [PIS["zero2w"].memory_bytes, PIS["pi5"].memory_bytes]
    assert [node.random_reads for node in lab.nodes] == [1500, 5000]
    alike = specify(wanted(nodes=3, like=("zero2w",)), "10.66.0.0/24")
    assert [node.random_reads for node in alike.nodes] == [1500] * 3


def test_nodes_have_one_release_or_one_each() -> None:
    assert parse_releases("trixie, bookworm") == ("trixie", "bookworm")
    for releases, found in {("trixie",): ["trixie"] * 2, ("trixie", "bookworm"): ["trixie", "bookworm"]}.items():
        assert [node.release for node in specify(wanted(nodes=2, releases=releases), "10.66.0.0/24").nodes] == found
    with pytest.raises(InputError, match="--release names 2 releases for 3 nodes"):
        wanted(nodes=3, releases=("trixie", "bookworm"))


@pytest.mark.parametrize("text", ["", "trixie,", "../x", "13"])
def test_what_is_no_codename_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is no codename"):
        parse_releases(text)


def test_interfaces_of_neighbouring_nodes_have_other_names() -> None:
    lab = specify(wanted(second=True), "10.66.0.0/24")
    names = [interface.name for node in lab.nodes for interface in node.interfaces]
    assert names == ["eth0", "wlan0", "end0", "eth1", "enp1s0", "usb0", "wlan0", "enp2s0"]


def test_addresses_of_the_largest_lab_are_all_different() -> None:
    lab = specify(wanted(nodes=MAX_NODES, second=True), "10.66.4.0/24")
    addresses = [interface.address for node in lab.nodes for interface in node.interfaces]
    both = ipaddress.ip_network("10.66.4.0/23")
    assert len({lab.host_address, *addresses}) == 2 * MAX_NODES + 1
    assert all(ipaddress.ip_address(address) in both for address in addresses)


@pytest.mark.parametrize("name", ["", "Lab", "a-b", "1a", "a" * 9, "../x", "a b", "ä"])
def test_a_name_that_fits_no_interface_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="--name"):
        wanted(name=name)


@pytest.mark.parametrize("nodes", [0, -1, MAX_NODES + 1])
def test_a_number_of_nodes_that_cannot_be_is_refused(nodes: int) -> None:
    with pytest.raises(InputError, match="--nodes"):
        wanted(nodes=nodes)


def test_emulated_nodes_that_would_share_this_machines_packages_are_refused() -> None:
    with pytest.raises(InputError, match="--emulate") as refused:
        wanted(emulated=True)
    assert refused.value.fix == "add --fresh"


def test_likeness_is_named_for_all_nodes_or_for_each() -> None:
    assert parse_likeness("pi4, zero2w") == ("pi4", "zero2w")
    with pytest.raises(InputError, match="for 3 nodes"):
        wanted(nodes=3, like=("pi4", "pi5"))
    with pytest.raises(InputError, match="'pi9'"):
        parse_likeness("pi4,pi9")


def test_a_network_is_chosen_that_no_route_leads_to() -> None:
    assert free_network([]) == "10.66.0.0/24"
    assert free_network(["10.66.0.0/24", "10.66.3.7", "192.168.0.0/16"]) == "10.66.4.0/24"
    with pytest.raises(MissingError):
        free_network(["10.0.0.0/8"])


def test_names_of_interfaces_fit_into_the_kernels_15_letters() -> None:
    lab = specify(wanted(name="a" * 8, nodes=MAX_NODES, second=True), "10.66.0.0/24")
    commands = [*bridge_commands(lab), *(command for node in lab.nodes for command in node_commands(lab, node))]
    named = [command[command.index(word) + 1] for command in commands for word in ("name", "dev") if word in command]
    named.append(LabPlaces(lab.name).interface)
    assert len(named) > 4 * MAX_NODES
    assert max(map(len, named)) <= 15


def test_both_directions_of_every_link_are_slowed_down() -> None:
    lab = specify(wanted(nodes=1, second=True), "10.66.0.0/24")
    slowed = [command[2:7:4] for command in node_commands(lab, lab.nodes[0]) if command[0] == "tc"]
    assert slowed == [
        ["plab-lab", "pi1"],
        ["plab-lab-pi1", "eth0"],
        ["plab-lab", "pi1-1"],
        ["plab-lab-pi1", "wlan0"],
    ]


@pytest.mark.parametrize(
    ("text", "size"), [("1GiB", 1 << 30), ("512MiB", 512 << 20), ("1.5G", 3 << 29), ("64k", 1 << 16)]
)
def test_sizes_are_powers_of_1024(text: str, size: int) -> None:
    assert parse_size(text, "--memory") == size


@pytest.mark.parametrize(("text", "rate"), [("940mbit", 940_000_000), ("1gbit", 10**9), ("2.5Mbit", 2_500_000)])
def test_rates_are_powers_of_1000(text: str, rate: int) -> None:
    assert parse_rate(text, "--rate") == rate


@pytest.mark.parametrize("text", ["", "1", "GiB", "0GiB", "-1GiB", "1GB/s", "1 TB", "nan"])
def test_what_is_no_amount_is_refused_by_its_option(text: str) -> None:
    with pytest.raises(InputError, match="--memory"):
        parse_size(text, "--memory")
    with pytest.raises(InputError, match="--rate"):
        parse_rate(text, "--rate")
