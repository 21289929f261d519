"""Lines of the workers' logs in a run folder: all at once, or as they come."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from picluster.controller.record.leader import is_alive

if TYPE_CHECKING:
    from picluster.controller.record.run_folder import RunFolder

LOOK_SECONDS = 0.2
_PIECE = 1 << 16


def read_logs(folder: RunFolder, nodes: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Node and line, node by node. A node that wrote nothing has none."""
    for node in nodes:
        with suppress(FileNotFoundError), folder.log_file(node).open(encoding="utf-8", errors="replace") as log:
            for line in log:
                yield node, line.rstrip("\n")


def follow_logs(folder: RunFolder, nodes: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Node and line, as they come, until the run has ended or nobody leads it any more."""
    places, rests = dict.fromkeys(nodes, 0), dict.fromkeys(nodes, b"")
    controller = folder.run().controller
    while True:
        is_over = folder.result() is not None or not is_alive(controller)
        for node in nodes:
            for piece in _news(folder, node, places):
                *lines, rests[node] = (rests[node] + piece).split(b"\n")
                for line in lines:
                    yield node, line.decode(errors="replace")
        if is_over:
            break
        time.sleep(LOOK_SECONDS)
    for node, rest in rests.items():
        if rest:
            yield node, rest.decode(errors="replace")


def _news(folder: RunFolder, node: str, places: dict[str, int]) -> Iterator[bytes]:
    """Lines that were written since the last look."""
    with suppress(FileNotFoundError), folder.log_file(node).open("rb") as log:
        log.seek(places[node])
        while piece := log.read(_PIECE):
            places[node] += len(piece)
            yield piece
