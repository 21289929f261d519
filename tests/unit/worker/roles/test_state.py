"""State has a door: a run cut between steps and set up anew, each time under another plan, learns the same bits."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import torch
from safetensors.torch import load_file

from picluster.graph import pretraining
from picluster.graph.folder import GraphFolder
from picluster.schema.events import CheckpointWritten, EpochDone, StateWritten, StepDone
from picluster.schema.events import Tested as Accuracy  # pytest would take it for a test
from picluster.schema.job import Job
from picluster.schema.spec import Adam, ModelChoice, OptionValue, Spec
from picluster.schema.state import Beginning, Position
from picluster.worker.compute.checkpoint import LayerState
from picluster.worker.roles import exact_pass
from picluster.worker.roles.context import RoleContext
from picluster.worker.roles.sampler_role import SamplerRole
from picluster.worker.roles.stage_of_job import build_stage
from picluster.worker.roles.stage_role import StageRole
from picluster.worker.wire.links import Links, Mailroom
from tests.unit.worker.fake_engine import FakeNetwork
from tests.unit.worker.random_graph import random_graph
from tests.unit.worker.roles.threads import (
    crossing,
    in_threads,
    lossy,
    make_plan,
    random_plan,
    single_plan,
    write_graph,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from picluster.schema.events import WorkerEvent
    from picluster.schema.plan import Plan
    from picluster.worker.compute.stage import Stage

MODELS = Path(__file__).parents[4] / "models"
NODES, FEATURES, CLASSES, HIDDEN = 70, 6, 4, 8
MODEL_NAMES = ["sage", "gcn", "gcnii"]
SEEDS = range(16)
CUTS = 3


@dataclass
class Course:
    """All that a plan, or a cut, must not change."""

    losses: dict[tuple[int, int], float | None] = field(default_factory=dict)
    epochs: dict[int, EpochDone] = field(default_factory=dict)
    accuracy: float | None = None
    best: dict[str, torch.Tensor] = field(default_factory=dict)
    final: dict[int, LayerState] = field(default_factory=dict)
    """Every layer's state before the test: weights, moments and best weights."""
    given: list[StateWritten] = field(default_factory=list)
    """The states at a cut, in the order of the layers."""

    def hear(self, event: WorkerEvent) -> None:
        if isinstance(event, StepDone) and event.loss is not None:
            assert (event.epoch, event.step) not in self.losses, "a step was made twice"
            self.losses[event.epoch, event.step] = event.loss
        elif isinstance(event, EpochDone):
            assert event.epoch not in self.epochs, "an epoch was ended twice"
            self.epochs[event.epoch] = msgspec.structs.replace(event, seconds=0.0)
        elif isinstance(event, Accuracy):
            self.accuracy = event.test_accuracy
        elif isinstance(event, CheckpointWritten):
            self.best |= load_file(event.path)
        elif isinstance(event, StateWritten):
            self.given = sorted([*self.given, event], key=lambda each: each.layer)

    def beginning(self) -> Beginning:
        """How the next attempt takes up what this one gave."""
        (judge,) = {each.judge for each in self.given if each.judge}
        (position,) = {each.position for each in self.given}
        return Beginning(position=position, judge=judge, layer_files=tuple(each.path for each in self.given))


