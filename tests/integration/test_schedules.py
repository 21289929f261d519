"""Random faults strike real processes, once after another; what is learnt is what nothing would have changed."""

from __future__ import annotations

import pytest

from tests.integration.desk import Desk
from tests.integration.schedules import Schedules


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_random_faults_of_real_processes_change_no_bit_and_leave_nobody_behind(desk: Desk) -> None:
    schedules = Schedules(desk)
    for seed in (6, 9):
        schedules.make(seed)
    assert schedules.struck.total() >= 2
