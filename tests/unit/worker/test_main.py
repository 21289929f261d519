"""The worker's standard streams."""

import subprocess
import sys

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
