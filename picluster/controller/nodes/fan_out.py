"""The same work on all nodes at once; a bad node never hides what the others say."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from picluster.errors import PiclusterError, RunFailed
from picluster.system import SYSTEM, System

Outcome = TypeVar("Outcome")
_TICK_SECONDS = 0.5


class NodesFailed(PiclusterError):
    """Failure of some nodes, each with its own reason; nodes with the same reason stand together."""

    def __init__(self, errors: Mapping[str, PiclusterError]) -> None:
        self.errors = dict(errors)
        first = next(iter(self.errors.values()))
        self.exit_code = first.exit_code
        reasons = by_reason(self.errors)
        if len(reasons) == 1:
            super().__init__(f"{', '.join(self.errors)}: {first.what}", fix=first.fix)
        else:
            told = [f"{', '.join(nodes)}: {reason}" for reason, nodes in reasons.items()]
            super().__init__("\n  ".join([f"{len(self.errors)} nodes cannot be used", *told]))


def try_all(
    names: Iterable[str],
    work: Callable[[str], Outcome],
    *,
    timeout_seconds: float,
    doing: str,
    system: System = SYSTEM,
) -> dict[str, Outcome | PiclusterError]:
    """Each node's outcome or error, in the order of `names`; unexpected exceptions are raised.

    `work` takes a node's name, in a thread of its own. A node that has not finished in time has failed; `doing` says
    what it was doing. The time for which this process itself is paused does not count.
    """
    names = list(names)
    done: queue.Queue[tuple[str, Outcome | BaseException]] = system.queue(0)

    def attempt(name: str) -> None:
        try:
            done.put((name, work(name)))
        except BaseException as error:  # noqa: BLE001  it is raised where all outcomes come together
            done.put((name, error))

    for name in names:
        system.start_thread(attempt, name, name=f"{doing} {name}")
    outcomes: dict[str, Outcome | PiclusterError] = {}
    left_seconds = timeout_seconds
    while len(outcomes) < len(names):
        if left_seconds <= 0:
            break
        began, tick_seconds = system.now(), min(left_seconds, _TICK_SECONDS)
        try:
            name, outcome = done.get(timeout=tick_seconds)
        except queue.Empty:
            left_seconds -= tick_seconds
            continue
        left_seconds -= min(system.now() - began, tick_seconds)
        if isinstance(outcome, BaseException) and not isinstance(outcome, PiclusterError):
            raise outcome
        outcomes[name] = outcome
    late = RunFailed(f"{doing} took longer than {timeout_seconds:g} s", fix="see what it is busy with, or restart it")
    return {name: outcomes.get(name, late) for name in names}


def by_reason(
    errors: Mapping[str, PiclusterError], reason: Callable[[PiclusterError], str] = str
) -> dict[str, list[str]]:
    """Names of the nodes that failed for the same reason, together, by that reason: by default with its fix."""
    reasons: dict[str, list[str]] = {}
    for name, error in errors.items():
        reasons.setdefault(reason(error), []).append(name)
    return reasons


def parted(
    outcomes: Mapping[str, Outcome | PiclusterError],
) -> tuple[dict[str, Outcome], dict[str, PiclusterError]]:
    """Outcomes of the nodes that have one, and the errors of the others."""
    good = {name: each for name, each in outcomes.items() if not isinstance(each, PiclusterError)}
    return good, {name: each for name, each in outcomes.items() if isinstance(each, PiclusterError)}


def all_or_none(outcomes: Mapping[str, Outcome | PiclusterError]) -> dict[str, Outcome]:
    """Every node's outcome; NodesFailed where some have none."""
    good, errors = parted(outcomes)
    if errors:
        raise NodesFailed(errors)
    return good
