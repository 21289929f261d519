"""Every option of `picluster launch`, in every situation, changes what is done or is refused by its name.

The options are taken from the command itself: one that is new fails here until it has a value to be tried with.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import typer

from picluster.cli.runs.launch import launch
from picluster.controller.nodes.inventory import Node, RemoteNode
from picluster.controller.nodes.local import LocalMachine
from picluster.controller.planning.planner import make_plan
from picluster.controller.planning.request import LaunchRequest
from picluster.controller.record.run_folder import RunFolder
from picluster.controller.running import placement as placing
from picluster.controller.running import run, task
from picluster.controller.running.placement import Placement
from picluster.controller.running.task import Task
from picluster.errors import InputError
from picluster.graph.folder import GraphFolder
from picluster.graph.writer import GraphWriter
from picluster.schema.model import ModelDescription, Pretraining
from picluster.schema.plan import Plan
from picluster.schema.record import to_json
from tests.unit.controller.made import RUN_V1, a_graph, a_model, a_spec, facts_of
from tests.unit.graph.small_graph import ARRAYS

SPLIT = {"train": np.array([0, 1], np.int32), "validation": np.array([2], np.int32), "test": np.array([2], np.int32)}


@dataclass(frozen=True)
class Situation:
    """What was typed before the option that is tried."""

    words: tuple[str, ...]
    samples: bool = False
    """Whether training sees a sample of the neighbours."""
    nodes_are_local: bool = True


SITUATIONS = {
    "nothing": Situation(()),
    "one's own graph": Situation(("--dataset", "mine")),
    "a graph without validation and test nodes": Situation(("--dataset", "unsplit")),
    "cora": Situation(("--dataset", "cora")),
    "cora-linqs": Situation(("--dataset", "cora-linqs")),
    "a prepared folder by its name": Situation(("--dataset", "cora-linqs-split7")),
    "sampled": Situation(("--dataset", "mine", "--fanout", "2,2"), samples=True),
    "all neighbours": Situation(("--dataset", "mine", "--fanout", "all", "--batch-size", "1")),
    "pre-trained": Situation(("--dataset", "mine", "--model", "graph_embedding")),
    "single": Situation(("--dataset", "mine", "--strategy", "single")),
    "data-parallel": Situation(("--dataset", "mine", "--strategy", "data-parallel")),
    "mirrored": Situation(("--dataset", "mine", "--strategy", "mirrored")),
    "layer-split": Situation(("--dataset", "mine", "--strategy", "layer-split")),
    "mpi": Situation(("--dataset", "mine", "--engine", "mpi")),
    "a plan": Situation(("--dataset", "mine", "--plan", "plan.json")),
    "a run again": Situation(("--rerun", "abcd")),
    "a run taken up": Situation(("--resume", "abcd")),
    "machines": Situation(("--dataset", "mine"), nodes_are_local=False),
    "a dry run": Situation(("--dataset", "mine", "--dry-run")),
}
VALUES = {
    "dataset": "mine",
    "scale": "0.002",
    "features": "fp32",
    "split_seed": "7",
    "model": "gcn",
    "hidden": "16",
    "depth": "3",
    "dropout": "0.3",
    "option": "extra=1",
    "pretrain": "",
    "fanout": "3,3",
    "batch_size": "2",
    "micro_batches": "2",
    "epochs": "7",
    "seed": "3",
    "learning_rate": "0.5",
    "weight_decay": "0.1",
    "dense_weight_decay": "0.1",
    "l1": "0.1",
    "patience": "5",
    "monitor": "loss",
    "validation": "exact",
    "test": "sampled",
    "wire": "int8",
    "beta1": "0.5",
    "beta2": "0.5",
    "epsilon": "0.5",
    "amsgrad": "",
    "inventory": "other.yml",
    "nodes": "pi3,pi1",
    "strategy": "data-parallel",
    "layers_per_node": "2",
    "replicas": "3",
    "engine": "rpc",
    "plan": "other.json",
    "cores": "2",
    "dry_run": "",
    "detach": "",
    "grace": "7",
    "wait": "",
    "checkpoint_every": "7",
    "max_restarts": "7",
    "trace": "",
    "rerun": "abcd",
    "resume": "abcd",
    "tag": "a-word",
}
NAMED_OTHERWISE = {"depth": "layers", "nodes": "names", "inventory": "names", "rerun": "--rerun", "resume": "--resume"}
"""What a refusal may say instead of the option: that another depth does not fit the plan, for example."""


def command() -> Any:
    app = typer.Typer(add_completion=False)
    app.command()(launch)
    return typer.main.get_command(app)


def parameters() -> dict[str, str]:
    """The options of `picluster launch`: name → how it is spelt."""
    return {p.name: max(p.opts, key=len) for p in command().params if p.name and p.name != "help"}


def value_of(name: str, situation: Situation) -> str:
    """One that is not the default there."""
    return "sampled" if name == "validation" and not situation.samples else VALUES[name]


class Embedding:
    """Learnt before."""

    run = "before"

    def __init__(self, graph: GraphFolder, *_: object) -> None:
        self._graph = graph

    def graph_with_it(self) -> tuple[GraphFolder, int]:
        return self._graph, 4


def described(file: Path, features: int, classes: int, options: dict[str, Any], *_: object) -> ModelDescription:
    assert features
    assert classes
    if options.get("hidden") == 0:
        raise InputError("no such model")
    model = a_model(depth=int(options.get("depth", 2)))
    before = Pretraining(model="node_pairs", options={}, pairs=9, neighbours=2)
    return msgspec.structs.replace(
        model,
        name=file.stem,
        options={**model.options, **options},
        dense_layers=0 if file.stem == "sage" else 1,
        pretraining=before if file.stem == "graph_embedding" and "embedding" not in options else None,
    )


def make_graph(folder: Path, split: dict[str, Any]) -> None:
    with GraphWriter(folder, source="four nodes", classes=2) as writer:
        for name, array in {**ARRAYS, **split}.items():
            dtype = np.float32 if name == "features" and folder.name.endswith("-fp32") else array.dtype
            writer.write(name, array.astype(dtype))


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with graphs, plans and a run."""
    folder = tmp_path_factory.mktemp("desk")
    names = ["mine", "cora", "cora-linqs", "cora-linqs-split7", "reddit-like-0.01", "reddit-like-0.002"]
    for name in (*names, "cora-fp32", "cora-linqs-fp32", "reddit-like-0.01-fp32"):
        make_graph(folder / "graphs" / name, SPLIT)
    empty = np.array([], np.int32)
    make_graph(folder / "graphs" / "unsplit", {"train": SPLIT["train"], "validation": empty, "test": empty})
    plans = {name: _plan(nodes) for name, nodes in {"other": ["pi2", "pi1"], "plan": ["pi1", "pi2"]}.items()}
    for name, plan in plans.items():
        (folder / f"{name}.json").write_bytes(to_json(plan))
    run, old = RunFolder(folder / "runs" / "2026-sage-abcd"), RunFolder(RUN_V1)
    run.path.mkdir(parents=True)
    (run.path / "model.py").write_text("# the model of then\n")
    meta = GraphFolder.open(folder / "graphs" / "mine").meta
    spec = msgspec.structs.replace(a_spec(), dataset="mine", seed=9)
    again = msgspec.structs.replace(old.run(), run=run.name, spec=spec, graph=meta)
    run.begin(again, plans["plan"], old.environment())
    return folder


