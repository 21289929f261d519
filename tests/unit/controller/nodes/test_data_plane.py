"""Which address and interface carries the tensors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from picluster.agent import premises
from picluster.controller.nodes.data_plane import data_address, meeting_address
from picluster.controller.nodes.local import LocalMachine
from picluster.errors import RunFailed

TWO = {"127.0.0.1": "lo", "192.168.1.7": "wlan0", "10.0.0.7": "end0"}


def test_the_address_that_ssh_came_in_at_is_where_the_others_look() -> None:
    assert meeting_address("10.0.0.7", TWO) == "10.0.0.7"


def test_ssh_over_ipv6_leaves_the_first_address_that_others_can_reach() -> None:
    assert meeting_address("fe80::1", TWO) == "192.168.1.7"


def test_a_node_with_none_but_its_loopback_is_refused() -> None:
    with pytest.raises(RunFailed, match="no IPv4 address"):
        meeting_address("::1", {"127.0.0.1": "lo", "127.0.1.1": "lo"})


def test_the_route_to_the_peers_decides_not_where_ssh_came_in() -> None:
    assert data_address("192.168.1.7", TWO, {"10.0.0.8": ("10.0.0.7", "end0")}) == ("10.0.0.7", "end0")


def test_a_peer_of_the_same_machine_says_nothing_of_the_way_out() -> None:
    routes = {"10.0.0.7": ("10.0.0.7", "end0"), "192.168.1.9": ("192.168.1.7", "wlan0")}
    assert data_address("10.0.0.7", TWO, routes) == ("192.168.1.7", "wlan0")


def test_without_peers_it_is_the_interface_of_its_own_address() -> None:
    assert data_address("10.0.0.7", TWO, {}) == ("10.0.0.7", "end0")


@given(st.sampled_from(["10.9.9.9", "172.16.0.1"]))
def test_an_address_that_no_interface_has_is_refused_by_its_number(address: str) -> None:
    with pytest.raises(RunFailed, match=f"none of its interfaces has the address {address}"):
        data_address(address, TWO, {})


def test_this_machine_reaches_itself_by_its_loopback() -> None:
    interface = premises.interfaces()["127.0.0.1"]
    assert LocalMachine().routes(["127.0.0.1"]) == {"127.0.0.1": ("127.0.0.1", interface)}
