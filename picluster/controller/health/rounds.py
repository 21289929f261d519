"""Who measures with whom, and when. Pure."""

from __future__ import annotations

from collections.abc import Sequence

Pair = tuple[str, str]


def rounds(names: Sequence[str]) -> list[list[Pair]]:
    """Every pair once, in as few rounds as can be, nobody twice in a round: a tournament by the circle method.

    One player keeps the seat; the others move on by one after each round. With an odd number, who meets nobody rests.
    """
    seats: list[str | None] = [*names, *([None] if len(names) % 2 else [])]
    played = []
    for _ in range(len(seats) - 1):
        half = len(seats) // 2
        met = zip(seats[:half], reversed(seats[half:]), strict=True)
        played.append([(first, second) for first, second in met if first is not None and second is not None])
        seats = [seats[0], seats[-1], *seats[1:-1]]
    return played
