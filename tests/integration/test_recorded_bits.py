"""The demo and Cora learn, to the last bit, what is recorded; `test_parity.py` looks its own runs up there too."""

from __future__ import annotations

import pytest

from tests.integration.desk import CHECKOUT, Desk
from tests.integration.recorded import assert_as_recorded

pytestmark = pytest.mark.slow

CORA = {
    "gcn": ("--model", "gcn", "--layers-per-node", "1", "--epochs", "60"),
    "gcnii": ("--model", "gcnii", "--layers-per-node", "4", "--epochs", "20"),
}


def test_the_demo_learns_what_is_recorded(desk: Desk) -> None:
    run = desk.launch("--inventory", str(CHECKOUT / "inventory" / "local.yml"), "--layers-per-node", "1")
    assert_as_recorded("demo", run)


@pytest.mark.parametrize("model", CORA)
def test_cora_learns_what_is_recorded(desk: Desk, cora_input: str, model: str) -> None:
    desk.environment["PICLUSTER_INPUT"] = cora_input
    assert_as_recorded(f"cora, {model}", desk.launch("--dataset", "cora", *CORA[model], "--seed", "0"))
