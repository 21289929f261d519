"""Workers as threads of one process: plans of any kind, and roles that run together."""

import random
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
from msgspec.structs import replace

from picluster.graph.folder import GraphFolder
from picluster.graph.writer import GraphWriter
from picluster.schema.plan import Cut, Plan, StagePlan
from picluster.schema.spec import Precision, Spec
from tests.unit.worker.random_graph import RandomGraph

POOL = [f"pi{number}" for number in range(1, 7)]
PATIENCE_SECONDS = 60
Found = TypeVar("Found")


def in_threads(works: dict[str, Callable[[], Found]]) -> dict[str, Found]:
    """All at once; raises what one of them raises, and AssertionError where they wait for each other."""
    futures: dict[str, Future[Found]] = {name: Future() for name in works}

    def guarded(name: str) -> None:
        try:
            futures[name].set_result(works[name]())
        except BaseException as error:  # noqa: BLE001  it is raised where it can be seen
            futures[name].set_exception(error)

    for name in works:
        threading.Thread(target=guarded, args=(name,), daemon=True).start()
    wait(futures.values(), PATIENCE_SECONDS, return_when=FIRST_EXCEPTION)
    waiting = [name for name, future in futures.items() if not future.done()]
    broken = [error for future in futures.values() if future.done() and (error := future.exception())]
    if broken:
        raise broken[0]
    assert not waiting, f"{waiting} wait for each other"
    return {name: future.result() for name, future in futures.items()}


def make_plan(sampler: tuple[str, ...], *stages: tuple[tuple[int, ...], tuple[str, ...], Cut]) -> Plan:
    made = tuple(StagePlan(layers=layers, nodes=nodes, receives=receives) for layers, nodes, receives in stages)
    return Plan(strategy="layer-split", engine="gloo", sampler=sampler, stages=made)


def single_plan(depth: int) -> Plan:
    return make_plan(("pi1",), (tuple(range(1, depth + 1)), ("pi1",), "aggregated"))


def random_plan(dice: random.Random, depth: int, may_cross: Callable[[int], Sequence[Cut]]) -> Plan:
    """Stages cut anywhere, replicas anywhere, any number of cores, samplers alone or beside some stages.

    `may_cross`: what may cross a cut before a layer.
    """
    pool = dice.sample(POOL, len(POOL))
    cuts = sorted(dice.sample(range(1, depth), dice.randint(0, depth - 1)))
    stages: list[tuple[tuple[int, ...], tuple[str, ...], Cut]] = []
    for begin, end in zip([0, *cuts], [*cuts, depth], strict=True):
        spare = len(pool) - (len(cuts) - len(stages))
        nodes = tuple(pool.pop() for _ in range(min(dice.choice([1, 2, 3]), spare)))
        stages.append((tuple(range(begin + 1, end + 1)), nodes, dice.choice(may_cross(begin + 1))))
    taken = [node for _, nodes, _ in stages for node in nodes] + pool
    plan = make_plan(tuple(dice.sample(taken, dice.randint(1, 3))), *stages)
    cores = {node: dice.choice([1, 1, 2, 3]) for stage in plan.stages for node in stage.nodes}
    return msgspec.structs.replace(plan, cores=cores)


def lossy(dice: random.Random, spec: Spec, may_cross: Callable[[int], Sequence[Cut]]) -> Spec:
    """The spec with some precision of the wire, and where it rounds, some form of rows before each layer."""
    wire: Precision = dice.choice(["fp32", "fp16", "int8"])
    layers = range(2, spec.model.depth + 1) if wire != "fp32" else ()
    return replace(spec, wire=wire, boundaries=tuple(dice.choice(may_cross(layer)) for layer in layers))


def crossing(spec: Spec, otherwise: Callable[[int], Sequence[Cut]]) -> Callable[[int], Sequence[Cut]]:
    """What may cross a cut before a layer: what the spec says, else one of those."""

    def may_cross(layer: int) -> Sequence[Cut]:
        form = spec.form(layer)
        return otherwise(layer) if form is None else (form,)

    return may_cross


def write_graph(path: Path, graph: RandomGraph, *, features: int, classes: int, dtype: str = "float16") -> GraphFolder:
    """A folder of that graph with random features, labels and splits: 20 training and 3 validation nodes."""
    dice = np.random.default_rng(0)
    order = dice.permutation(graph.nodes).astype(np.int32)
    arrays: dict[str, np.ndarray[Any, Any]] = {
        "indptr": graph.indptr,
        "indices": graph.indices,
        "features": dice.standard_normal((graph.nodes, features)).astype(np.float16),
        "labels": dice.integers(0, classes, graph.nodes).astype(np.int16),
        "train": np.sort(order[:20]),
        "validation": np.sort(order[20:23]),
        "test": np.sort(order[23:]),
    }
    with GraphWriter(path, source="random", classes=classes) as writer:
        for name, array in arrays.items():
            if name == "features":
                writer.write_features(array, dtype)
            else:
                writer.write(name, array)
    return GraphFolder.open(path)
