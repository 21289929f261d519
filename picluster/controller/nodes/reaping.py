"""Ends runs: by asking the controller that leads one, or, where that is gone, the workers that it left behind."""

from __future__ import annotations

import os
import shlex
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from picluster.controller.nodes.fan_out import try_all
from picluster.controller.nodes.reaching import machines_of, visited_as
from picluster.controller.record.leader import is_alive, is_here
from picluster.errors import InputError, PiclusterError, RunFailed
from picluster.schema.agent import EndGroups, TellClaims
from picluster.schema.facts import Claimed

if TYPE_CHECKING:
    from picluster.controller.nodes.inventory import Node
    from picluster.controller.nodes.machine import Agent
    from picluster.controller.record.run_folder import RunFolder

ASK_SECONDS = 20.0
STOP_SECONDS = 30.0
"""For a controller to end its run: it fetches nothing more, but waits for its workers."""

Outcome = TypeVar("Outcome")


@dataclass(frozen=True)
class Left:
    """A worker whose controller, on this machine, is gone."""

    node: str
    """Node that it is on."""
    claim: Claimed
    """Its own words about itself."""


def stop(folder: RunFolder) -> bool:
    """End a run by asking its controller; False where that is gone, and with it the run.

    InputError where the run has ended, or is led from another machine; RunFailed where the controller does not end.
    """
    controller = folder.controller()
    if folder.result() is not None:
        raise InputError(f"run {folder.name} has ended already", fix="see which there are: picluster runs")
    if not is_here(controller):
        what = f"run {folder.name} is led from {controller.host}, not from this machine"
        raise InputError(
            what, fix=f"there, as {controller.user or 'its user'}: picluster stop {shlex.quote(folder.name)}"
        )
    if not is_alive(controller):
        return False
    try:
        os.kill(controller.pid, signal.SIGTERM)
        os.kill(controller.pid, signal.SIGCONT)  # it may be paused by Ctrl-Z
    except PermissionError:
        raise InputError(f"run {folder.name} belongs to user {controller.user}", fix="ask them, or use sudo") from None
    deadline = time.monotonic() + STOP_SECONDS
    while is_alive(controller):
        if time.monotonic() > deadline:
            raise RunFailed(f"process {controller.pid} does not end", fix=f"kill -9 {controller.pid}; picluster reap")
        time.sleep(0.05)
    return True


def left_behind(nodes: Sequence[Node], run: str | None = None) -> tuple[list[Left], dict[str, PiclusterError]]:
    """Workers on these nodes that nobody leads any more, and the nodes that could not be asked.

    Only those of this machine's controllers: whether another machine's live cannot be seen from here. With a `run`,
    only its workers.
    """
    asked = _at_all(nodes, lambda steward, _: steward.ask(TellClaims()).claims)
    found: dict[tuple[str, int], Left] = {}
    errors: dict[str, PiclusterError] = {}
    for name, told in asked.items():
        if isinstance(told, PiclusterError):
            errors[name] = told
            continue
        for claim in told:
            is_left = is_here(claim.controller) and not is_alive(claim.controller)
            if is_left and run in (None, claim.run):
                found.setdefault((claim.run, claim.pid), Left(name, claim))
    return list(found.values()), errors


def end(nodes: Sequence[Node], left: Sequence[Left]) -> list[Left]:
    """Kill these workers; those that live on are returned."""
    groups: dict[str, list[int]] = {}
    for each in left:
        groups.setdefault(each.node, []).append(each.claim.group)
    having = [node for node in nodes if node.name in groups]
    ended = _at_all(having, lambda steward, name: set(steward.ask(EndGroups(groups=groups[name])).gone))
    gone = {name: told for name, told in ended.items() if isinstance(told, set)}
    return [each for each in left if each.claim.group not in gone.get(each.node, ())]


def _at_all(nodes: Sequence[Node], work: Callable[[Agent, str], Outcome]) -> dict[str, Outcome | PiclusterError]:
    """Speak with a steward on each node; local nodes are one machine, which is asked once."""
    machines = machines_of(nodes)

    def visit(name: str) -> Outcome:
        with closing(machines[name]) as machine:
            machine.enter()
            return work(machine.agent(), name)

    visited = dict.fromkeys(visited_as(machines).values())
    return try_all(visited, visit, timeout_seconds=ASK_SECONDS, doing="asking")
