"""What the doctor makes of all nodes side by side, and of measured links."""

from __future__ import annotations

import msgspec
import pytest

from picluster.controller.health.findings import between, judge
from picluster.controller.health.findings_node import Patient
from picluster.controller.nodes.fitness import busy
from picluster.errors import RunFailed
from picluster.schema.facts import Claimed
from picluster.schema.health import Interface, Link
from picluster.schema.run import Controller
from tests.unit.controller.healthy import SEEN, VERSIONS, WORKS, a_patient, links_between


def test_of_a_node_in_good_health_nothing_is_said() -> None:
    health = judge([a_patient("pi1"), a_patient("pi2")], links_between("pi1", "pi2"))
    assert health.findings == ()
    assert health.ready


def test_nodes_of_which_the_same_is_to_be_said_stand_together() -> None:
    hot = {"governor": "powersave"}
    health = judge([a_patient("pi1", facts=hot), a_patient("pi2"), a_patient("pi3", facts=hot)], [])
    assert [(finding.check, finding.nodes) for finding in health.findings] == [("governor", ("pi1", "pi3"))]
    assert health.ready


def test_a_node_that_cannot_be_entered_hides_nothing_of_the_others() -> None:
    gone = Patient(name="pi1", errors={"ssh": RunFailed("192.168.1.101 port 22 does not answer", fix="switch it on")})
    health = judge([gone, a_patient("pi2", facts={"celsius": 90.0})], [])
    assert [(finding.nodes, finding.check) for finding in health.findings] == [
        (("pi1",), "ssh"),
        (("pi2",), "temperature"),
    ]
    assert [node.ready for node in health.nodes] == [False, True]
    assert not health.ready


def test_problems_come_before_warnings_and_those_before_notes() -> None:
    facts = {"name_addresses": ("127.0.1.1",), "celsius": 90.0, "read_only": True}
    health = judge([a_patient(facts=facts)], [])
    assert [finding.severity for finding in health.findings] == ["problem", "warning", "note"]


def test_a_busy_node_is_not_ready_and_was_not_disturbed() -> None:
    controller = Controller(host="desk", pid=1, user="ann", started=0.0)
    claim = Claimed(run="r", node="pi1", is_exclusive=True, controller=controller, pid=1, group=1, since=0.0)
    reason = busy([claim])
    assert reason is not None
    health = judge([a_patient(errors={"fit": reason}, torch=None)], [])
    assert [finding.severity for finding in health.findings] == ["problem", "note"]
    assert "run r of user ann" in health.findings[0].what
    assert "were not tried" in health.findings[1].what


def test_versions_that_differ_are_a_warning_about_those_that_differ_from_most() -> None:
    newer = msgspec.structs.replace(WORKS, versions={**VERSIONS, "numpy": "2.4.0"})
    health = judge([a_patient("pi1"), a_patient("pi2"), a_patient("pi3", torch=newer)], [])
    (finding,) = health.findings
    assert (finding.severity, finding.nodes) == ("warning", ("pi3",))
    assert finding.what.startswith("numpy is 2.3.5 on pi1, pi2; 2.4.0 on pi3")


def test_of_different_torches_the_words_are_launch_s_own() -> None:
    newer = msgspec.structs.replace(SEEN, torch="2.13.0")
    health = judge([a_patient("pi1"), a_patient("pi2", seen=newer)], [])
    (finding,) = health.findings
    assert finding.what.startswith("torch is 2.9.1 on pi1; 2.13.0 on pi2")


def test_groups_of_nodes_whose_numerics_differ_are_a_note() -> None:
    kinds = {"pi1": "53a0", "pi2": "72a0", "pi3": "53a0"}
    trials = {name: msgspec.structs.replace(WORKS, numerics=kind) for name, kind in kinds.items()}
    health = judge([a_patient(name, torch=trial) for name, trial in trials.items()], [])
    (finding,) = health.findings
    assert (finding.check, finding.severity, health.ready) == ("numerics", "note", True)
    assert finding.what.startswith("numerics differ between pi1, pi3 (53a0); pi2 (72a0): ")


def unreached(source: str, target: str) -> Link:
    return Link(source=source, target=target, problem="no answer")


def test_a_node_that_nobody_reaches_is_told_of_once() -> None:
    links = [each for each in links_between("pi1", "pi2", "pi3") if each.target != "pi2"]
    found = between(
        [a_patient(name) for name in ("pi1", "pi2", "pi3")], [*links, unreached("pi1", "pi2"), unreached("pi3", "pi2")]
    )
    assert [(each.nodes, each.severity) for each in found] == [(("pi2",), "problem")]
    assert found[0].what == "no other node reaches it over TCP: no answer"


def test_a_pair_that_does_not_meet_is_told_of_who_tried() -> None:
    links = [each for each in links_between("pi1", "pi2", "pi3") if (each.source, each.target) != ("pi1", "pi2")]
    found = between([a_patient(name) for name in ("pi1", "pi2", "pi3")], [*links, unreached("pi1", "pi2")])
    assert [(each.nodes, each.what) for each in found] == [(("pi1",), "it does not reach pi2 over TCP: no answer")]


