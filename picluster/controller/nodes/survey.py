"""A short look at the nodes before anything is planned."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from picluster.controller.nodes.fan_out import try_all
from picluster.controller.nodes.inventory import Node, remote_nodes
from picluster.controller.nodes.reaching import machine_of
from picluster.schema.facts import NodeFacts

if TYPE_CHECKING:
    from collections.abc import Sequence

SURVEY_SECONDS = 6.0
"""A node that has not answered by then is taken as one of which nothing is known; who starts it will say why."""


def surveyed(nodes: Sequence[Node]) -> list[NodeFacts]:
    """Facts of the nodes, asked of those of which the inventory does not say how strong they are.

    Nobody is asked where the answers could not matter: for a single node, or beside local processes.
    """
    unknown = {node.name: node for node in nodes if node.cores is None}
    if len(nodes) < 2 or len(remote_nodes(unknown.values())) < len(unknown):  # noqa: PLR2004
        return [node.facts for node in nodes]

    def ask(name: str) -> NodeFacts:
        with closing(machine_of(unknown[name])) as machine:
            machine.enter(silence_seconds=SURVEY_SECONDS)
            return machine.look("", {})

    told = try_all(unknown, ask, timeout_seconds=SURVEY_SECONDS, doing="asking")
    found = {name: each for name, each in told.items() if isinstance(each, NodeFacts)}
    return [found.get(node.name, node.facts) for node in nodes]