def _plan(nodes: list[str]) -> Plan:
    return make_plan(
        facts_of(*nodes),
        a_spec(),
        a_model(),
        a_graph(train=2),
        strategy="data-parallel",
        engine="gloo",
        layers_per_node=None,
    )


class Launches:
    """Launches up to the moment at which something would run."""

    def __init__(self, patch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str]) -> None:
        self._capture = capture
        self._local = True
        self._done: list[object] = []
        patch.setattr(placing, "read_inventory", self._inventory)
        patch.setattr("picluster.controller.nodes.remote.RemoteMachine", LocalMachine)
        patch.setattr(run, "train", self._train)
        patch.setattr(task, "describe_model", described)
        patch.setattr(task, "Embedding", Embedding)
        patch.setattr(task, "_learn", self._learn)
        patch.setattr("picluster.cli.runs.launch.depart", lambda _: self._done.append("detached"))
        self._command = command()

    def _inventory(self, file: Path) -> list[Node]:
        names = ["pi1", "pi2", "pi3", "pi4"] if file.name != "other.yml" else ["pi2", "pi1", "other"]
        memory_bytes, cores = (None, None) if self._local else (1 << 30, 4)
        kind = Node if self._local else RemoteNode
        return [kind(name, memory_bytes=memory_bytes, cores=cores) for name in names]

    def _learn(self, _embedding: Embedding, placement: Placement, _observer: object) -> str:
        self._done.append(placement.request.pretrain)
        return "the run that learnt it"

    def _train(
        self, task: Task, plan: Plan, placement: Placement, _observer: object, earlier: RunFolder | None = None
    ) -> RunFolder:
        asked = placement.request
        self._done += [task.spec, task.graph.path, task.model_file, plan, placement.taking_part(plan)]
        self._done += [
            asked.cores,
            asked.grace,
            asked.tag,
            asked.wait,
            asked.checkpoint_every,
            asked.max_restarts,
            asked.trace,
        ]
        self._done.append(earlier and earlier.name)
        return RunFolder(Path("runs/2026-sage-abcd"))

    def outcome(self, situation: Situation, words: list[str]) -> tuple[str, str]:
        """What would run, as text; or the refusal."""
        self._local, self._done = situation.nodes_are_local, []
        try:
            self._command.main([*situation.words, *words], standalone_mode=False)
        except InputError as error:
            self._capture.readouterr()
            return "", str(error)
        told = self._capture.readouterr()
        return f"{self._done}\n{told.out if '--dry-run' in (*situation.words, *words) else ''}{_notes(told.err)}", ""


