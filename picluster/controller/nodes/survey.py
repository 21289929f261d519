"""The survey: nodes reached and looked at before anything is planned. Those that then start keep their connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from picluster.controller.nodes.reaching import enter_all, leave_all, look_all, machines_of, new_machine
from picluster.errors import PiclusterError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from picluster.controller.nodes.inventory import Node
    from picluster.controller.nodes.machine import Machine

SURVEY_SECONDS = 6.0
"""A node that has not answered by then is taken as one of which nothing is known; who starts it will say why."""

Outcome = TypeVar("Outcome")


class NodeSurvey:
    """Facts of some nodes, and the machines of those that told them."""

    def __init__(self, nodes: Sequence[Node], *, silence_seconds: float) -> None:
        """Reach all of them; a connection over which nothing is acknowledged for so long breaks."""
        self.errors: dict[str, PiclusterError] = {}
        """Reasons why others could not be looked at."""
        self._machines = self._good(enter_all(machines_of(nodes), silence_seconds, SURVEY_SECONDS))
        self.facts = self._good(look_all(self._machines, "", lambda _: {}))
        """Facts by the node's name, of those that told them."""

    def _good(self, outcomes: Mapping[str, Outcome | PiclusterError]) -> dict[str, Outcome]:
        self.errors |= {name: each for name, each in outcomes.items() if isinstance(each, PiclusterError)}
        return {name: each for name, each in outcomes.items() if not isinstance(each, PiclusterError)}

    def take(self, nodes: Iterable[Node]) -> dict[str, Machine]:
        """The machine of each node, entered already where it told its facts; the caller lets go of it. Once."""
        told = {node.name: self._machines.pop(node.name, None) for node in nodes if node.name in self.facts}
        self.close()
        return {node.name: told.get(node.name) or new_machine(node) for node in nodes}

    def close(self) -> None:
        """Let go of the machines that nobody took."""
        leave_all(self._machines)
        self._machines = {}
