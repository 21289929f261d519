"""Hears of a launch as it goes on. The command line prints what it hears; this one calls a person's own functions."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from picluster.controller.record.run_folder import RunFolder
    from picluster.schema.events import AnyEvent
    from picluster.schema.graph import GraphMeta
    from picluster.schema.plan import Plan
    from picluster.schema.spec import Spec

Watch = Callable[[str, "AnyEvent"], None]
"""Takes each event of a run, with the name of its node."""


class Observer:
    """Passes events, and notes such as `model: sage`, to functions; without functions it keeps silent."""

    def __init__(self, on_event: Watch | None = None, on_note: Callable[[str], None] | None = None) -> None:
        self._on_event, self._on_note = on_event, on_note
        self.folders: list[RunFolder] = []
        """Folders of the runs that have begun: that of pre-training, where there is one, comes first."""

    def note(self, head: str, text: str) -> None:
        """Take a line about the launch; `head` says what it is about, such as `inventory`."""
        if self._on_note:
            self._on_note(f"{head}: {text}")

    def planned(self, plan: Plan) -> None:
        """Take the plan of a run that is about to begin."""

    def running(self, folder: RunFolder, spec: Spec, plan: Plan, graph: GraphMeta) -> AbstractContextManager[Watch]:  # noqa: ARG002
        """Take note of a run that begins; entered for as long as it goes on."""
        return nullcontext(self._on_event or (lambda _node, _event: None))
