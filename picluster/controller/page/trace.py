"""A run as a trace that Perfetto and Chrome open: rows of nodes and roles, slices of work, arrows of messages.

The form is Google's "Trace Event Format". Workers tell slices by clocks of their own; these are brought to the
controller's by the quickest of their lines, so that arrows may be wrong by the time that a line takes at least.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any, NamedTuple

import msgspec

from picluster.controller.record.run_folder import RunFolder
from picluster.errors import InputError
from picluster.schema.events import Recorded, Resources, Slice, Traced

_MICROSECONDS = 1e6
_MEBIBYTE = 1 << 20
_KINDS = {"send": "send", "receive": "wait"}
"""Categories of slices; all others are work."""


class _Shown(NamedTuple):
    """A slice with its place in the picture; times in microseconds since the run began."""

    slice: Slice
    node: str
    process: int
    thread: int
    begin: float
    end: float


def make_trace(folder: RunFolder) -> bytes:
    """The trace of a run, as JSON. InputError where none was recorded."""
    began, shown, events = folder.run().started, list[_Shown](), list[dict[str, Any]]()
    for process, node in enumerate(folder.node_names(), start=1):
        lines = list(folder.traces(node))
        rows = _Rows(process, node)
        shown += [each for line, offset in _on_one_clock(lines, began) for each in rows.place(line, offset)]
        if lines:
            events += [*rows.names(), *_counters(process, folder.metrics(node), began)]
    if not shown:
        fix = "launch with --trace; only what workers did from then on is recorded"
        raise InputError(f"run {folder.name} has no trace", fix=fix)
    events += [*map(_slice, shown), *_arrows(shown)]
    return msgspec.json.encode({"traceEvents": events, "displayTimeUnit": "ms", "otherData": {"run": folder.name}})


def _on_one_clock(lines: Sequence[Recorded], began: float) -> Iterator[tuple[Recorded, float]]:
    """Lines of a node, each with what to add to its slices' times for seconds since the run began."""
    offsets: dict[int, float] = {}
    for line in lines:
        if isinstance(line.event, Traced):
            offset = line.time - began - line.event.now
            offsets[line.attempt] = min(offset, offsets.get(line.attempt, offset))
    return ((line, offsets[line.attempt]) for line in lines if line.attempt in offsets)


class _Rows:
    """Rows of one node: one for each thread of each role."""

    def __init__(self, process: int, node: str) -> None:
        self._process, self._node = process, node
        self._threads: dict[tuple[str, int], int] = {}

    def place(self, line: Recorded, offset: float) -> Iterator[_Shown]:
        """Place the slices of a line."""
        if isinstance(line.event, Traced):
            for each in line.event.slices:
                thread = self._threads.setdefault((line.event.role, each.thread), len(self._threads) + 1)
                begin, end = ((time + offset) * _MICROSECONDS for time in (each.begin, each.end))
                yield _Shown(each, self._node, self._process, thread, begin, end)

    def names(self) -> Iterator[dict[str, Any]]:
        """Name the node, and its rows."""
        yield {"ph": "M", "name": "process_name", "pid": self._process, "tid": 0, "args": {"name": self._node}}
        for (role, number), thread in self._threads.items():
            name = role if number == 0 else f"{role}, core {number + 1}"
            yield {"ph": "M", "name": "thread_name", "pid": self._process, "tid": thread, "args": {"name": name}}


def _slice(shown: _Shown) -> dict[str, Any]:
    each = shown.slice
    epoch, step, number = each.place
    told: dict[str, int | str] = {"epoch": epoch, "step": step, "micro-batch": number}
    name = f"{each.doing} {number}"
    if each.peer:
        told |= {"peer": each.peer, "bytes": each.payload_bytes}
        name = f"{each.doing} {each.channel.lower().replace('_', ' ')} {number}"
    return {
        "ph": "X",
        "name": name,
        "cat": _KINDS.get(each.doing, "compute"),
        "pid": shown.process,
        "tid": shown.thread,
        "ts": round(shown.begin, 3),
        "dur": round(shown.end - shown.begin, 3),
        "args": told,
    }


def _arrows(shown: Sequence[_Shown]) -> Iterator[dict[str, Any]]:
    """Arrows from where a message was sent to where it was received: in order, where several have the same place."""
    sent = defaultdict[tuple[object, ...], deque[_Shown]](deque)
    for one in shown:
        if one.slice.doing == "send":
            sent[one.node, one.slice.peer, one.slice.channel, one.slice.place].append(one)
    numbers = count(1)
    for other in shown:
        each = other.slice
        if each.doing == "receive" and (queue := sent[each.peer, other.node, each.channel, each.place]):
            one, number = queue.popleft(), next(numbers)
            same = {"name": each.channel.lower(), "cat": "message", "id": number}
            yield {**same, "ph": "s", "pid": one.process, "tid": one.thread, "ts": (one.begin + one.end) / 2}
            yield {**same, "ph": "f", "bp": "e", "pid": other.process, "tid": other.thread, "ts": other.end - 0.001}


def _counters(process: int, lines: Iterator[Recorded], began: float) -> Iterator[dict[str, Any]]:
    """Memory and temperature of a node over time."""
    for line in lines:
        if isinstance(reading := line.event, Resources):
            same = {"ph": "C", "pid": process, "tid": 0, "ts": (line.time - began) * _MICROSECONDS}
            own = (reading.anonymous_bytes + reading.engine_bytes) / _MEBIBYTE
            files = reading.file_bytes / _MEBIBYTE
            yield {**same, "name": "memory, MiB", "args": {"own": own, "files": files}}
            if reading.temperature_celsius is not None:
                yield {**same, "name": "temperature, °C", "args": {"processor": reading.temperature_celsius}}
