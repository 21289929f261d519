"""The survey: nodes reached and looked at before anything is planned. Those that then start keep their connection."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, TypeVar

from picluster.controller.nodes.inventory import Node, remote_nodes
from picluster.controller.nodes.reaching import enter_all, leave_all, look_all, machine_of, machines_of
from picluster.errors import PiclusterError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from picluster.controller.nodes.machine import Machine
    from picluster.schema.facts import NodeFacts

SURVEY_SECONDS = 6.0
"""A node that has not answered by then is taken as one of which nothing is known; who starts it will say why."""

Outcome = TypeVar("Outcome")


def surveyed(nodes: Sequence[Node]) -> list[NodeFacts]:
    """Facts of the nodes; nobody is asked where the inventory tells how strong all are, or beside local processes."""
    unknown = [node for node in nodes if node.cores is None]
    if len(nodes) < 2 or len(remote_nodes(unknown)) < len(unknown):  # noqa: PLR2004
        return [node.facts for node in nodes]
    with closing(NodeSurvey(nodes, silence_seconds=SURVEY_SECONDS)) as survey:
        return survey.facts


class NodeSurvey:
    """Facts of some nodes, and the machines of those that told them."""

    def __init__(self, nodes: Sequence[Node], *, silence_seconds: float) -> None:
        """Reach all of them; a connection over which nothing is acknowledged for so long breaks."""
        self.errors: dict[str, PiclusterError] = {}
        """Reasons why nodes could not be looked at: of those the inventory's words alone are known."""
        self._machines = self._good(enter_all(machines_of(nodes), silence_seconds, SURVEY_SECONDS))
        seen = self._good(look_all(self._machines, "", lambda _: {}))
        self.facts = [seen.get(node.name, node.facts) for node in nodes]

    def _good(self, outcomes: Mapping[str, Outcome | PiclusterError]) -> dict[str, Outcome]:
        self.errors |= {name: each for name, each in outcomes.items() if isinstance(each, PiclusterError)}
        return {name: each for name, each in outcomes.items() if not isinstance(each, PiclusterError)}

    def take(self, nodes: Iterable[Node]) -> dict[str, Machine]:
        """The machine of each node, entered already where it told its facts; the caller lets go of them."""
        told = {node.name: self._machines.pop(node.name, None) for node in nodes if node.name not in self.errors}
        return {node.name: told.get(node.name) or machine_of(node) for node in nodes}

    def close(self) -> None:
        """Let go of the machines that nobody took."""
        leave_all(self._machines)
        self._machines = {}
