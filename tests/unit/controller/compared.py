"""Run folders that a comparison is made of: copies of the committed one, each a little different."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from picluster.controller.record.run_folder import RunFolder
from picluster.schema.events import EpochDone, Hardware, Ready, Status, StepDone
from picluster.schema.plan import EngineName, Plan, StagePlan, Strategy
from picluster.schema.run import Failure, Result
from picluster.schema.spec import Adam, Spec
from tests.unit.controller.made import RUN_V1, a_step

LOSSES = (2.5, 1.25)


class Shelf:
    """A folder of runs, each a second after the one before."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def run(
        self,
        name: str,
        *,
        nodes: tuple[str, ...] = ("pi1",),
        engine: EngineName = "gloo",
        seed: int = 0,
        dataset: str = "cora",
        hidden: int = 8,
        tag: str = "",
        pretraining: str = "",
        threads: int | None = 1,
        cores: int = 1,
        losses: tuple[float, ...] = LOSSES,
        status: Status = "finished",
        test_accuracy: float = 0.5,
        seconds: float = 4.0,
        step_ms: float = 10.0,
        sent_bytes: int = 300,
        model: str = "sage",
        recipe: dict[str, Any] | None = None,
        other_arrays: tuple[str, ...] = (),
        version: str = "0.1.0",
        processor: str = "A53",
        numerics: str = "",
        epochs_done: int = 1,
    ) -> RunFolder:
        """Data-parallel, of one stage and two layers; `threads` None = no worker got ready.

        `recipe`: fields of spec and optimiser; `other_arrays`: those of the graph that another graph has.
        """
        folder = RunFolder(self.root / name)
        folder.path.mkdir(parents=True)
        old = RunFolder(RUN_V1)
        run = old.run()
        choice = msgspec.structs.replace(run.spec.model, name=model, options={"hidden": hidden})
        spec = _with(msgspec.structs.replace(run.spec, dataset=dataset, seed=seed, model=choice), recipe or {})
        files = {
            name: msgspec.structs.replace(file, sha256=f"other {name}") if name in other_arrays else file
            for name, file in run.graph.files.items()
        }
        graph = msgspec.structs.replace(run.graph, files=files)
        started = float(len(list(self.root.iterdir())))
        run = msgspec.structs.replace(run, run=name, started=started, spec=spec, tag=tag, graph=graph)
        run = msgspec.structs.replace(run, pretraining=pretraining)
        strategy: Strategy = "single" if len(nodes) == 1 else "data-parallel"
        plan = Plan(strategy=strategy, engine=engine, sampler=nodes, stages=(StagePlan(layers=(1, 2), nodes=nodes),))
        plan = msgspec.structs.replace(plan, cores=dict.fromkeys(nodes, cores))
        folder.begin(run, plan, msgspec.structs.replace(old.environment(), picluster=version))
        for node in nodes:
            folder.node_folder(node)
            if threads is not None:
                hardware = Hardware(
                    model=processor, kernel="6", torch="2.9.1", cores=4, threads=threads, numerics=numerics
                )
                folder.record(node, Ready(hardware=hardware, rendezvous_port=None, seconds=1.0))
            for number, loss in enumerate(losses, start=1):
                folder.record(node, _step(number, loss, step_ms, sent_bytes))
            for reading in old.metrics("local1"):
                if reading.event.__class__.__name__ == "Resources":
                    folder.record(node, reading.event)
        if threads is not None:
            for number in range(1, epochs_done + 1):
                folder.record(nodes[0], msgspec.structs.replace(_epoch(losses[-1], seconds), epoch=number))
        failure = Failure(node=nodes[0], layers=(), cause="it broke", fix="", log=None) if status == "failed" else None
        accuracy = test_accuracy if status == "finished" else None
        folder.end(Result(status=status, failure=failure, test_accuracy=accuracy, ended=started + seconds))
        return folder


def _with(spec: Spec, recipe: dict[str, Any]) -> Spec:
    adam = {field.name for field in msgspec.structs.fields(Adam)}
    optimizer = msgspec.structs.replace(spec.optimizer, **{k: v for k, v in recipe.items() if k in adam})
    return msgspec.structs.replace(spec, optimizer=optimizer, **{k: v for k, v in recipe.items() if k not in adam})


def _epoch(loss: float, seconds: float) -> EpochDone:
    return EpochDone(epoch=1, loss=loss, train_accuracy=0.75, validation_accuracy=0.625, best=True, seconds=seconds)


def _step(number: int, loss: float, step_ms: float, sent_bytes: int) -> StepDone:
    sent = {"sent_bytes": sent_bytes, "received_bytes": sent_bytes}
    payload = {"sent_payload_bytes": 200, "received_payload_bytes": 200}
    return a_step(number, loss=loss, step_ms=step_ms, compute_ms=step_ms, **sent, **payload)
