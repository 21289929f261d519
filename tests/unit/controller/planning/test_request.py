"""Requests: what they take, what they refuse, and the words that they are typed with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from picluster.controller.planning.request import LaunchRequest
from picluster.errors import InputError
from tests.unit.controller.made import a_plan


def test_files_may_be_paths_and_lists_may_be_lists() -> None:
    asked = LaunchRequest.of({"model": Path("a/mine.py"), "inventory": Path("b.yml"), "option": ["heads=4", "x=1"]})
    assert (asked.model, asked.inventory, asked.option) == ("a/mine.py", "b.yml", ("heads=4", "x=1"))
    assert LaunchRequest.of({"plan": a_plan()}).plan == a_plan()


def test_numbers_and_lists_may_be_what_they_are_in_python() -> None:
    typed = {"nodes": "3", "fanout": "25,10", "weight_decay": "0.0005,0.0", "checkpoint_every": "500"}
    given = {"nodes": 3, "fanout": [25, 10], "weight_decay": (0.0005, 0.0), "checkpoint_every": 500}
    assert LaunchRequest.of(given) == LaunchRequest.of(typed)
    assert LaunchRequest.of({"nodes": ["pi1", "pi2"]}).nodes == "pi1,pi2"
    with pytest.raises(InputError, match="nodes must be a text or nothing"):
        LaunchRequest.of({"nodes": True})


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"modle": "gcn"}, "'modle' is unknown"),
        ({"epochs": "3"}, "epochs must be a whole number or nothing, and is a text"),
        ({"cores": 0}, "cores must be a whole number of at least 1"),
        ({"grace": 0.5}, "grace must be a number of at least 2"),
        ({"strategy": "best"}, "strategy"),
        ({"tag": "two words"}, "--tag 'two words' is not one word of at most 24 letters"),
        ({"rerun": "abcd", "seed": 0}, "--seed does not go with --rerun"),
        ({"rerun": "abcd", "learning_rate": 0.1, "l1": 0.1}, "--learning-rate, --l1 do not go with --rerun"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_name(options: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError) as caught:
        LaunchRequest.of(options)
    assert told in caught.value.what
    assert caught.value.fix


def test_its_words_are_what_one_types_for_it() -> None:
    asked = LaunchRequest.of({"layers_per_node": 1, "pretrain": True, "option": ["a=1", "b=2"], "epochs": 3, "seed": 0})
    assert asked.words() == [
        *("--option", "a=1", "--option", "b=2", "--pretrain", "--epochs", "3", "--layers-per-node", "1")
    ]
    assert asked.words(without=frozenset({"option", "pretrain", "epochs"})) == ["--layers-per-node", "1"]


@pytest.mark.parametrize(
    ("options", "places"), [({"engine": "rpc", "inventory": "a.yml"}, False), ({"nodes": "2"}, True)]
)
def test_engine_and_inventory_alone_leave_a_plan_as_it_is(options: dict[str, Any], *, places: bool) -> None:
    assert LaunchRequest.of(options).places is places


def test_a_request_is_moved_to_where_another_says_and_learns_the_same() -> None:
    asked = LaunchRequest(model="gcn", epochs=3, layers_per_node=1, nodes="4", engine="rpc", grace=9.0, pretrain=True)
    moved = asked.on(LaunchRequest(resume="abcd", strategy="single"))
    assert moved == LaunchRequest(model="gcn", epochs=3, strategy="single", engine="rpc", grace=9.0, pretrain=True)
    assert asked.on(LaunchRequest(resume="abcd", grace=5.0, cores=2)) == msgspec.structs.replace(asked, cores=2)
