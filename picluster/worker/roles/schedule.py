"""Schedule of a step: the micro-batches of each replica, and their order. Pure; the tests draw it as tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

Action = tuple[Literal["forward", "backward"], int]


def share(member: int, members: int, count: int) -> range:
    """The micro-batches, of `count`, that fall to one of several replicas (or samplers)."""
    return range(member, count, members)


def holder(ranks: Sequence[int], micro_batch: int) -> int:
    """The one of several replicas (or samplers) to whom a micro-batch falls: the other side of `share`."""
    return ranks[micro_batch % len(ranks)]


def window(stage: int, replicas: Sequence[int]) -> int:
    """Return how far a stage may run forward: micro-batch m before m - window has come back.

    `replicas` are the numbers of nodes of all stages. The last stage takes each one back at once; one before it has one
    more under way on each of its nodes than what follows. Windows shrink strictly: no two stages wait for each other.
    """
    return 1 + sum(replicas[stage : len(replicas) - 1])


def one_forward_one_backward(mine: Sequence[int], window: int) -> Iterator[Action]:
    """The actions of a step (PipeDream-flush; Narayanan et al., 2021, section 2.2): at most a window in flight."""
    waiting = list(mine)
    for micro_batch in mine:
        while waiting[0] + window <= micro_batch:
            yield "backward", waiting.pop(0)
        yield "forward", micro_batch
    for micro_batch in waiting:
        yield "backward", micro_batch
