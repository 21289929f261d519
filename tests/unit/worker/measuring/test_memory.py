"""Memory of this process and the limits over it."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from picluster.worker.measuring.memory import (
    AnonymousPeak,
    Memory,
    fits_easily,
    memory_limit,
    memory_of_children,
    read_memory,
)

MB = 1_000_000
pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the kernel's marks are in /proc")

PASSING_BLOCK = """
import numpy as np
from picluster.worker.measuring.memory import AnonymousPeak, read_memory
peak = AnonymousPeak()
before = peak.update(read_memory())
block = np.ones(100_000_000, np.uint8)
del block
now = read_memory()
after = peak.update(now)
print(before, after, now.anonymous)
"""

# A child and a grandchild share 50 MB, and the child has 20 MB for itself.
FAMILY = """
import mmap, os, sys
def touched(size):
    block = mmap.mmap(-1, size)
    for page in range(0, size, mmap.PAGESIZE):
        block[page] = 1
    return block
shared = touched(50_000_000)
if os.fork():
    own = touched(20_000_000)
    print("there", flush=True)
else:
    for page in range(0, len(shared), mmap.PAGESIZE):
        shared[page]
sys.stdin.read()
"""


def test_peaks_are_not_below_the_present_and_the_parts_add_up() -> None:
    now = read_memory()
    assert now.peak_rss >= now.rss >= now.anonymous > 0
    assert now.rss == pytest.approx(now.anonymous + now.file, rel=0.05)
    assert now.rss == pytest.approx(psutil.Process().memory_info().rss, rel=0.05)
    assert AnonymousPeak().update(now) >= now.anonymous
    assert now.swapped is not None


def test_a_block_that_came_and_went_between_two_readings_is_in_the_peak() -> None:
    # A process of its own: what other tests needed has raised this one's mark.
    words = [sys.executable, "-c", PASSING_BLOCK]
    ended = subprocess.run(words, capture_output=True, text=True, check=True, timeout=240)
    before, after, anonymous = map(int, ended.stdout.split())
    assert after - before == pytest.approx(100 * MB, rel=0.1)
    assert anonymous - before < 20 * MB


def test_the_peak_rises_with_readings_and_never_falls(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = [
        Memory(rss=100, peak_rss=100, anonymous=60, file=40),
        Memory(rss=120, peak_rss=120, anonymous=80, file=40),
        Memory(rss=90, peak_rss=120, anonymous=50, file=40),  # the mark stood still: nothing passed
        Memory(rss=90, peak_rss=200, anonymous=50, file=40),  # 160 anonymous bytes came and went
        Memory(rss=300, peak_rss=300, anonymous=50, file=250),  # mapped files alone
    ]
    monkeypatch.setattr("picluster.worker.measuring.memory.read_memory", lambda: readings[0])
    peak = AnonymousPeak()
    assert [peak.update(reading) for reading in readings] == [60, 80, 80, 160, 160]


def test_the_limit_is_not_above_the_machines_memory() -> None:
    limit = memory_limit()
    assert 0 < limit <= psutil.virtual_memory().total


def test_only_what_leaves_most_of_the_memory_free_fits_easily() -> None:
    limit = memory_limit()
    assert fits_easily(limit // 5)
    assert not fits_easily(limit // 3)


def test_memory_of_children_counts_what_they_share_once() -> None:
    before = memory_of_children()
    with subprocess.Popen([sys.executable, "-c", FAMILY], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"there\n"
        # The interpreters themselves have a few MB.
        assert memory_of_children() - before == pytest.approx(80 * MB, abs=15 * MB)
        child.communicate()
    assert memory_of_children() <= before
