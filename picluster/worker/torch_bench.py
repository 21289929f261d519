"""Small bench of a node in a process of its own: products, gathering of rows, reads of its disk.

Run in the node's environment. Each step is named on standard output before it is taken; measures come last, in JSON.
It only reads: the file whose reads are timed is torch's own library, which is large, and lies where picluster does.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

MEASURE_SECONDS = 0.5
ROWS, INPUTS, OUTPUTS = 1024, 602, 256
"""Rows of a step's seeds, and the widths of the first layer at Reddit's size."""
TABLE_ROWS, BAGS, MEMBERS = 8192, 512, 25
"""More than any cache of a Pi holds (20 MB in fp32)."""
MOST_BYTES = 32 << 20
MOST_READS = 512
_CHUNK, _PAGE = 1 << 20, 4096
_LOOKS = 16


def main() -> None:
    """Name each step, then do it."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    measured: dict[str, float | None] = {"cores": cores}
    _step("reading the disk")
    measured |= disk_rates(_large_file())
    _step("importing torch")
    import torch

    torch.set_num_threads(1)
    _step("multiplying")
    left, right = torch.ones(ROWS, INPUTS), torch.full((INPUTS, OUTPUTS), 0.5)
    gigaflops = 2e-9 * ROWS * INPUTS * OUTPUTS
    measured["product_gflops"] = gigaflops * per_second(lambda: left @ right)
    _step("multiplying on all cores")
    with ThreadPoolExecutor(cores) as threads:
        rates = list(threads.map(lambda _: per_second(lambda: left @ right), range(cores)))
    measured["all_cores_gflops"] = gigaflops * sum(rates)
    for name, dtype in (("fp32", torch.float32), ("fp16", torch.float16)):
        _step(f"gathering rows in {name}")
        measured[f"gather_{name}_rows"] = (
            BAGS * MEMBERS * per_second(_gathering(torch.ones(TABLE_ROWS, INPUTS, dtype=dtype)))
        )
    _step(json.dumps(measured))


def _gathering(table: Tensor) -> Callable[[], object]:
    """Gather and average rows at random places, as a sampled first layer does."""
    import torch

    generator = torch.Generator().manual_seed(0)
    members = torch.randint(len(table), (BAGS * MEMBERS,), dtype=torch.int32, generator=generator)
    offsets = torch.arange(0, len(members), MEMBERS, dtype=torch.int32)
    return lambda: torch.nn.functional.embedding_bag(members, table, offsets, mode="mean")


def per_second(work: Callable[[], object]) -> float:
    """Times that something can be done in a second, after it was done once."""
    work()
    began, count = time.perf_counter(), 0
    while (passed := time.perf_counter() - began) < MEASURE_SECONDS:
        work()
        count += 1
    return count / passed


def _large_file() -> Path | None:
    """Torch's library, found without importing it."""
    found = find_spec("torch")
    folders = [Path(place) for place in found.submodule_search_locations or ()] if found else []
    files = [file for folder in folders for file in folder.glob("lib/libtorch_cpu*")]
    return max(files, key=lambda file: file.stat().st_size, default=None)


def disk_rates(file: Path | None) -> dict[str, float | None]:
    """Rates of reading a file in order and at random, from the disk: its pages are let go of before. Linux only."""
    told: dict[str, float | None] = {"read_mb_per_second": None, "random_reads": None, "in_memory": None}
    if file is None or not hasattr(os, "posix_fadvise"):
        return told
    descriptor = os.open(file, os.O_RDONLY)
    try:
        size = os.fstat(descriptor).st_size
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        in_order = min(MOST_BYTES, size // 2)
        pages = list(range(in_order, size - _PAGE, _PAGE))
        places = random.Random(0).sample(pages, min(len(pages), MOST_READS + _LOOKS))  # noqa: S311  no secret
        if _are_in_memory(descriptor, places[:_LOOKS]):
            return {**told, "in_memory": True}
        rate = _rate(lambda at: len(os.pread(descriptor, _CHUNK, at)), range(0, in_order, _CHUNK))
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_RANDOM)
        reads = _rate(lambda at: bool(os.pread(descriptor, _PAGE, at)), places[_LOOKS:])
        return {"read_mb_per_second": rate and rate / 1e6, "random_reads": reads, "in_memory": False}
    finally:
        os.close(descriptor)


def _rate(read: Callable[[int], int], places: range | list[int]) -> float | None:
    """Sum of what `read` gives at these places, as far as four times the usual time allows, in a second."""
    began, count, passed = time.perf_counter(), 0, 0.0
    for place in places:
        count += read(place)
        if (passed := time.perf_counter() - began) > 4 * MEASURE_SECONDS:
            break
    return count / passed if passed else None


def _are_in_memory(descriptor: int, places: list[int]) -> bool:
    """True where most of the pages at these places can be read without waiting for the disk."""
    found = 0
    for place in places:
        with suppress(OSError, AttributeError):  # it would wait, or the system cannot tell
            found += bool(os.preadv(descriptor, [bytearray(_PAGE)], place, os.RWF_NOWAIT))
    return 2 * found > len(places)


def _step(words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
