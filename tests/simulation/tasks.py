"""What simulated runs learn: a few small tasks, each with what it comes to undisturbed."""

from __future__ import annotations

import functools
import random
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from picluster.controller.running.task import Task
from picluster.schema.spec import Adam, ModelChoice, Spec
from picluster.worker.describing.description import describe
from tests.unit.worker.random_graph import random_graph
from tests.unit.worker.roles.threads import make_plan, write_graph

if TYPE_CHECKING:
    from collections.abc import Sequence

    from picluster.graph.folder import GraphFolder
    from picluster.schema.plan import Cut, Plan

MODELS = Path(__file__).parents[2] / "models"
NAMES = ["pi1", "pi2", "pi3", "pi4"]
NODES, FEATURES, CLASSES, HIDDEN = 40, 3, 3, 4
KINDS = ("sage", "gcn", "gcnii")


@dataclass
class SimulatedTask:
    """A spec, with its files."""

    kind: str
    spec: Spec
    graph: GraphFolder

    @property
    def depth(self) -> int:
        """Number of layers."""
        return self.spec.model.depth

    @property
    def model_file(self) -> Path:
        """File of the model."""
        return MODELS / f"{self.kind}.py"

    @functools.cached_property
    def as_task(self) -> Task:
        """The same as the controller knows it."""
        graph, options = self.graph.meta, {**self.spec.model.options, "depth": self.depth}
        description = describe(self.model_file, graph.features, graph.classes, options)
        return Task(self.spec, self.model_file, self.graph, description)


@functools.cache
def the_graph() -> GraphFolder:
    """The graph that all of them learn."""
    folder = Path(tempfile.mkdtemp(prefix="picluster-simulated-"))
    return write_graph(folder / "random", random_graph(NODES, 0.1, seed=3), features=FEATURES, classes=CLASSES)


@functools.cache
def the_task(kind: str) -> SimulatedTask:
    """The task of a kind."""
    depth = 3 if kind == "gcnii" else 2
    is_sampled = kind == "sage"
    spec = Spec(
        dataset="random",
        model=ModelChoice(name=kind, depth=depth, options={"hidden": HIDDEN, "dropout": 0.5}),
        fanout=(2,) * depth if is_sampled else None,
        batch_size=7 if is_sampled else None,
        micro_batches=2,
        epochs=2 if is_sampled else 4,
        seed=1,
        optimizer=Adam(learning_rate=0.05, weight_decay=(0.01,) * depth),
        patience=1 if kind == "gcnii" else None,
        monitor="loss" if kind == "gcnii" else "accuracy",
        validation="sampled" if is_sampled else "exact",
        test="exact",
    )
    return SimulatedTask(kind, spec, the_graph())


def draw_task(dice: random.Random) -> SimulatedTask:
    """One of the tasks."""
    return the_task(dice.choice(KINDS))


def draw_plan(dice: random.Random, depth: int) -> Plan:
    """Stages cut anywhere, replicas anywhere, the sampler alone or beside a stage."""
    pool = dice.sample(NAMES, len(NAMES))
    cuts = sorted(dice.sample(range(1, depth), dice.randint(0, depth - 1)))
    stages: list[tuple[tuple[int, ...], tuple[str, ...], Cut]] = []
    for begin, end in zip([0, *cuts], [*cuts, depth], strict=True):
        spare = len(pool) - (len(cuts) - len(stages))
        nodes = tuple(pool.pop() for _ in range(min(dice.choice([1, 1, 2]), spare)))
        crossing: Sequence[Cut] = ("aggregated", "rows")
        stages.append((tuple(range(begin + 1, end + 1)), nodes, dice.choice(crossing)))
    taken = [node for _, nodes, _ in stages for node in nodes] + pool
    return make_plan((dice.choice(taken),), *stages)
