"""Whether a machine is idle, as apt's timers ask."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from picluster.agent import claims

HOLD = """
import fcntl, sys
stream = open(sys.argv[1], "r+")
fcntl.flock(stream, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""

Ask = Callable[[], "subprocess.CompletedProcess[str]"]


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """Ask the file as it lies on a node, by whatever python3 there is, with claims in a folder of the test's."""
    installed = tmp_path / "picluster/agent"
    installed.mkdir(parents=True)
    shutil.copy(claims.__file__, installed)
    (tmp_path / "shared" / claims.CLAIMS).mkdir(parents=True)
    start = (
        "import runpy; from pathlib import Path; real = Path.is_dir;"
        "Path.is_dir = lambda path: path != Path('/run/lock') and real(path);"
        "runpy.run_module('picluster.agent.claims', run_name='__main__')"
    )
    words = [sys.executable, "-S", "-B", "-c", start]
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "TMPDIR": str(tmp_path / "shared")}
    return lambda: subprocess.run(
        words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=30
    )


def test_a_machine_is_busy_for_as_long_as_a_worker_lives(ask: Ask, tmp_path: Path) -> None:
    claim = tmp_path / "shared" / claims.CLAIMS / "17.json"
    claim.write_text('{"run": "cora-abcd"}')
    words = [sys.executable, "-c", HOLD, str(claim)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "held\n"
        busy = ask()
        worker.kill()
    assert (busy.returncode, busy.stdout, busy.stderr) == (1, "cora-abcd\n", "")
    idle_again = ask()
    assert (idle_again.returncode, idle_again.stdout, idle_again.stderr) == (0, "", "")


def test_each_run_is_named_once(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(claims, "claims", lambda: [{"run": "b"}, {"run": "a"}, {"run": "b"}, {}])
    assert claims.main() == 1
    assert capsys.readouterr().out == "?\na\nb\n"
