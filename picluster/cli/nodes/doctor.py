"""`picluster doctor`: is every node ready?"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec.structs import replace

from picluster.cli.show.words import note, print_record
from picluster.cli.terminal import complete, options
from picluster.cli.terminal.typeable import typeable
from picluster.errors import InputError, RunFailed
from picluster.project import GRAPHS

if TYPE_CHECKING:
    from picluster.controller.health.doctor import Intent

EXAMPLES = """Examples:

picluster doctor                                  all nodes of the inventory
picluster doctor --nodes pi1,pi4                  these
picluster doctor --plan plan.json --dataset cora  whether that plan fits, too
picluster doctor --json | jq '.findings\\[]'"""

PlanFile = Annotated[
    Path | None, typer.Option("--plan", metavar="FILE", help="Compare memory and disk with this plan; with --dataset.")
]
Dataset = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="The plan's graph: a folder in graphs/.", autocompletion=complete.datasets),
]


def doctor(
    *,
    inventory: options.InventoryFile = None,
    nodes: options.Nodes = None,
    plan_file: PlanFile = None,
    dataset: Dataset = None,
    as_json: options.Json = False,
) -> None:
    """Examine all nodes: is each ready, and what should be mended? Changes nothing. Exit code 5: one is not ready."""
    from picluster.cli.show.health_tables import show_health
    from picluster.controller.health.doctor import Doctor
    from picluster.controller.running.placement import choose_nodes

    if plan_file is not None and nodes is not None:
        raise InputError("--plan and --nodes do not go together: the plan names its nodes", fix="leave one of them out")
    intent = _intent(plan_file, dataset)
    chosen, _ = choose_nodes(inventory, nodes, note)
    if intent is not None:
        strangers = [name for name in intent.plan.nodes if name not in {node.name for node in chosen}]
        if strangers:
            what = f"the plan names {', '.join(strangers)}, which the inventory does not"
            raise InputError(what, fix="have one written for it: picluster launch --dry-run > plan.json")
        chosen = [node for node in chosen if node.name in intent.plan.nodes]
    health = Doctor(chosen, intent, partial(print, file=sys.stderr, flush=True)).visit()
    findings = tuple(replace(each, fix=typeable(each.fix)) for each in health.findings)
    health = replace(health, findings=findings)
    print_record(health, show_health, as_json=as_json)
    if not health.ready:
        raise typer.Exit(RunFailed.exit_code)


def _intent(plan_file: Path | None, dataset: str | None) -> Intent | None:
    """Task that the nodes shall be ready for, where the options say one."""
    from picluster.controller.health.doctor import Intent
    from picluster.controller.running.placement import read_plan
    from picluster.graph.folder import GraphFolder
    from picluster.graph.names import KNOWN, dataset_folder_name

    if plan_file is None and dataset is None:
        return None
    if plan_file is None or dataset is None:
        what = "--plan and --dataset go together: what a node needs follows from both"
        raise InputError(what, fix="give both, or none")
    plan = read_plan(plan_file)
    graph = GraphFolder.open(GRAPHS / (dataset_folder_name(dataset) if dataset in KNOWN else dataset))
    return Intent(plan, graph.path)
