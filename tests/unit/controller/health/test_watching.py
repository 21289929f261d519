"""Readings of nodes: what follows from a machine's answer, and nodes that answer beside one that does not."""

from __future__ import annotations

import socket

import pytest
from msgspec.structs import replace

from picluster.controller.health.watching import NodeWatch, reading_of
from picluster.controller.nodes.inventory import Node, RemoteNode
from picluster.schema.facts import Claimed
from picluster.schema.gauges import Gauges, HeldBack, NodeReading
from picluster.schema.run import Controller

GAUGES = Gauges(
    used_bytes=300,
    limit_bytes=400,
    busy_ticks=50,
    ticks=1000,
    cores=4,
    celsius=61.0,
    throttled=0,
    free_bytes=7,
    claims=(),
)
ANNA = Controller(host="laptop", pid=1, started=0.0, user="anna", machine="m")
PI = NodeReading(name="pi1", local=False)


def claim(node: str, run: str = "2026-ymbu", *, is_exclusive: bool = True) -> Claimed:
    return Claimed(run, node, is_exclusive, ANNA, pid=1, group=1, since=5.0, role="stage 1")


def runs_on(node: NodeReading, *claims: Claimed) -> list[str]:
    return [worker.run for worker in reading_of(node, replace(GAUGES, claims=claims), None).workers]


def test_the_processor_s_share_is_that_of_the_time_since_the_reading_before() -> None:
    assert replace(GAUGES, busy_ticks=80, ticks=1120).cpu_share_since(GAUGES) == 0.25
    assert GAUGES.cpu_share_since(None) is None
    assert GAUGES.cpu_share_since(GAUGES) is None
    assert replace(GAUGES, busy_ticks=None, ticks=None).cpu_share_since(GAUGES) is None


@pytest.mark.parametrize(
    ("bits", "word"), [(None, None), (0, "no"), (0x50000, "before"), (0x50005, "now"), (0x4, "now")]
)
def test_the_firmware_s_bits_are_a_word(bits: int | None, word: HeldBack | None) -> None:
    assert replace(GAUGES, throttled=bits).held_back == word


def test_a_worker_is_told_with_its_role_and_who_leads_its_run() -> None:
    (worker,) = reading_of(PI, replace(GAUGES, claims=(claim("pi1"),)), 0.5).workers
    assert (worker.run, worker.role, worker.user, worker.since) == ("2026-ymbu", "stage 1", "anna", 5.0)


def test_of_the_workers_on_this_machine_a_node_has_its_own() -> None:
    here = replace(PI, local=True)
    assert runs_on(here, claim("pi1", "a", is_exclusive=False), claim("pi2", "b", is_exclusive=False)) == ["a"]
    assert runs_on(here, claim("pi2", "b", is_exclusive=False)) == []


def test_a_pi_that_another_inventory_calls_otherwise_still_tells_who_has_it() -> None:
    assert runs_on(PI, claim("raspberry")) == ["2026-ymbu"]
    assert runs_on(PI, claim("pi1", "mine"), claim("raspberry")) == ["mine"]


def test_a_node_that_does_not_answer_keeps_no_other_from_being_read() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        port = str(taken.getsockname()[1])
        gone = RemoteNode("gone", ssh_words=("-F", "none", "-p", port, "127.0.0.1"))
        with NodeWatch([gone, Node("here"), Node("there")], every_seconds=0.1) as watch:
            watch.settle()
            readings = watch.readings()
    silent, here, there = readings.nodes
    assert not readings.answer
    assert "127.0.0.1" in silent.problem
    assert silent.fix
    assert silent.memory_used_bytes is None
    assert here.cpu_share is not None
    assert 0 < (here.memory_used_bytes or 0) <= (here.memory_limit_bytes or 0)
    assert replace(there, name="here", seconds_ago=here.seconds_ago) == here
