"""The trace of a real run: valid, and it shows the same bottleneck as the report."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from picluster.controller.page.sentences import judge
from picluster.controller.record.report import make_report
from tests.integration.desk import Desk
from tests.unit.controller.page.test_trace import check_trace

pytestmark = pytest.mark.slow


def busiest(events: list[dict[str, Any]]) -> str:
    """The node with most of its time at work, as one would ask Perfetto for it."""
    names = {each["pid"]: each["args"]["name"] for each in events if each["name"] == "process_name"}
    busy = Counter[str]()
    for each in events:
        if each.get("cat") == "compute":
            busy[names[each["pid"]]] += each["dur"]
    return busy.most_common(1)[0][0]


def test_the_trace_of_a_real_run_is_valid_and_finds_the_bottleneck_that_the_report_names(desk: Desk) -> None:
    words = ("--scale", "0.02", "--hidden", "64", "--epochs", "1", "--layers-per-node", "1", "--nodes", "3")
    run = desk.launch(*words, "--trace")
    file = desk.folder / "trace.json"
    done = desk.picluster("report", run.name, "--trace", str(file))
    assert done.returncode == 0, done.stderr
    events = json.loads(file.read_text())["traceEvents"]
    check_trace(events)
    assert busiest(events) == judge(make_report(run)).node
    phases = Counter(each["ph"] for each in events)
    assert phases["s"] == sum(each.get("cat") == "send" for each in events) > 0
