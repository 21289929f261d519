"""`picluster provision` and `reset`: what they say, and what they refuse before anything is done."""

from __future__ import annotations

from pathlib import Path

import pytest

from picluster.cli.nodes import provision as cli
from picluster.cli.show.provision_view import show_outcome, watched
from picluster.controller.provision.progress import Progress
from picluster.errors import InputError
from picluster.schema.provision import NodeOutcome, Provisioned

PI = NodeOutcome(
    name="pi1",
    state="ready",
    ok=7,
    changed=2,
    failed=0,
    unreachable=0,
    skipped=1,
    seconds=61.0,
    role="",
    task="",
    reason="",
)


def outcome(*nodes: NodeOutcome, notes: tuple[str, ...] = ()) -> Provisioned:
    good = all(node.state == "ready" for node in nodes)
    return Provisioned(nodes=nodes, notes=notes, seconds=62.0, health=None, is_good=good)


def changed(node: NodeOutcome, **fields: object) -> NodeOutcome:
    from msgspec.structs import replace

    return replace(node, **fields)


def test_the_last_lines_tell_each_node_s_state_and_counts(capsys: pytest.CaptureFixture[str]) -> None:
    show_outcome(outcome(PI, changed(PI, name="long-name"), notes=("a mixed shelf",)))
    assert capsys.readouterr().out.splitlines() == [
        "",
        "pi1        ready        ok=7 changed=2 unreachable=0 failed=0 skipped=1  1:01",
        "long-name  ready        ok=7 changed=2 unreachable=0 failed=0 skipped=1  1:01",
        "note: a mixed shelf",
        "2 of 2 nodes ready in 1:02",
    ]


def test_a_node_that_is_not_ready_is_named_with_place_and_reason(capsys: pytest.CaptureFixture[str]) -> None:
    bad = changed(PI, name="pi2", state="failed", failed=1, role="base", task="Install", reason="pi2: no \x1b[31mspace")
    show_outcome(outcome(changed(PI, state="untouched"), bad))
    told = capsys.readouterr().out
    assert "error: pi2: no " in told
    assert "\x1b" not in told
    assert "  at: base: Install" in told
    assert "nothing was changed on any node" in told
    assert "0 of 2 nodes ready" in told


def test_where_nobody_watches_each_change_and_each_failure_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    data = {"host": "pi1", "play": "Make", "role": "base", "task": "Install"}
    with watched(Progress(["pi1"]), quiet=False) as hear:
        hear({"event": "runner_on_ok", "event_data": {**data, "res": {"changed": True}}})
        hear({"event": "runner_on_ok", "event_data": {**data, "res": {}}})
        hear({"event": "runner_on_failed", "event_data": {**data, "res": {"msg": "no space"}}})
    assert capsys.readouterr().err.splitlines() == ["pi1  base: Install", "pi1  base: Install: no space"]


def write_inventory(folder: Path, host: str) -> Path:
    inventory = folder / "hosts.yml"
    inventory.write_text(f"picluster:\n  hosts:\n    pi1: {{{host}}}\n")
    return inventory


def test_this_machine_is_not_provisioned(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="names no machine but this one"):
        cli.provision(inventory=write_inventory(tmp_path, "ansible_connection: local"))


def test_a_limit_that_names_nobody_is_told_whom_it_could_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the limit 'pi9' names no node of .*hosts\.yml\n  fix: its nodes: pi1"):
        cli.provision(inventory=write_inventory(tmp_path, "ansible_host: 192.0.2.1"), limit="pi9")


def test_a_role_that_is_none_is_told_which_there_are(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no role 'firewal'\n  fix: one of base, firewall, network, "):
        cli.provision(inventory=write_inventory(tmp_path, "ansible_host: 192.0.2.1"), tags="network,firewal")


def test_nothing_is_taken_away_unasked(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nobody can be asked"):
        cli.reset(inventory=write_inventory(tmp_path, "ansible_host: 192.0.2.1"))
