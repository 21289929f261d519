"""Two processes of one machine that exchange, as `make provision` lets them: in a process of their own."""

import json
import subprocess
import sys

import pytest

CHECK = [sys.executable, "-m", "picluster.worker.main", "check"]


def check(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*CHECK, *words], capture_output=True, text=True, check=False, timeout=240)


def test_two_processes_exchange_over_the_loopback() -> None:
    told = check()
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout).keys() == {"python", "machine", "torch", "seconds"}


@pytest.mark.timeout(60)
def test_an_address_that_is_not_ours_is_told_at_once() -> None:
    told = check("--address", "192.0.2.77")
    assert told.returncode == 5
    error = told.stderr.splitlines()[-1]
    assert error.endswith("exchange over sockets on 192.0.2.77: one ended with exit code 1")
