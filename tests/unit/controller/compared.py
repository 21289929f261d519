"""Run folders that a comparison is made of: copies of the committed one, each a little different."""

from __future__ import annotations

from pathlib import Path

import msgspec

from picluster.controller.run_folder import RunFolder
from picluster.schema.events import EpochDone, Hardware, Ready, Status, StepDone
from picluster.schema.plan import EngineName, Plan, StagePlan, Strategy
from picluster.schema.run import Failure, Result
from tests.unit.controller.made import RUN_V1

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
        losses: tuple[float, ...] = LOSSES,
        status: Status = "finished",
        test_accuracy: float = 0.5,
        seconds: float = 4.0,
        step_ms: float = 10.0,
    ) -> RunFolder:
        """Data-parallel, of one stage and two layers; `threads` None = no worker got ready."""
        folder = RunFolder(self.root / name)
        folder.path.mkdir(parents=True)
        model = RunFolder(RUN_V1)
        run = model.run()
        choice = msgspec.structs.replace(run.spec.model, options={"hidden": hidden})
        spec = msgspec.structs.replace(run.spec, dataset=dataset, seed=seed, model=choice)
        started = float(len(list(self.root.iterdir())))
        run = msgspec.structs.replace(run, run=name, started=started, spec=spec, tag=tag, pretraining=pretraining)
        strategy: Strategy = "single" if len(nodes) == 1 else "data-parallel"
        plan = Plan(strategy=strategy, engine=engine, sampler=nodes, stages=(StagePlan(layers=(1, 2), nodes=nodes),))
        folder.begin(run, plan, model.environment())
        for node in nodes:
            folder.node_folder(node)
            if threads is not None:
                hardware = Hardware(model="A53", kernel="6", torch="2.9.1", cores=4, threads=threads)
                folder.record(node, Ready(hardware=hardware, rendezvous_port=None, seconds=1.0))
            for number, loss in enumerate(losses, start=1):
                folder.record(node, _step(number, loss, step_ms))
            for reading in model.metrics("local1"):
                if reading.event.__class__.__name__ == "Resources":
                    folder.record(node, reading.event)
        if threads is not None:
            folder.record(nodes[0], _epoch(losses[-1], seconds))
        failure = Failure(node=nodes[0], layers=(), cause="it broke", fix="", log=None) if status == "failed" else None
        accuracy = test_accuracy if status == "finished" else None
        folder.end(Result(status=status, failure=failure, test_accuracy=accuracy, ended=started + seconds))
        return folder


def _epoch(loss: float, seconds: float) -> EpochDone:
    return EpochDone(epoch=1, loss=loss, train_accuracy=0.75, validation_accuracy=0.625, best=True, seconds=seconds)


def _step(number: int, loss: float, step_ms: float) -> StepDone:
    return StepDone(
        epoch=1,
        step=number,
        loss=loss,
        step_ms=step_ms,
        compute_ms=step_ms,
        wait_ms=0.0,
        send_ms=0.0,
        sent_bytes=300,
        received_bytes=300,
        sent_payload_bytes=200,
        received_payload_bytes=200,
    )
