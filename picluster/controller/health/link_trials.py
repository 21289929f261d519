"""Measures the ways between nodes: each listens, and in every round each measures with one other, there and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from picluster.controller.nodes.fan_out import try_all
from picluster.controller.nodes.machine import Agent
from picluster.errors import PiclusterError, RunFailed
from picluster.schema.agent import Listen, MeasureLink
from picluster.schema.health import Link

LISTEN_SECONDS = 10.0
ROUND_SECONDS = 30.0
"""Time for a pair, in both directions."""

Pair = tuple[str, str]


class LinkTrials:
    """The links between some nodes."""

    def __init__(self, probers: Mapping[str, Agent], addresses: Mapping[str, str]) -> None:
        """`probers` run on the nodes, whose data planes have these addresses."""
        self._probers, self._addresses = probers, addresses
        self._ports: dict[str, int] = {}
        self.links: list[Link] = []
        self.errors: dict[str, PiclusterError] = {}
        """Errors of nodes that did not take part to the end."""

    def measure(self, tell: Callable[[str], None]) -> None:
        """Measure every pair in both directions; `tell` is called with what is being done."""
        for name, port in try_all(
            self._probers, self._listen, timeout_seconds=LISTEN_SECONDS, doing="listening"
        ).items():
            if isinstance(port, PiclusterError):
                self.errors[name] = port
            else:
                self._ports[name] = port
        schedule = rounds(list(self._ports))
        for number, pairs in enumerate(schedule, start=1):
            tell(f"measuring  links, round {number} of {len(schedule)}")
            self._play([pair for pair in pairs if not set(pair) & set(self.errors)])

    def _listen(self, name: str) -> int:
        address = self._addresses[name]
        answer = self._probers[name].ask(Listen(address=address, greeting=_greeting(name)))
        if answer.port is None:
            fix = "set picluster_address in the inventory to an address that it has"
            raise RunFailed(f"it cannot listen at {address}: {answer.error}", fix=fix)
        return answer.port

    def _play(self, pairs: list[Pair]) -> None:
        titles = {" – ".join(pair): pair for pair in pairs}
        done = try_all(
            titles, lambda title: self._both_ways(titles[title]), timeout_seconds=ROUND_SECONDS, doing="measuring links"
        )
        for title, outcome in done.items():
            if isinstance(outcome, PiclusterError):
                self.errors |= dict.fromkeys(titles[title], outcome)
            else:
                self.links += outcome

    def _both_ways(self, pair: Pair) -> list[Link]:
        """Measure there and back; a node that does not answer any more is put down."""
        links = []
        for source, target in (pair, pair[::-1]):
            try:
                links.append(self._measure(source, target))
            except PiclusterError as error:
                self.errors[source] = error
        return links

    def _measure(self, source: str, target: str) -> Link:
        address, port = self._addresses[target], self._ports[target]
        told = self._probers[source].ask(MeasureLink(address=address, port=port, greeting=_greeting(target)))
        return Link(
            source=source,
            target=target,
            problem=told.error,
            round_trip_ms=told.round_trip_ms,
            mbit_per_second=told.mbit_per_second,
        )


def _greeting(name: str) -> str:
    """Words by which a listener is known: another machine may have the address, too."""
    return f"picluster {name}"


def rounds(names: Sequence[str]) -> list[list[Pair]]:
    """Every pair once, in as few rounds as can be, nobody twice in a round: a tournament by the circle method.

    One node keeps its seat, the others move on by one after each round. With an odd number, one rests.
    """
    seats: list[str | None] = [*names, *([None] if len(names) % 2 else [])]
    played = []
    for _ in range(len(seats) - 1):
        half = len(seats) // 2
        met = zip(seats[:half], reversed(seats[half:]), strict=True)
        played.append([(first, second) for first, second in met if first is not None and second is not None])
        seats = [seats[0], seats[-1], *seats[1:-1]]
    return played