@pytest.mark.parametrize(
    ("interface", "rate", "words"),
    [
        (
            Interface(speed_mbit=100, wireless=False, half_duplex=False),
            94.0,
            "gives 94 Mbit/s at best, being linked at 100",
        ),
        (
            Interface(speed_mbit=1000, wireless=False, half_duplex=False),
            400.0,
            "gives 400 Mbit/s at best; others have more",
        ),
        (
            Interface(speed_mbit=None, wireless=False, half_duplex=False),
            300.0,
            "gives 300 Mbit/s at best; others have more",
        ),
        (Interface(speed_mbit=None, wireless=True, half_duplex=False), 38.0, "is Wi-Fi: 38 Mbit/s at best"),
        (Interface(speed_mbit=1000, wireless=False, half_duplex=True), 900.0, "one direction at a time"),
    ],
)
def test_a_slow_interface_is_told_of_its_node_alone(interface: Interface, rate: float, words: str) -> None:
    patients = [a_patient("pi1"), a_patient("pi2", facts={"interfaces": {"eth0": interface}}), a_patient("pi3")]
    (finding,) = between(patients, links_between("pi1", "pi2", "pi3", pi2=rate))
    assert (finding.nodes, finding.severity) == (("pi2",), "warning")
    assert words in finding.what


def test_what_an_interface_cannot_do_is_not_asked_of_it() -> None:
    """Of two nodes, one on 2.5 Gbit/s."""
    fast = Interface(speed_mbit=2500, wireless=False, half_duplex=False)
    patients = [a_patient("pi1"), a_patient("pi2", facts={"interfaces": {"eth0": fast}})]
    assert between(patients, links_between("pi1", "pi2", mbit=940.0)) == []


def test_long_round_trips_are_told() -> None:
    links = [msgspec.structs.replace(each, round_trip_ms=22.0) for each in links_between("pi1", "pi2")]
    found = between([a_patient("pi1"), a_patient("pi2")], links)
    assert [each.check for each in found] == ["round-trip", "round-trip"]


@pytest.mark.parametrize(("speed_mbit", "wireless"), [(100, False), (None, True)])
def test_a_fast_node_is_not_blamed_for_a_slow_peer(speed_mbit: int | None, wireless: bool) -> None:
    slow = Interface(speed_mbit=speed_mbit, wireless=wireless, half_duplex=False)
    patients = [a_patient("pi1"), a_patient("pi2", facts={"interfaces": {"eth0": slow}})]
    found = between(patients, links_between("pi1", "pi2", mbit=94.0))
    assert [each.nodes for each in found] == [("pi2",)]


def test_nodes_that_are_all_slow_for_no_visible_reason_are_told_of() -> None:
    found = between([a_patient("pi1"), a_patient("pi2")], links_between("pi1", "pi2", mbit=60.0))
    assert [each.nodes for each in found] == [("pi1", "pi2")]
    assert "does not tell whose end is slow" in found[0].what


def test_a_fast_node_among_slow_ones_is_not_blamed_alone() -> None:
    """Its links are as slow as those of the others: nothing points to its cable."""
    names = ("pi1", "pi2", "pi3", "pi4")
    (finding,) = between([a_patient(name) for name in names], links_between(*names, mbit=94.0))
    assert finding.nodes == names


def test_of_slow_links_the_node_is_blamed_whose_peers_have_shown_more() -> None:
    names = ("pi1", "pi2", "pi3")
    found = between([a_patient(name) for name in names], links_between(*names, pi3=60.0))
    assert [each.nodes for each in found] == [("pi3",)]


def test_links_to_limited_nodes_tell_nothing_of_a_fast_one() -> None:
    slow = {"interfaces": {"eth0": Interface(speed_mbit=100, wireless=False, half_duplex=False)}}
    patients = [a_patient("pi1"), a_patient("pi2", facts=slow), a_patient("pi3", facts=slow), a_patient("pi4")]
    found = between(patients, links_between("pi1", "pi2", "pi3", "pi4", pi2=94.0, pi3=94.0))
    assert [each.nodes for each in found] == [("pi2",), ("pi3",)]


@pytest.mark.parametrize(("speed_mbit", "wireless"), [(100, False), (None, True)])
def test_nodes_that_are_all_limited_are_told_of_one_by_one(speed_mbit: int | None, wireless: bool) -> None:
    slow = {"interfaces": {"eth0": Interface(speed_mbit=speed_mbit, wireless=wireless, half_duplex=False)}}
    found = between(
        [a_patient("pi1", facts=slow), a_patient("pi2", facts=slow)], links_between("pi1", "pi2", mbit=94.0)
    )
    assert [each.nodes for each in found] == [("pi1",), ("pi2",)]


def test_links_of_a_cluster_that_were_not_measured_say_nothing() -> None:
    assert between([a_patient("pi1"), a_patient("pi2")], []) == []
