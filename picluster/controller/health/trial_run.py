"""Run of three epochs that leaves nothing on the nodes over SSH: all that it needs there lies in one folder."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from picluster.controller.nodes.fan_out import parted, try_all
from picluster.controller.nodes.inventory import RemoteNode, remote_nodes
from picluster.controller.nodes.machine import ANSWER_SECONDS
from picluster.controller.nodes.reaching import Means, NodeSurvey, enter_all, leave_all, machines_of, new_machine
from picluster.controller.nodes.remote import RemoteMachine
from picluster.controller.planning.request import LaunchRequest
from picluster.controller.running.course import train
from picluster.controller.running.placement import Placement
from picluster.controller.running.task import new_task
from picluster.schema.agent import RemoveFolder

if TYPE_CHECKING:
    from picluster.controller.nodes.agent_session import AgentSession
    from picluster.controller.nodes.inventory import Node
    from picluster.controller.nodes.machine import Machine, Parcel
    from picluster.controller.running.observer import Observer

REQUEST = LaunchRequest(epochs=3, tag="probe")
"""GraphSAGE on a small generated graph: the same everywhere, so that figures of different shelves can be compared."""


_PLACE = PurePosixPath("/var/tmp")  # noqa: S108  the folder's name is drawn
"""Place on a disk, which every system has, whatever the person keeps data in."""


class Guest(RemoteMachine):
    """A machine whose worker keeps in the run's own folder also what it would remember for later launches."""

    def start(self, parcel: Parcel, environment: Mapping[str, str]) -> AgentSession:
        """Let the steward become the worker."""
        return super().start(parcel, {**environment, "XDG_CACHE_HOME": self.data_folder})


def make_trial_run(nodes: Sequence[Node], observer: Observer) -> None:
    """Train on these nodes; the run folder is in `observer.folders`, once there is one. See `train` for its errors."""
    folder = str(_PLACE / f"picluster-probe-{secrets.token_hex(4)}" / "data")
    guests = [replace(node, cache=folder) if isinstance(node, RemoteNode) else node for node in nodes]
    means = Means(machine=_guest)
    placement = Placement(request=REQUEST, nodes=guests, facts=[node.facts for node in guests], means=means)
    try:
        with closing(NodeSurvey(guests, silence_seconds=REQUEST.grace, means=means)) as survey:
            placement = placement.with_facts(survey, observer.note)
            task = new_task(placement, observer, only_plan=False)
            train(task, placement.plan(task), placement, observer)
    finally:
        _remove(folder, remote_nodes(guests))


def _guest(node: Node) -> Machine:
    return Guest(node) if isinstance(node, RemoteNode) else new_machine(node)


def _remove(folder: str, guests: Sequence[RemoteNode]) -> None:
    """Remove the folder with the data of the run from all nodes, and the one that it alone lies in."""
    machines, _ = parted(enter_all(machines_of(guests)))

    def remove(name: str) -> None:
        machines[name].agent(timeout_seconds=ANSWER_SECONDS).ask(RemoveFolder(folder=folder))

    try_all(machines, remove, timeout_seconds=ANSWER_SECONDS, doing="removing")
    leave_all(machines)
