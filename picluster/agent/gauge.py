"""Gauges of a node for `picluster top`: what is in use there at this moment, and who works there.

A thing that a machine does not have (a thermometer, firmware that tells of throttling) is None, never an error.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from picluster.agent import control_groups, premises
from picluster.agent.claims import claims
from picluster.agent.examiner import ROOT, celsius, throttled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Answer = dict[str, Any]

_IDLE, _WAITING, _KINDS = 3, 4, 8
"""Places of idle time and of waiting for a disk among the kernel's kinds of time; those after eight count twice."""


def gauge(*, folder: str) -> Answer:
    """All gauges; `folder` is where the node keeps its data."""
    disk = premises.file_system(Path(folder).expanduser())
    used, limit = memory(ROOT)
    busy, passed = processor_time(ROOT)
    return {
        "used_bytes": used,
        "limit_bytes": limit,
        "busy_ticks": busy,
        "ticks": passed,
        "cores": os.cpu_count(),
        "celsius": celsius(ROOT),
        "throttled": throttled(ROOT),
        "free_bytes": disk and disk.f_bavail * disk.f_frsize,
        "claims": claims(),
    }


def memory(root: Path) -> tuple[int | None, int | None]:
    """Bytes in use that cannot be dropped, and their limit: the machine's, or a smaller one of a control group."""
    total, available = premises.memory("MemTotal", root), premises.memory("MemAvailable", root)
    limit = control_groups.memory_limit(root)
    if limit is not None and (total is None or limit < total):
        return control_groups.memory_in_use(root), limit
    return None if total is None or available is None else total - available, total


def processor_time(root: Path) -> tuple[int | None, int | None]:
    """Time of all cores since the machine was started, in ticks: spent at work, and passed."""
    found = re.search(r"^cpu +([\d ]+)$", premises.text(root / "proc/stat") or "", re.MULTILINE)
    if found is None:
        return None, None
    kinds = [int(ticks) for ticks in found.group(1).split()[:_KINDS]]
    return sum(kinds) - kinds[_IDLE] - kinds[_WAITING], sum(kinds)


ANSWERS: dict[str, Callable[..., Answer]] = {"gauge": gauge}
