"""Lines of the workers' logs in a run folder: all at once, or as they come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING

from picluster.controller.record.following import GrowingFile, looks

if TYPE_CHECKING:
    from picluster.controller.record.run_folder import RunFolder


def read_logs(folder: RunFolder, nodes: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Node and line, node by node. A node that wrote nothing has none."""
    for node in nodes:
        with suppress(FileNotFoundError), folder.log_file(node).open(encoding="utf-8", errors="replace") as log:
            for line in log:
                yield node, line.rstrip("\n")


def follow_logs(folder: RunFolder, nodes: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Node and line, as they come, until the run has ended or nobody leads it any more."""
    logs = {node: GrowingFile(folder.log_file(node)) for node in nodes}
    for is_over in looks(folder):
        for node, log in logs.items():
            for line in chain(log.lines(), log.rest() if is_over else ()):
                yield node, line.decode(errors="replace")