@dataclass(frozen=True)
class Training:
    """What is learnt, of which graph."""

    spec: Spec
    graph: GraphFolder

    def positions(self, epochs: int) -> list[Position]:
        """All places between two steps of a run that makes so many epochs, but its very beginning."""
        steps = self.spec.steps(self.graph.meta.splits["train"])
        found = []
        for epoch in range(1, 1 + epochs):
            found += [Position(epoch=epoch, step=1 + step) for step in range(steps)]
            found.append(Position(phase="validation", epoch=epoch, step=0))
        return [*found[1:], Position(phase="test", epoch=epochs, step=0)]

    def go(self, course: Course, plan: Plan, folder: Path, begin: Beginning, stop: Position | None) -> None:
        """Bring the course on, under that plan, from one place to another."""
        folder.mkdir()
        network, works = FakeNetwork(), dict[str, Any]()
        course.given = []
        for node in plan.nodes:
            job = Job(
                node=node,
                spec=self.spec,
                plan=plan,
                model_file=str(MODELS / f"{self.spec.model.name}.py"),
                graph_folder=str(self.graph.path),
                output_folder=str(folder),
                address="",
                interface="",
                begin=msgspec.structs.replace(
                    begin, layer_files=tuple(begin.layer_files[layer - 1] for layer in plan.layers_of(node))
                )
                if begin.layer_files
                else begin,
                stop=stop,
            )
            rank, mailroom = plan.rank(node), Mailroom()
            contexts = [
                RoleContext(job, self.graph.meta, Links(network.engine(rank), mailroom, rank), course.hear)
                for _ in range(2)
            ]
            if node in plan.sampler:
                works[f"sampler {node}"] = SamplerRole(contexts[0], self.graph).run
            if plan.stage_of(node) is not None:
                stage = build_stage(job, self.graph)
                note_final_state(stage, course)
                works[f"stage {node}"] = StageRole(contexts[1], stage, self.graph, None).run
        in_threads(works)


def note_final_state(stage: Stage, course: Course) -> None:
    """Before the best weights are put back for the test."""
    restore_best = stage.restore_best

    def noting() -> None:
        course.final |= stage.give_state()
        restore_best()

    stage.restore_best = noting  # type: ignore[method-assign]


def random_spec(dice: random.Random, model: str) -> Spec:
    depth, sampled = dice.randint(1, 4), dice.random() < 0.6
    options: dict[str, OptionValue] = {"hidden": HIDDEN, "dropout": dice.choice([0.0, 0.5])}
    spec = Spec(
        dataset="random",
        model=ModelChoice(name=model, depth=depth, options=options),
        fanout=tuple(dice.choice([2, 5]) for _ in range(depth)) if sampled else None,
        batch_size=dice.choice([6, 9]) if sampled else None,
        micro_batches=dice.randint(1, 4),
        epochs=dice.randint(2, 3) if sampled else dice.randint(4, 7),
        seed=dice.randint(0, 99),
        optimizer=Adam(learning_rate=0.05, weight_decay=(0.01,) * depth, amsgrad=dice.random() < 0.5),
        patience=dice.choice([None, 1, 2]),
        monitor=dice.choice(["accuracy", "loss"]),
        validation=dice.choice(["sampled", "exact"]) if sampled else "exact",
        test=dice.choice(["sampled", "exact"]) if sampled else "exact",
    )
    return lossy(dice, spec, lambda _: ("aggregated", "rows"))


def assert_equal(found: Course, expected: Course) -> None:
    assert found.losses == expected.losses
    assert found.epochs == expected.epochs
    assert found.accuracy == expected.accuracy
    assert_same_tensors(found.best, expected.best)
    assert found.final.keys() == expected.final.keys()
    for layer, state in expected.final.items():
        assert (found.final[layer].updates, found.final[layer].best_epoch) == (state.updates, state.best_epoch)
        assert_same_tensors(found.final[layer].tensors, state.tensors)


