"""The same work on all nodes at once."""

import threading
import time

import pytest

from picluster.controller.nodes.fan_out import NodesFailed, all_or_none, try_all
from picluster.errors import InputError, MissingError, PiclusterError, RunFailed


def test_every_node_gets_its_outcome_or_its_error_in_the_order_asked() -> None:
    def work(name: str) -> int:
        if name == "b":
            raise MissingError("it lacks something", fix="mend it")
        return len(name)

    outcomes = try_all(["ccc", "b", "aa"], work, timeout_seconds=5, doing="counting")
    assert list(outcomes) == ["ccc", "b", "aa"]
    assert (outcomes["ccc"], outcomes["aa"]) == (3, 2)
    assert isinstance(outcomes["b"], MissingError)


def test_all_work_at_the_same_time() -> None:
    everybody = threading.Barrier(20)
    outcomes = try_all(map(str, range(20)), lambda _: everybody.wait(5), timeout_seconds=10, doing="meeting")
    assert len(outcomes) == 20


def test_a_node_that_takes_too_long_is_named_and_does_not_hold_up_the_others() -> None:
    released = threading.Event()
    begun = time.monotonic()

    def work(name: str) -> bool:
        return released.wait(30 if name == "slow" else 0)

    outcomes = try_all(["slow", "quick"], work, timeout_seconds=0.2, doing="waiting")
    released.set()
    assert time.monotonic() - begun < 5
    assert outcomes["quick"] is False
    assert isinstance(outcomes["slow"], RunFailed)
    assert "waiting took longer than 0.2 s" in str(outcomes["slow"])


def test_a_bug_is_raised_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError):
        try_all(["a"], lambda _: 1 // 0, timeout_seconds=5, doing="dividing")


def test_one_bad_node_is_told_in_one_line_with_its_fix_and_exit_code() -> None:
    outcomes: dict[str, int | PiclusterError] = {"a": 1, "b": MissingError("it lacks rsync", fix="install it")}
    with pytest.raises(NodesFailed) as told:
        all_or_none(outcomes)
    assert str(told.value) == "b: it lacks rsync\n  fix: install it"
    assert told.value.exit_code == MissingError.exit_code


def test_several_bad_nodes_are_all_told_and_those_with_the_same_reason_stand_together() -> None:
    full, wrong = RunFailed("full", fix="free it"), InputError("wrong")
    assert str(NodesFailed({"a": full, "b": full})) == "a, b: full\n  fix: free it"
    assert str(NodesFailed({"a": full, "b": wrong, "c": full})) == (
        "3 nodes cannot be used\n  a, c: full\n  fix: free it\n  b: wrong"
    )
