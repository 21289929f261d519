"""An earlier run that is to be made again: its spec, its model and its threads, on the graph that it had."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from picluster.controller.planning.models import model_file
from picluster.controller.planning.planner import machine_of
from picluster.errors import DataError, InputError
from picluster.schema.events import Ready

if TYPE_CHECKING:
    from picluster.controller.record.run_folder import RunFolder
    from picluster.graph.folder import GraphFolder


class EarlierRun:
    """Reads a run folder; only what was written before anything started must be whole."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.run = folder.run()
        self.spec = self.run.spec

    def threads(self) -> int:
        """Compute threads of its workers, on which last bits depend; 1 where none of them got ready."""
        ready = (each.event for each in self.folder.events() if isinstance(each.event, Ready))
        return next((event.hardware.threads for event in ready), 1)

    def model(self) -> tuple[Path, str]:
        """The model's file as it was then, and a word about it."""
        kept, name = self.folder.model_file, self.spec.model.name
        if not kept.exists():
            file = model_file(name)
            return file, f"{file}, as it is now: the run kept no copy"
        try:
            has_changed = model_file(name).read_bytes() != kept.read_bytes()
        except InputError:  # there is none of that name, or it was given by a path
            has_changed = False
        return kept.absolute(), f"{kept}{f', as it was then: {name} has changed since' if has_changed else ''}"

    def graph(self, graphs: Path) -> GraphFolder:
        """Its graph folder, every byte as it was. DataError where it is missing or another one."""
        from picluster.graph.folder import GraphFolder

        path, command = graphs / self.spec.dataset, shlex.join(self.folder.environment().command)
        if not path.is_dir():
            fix = f"prepare or import it again; the run began with: {command}"
            raise DataError(f"{self.run.run} was trained on {path}, which is not here", fix=fix)
        graph = GraphFolder.open(path)
        then, now = self.run.graph.files, graph.meta.files
        changed = [name for name in then if name not in now or then[name].sha256 != now[name].sha256]
        if changed:
            what = f"{path} is not the graph that {self.run.run} was trained on: {', '.join(changed)} changed since"
            raise DataError(what, fix=f"bring that graph back, or start afresh: {command}")
        graph.verify()
        return graph

    def keeps_its_plan(self, others: set[str], nodes: list[str] | None) -> bool:
        """Whether the plan stays: no other placement is asked for, and a named inventory (None: the usual) has it all.

        `others`: the options that were given.
        """
        if others & {"strategy", "layers_per_node", "replicas", "nodes", "plan_file"}:
            return False
        return nodes is None or all(machine_of(name, nodes) for name in self.folder.plan().nodes)
