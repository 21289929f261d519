"""Personal words give way to stand-ins, the same for the same, and nothing else changes."""

from __future__ import annotations

import re

import pytest

from picluster.controller.health.stand_ins import Known, StandIns
from picluster.schema.bundle import Bundle
from picluster.schema.record import from_json, to_json
from picluster.schema.report import NodeReport
from tests.unit.controller.health.bundles import a_bundle

KNOWN = Known(
    nodes=["pi1", "pi10", "garden"],
    hosts=["kitchen", "kitchen.smith.example", "pi1"],
    users=["joe", "pi"],
    networks=["Smith at home"],
    addresses=["192.168.1.101"],
    folders=[("/srv/joe's/graphs", "/home/user/project"), ("/home/joe", "/home/user")],
)


@pytest.mark.parametrize(
    ("text", "replaced"),
    [
        ("pi1, pi10 and garden", "node-a, node-b and node-c"),
        ("pi1.kitchen.smith.example", "node-a.host-2"),
        ("KITCHEN or kitchen", "KITCHEN or host-1"),
        ("joe@kitchen:22", "user@host-1:22"),
        ("busy with run abcd of user pi", "busy with run abcd of user user-2"),
        ("Raspberry Pi 4, picluster, pi4, spiral", "Raspberry Pi 4, picluster, pi4, spiral"),
        ("/srv/joe's/graphs/cora and /home/joe/.ssh", "/home/user/project/cora and /home/user/.ssh"),
        ("/home/ann/x, /Users/ann/x, /root/x, /usr/root", "/home/user/x, /home/user/x, /home/user/x, /usr/root"),
        ("192.168.1.101 10.0.0.1 192.168.1.101:22", "192.0.2.1 192.0.2.2 192.0.2.1:22"),
        ("127.0.1.1 0.0.0.0 torch 2.9.1 1.2.3", "127.0.1.1 0.0.0.0 torch 2.9.1 1.2.3"),
        ("fe80::1%eth0 and 2a02:1:2::3, at 10:15:30", "2001:db8::1%eth0 and 2001:db8::2, at 10:15:30"),
        ("b8:27:eb:01:02:03 B8:27:EB:01:02:03", "02:00:00:00:00:00 02:00:00:00:00:00"),
        ("enxb827eb010203 wlan0", "interface-1 wlan0"),
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIabc/de+f== x", "key-1 x"),
        ("SHA256:abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG", "key-1"),
        ("ann@example.org, office.fritz.box", "user@host, host-3"),
        ("in Smith at home", "in network-1"),
        ("the worker cannot be started", "the worker cannot be started"),
    ],
)
def test_words_are_replaced_by_what_they_are(text: str, replaced: str) -> None:
    assert StandIns(KNOWN).text(text) == replaced


def found_in(text: str, words: list[str]) -> list[str]:
    """Those of the words that stand in a text as words."""
    return [word for word in words if re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text)]


def test_a_bundle_holds_none_of_the_names_and_can_be_read() -> None:
    nodes = ["pi1", "pi2", "local1", "local2", "local3", "local4"]
    words = [*nodes, "joe", "pi", "192.168.1.101", "/home/pi"]
    assert found_in(to_json(a_bundle(), indent=True).decode(), words) == words
    bundle = StandIns(Known(nodes=nodes, users=["pi", "joe"])).record(a_bundle())
    text = to_json(bundle, indent=True).decode()
    assert found_in(text, words) == []
    assert from_json(Bundle, text, source="it") == bundle


def test_the_same_thing_has_the_same_stand_in_in_facts_findings_and_report() -> None:
    bundle = StandIns(Known(nodes=["pi1", "pi2", "local1"])).record(a_bundle())
    assert [node.name for node in bundle.nodes] == [node.name for node in bundle.health.nodes] == ["node-a", "node-b"]
    assert {link.source for link in bundle.health.links} == {"node-a", "node-b"}
    assert bundle.missing[0].nodes == ("node-b",)
    assert bundle.report is not None
    sampler: NodeReport = bundle.report.nodes[0]
    assert sampler.name == bundle.report.plan.nodes[0] == "node-c"


def test_what_can_only_be_chosen_stays_whatever_people_are_called() -> None:
    known = Known(nodes=["finished", "pi1"], users=["gloo", "layer-split"], hosts=["warning"])
    bundle = StandIns(known).record(a_bundle())
    assert bundle.report is not None
    assert bundle.report.status == "finished"
    assert from_json(Bundle, to_json(bundle), source="it") == bundle
