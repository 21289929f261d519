"""The worker's standard streams."""

import json
import subprocess
import sys
from pathlib import Path

PRINTS = """
import ctypes, os
from picluster.worker.main import _own_output
own = _own_output()
print("a model file")
os.write(1, b"Gloo\\n")
ctypes.CDLL(None).system(b"echo a child")
own.write(b"event\\n")
"""


def test_what_libraries_and_models_print_goes_to_the_log_and_not_among_the_events() -> None:
    ended = subprocess.run([sys.executable, "-c", PRINTS], capture_output=True, text=True, check=True)
    assert ended.stdout == "event\n"
    assert sorted(ended.stderr.splitlines()) == ["Gloo", "a child", "a model file"]


NOISY = """
import os, sys
from picluster.nn import SageLayer
print("at import")
os.system("echo a child")
print("no error", file=sys.stderr)

class Loud(SageLayer):
    def transform(self, rows):
        print("in transform")
        return super().transform(rows)

def layers(*, features, classes):
    print("in layers")
    return [Loud(features, classes, last=True)]
"""


def test_what_a_model_file_prints_while_it_is_described_is_marked_and_once(tmp_path: Path) -> None:
    file = tmp_path / "noisy.py"
    file.write_text(NOISY)
    command = [sys.executable, "-m", "picluster.worker.main", "describe", str(file), "--features=5", "--classes=3"]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(ended.stdout)["name"] == "noisy"
    printed = ["at import", "a child", "no error", "in layers", "in transform"]
    assert sorted(ended.stderr.splitlines()) == sorted(f"noisy.py prints: {line}" for line in printed)