def _notes(errors: str) -> str:
    return "\n".join(line for line in errors.splitlines() if line.startswith("note"))


@pytest.fixture
def launches(desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Launches:
    monkeypatch.chdir(desk)
    return Launches(monkeypatch, capsys)


def test_every_option_has_a_value_to_be_tried_with() -> None:
    assert set(VALUES) == set(parameters())


LIKE_OTHERS = (
    "cora",
    "cora-linqs",
    "a prepared folder by its name",
    "all neighbours",
    "mirrored",
    "layer-split",
    "mpi",
)
"""Situations that differ little from one of the others."""


@pytest.mark.parametrize(
    "name", [pytest.param(each, marks=pytest.mark.slow if each in LIKE_OTHERS else []) for each in SITUATIONS]
)
def test_every_option_changes_what_is_done_or_is_refused_by_its_name(launches: Launches, name: str) -> None:
    situation, passed_over = SITUATIONS[name], []
    usual, refusal = launches.outcome(situation, [])
    assert not refusal
    for parameter, option in parameters().items():
        if option in situation.words:
            continue
        value = value_of(parameter, situation)
        done, refusal = launches.outcome(situation, [option, value] if value else [option])
        word = NAMED_OTHERWISE.get(parameter, option)
        if done == usual or (refusal and option not in refusal and word not in refusal):
            passed_over.append(f"{option} {value}: {refusal or 'passed over'}")
    assert passed_over == []


def test_the_command_and_the_request_have_the_same_options_with_the_same_defaults() -> None:
    typed = {each.name: each.default for each in command().params if each.name not in ("help", "dry_run", "detach")}
    asked = {field.name: field.default for field in msgspec.structs.fields(LaunchRequest)}
    assert {name: value or None for name, value in asked.items()} == {
        name: value or None for name, value in typed.items()
    }
