"""Launches on the screen: notes, plan, progress."""

from __future__ import annotations

from typing import TYPE_CHECKING

from picluster.cli.show.progress import progress
from picluster.cli.show.run_tables import show_plan
from picluster.cli.show.words import note
from picluster.controller.running.observer import Observer

if TYPE_CHECKING:
    from contextlib import nullcontext

    from picluster.cli.show.progress import Lines, LiveView
    from picluster.controller.record.run_folder import RunFolder
    from picluster.schema.graph import GraphMeta
    from picluster.schema.plan import Plan
    from picluster.schema.spec import Spec


class LaunchScreen(Observer):
    """Prints a launch as it goes on."""

    def __init__(self, *, plan_as_json: bool = False) -> None:
        super().__init__()
        self._plan_as_json = plan_as_json

    def note(self, head: str, text: str) -> None:
        """Print a line about the launch."""
        note(head, text)

    def planned(self, plan: Plan) -> None:
        """Print who does what."""
        show_plan(plan, as_json=self._plan_as_json)

    def running(self, folder: RunFolder, spec: Spec, plan: Plan, graph: GraphMeta) -> LiveView | nullcontext[Lines]:
        """Print where the run's folder is, then how the run gets on."""
        print(f"run        {folder.path}", flush=True)
        return progress(spec, plan, graph.splits["train"])
