"""From Ansible's events to what became of each node."""

from __future__ import annotations

from typing import Any

import pytest

from picluster.controller.provision.progress import Progress, reason


def event(kind: str, host: str, play: str = "Make the nodes ready", **data: Any) -> dict[str, Any]:
    return {"event": kind, "event_data": {"host": host, "play": play, "role": "base", "task": "Install", **data}}


def stats(**counts: dict[str, int]) -> dict[str, Any]:
    return {"event": "playbook_on_stats", "event_data": counts}


def test_nodes_that_came_through_are_ready_with_ansible_s_counts() -> None:
    progress = Progress(["pi1", "pi2"])
    assert progress.update(event("runner_on_ok", "pi1", res={"changed": True})) == "pi1"
    progress.update(event("runner_on_skipped", "pi2"))
    progress.update(event("runner_on_ok", "pi2", res={}))
    assert (progress.nodes["pi1"].changed, progress.nodes["pi2"].skipped) == (1, 1)
    progress.update(stats(ok={"pi1": 7, "pi2": 6}, changed={"pi1": 2}, skipped={"pi2": 1}))
    outcomes = progress.outcomes("ready")
    assert [(node.state, node.ok, node.changed, node.skipped) for node in outcomes] == [
        ("ready", 7, 2, 0),
        ("ready", 6, 0, 1),
    ]


def test_a_node_that_failed_says_where_and_why_and_does_not_hide_the_others() -> None:
    progress = Progress(["pi1", "pi2", "pi3"])
    for name in progress.nodes:
        progress.update(event("runner_on_ok", name, res={}))
    progress.update(event("runner_on_failed", "pi1", task="Fetch", res={"msg": "no route\n to host"}))
    progress.update(
        event("runner_on_unreachable", "pi2", res={"msg": "pi2: it cannot be reached: Host key verification failed."})
    )
    progress.update(event("runner_on_ok", "pi1", task="Later, after a rescue", res={}))
    progress.update(stats(ok={"pi1": 1, "pi2": 1, "pi3": 2}, failures={"pi1": 1}, dark={"pi2": 1}))
    first, second, third = progress.outcomes("ready")
    assert (first.state, first.task, first.reason) == ("failed", "Fetch", "no route; to host")
    assert (second.state, second.reason) == (
        "unreachable",
        "pi2: it cannot be reached: its host key is not known here, or changed: picluster trust",
    )
    assert (third.state, third.reason) == ("ready", "")


def test_when_one_is_refused_by_looking_the_others_are_untouched() -> None:
    progress, look = Progress(["pi1", "pi2"]), "Look at all nodes before any of them is changed"
    progress.update(event("runner_on_ok", "pi1", look, res={}))
    progress.update(event("runner_on_failed", "pi2", look, res={"msg": "pi2: 32-bit"}))
    progress.update(stats(ok={"pi1": 1}, failures={"pi2": 1}))
    assert [node.state for node in progress.outcomes("ready")] == ["untouched", "failed"]


def test_what_was_rescued_or_may_fail_is_no_failure() -> None:
    progress = Progress(["pi1"])
    progress.update(event("runner_on_failed", "pi1", ignore_errors=True, res={"msg": "never mind"}))
    assert not progress.nodes["pi1"].has_failed
    progress.update(event("runner_on_failed", "pi1", res={"msg": "rescued"}))
    progress.update(stats(ok={"pi1": 3}, rescued={"pi1": 1}))
    assert [(node.state, node.reason) for node in progress.outcomes("ready")] == [("ready", "")]


def test_a_member_that_could_not_be_told_of_a_new_one_is_named() -> None:
    progress = Progress(["pi5"])
    progress.update(event("runner_on_unreachable", "pi2", res={"msg": "no route to host"}))
    assert progress.notes == ["pi2 was not told of the others: no route to host"]
    assert [node.name for node in progress.outcomes("ready")] == ["pi5"]


def test_words_of_the_playbook_are_noted_once() -> None:
    progress = Progress(["pi1", "pi2"])
    for name in progress.nodes:
        progress.update(event("runner_on_ok", name, task_action="ansible.builtin.debug", res={"msg": "a mixed shelf"}))
    assert progress.notes == ["a mixed shelf"]


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ({"msg": "non-zero return code", "stderr": "E: no space"}, "E: no space"),
        (
            {"results": [{"msg": "fine"}, {"failed": True, "msg": "item 2"}], "msg": "One or more items failed"},
            "item 2",
        ),
        ({}, "it gives no reason"),
    ],
)
def test_the_reason_is_what_says_most(result: dict[str, Any], said: str) -> None:
    assert reason(result) == said
