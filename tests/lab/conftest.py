"""A lab of four virtual Pis that tests share. It needs root, on Debian or Ubuntu, with what `picluster lab` names."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.lab.running import RunningLab, lab_command, remove_stale_labs, unable


@pytest.fixture(scope="session", autouse=True)
def _can_have_labs() -> None:
    if reason := unable():
        pytest.skip(reason)
    remove_stale_labs()


@pytest.fixture(scope="session")
def lab(_can_have_labs: None) -> Iterator[RunningLab]:
    """Four ready nodes of 1 GiB and half a core: pi1 … pi4. Who breaks one mends it: `with lab.broken(…)`."""
    name = f"t{os.getpid()}"
    lab_command("up", "--name", name)
    yield RunningLab(name)
    lab_command("down", "--name", name)


@pytest.fixture
def other_name(_can_have_labs: None) -> Iterator[str]:
    """A name for a lab of the test's own, which is taken down at the end."""
    name = f"u{os.getpid()}"
    yield name
    lab_command("down", "--name", name)
