"""Cards as `picluster init` writes them, started on virtual Pis of both systems until SSH answers."""

from __future__ import annotations

import subprocess

import pytest

from tests.integration.desk import CHECKOUT

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1200)]  # the first one bootstraps a base


def test_cards_of_both_systems_start_until_ssh_answers() -> None:
    script = CHECKOUT / "scripts" / "test_cards.sh"
    done = subprocess.run([script], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    answers = [line for line in done.stdout.splitlines() if line.endswith("with me, its key, and sudo")]
    assert [line.split()[0] for line in answers] == ["pi1", "pi2"]
