"""The survey before a plan: local nodes, and one that cannot be reached."""

import os
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from picluster.agent import premises
from picluster.controller.nodes.inventory import Node, RemoteNode
from picluster.controller.nodes.survey import NodeSurvey

LOCAL = [Node("local1"), Node("local2", memory_bytes=1 << 30, cores=4)]


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
    facts = survey.facts[0]
    assert (facts.name, facts.cores, facts.processor) == ("local1", len(os.sched_getaffinity(0)), premises.processor())
    assert facts.torch
    assert facts.interfaces


def test_the_inventory_s_words_count_more_than_the_node_s(survey: NodeSurvey) -> None:
    assert (survey.facts[1].usable_bytes, survey.facts[1].cores) == (1 << 30, 4)


def test_of_a_node_that_cannot_be_reached_the_name_alone_is_known_and_the_reason(
    survey: NodeSurvey, gone: RemoteNode
) -> None:
    assert survey.facts[2] == gone.facts
    assert list(survey.errors) == ["pi1"]
    assert "refused" in survey.errors["pi1"].what or "does not answer" in survey.errors["pi1"].what


def test_a_machine_is_taken_once_and_then_made_anew(survey: NodeSurvey) -> None:
    first, second = survey.take(LOCAL), survey.take(LOCAL)
    assert list(first) == ["local1", "local2"]
    assert not set(map(id, first.values())) & set(map(id, second.values()))
