"""The bench of a node: it measures in a process of its own, and only reads."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from picluster.agent import prober
from picluster.worker import torch_bench

BENCH = Path(torch_bench.__file__).read_text()


def test_all_is_measured_by_a_program_in_the_nodes_environment() -> None:
    told = prober.bench(python=sys.executable, trial=BENCH.replace("MEASURE_SECONDS = 0.5", "MEASURE_SECONDS = 0.01"))
    assert (told["step"], told["signal"], told["error"]) == ("done", None, "")
    assert set(prober.MEASURES) <= told.keys()
    for measure in ("cores", "product_gflops", "all_cores_gflops", "gather_fp32_rows", "gather_fp16_rows"):
        assert told[measure] > 0


def test_reads_of_a_file_are_timed_unless_it_stays_in_memory(tmp_path: Path) -> None:
    file = tmp_path / "large"
    file.write_bytes(bytes(8 << 20))
    os.sync()
    told = torch_bench.disk_rates(file)
    if told["in_memory"]:  # of a disk that is memory nothing can be let go of
        assert told["read_mb_per_second"] is None
    else:
        assert (told["read_mb_per_second"] or 0) > 0
        assert (told["random_reads"] or 0) > 0
    assert file.stat().st_size == 8 << 20


def test_without_a_file_no_disk_is_measured() -> None:
    assert set(torch_bench.disk_rates(None).values()) == {None}


def test_a_bench_that_dies_is_told_with_its_step() -> None:
    told = prober.bench(python=sys.executable, trial="print('multiplying', flush=True)\nimport no_such_thing")
    assert (told["step"], told["product_gflops"]) == ("multiplying", None)
    assert "no_such_thing" in told["error"]
