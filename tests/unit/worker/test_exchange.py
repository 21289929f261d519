"""Two processes of one machine that exchange over Gloo."""

import pytest

from picluster.errors import RunFailed
from picluster.worker.exchange import TIMEOUT_SECONDS, exchange


def test_two_processes_exchange_over_the_loopback() -> None:
    assert exchange("127.0.0.1", "lo") < TIMEOUT_SECONDS


def test_an_address_that_is_not_ours_is_told_at_once(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RunFailed, match=r"over Gloo on 192\.0\.2\.77 \(lo\): one ended with exit code 1"):
        exchange("192.0.2.77", "lo")
    assert "192.0.2.77" in capfd.readouterr().err
