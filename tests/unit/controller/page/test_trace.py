"""A run as a trace: made-up slices of two nodes, whose clocks differ, in the form that Perfetto and Chrome read."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest

from picluster.controller.page.trace import make_trace
from picluster.controller.record.run_folder import RunFolder
from picluster.errors import InputError
from picluster.schema.events import Recorded, Slice, Traced
from picluster.schema.record import to_json
from tests.unit.controller.made import RUN_V1, copy_of_run_v1

KEYS = {
    "M": {"name", "pid", "tid", "args"},
    "X": {"name", "cat", "pid", "tid", "ts", "dur", "args"},
    "C": {"name", "pid", "tid", "ts", "args"},
    "s": {"name", "cat", "id", "pid", "tid", "ts"},
    "f": {"name", "cat", "id", "pid", "tid", "ts", "bp"},
}
"""Keys that the Trace Event Format demands of each phase that we write."""


def check_trace(events: list[dict[str, Any]]) -> None:
    """Hold that events are valid: their keys, slices that do not overlap in a row, arrows between slices."""
    rows: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for event in events:
        assert set(event) == {"ph", *KEYS[event["ph"]]}
        if event["ph"] == "X":
            rows.setdefault((event["pid"], event["tid"]), []).append((event["ts"], event["ts"] + event["dur"]))
    for slices in rows.values():
        assert all(begin <= end for begin, end in slices)
        assert all(one[1] <= other[0] + 0.01 for one, other in pairwise(sorted(slices)))
    ends = {phase: {each["id"]: each for each in events if each["ph"] == phase} for phase in "sf"}
    assert ends["s"].keys() == ends["f"].keys()
    for each in (*ends["s"].values(), *ends["f"].values()):
        assert any(begin <= each["ts"] <= end for begin, end in rows[each["pid"], each["tid"]])


def message(doing: Any, begin: float, peer: str) -> Slice:
    place = (1, 1, 0)
    return Slice(
        doing=doing, begin=begin, end=begin + 1, thread=0, place=place, peer=peer, channel="FORWARD", payload_bytes=9
    )


def tell(folder: RunFolder, node: str, now: float, heard: float, *slices: Slice) -> None:
    """Tell slices at `now` by the node's clock; the controller hears of it so many seconds after the run's begin."""
    event = Traced(role="stage", now=now, slices=slices)
    line = to_json(Recorded(time=folder.run().started + heard, node=node, event=event))
    with folder.trace_file(node).open("ab") as file:
        file.write(line + b"\n")


def test_slices_stand_on_one_clock_and_a_message_is_an_arrow(tmp_path: Path) -> None:
    folder = RunFolder(copy_of_run_v1(tmp_path / "run"))
    work = Slice(doing="forward", begin=100.0, end=102.0, thread=1, place=(1, 1, 3))
    tell(folder, "local2", 110.0, 10.5, work, message("send", 103.0, "local4"))
    tell(folder, "local2", 120.0, 20.25)  # the quickest line: it tells the clock
    tell(folder, "local4", 7_004.5, 4.5, message("receive", 7_003.0, "local2"))
    found = json.loads(make_trace(folder))["traceEvents"]
    check_trace(found)
    slices = {each["name"]: each for each in found if each["ph"] == "X"}
    assert (slices["forward 3"]["ts"], slices["forward 3"]["dur"]) == (250_000, 2_000_000)
    assert slices["receive forward 0"]["ts"] == 3_000_000
    assert slices["send forward 0"]["args"] == {"epoch": 1, "step": 1, "micro-batch": 0, "peer": "local4", "bytes": 9}
    assert [each["ph"] for each in found if each["ph"] in "sf"] == ["s", "f"]
    names = {each["args"]["name"] for each in found if each["ph"] == "M"}
    assert names == {"local2", "local4", "stage", "stage, core 2"}
    assert {each["name"] for each in found if each["ph"] == "C"} == {"memory, MiB"}


def test_a_run_that_was_not_traced_is_refused_with_what_to_do() -> None:
    with pytest.raises(InputError, match="has no trace") as refusal:
        make_trace(RunFolder(RUN_V1))
    assert "--trace" in refusal.value.fix


def test_a_trace_is_json_of_plain_numbers(tmp_path: Path) -> None:
    folder = RunFolder(copy_of_run_v1(tmp_path / "run"))
    tell(folder, "local2", 1.0, 1.0, message("send", 0.0, "local4"))
    assert msgspec.json.decode(make_trace(folder))["otherData"] == {"run": "run"}