def assert_same_tensors(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert found.keys() == expected.keys()
    assert [name for name, tensor in expected.items() if not torch.equal(found[name], tensor)] == []


def run_cut(dice: random.Random, training: Training, expected: Course, folder: Path, cuts: list[Position]) -> None:
    """Make the run in parts, each under another plan; it must be the run that was never cut."""
    course, begin = Course(), Beginning()
    for number, stop in enumerate([*cuts, None]):
        plan = random_plan(dice, training.spec.model.depth, crossing(training.spec, lambda _: ("aggregated", "rows")))
        training.go(course, plan, folder / str(number), begin, stop)
        if stop:
            begin = course.beginning()
            assert begin.position == stop
    assert_equal(course, expected)


def random_cuts(dice: random.Random, training: Training, expected: Course, count: int) -> list[Position]:
    positions = training.positions(len(expected.epochs))
    return [positions[at] for at in sorted(dice.sample(range(len(positions)), count))]


@pytest.fixture(autouse=True, scope="module")
def _small_chunks() -> Iterator[None]:
    """Several chunks of a small graph."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exact_pass, "NODES_AT_ONCE", 20)
        yield


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> list[GraphFolder]:
    """One in each type of features."""
    folder, random = tmp_path_factory.mktemp("graphs"), random_graph(NODES, 0.1, seed=3)
    dtypes = ("float32", "float16", "int8")
    return [write_graph(folder / each, random, features=FEATURES, classes=CLASSES, dtype=each) for each in dtypes]


@pytest.mark.parametrize("seed", [*SEEDS[:8], *(pytest.param(seed, marks=pytest.mark.slow) for seed in SEEDS[8:])])
def test_a_run_that_is_cut_and_goes_on_under_other_plans_learns_what_one_process_learns(
    tmp_path: Path, graphs: list[GraphFolder], seed: int
) -> None:
    dice = random.Random(seed)
    training, expected = Training(random_spec(dice, MODEL_NAMES[seed % 3]), graphs[seed // 3 % 3]), Course()
    training.go(expected, single_plan(training.spec.model.depth), tmp_path / "whole", Beginning(), None)
    run_cut(dice, training, expected, tmp_path, random_cuts(dice, training, expected, CUTS))


def test_a_stage_of_many_cores_and_one_of_few_do_not_wait_for_each_other(
    tmp_path: Path, graphs: list[GraphFolder]
) -> None:
    """The first wants more rows on their way than the last may have gradients under way to it."""
    spec = msgspec.structs.replace(
        random_spec(random.Random(0), "sage"),
        model=ModelChoice(name="sage", depth=2, options={"hidden": HIDDEN}),
        fanout=(2, 2),
        batch_size=20,
        micro_batches=20,
        epochs=1,
        patience=None,
        wire="fp32",
        boundaries=(),
        optimizer=Adam(learning_rate=0.05, weight_decay=(0.0, 0.0)),
    )
    training, expected, found = Training(spec, graphs[0]), Course(), Course()
    training.go(expected, single_plan(2), tmp_path / "whole", Beginning(), None)
    plan = make_plan(("pi1",), ((1,), ("pi2",), "aggregated"), ((2,), ("pi3",), "aggregated"))
    plan = msgspec.structs.replace(plan, cores={"pi2": 16, "pi3": 1})
    training.go(found, plan, tmp_path / "split", Beginning(), None)
    assert_equal(found, expected)


def test_a_pre_training_is_cut_anywhere_and_at_its_hand_over(
    tmp_path: Path, graphs: list[GraphFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretraining, "VALIDATION_PAIRS", 50)
    pretraining.write_pairs(tmp_path / "pairs", graphs[1], count=90, seed=0)
    spec = Spec(
        dataset="pairs",
        model=ModelChoice(name="node_pairs", depth=1, options={"nodes": NODES, "width": 3, "dense": 2}),
        fanout=(2,),
        batch_size=40,
        micro_batches=2,
        epochs=4,
        seed=0,
        optimizer=Adam(learning_rate=0.5, weight_decay=(0.0,), l1=0.01),
        loss="absolute-error",
        patience=1,
        monitor="loss",
    )
    dice, training, expected = random.Random(0), Training(spec, GraphFolder.open(tmp_path / "pairs")), Course()
    training.go(expected, single_plan(1), tmp_path / "whole", Beginning(), None)
    hand_over = Position(phase="test", epoch=len(expected.epochs), step=0)
    cuts = [*random_cuts(dice, training, expected, CUTS), hand_over]
    run_cut(dice, training, expected, tmp_path, list(dict.fromkeys(cuts)))


def test_the_random_runs_are_of_many_kinds() -> None:
    """The test above would otherwise prove little."""
    seen: Counter[str] = Counter()
    for seed in SEEDS:
        spec = random_spec(random.Random(seed), MODEL_NAMES[seed % 3])
        seen["sampled" if spec.batch_size else "full batch"] += 1
        seen["early stopping"] += spec.patience is not None
        seen["amsgrad"] += spec.optimizer.amsgrad
        seen["several layers"] += spec.model.depth > 1
        for form in spec.boundaries:
            seen[f"{spec.wire}, {form}"] += 1
    assert len(seen) == 9
    assert min(seen.values()) > 1, seen
