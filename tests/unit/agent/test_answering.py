"""Questions are checked on the node before anything is done."""

from __future__ import annotations

from typing import Any

import pytest

from picluster.agent.answering import VERSION, refused
from picluster.agent.steward import ANSWERS

LOOK: dict[str, Any] = {"name": "pi1", "home": "/opt", "cache": "~", "graph": "cora", "wanted": {}}


def test_a_question_as_the_controller_asks_it_is_answered() -> None:
    assert refused(VERSION, "look", LOOK, ANSWERS) == ""


@pytest.mark.parametrize(
    ("version", "do", "details", "reason"),
    [
        (VERSION + 1, "look", LOOK, f"it is of version {VERSION + 1}, and this agent answers {VERSION}"),
        (None, "look", LOOK, f"it is of version None, and this agent answers {VERSION}"),
        (VERSION, "dance", {}, "it is unknown"),
        (VERSION, "look", {name: LOOK[name] for name in ("name", "home", "cache", "wanted")}, "graph is missing"),
        (VERSION, "look", {**LOOK, "more": 1}, "more is unknown"),
        (VERSION, "look", {**LOOK, "wanted": []}, "wanted must be dict[str, list[int]], and is list"),
        (VERSION, "end", {"groups": "1"}, "groups must be list[int], and is str"),
    ],
)
def test_another_question_is_refused_with_the_reason(
    version: object, do: str, details: dict[str, Any], reason: str
) -> None:
    assert refused(version, do, details, ANSWERS) == reason
