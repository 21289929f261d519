"""Records that several tests start from, and the committed run folder."""

import shutil
from pathlib import Path
from typing import Any

import msgspec

from picluster.schema.events import StepDone
from picluster.schema.facts import NodeFacts
from picluster.schema.graph import GraphMeta
from picluster.schema.model import LayerDescription, ModelDescription
from picluster.schema.plan import Plan, StagePlan
from picluster.schema.spec import Adam, ModelChoice, Spec

RUN_V1 = Path(__file__).parents[2] / "data" / "run-v1"
"""A finished run of four local nodes; host, processor and paths are made neutral."""


def a_spec(*, depth: int = 2, micro_batches: int = 4) -> Spec:
    return Spec(
        dataset="cora",
        model=ModelChoice(name="sage", depth=depth, options={}),
        fanout=(5,) * depth,
        batch_size=100,
        micro_batches=micro_batches,
        epochs=1,
        seed=0,
        optimizer=Adam(learning_rate=0.01, weight_decay=(0.0,) * depth),
    )


def a_plan() -> Plan:
    """The sampler on a; layer 1 on b and c; layer 2 on d."""
    stages = (StagePlan(layers=(1,), nodes=("b", "c")), StagePlan(layers=(2,), nodes=("d",)))
    return Plan(strategy="layer-split", engine="gloo", sampler=("a",), stages=stages)


def a_graph(*, train: int) -> GraphMeta:
    splits = {"train": train, "validation": 1, "test": 1}
    return GraphMeta(name="a-graph", source="a test", nodes=9, edges=9, features=3, classes=2, splits=splits, files={})


def a_model(*, depth: int = 2) -> ModelDescription:
    layer = LayerDescription(name="SageLayer", parameters=6, aggregated={"h": 3}, output={"h": 2})
    return ModelDescription(name="sage", options={"depth": depth, "hidden": 8}, layers=(layer,) * depth)


def facts_of(*names: str) -> list[NodeFacts]:
    """Nodes of which the names alone are known."""
    return [NodeFacts(name=name) for name in names]


def strong(name: str, memory_bytes: int, cores: int = 4) -> NodeFacts:
    return NodeFacts(name=name, memory_bytes=memory_bytes, cores=cores)


def a_step(step: int = 1, **fields: Any) -> StepDone:
    """A step of the first epoch that took 1 ms and sent nothing, apart from the `fields` that are given."""
    made = StepDone(
        epoch=1,
        step=step,
        step_ms=1.0,
        compute_ms=1.0,
        wait_ms=0.0,
        send_ms=0.0,
        sent_bytes=0,
        received_bytes=0,
        sent_payload_bytes=0,
        received_payload_bytes=0,
    )
    return msgspec.structs.replace(made, **fields)


def copy_of_run_v1(folder: Path) -> Path:
    return Path(shutil.copytree(RUN_V1, folder))
