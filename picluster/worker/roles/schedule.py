"""Schedule of a step: the micro-batches of each replica, and their order. Pure; the tests draw it as tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil
from typing import Literal

from picluster.worker.wire.links import LOOKAHEAD

Action = tuple[Literal["forward", "backward", "there and back", "evaluate"], int]
"""Kind of work, and the number of the micro-batch."""


def share(member: int, members: int, count: int) -> range:
    """The micro-batches, of `count`, that fall to one of several replicas (or samplers)."""
    return range(member, count, members)


def holder(ranks: Sequence[int], micro_batch: int) -> int:
    """The one of several replicas (or samplers) to whom a micro-batch falls: the other side of `share`."""
    return ranks[micro_batch % len(ranks)]


def window(stage: int, cores: Sequence[int]) -> int:
    """Return how far a stage may run forward: micro-batch m before m - window has come back.

    `cores` are those of all nodes of each stage, added up. The last stage takes each one back at once; one before it
    has as many under way as all stages from it on compute at the same time. Windows shrink strictly: no two stages wait
    for each other.
    """
    return 1 if stage == len(cores) - 1 else sum(cores[stage:])


def most_in_flight(stage: int, replicas: int, cores: Sequence[int]) -> int:
    """Return how many micro-batches one of a stage's replicas has under way at most."""
    return ceil(window(stage, cores) / replicas)


def room_for_gradients(stage: int, replicas: int, cores: Sequence[int]) -> int:
    """Return how many gradients may be on their way back to one of a stage's replicas before their sender waits.

    All that it has under way: a stage that waited with them would wait for ever where the one before it wants to send
    it more rows first.
    """
    return max(LOOKAHEAD, most_in_flight(stage, replicas, cores))


def actions_of(mine: Sequence[int], window: int, *, is_last: bool) -> list[Action]:
    """The actions of a step, in the order in which they begin: at most a window in flight.

    The last stage brings each micro-batch there and back in one go; others do as in PipeDream-flush (Narayanan et al.,
    2021, section 2.2). Where cores work side by side, each of them may have one more in flight.
    """
    return [("there and back", number) for number in mine] if is_last else list(_one_forward_one_backward(mine, window))


def _one_forward_one_backward(mine: Sequence[int], window: int) -> Iterator[Action]:
    waiting = list(mine)
    for micro_batch in mine:
        while waiting[0] + window <= micro_batch:
            yield "backward", waiting.pop(0)
        yield "forward", micro_batch
    for micro_batch in waiting:
        yield "backward", micro_batch
