"""What may not be in a run's folder, whatever has happened to the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from picluster.schema.events import Recorded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from picluster.controller.record.run_folder import RunFolder
    from picluster.schema.run import Failure
    from tests.simulation.world import World

DESK = "desk"
"""Stands among the struck for the person's machine."""


def wrong_in(folder: RunFolder, world: World) -> list[str]:
    """All that is wrong, in words."""
    return [
        *_blames(folder, world),
        *_lost_progress(folder, world),
        *_broken_files(folder),
        *_left_on_nodes(world),
    ]


def failures_of(folder: RunFolder) -> list[Failure]:
    """Failures that ended attempts."""
    result = folder.result()
    found = [attempt.after for attempt in folder.attempts()] + [result.failure if result else None]
    return [failure for failure in found if failure]


def _blames(folder: RunFolder, world: World) -> Iterator[str]:
    """A node is blamed to which nothing has happened, or a run was taken up again for no reason."""
    for failure in failures_of(folder):
        if (failure.node or DESK) not in world.struck:
            yield f"{failure.node} is blamed: {failure.cause}"
    if not world.struck and folder.attempts():
        yield "taken up again for no reason"


def _lost_progress(folder: RunFolder, world: World) -> Iterator[str]:
    """An attempt began before a state of which the one before it had known, although nothing had spoilt that."""
    orders = [attempt.position.order for attempt in folder.attempts()]
    if orders != sorted(orders) and not world.has_spoilt_states:
        yield f"went back: {orders}"


def _left_on_nodes(world: World) -> Iterator[str]:
    """Files of the run have stayed on a node, although nothing has kept the controller from it."""
    for node in world.nodes.values():
        if not world.struck and any(node.disk.folder.glob("*/*")):
            yield f"left on {node.name}: {[file.name for file in node.disk.folder.glob('*/*')]}"


def _broken_files(folder: RunFolder) -> Iterator[str]:
    """A file is there in part, or has no place in a run's folder."""
    for file in sorted(folder.path.rglob("*")):
        if file.is_dir():
            continue
        if file.name.startswith(".") and file.name != ".room":
            yield f"left behind: {file.name}"
        try:
            if file.suffix == ".json":
                msgspec.json.decode(file.read_bytes())
            elif file.suffix == ".jsonl":
                *lines, rest = file.read_bytes().split(b"\n")
                for line in lines:
                    msgspec.json.decode(line, type=Recorded)
                if rest:
                    yield f"{file.name} ends with {rest!r}"
        except msgspec.DecodeError as error:
            yield f"{file.name}: {error}"
