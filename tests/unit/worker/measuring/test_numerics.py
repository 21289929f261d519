"""The fingerprint of the numerics."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from picluster.agent import premises
from picluster.worker.measuring.numerics import fingerprint, remembered

TELL = "from picluster.worker.measuring.numerics import fingerprint; print(fingerprint())"


def told(**variables: str) -> str:
    command, environment = [sys.executable, "-c", TELL], {**os.environ, **variables}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.slow
def test_every_process_of_a_machine_tells_the_same_with_any_number_of_threads() -> None:
    assert {told(OMP_NUM_THREADS="1"), told(OMP_NUM_THREADS="2")} == {fingerprint()}


def test_taking_it_leaves_the_number_of_threads_as_it_was() -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    fingerprint()
    assert torch.get_num_threads() == 2
    torch.set_num_threads(threads)


@pytest.mark.slow
def test_other_kernels_have_another_one() -> None:
    if torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"):
        pytest.skip("this processor has one kind of kernels")
    assert told(ATEN_CPU_CAPABILITY="default") != fingerprint()


def test_a_worker_leaves_it_for_surveys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert premises.numerics(premises.processor(), torch.__version__) is None
    assert remembered("72a0") == "72a0"
    assert premises.numerics(premises.processor(), torch.__version__) == "72a0"


def test_a_disk_that_takes_nothing_keeps_nobody_from_telling_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert remembered("72a0") == "72a0"
