"""The line of a model file at which something happens: found by running it once more, line by line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any

from picluster.worker.compute.model_fault import file_of, is_of_model


def line_that_changes(run: Callable[[], object], observe: Callable[[], object]) -> str:
    """The line at which the model file first changes what `observe` tells; empty where it is no line of the file."""
    before, current, found = observe(), "", ""

    def see(frame: FrameType, event: str, _value: object) -> None:
        nonlocal current, found
        if not found and observe() != before:
            found = current
        current = _place_after(frame, event)

    _watched(run, see)
    return found or (current if observe() != before else "")


def line_that_parts(
    run: Callable[[], object], other: Callable[[], object], fingerprint: Callable[[object], Any]
) -> str:
    """The line at which two runs of the same code first make different values; empty where no line of the file does.

    `fingerprint` tells of a value what must be alike in both runs.
    """
    one, two = (_history(each, fingerprint) for each in (run, other))
    for number, (seen, seen_in_other) in enumerate(zip(one, two, strict=False)):
        if seen != seen_in_other:
            return one[number - 1][0] if number else seen[0]
    return ""


def _history(run: Callable[[], object], fingerprint: Callable[[object], Any]) -> list[tuple[str, str, Any]]:
    """The place after each line, what comes next, and what its frame holds."""
    history: list[tuple[str, str, Any]] = []

    def see(frame: FrameType, event: str, value: object) -> None:
        held = {name: fingerprint(each) for name, each in frame.f_locals.items()}
        returned = fingerprint(value) if event == "return" else None
        history.append((_place(frame) if event == "return" else _place_after(frame, event), event, (held, returned)))

    _watched(run, see)
    return history


def _place(frame: FrameType) -> str:
    return f"{file_of(frame)}, line {frame.f_lineno}"


def _place_after(frame: FrameType, event: str) -> str:
    """The line that runs next: after a return, the caller's goes on."""
    caller = frame.f_back
    if event == "return":
        return _place(caller) if caller and is_of_model(caller) else ""
    return _place(frame)


def _watched(run: Callable[[], object], see: Callable[[FrameType, str, object], None]) -> None:
    """Run; `see` is given each frame of the model file, the event (line, return) and what is returned."""

    def of_frame(frame: FrameType, event: str, value: object) -> Any:
        if event in ("line", "return"):
            see(frame, event, value)
        return of_frame

    def of_call(frame: FrameType, _event: str, _value: object) -> Any:
        return of_frame if is_of_model(frame) else None

    before = sys.gettrace()
    sys.settrace(of_call)
    try:
        with suppress(Exception):
            run()
    finally:
        sys.settrace(before)
