"""Micro-batches side by side: all that can be at the same time is, and what must be in order is."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from picluster.system import SYSTEM
from picluster.worker.roles.schedule import Action, actions_of
from picluster.worker.roles.side_by_side import Cores, Way
from picluster.worker.wire.links import Clock

PATIENCE_SECONDS = 30


@contextmanager
def cores(count: int, fail: Callable[[BaseException], None] = lambda _: None) -> Iterator[Cores]:
    made = Cores(count, Clock(), fail, SYSTEM)
    yield made
    made.close()


class Belt:
    """Notes what happens, and sees that nobody takes or gives at the same time as another."""

    def __init__(self) -> None:
        self.taken, self.given = list[Action](), list[Action]()
        self._taking, self._giving = threading.Lock(), threading.Lock()

    def take(self, action: Action) -> int:
        with at_once(self._taking):
            self.taken.append(action)
        return action[1]

    def give(self, action: Action, made: int) -> None:
        with at_once(self._giving):
            assert made == action[1]
            self.given.append(action)

    def way(self, compute: Callable[[Action, int, int], int]) -> Way[int, int]:
        return Way(self.take, compute, self.give)


@contextmanager
def at_once(lock: threading.Lock) -> Iterator[None]:
    assert lock.acquire(blocking=False)
    yield
    lock.release()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_as_many_micro_batches_as_there_are_cores_are_computed_at_the_same_time(count: int) -> None:
    together, seen, belt = threading.Barrier(count), set[int](), Belt()

    def compute(_action: Action, number: int, core: int) -> int:
        seen.add(core)
        together.wait(PATIENCE_SECONDS)  # broken where fewer come
        return number

    with cores(count) as made:
        made.go(actions_of(range(2 * count), 1, is_last=True), belt.way(compute))
    assert seen == set(range(count))


def test_what_is_done_early_is_given_in_order_and_each_kind_by_itself() -> None:
    belt, rest_is_given, actions = Belt(), threading.Event(), actions_of(range(4), 2, is_last=False)

    def compute(action: Action, number: int, _core: int) -> int:
        if action == ("forward", 1):
            rest_is_given.wait(PATIENCE_SECONDS)
        if action == ("forward", 2):
            assert belt.given == [("forward", 0), ("backward", 0)], "a way back waits for no way there"
            rest_is_given.set()
        return number

    with cores(2) as made:
        made.go(actions, belt.way(compute))
    assert belt.taken == actions
    for kind in ("forward", "backward"):
        assert [action for action in belt.given if action[0] == kind] == [(kind, number) for number in range(4)]


def test_one_micro_batch_wakes_nobody_else_and_rounds_follow_each_other() -> None:
    belt, seen = Belt(), set[int]()

    def compute(_action: Action, number: int, core: int) -> int:
        seen.add(core)
        return number

    with cores(3) as made:
        for _ in range(3):
            made.go(actions_of([7], 1, is_last=True), belt.way(compute))
        assert seen == {0}
        made.go([], belt.way(compute))
    assert belt.given == [("there and back", 7)] * 3


def test_an_error_on_another_core_fails_the_worker() -> None:
    failures, has_failed, belt = list[BaseException](), threading.Event(), Belt()

    def fail(error: BaseException) -> None:
        failures.append(error)
        has_failed.set()

    def compute(_action: Action, number: int, core: int) -> int:
        if core == 1:
            message = "core 1 breaks"
            raise ValueError(message)
        has_failed.wait(PATIENCE_SECONDS)
        return number

    made, actions = Cores(2, Clock(), fail, SYSTEM), actions_of(range(2), 1, is_last=True)
    threading.Thread(target=made.go, args=(actions, belt.way(compute)), daemon=True).start()
    assert has_failed.wait(PATIENCE_SECONDS)
    assert [str(error) for error in failures] == ["core 1 breaks"]
