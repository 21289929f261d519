"""Nodes reached together."""

from __future__ import annotations

import pytest

from picluster.agent.answering import VERSION
from picluster.controller.nodes.fan_out import NodesFailed, all_or_none
from picluster.controller.nodes.inventory import Node, RemoteNode
from picluster.controller.nodes.local import LocalMachine
from picluster.controller.nodes.reaching import look_all, machines_of, visited_as
from picluster.schema.agent import Look
from picluster.schema.facts import NodeFacts


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
