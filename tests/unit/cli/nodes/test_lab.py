"""A lab as text."""

import pytest

from picluster.cli.nodes.lab import readiness
from picluster.lab.state import LabNodeState, LabState, State


def a_lab(*states: State, disk: int | None = 1, fresh: bool = False) -> LabState:
    nodes = tuple(
        LabNodeState(f"pi{number}", state, "trixie", "10.0.0.1", {}, 1, 1, 2, 0.5, 3, None, disk, 4)
        for number, state in enumerate(states, start=1)
    )
    return LabState("lab", fresh, False, "hosts.yml", "known_hosts", "key", "10.0.0.254", nodes)  # noqa: FBT003


@pytest.mark.parametrize(
    ("lab", "told"),
    [
        (a_lab("running", "running"), "2 nodes ready to train"),
        (a_lab("running"), "1 node ready to train"),
        (a_lab("running", "link down"), "1 of 2 nodes ready to train; not so pi2 (link down)"),
        (a_lab("dead", "frozen", fresh=True), "0 of 2 nodes bare; not so pi1 (dead), pi2 (frozen)"),
        (a_lab("running", disk=None), "1 node running; whether links are up is seen by root only"),
    ],
)
def test_only_nodes_that_can_be_used_are_called_ready(lab: LabState, told: str) -> None:
    assert readiness(lab) == told
