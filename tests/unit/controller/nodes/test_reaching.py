"""Nodes reached together, and the survey before a plan: local nodes, and one that cannot be reached."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from picluster.agent import premises
from picluster.agent.answering import VERSION
from picluster.controller.nodes.fan_out import NodesFailed, all_or_none
from picluster.controller.nodes.inventory import Node, RemoteNode
from picluster.controller.nodes.local import LocalMachine
from picluster.controller.nodes.reaching import NodeSurvey, look_all, machines_of, visited_as
from picluster.schema.agent import Look
from picluster.schema.facts import NodeFacts

LOCAL = [Node("local1"), Node("local2", memory_bytes=1 << 30, cores=4)]


class OlderMachine(LocalMachine):
    """A machine whose agent answers in another version."""

    def look(self, graph: str, wanted: object) -> NodeFacts:  # noqa: ARG002
        question = Look(name="pi2", home="/opt/picluster", cache="~", graph=graph, wanted={})
        return question.read_answer(b'{"version": %d, "answer": {}}' % (VERSION + 1))


def test_an_answer_of_another_version_names_the_node_and_the_fix() -> None:
    machines = {"pi1": LocalMachine(), "pi2": OlderMachine()}
    with pytest.raises(NodesFailed, match=f"^pi2: its agent answers 'look' in version {VERSION + 1}") as caught:
        all_or_none(look_all(machines, "cora", lambda _: {}))
    assert caught.value.fix == "start picluster again: its files were replaced while it ran"


def test_processes_of_this_machine_are_visited_once_and_other_machines_each() -> None:
    machines = machines_of([Node("a"), RemoteNode("pi1"), Node("b"), RemoteNode("pi2")])
    assert visited_as(machines) == {"a": "a", "pi1": "pi1", "b": "a", "pi2": "pi2"}


@pytest.fixture(scope="module")
def gone() -> RemoteNode:
    """A node of this machine's, on a port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as once:
        port = once.getsockname()[1]
    return RemoteNode("pi1", ssh_words=("-p", str(port), "127.0.0.1"))


@pytest.fixture
def survey(gone: RemoteNode) -> Iterator[NodeSurvey]:
    with closing(NodeSurvey([*LOCAL, gone], silence_seconds=5.0)) as made:
        yield made


def test_nodes_tell_what_they_are(survey: NodeSurvey) -> None:
    facts = survey.facts["local1"]
    assert (facts.name, facts.cores, facts.processor) == ("local1", len(os.sched_getaffinity(0)), premises.processor())
    assert facts.torch
    assert facts.interfaces


def test_the_inventory_s_words_count_more_than_the_node_s(survey: NodeSurvey) -> None:
    facts = survey.facts["local2"]
    assert (facts.usable_bytes, facts.cores) == (1 << 30, 4)


def test_a_node_that_cannot_be_reached_hides_nothing_of_the_others(survey: NodeSurvey) -> None:
    assert list(survey.facts) == ["local1", "local2"]
    assert {name: error.what.startswith("nothing answers SSH") for name, error in survey.errors.items()} == {
        "pi1": True
    }


def test_a_machine_is_taken_once_and_then_made_anew(survey: NodeSurvey) -> None:
    first, second = survey.take(LOCAL), survey.take(LOCAL)
    assert list(first) == ["local1", "local2"]
    assert not set(map(id, first.values())) & set(map(id, second.values()))
