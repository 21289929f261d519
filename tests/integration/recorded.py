"""What runs learnt once, bit for bit, so that a change which should not alter results can be seen not to.

Bits depend on the kind of processor and on the build of torch: on a machine of another kind the tests are skipped.
`PICLUSTER_WRITE_TABLES=1 pytest tests/integration/test_recorded_bits.py tests/integration/test_parity.py -k recorded`
adds that kind to the record, from a commit that is known to be right. A change that is meant to alter losses says so,
and records them anew in the same way.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import pytest
import torch

from picluster.controller.record.run_folder import RunFolder
from tests.integration.desk import losses

FILE = Path(__file__).parents[1] / "data" / "recorded_bits.json"
CPUINFO = Path("/proc/cpuinfo")
WRITES = bool(os.environ.get("PICLUSTER_WRITE_TABLES"))
Record: TypeAlias = dict[str, dict[str, list[str]]]
"""By kind of machine and by run: losses in hexadecimal, and the test accuracy after them."""


def kind_of_machine() -> str:
    """Processor and torch, as far as the bits of a product of matrices depend on them."""
    told = dict.fromkeys(("vendor_id", "cpu family"), "")
    for line in CPUINFO.read_text().splitlines() if CPUINFO.exists() else ():
        name, _, value = line.partition(":")
        if name.strip() in told:
            told[name.strip()] = value.strip()
    processor = " ".join(value for value in (platform.machine(), *told.values()) if value)
    return f"{processor} {torch.backends.cpu.get_cpu_capability()}, torch {torch.__version__}"


def assert_as_recorded(name: str, run: RunFolder) -> None:
    """Every loss of the run, and its accuracy in the end, are those of the record."""
    result = run.result()
    assert result is not None
    assert result.test_accuracy is not None
    found = [number.hex() for number in (*losses(run), result.test_accuracy)]
    record: Record = json.loads(FILE.read_text())
    if WRITES:
        record.setdefault(kind_of_machine(), {})[name] = found
        FILE.write_text(json.dumps(record, indent=0, sort_keys=True) + "\n")
    elif name not in record.get(kind_of_machine(), {}):
        pytest.skip(
            f"no losses of “{name}” are recorded for {kind_of_machine()}; record them with PICLUSTER_WRITE_TABLES=1"
        )
    else:
        assert_same(found, record[kind_of_machine()][name])


def assert_same(found: Sequence[str], recorded: Sequence[str]) -> None:
    """A failure names the first step that differs."""
    differing = [step for step, pair in enumerate(zip(found, recorded, strict=False)) if pair[0] != pair[1]]
    first = differing[0] if differing else None
    assert first is None, f"step {first}: {found[first]}, recorded {recorded[first]}; {len(differing)} differ"
    assert len(found) == len(recorded)
