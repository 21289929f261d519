"""What a node tries: torch in a process of its own, and links over real sockets."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from picluster.agent import prober
from picluster.worker import torch_trial

TRIAL = Path(torch_trial.__file__).read_text()


def program(folder: Path, text: str) -> str:
    file = folder / "python"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return str(file)


def test_torch_that_works_tells_its_version() -> None:
    told = prober.torch(python=sys.executable, trial=TRIAL)
    assert (told["step"], told["signal"], told["error"]) == ("done", None, "")
    assert {"python", "torch", "numpy", "msgspec"} <= set(told["versions"])


@pytest.mark.parametrize("name", ["ILL", "KILL", "SEGV"])
def test_a_signal_is_named_with_the_step_that_it_ended(tmp_path: Path, name: str) -> None:
    python = program(tmp_path, f'echo "importing torch"; echo multiplying; kill -{name} $$')
    told = prober.torch(python=python, trial=TRIAL)
    assert (told["step"], told["signal"]) == ("multiplying", f"SIG{name}")


def test_a_failed_import_is_told_by_its_last_line() -> None:
    told = prober.torch(python=sys.executable, trial="print('importing torch', flush=True)\nimport no_such_thing")
    assert told["step"] == "importing torch"
    assert told["error"] == "ModuleNotFoundError: No module named 'no_such_thing'"


def test_an_interpreter_that_is_not_there_is_told() -> None:
    told = prober.torch(python="/nowhere/python", trial=TRIAL)
    assert told["error"] == "/nowhere/python: No such file or directory"


def test_torch_that_takes_too_long_is_told_with_its_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prober, "TORCH_SECONDS", 0.5)
    told = prober.torch(python=program(tmp_path, 'echo "importing torch"; exec sleep 60'), trial=TRIAL)
    assert (told["step"], told["error"]) == ("importing torch", "not done within 0.5 s")


def test_a_link_is_measured_more_than_once() -> None:
    port = prober.listen(address="127.0.0.1", greeting="picluster pi1")["port"]
    for _ in range(2):
        told = prober.measure(address="127.0.0.1", port=port, greeting="picluster pi1")
        assert 0 < told["round_trip_ms"] < 1000
        assert told["mbit_per_second"] > 10


def test_another_machine_at_the_same_address_is_noticed() -> None:
    port = prober.listen(address="127.0.0.1", greeting="picluster pi2")["port"]
    told = prober.measure(address="127.0.0.1", port=port, greeting="picluster pi1")
    assert told["error"] == "another machine answers there"


def test_a_closed_port_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert prober.measure(address="127.0.0.1", port=port, greeting="x")["error"] == "connection refused"


def test_silence_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prober, "EXCHANGE_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        told = prober.measure(address="127.0.0.1", port=silent.getsockname()[1], greeting="x")
    assert told == {"error": "no answer", "round_trip_ms": None, "mbit_per_second": None}


def test_an_address_of_another_machine_cannot_be_listened_at() -> None:
    told = prober.listen(address="203.0.113.1", greeting="x")
    assert told["port"] is None
    assert told["error"]
