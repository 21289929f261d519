"""Rounds in which pairs of nodes measure their links."""

from itertools import chain, combinations

import pytest

from picluster.controller.health.doctor import rounds


@pytest.mark.parametrize("count", [2, 3, 4, 7, 10, 11])
def test_every_pair_meets_once_and_nobody_is_in_two_pairs_of_a_round(count: int) -> None:
    names = [f"pi{number}" for number in range(count)]
    played = rounds(names)
    assert sorted(map(sorted, chain.from_iterable(played))) == sorted(map(sorted, combinations(names, 2)))
    for pairs in played:
        in_it = list(chain.from_iterable(pairs))
        assert len(in_it) == len(set(in_it))
    assert len(played) == count - 1 + count % 2


@pytest.mark.parametrize("names", [[], ["pi1"]])
def test_fewer_than_two_meet_nobody(names: list[str]) -> None:
    assert [pair for pairs in rounds(names) for pair in pairs] == []
