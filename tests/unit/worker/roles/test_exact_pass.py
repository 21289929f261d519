"""Exact inference: chunks, who meets them in which order, and whole passes with every worker as a thread."""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from picluster.graph.folder import GraphFolder
from picluster.randomness import Purpose
from picluster.schema.job import Job
from picluster.schema.plan import Cut, Plan
from picluster.schema.spec import Adam, ModelChoice, Spec
from picluster.worker.compute.model_file import build
from picluster.worker.compute.stage import Stage, StageData
from picluster.worker.roles import exact_order, exact_pass
from picluster.worker.roles.context import TEST_EPOCH, RoleContext
from picluster.worker.roles.exact_order import Holders, chunks
from picluster.worker.roles.exact_pass import ExactPass, write_probabilities
from picluster.worker.roles.judgement import Score
from picluster.worker.roles.sampler_role import SamplerRole
from picluster.worker.roles.schedule import holder
from picluster.worker.roles.stage_blocks import micro_batch_of
from picluster.worker.roles.stage_role import StageRole
from picluster.worker.sampling.blocks import message_for
from picluster.worker.sampling.sampler import NeighbourSampler
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

MODELS = Path(__file__).parents[4] / "models"
NODES, FEATURES, CLASSES, HIDDEN = 70, 6, 4, 8
GRAPH = random_graph(NODES, 0.1, seed=3)
DEGREES = torch.from_numpy(GRAPH.degrees)
NODES_AT_ONCE, EDGES_AT_ONCE = 5, 40
WIDE = """
from torch_geometric.nn import GATConv, GCNConv, SAGEConv
from picluster.nn import PygLayer

def layers(*, features, classes, depth=3, hidden=8, dropout=0.0):
    widths = [features, *[hidden] * (depth - 1), classes]
    kinds = [GATConv, GCNConv, SAGEConv]
    return [PygLayer(kinds[i % 3](widths[i], widths[i + 1]), last=i == depth - 1) for i in range(depth)]
"""
MIXED = """
from torch_geometric.nn import GATConv
from picluster.nn import DenseLayer, GcnLayer, PygLayer, SageLayer

def layers(*, features, classes, depth=3, hidden=8, dropout=0.0):
    graph_layers = [SageLayer(features, hidden), PygLayer(GATConv(hidden, hidden)), GcnLayer(hidden, hidden)]
    dense = [DenseLayer(hidden, hidden) for _ in graph_layers]
    between = [layer for pair in zip(graph_layers, dense) for layer in pair]
    return [*between, DenseLayer(hidden, classes, last=True)]
"""
WRITTEN = {"wide": WIDE, "mixed": MIXED}
NAMES = ["sage", "gcn", "gcnii", "wide", "mixed"]
Scores = tuple[Tensor, Score]
degree_lists = st.lists(st.one_of(st.integers(0, 12), st.integers(0, 100)), max_size=60)


@pytest.fixture(autouse=True, scope="module")
def _small_chunks() -> Iterator[None]:
    """Many chunks of a small graph."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exact_pass, "NODES_AT_ONCE", NODES_AT_ONCE)
        patch.setattr(exact_order, "NODES_AT_ONCE", NODES_AT_ONCE)
        patch.setattr(exact_order, "EDGES_AT_ONCE", EDGES_AT_ONCE)
        yield


@given(degrees=degree_lists)
def test_chunks_cover_all_nodes_in_order_and_are_bounded_unless_a_single_node_is_above_the_bound(
    degrees: list[int],
) -> None:
    array = np.array(degrees, np.int32)
    parts = chunks(array)
    assert [place for part in parts for place in range(part.start, part.stop)] == list(range(len(degrees)))
    for part in parts:
        assert 1 <= part.stop - part.start <= NODES_AT_ONCE
        assert array[part].sum() <= EDGES_AT_ONCE or part.stop - part.start == 1


@given(degrees=degree_lists)
def test_a_chunk_ends_only_where_the_next_node_would_break_a_bound(degrees: list[int]) -> None:
    array = np.array(degrees, np.int32)
    for part in chunks(array)[:-1]:
        full = part.stop - part.start == NODES_AT_ONCE
        assert full or array[part.start : part.stop + 1].sum() > EDGES_AT_ONCE


@given(
    ranks=st.lists(st.integers(0, 9), min_size=1, max_size=4, unique=True),
    other=st.integers(10, 12),
    count=st.integers(0, 17),
)
def test_each_rank_meets_all_chunks_and_in_each_round_its_own_before_those_of_its_equals(
    ranks: list[int], other: int, count: int
) -> None:
    holders = Holders(samplers=(0,), aggregating=ranks, transforming=ranks, keeping=ranks)
    assert holders.order(other, count) == list(range(count))
    for rank in ranks:
        order = holders.order(rank, count)
        assert sorted(order) == list(range(count))
        for source in ranks:  # messages of one pair keep their order
            of_source = [chunk for chunk in order if holder(ranks, chunk) == source]
            assert of_source == sorted(of_source)
        for begin in range(0, count, len(ranks)):
            this_round = order[begin : begin + len(ranks)]
            assert {chunk // len(ranks) for chunk in this_round} == {begin // len(ranks)}
            own = [holder(ranks, chunk) == rank for chunk in this_round]
            assert own == sorted(own, reverse=True)


def may_cross(name: str, layer: int) -> tuple[Cut, ...]:
    """Before a layer with parameters in its aggregation, full rows must."""
    return ("rows",) if name == "wide" or (name, layer) == ("mixed", 2) else ("aggregated", "rows")


def random_model(dice: random.Random) -> tuple[str, int]:
    name = dice.choice(NAMES)
    return name, 3 if name == "mixed" else dice.randint(1, 4)


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> GraphFolder:
    path = tmp_path_factory.mktemp("graphs") / "random"
    return write_graph(path, GRAPH, features=FEATURES, classes=CLASSES)


def make_spec(name: str, depth: int) -> Spec:
    return Spec(
        dataset="random",
        model=ModelChoice(name=name, depth=depth, options={}),
        fanout=(2,) * depth,
        batch_size=9,
        micro_batches=2,
        epochs=1,
        seed=5,
        optimizer=Adam(learning_rate=0.01, weight_decay=(0.0,) * depth),
        test="exact",
    )


def make_stage(file: Path, spec: Spec, numbers: tuple[int, ...], receives: Cut, graph: GraphFolder) -> Stage:
    depth = spec.model.depth
    model = build(file, FEATURES, CLASSES, {"depth": depth, "hidden": HIDDEN, "dropout": 0.5}, spec.seed)
    features = torch.from_numpy(graph.array("features")) if numbers[0] == 1 else None
    labels = torch.from_numpy(graph.array("labels")) if numbers[-1] == depth else None
    data = StageData(graph_degrees=DEGREES, features=features, labels=labels)
    return Stage(model, numbers, receives=receives, spec=spec, width=FEATURES, data=data)


def run_plan(plan: Plan, file: Path, graph: GraphFolder, folder: Path, spec: Spec | None = None) -> Scores:
    """All nodes' class scores, and how well the test nodes are predicted."""
    spec, network = spec or make_spec(file.stem, plan.depth), FakeNetwork()
    works: dict[str, Callable[[], Scores | None]] = {}

    def sampler_work(context: RoleContext) -> Callable[[], None]:
        role = SamplerRole(context, graph)

        def work() -> None:
            role.predict()
            role._evaluate("test", TEST_EPOCH)
            context.links.flush()

        return work

    def stage_work(context: RoleContext, stage: Stage) -> Callable[[], Scores | None]:
        role, everybody = StageRole(context, stage, graph, None), np.arange(NODES, dtype=np.int32)

        def work() -> Scores | None:
            judge = role._judge
            found = ExactPass(context, stage).run(everybody, TEST_EPOCH, take=None, at_the_end=(judge,))
            score = role._evaluate("test", TEST_EPOCH)
            context.links.flush()
            return (found["h"].clone(), score) if score and context.links.rank == judge else None

        return work

    for node in plan.nodes:
        mailroom, engine, rank = Mailroom(), network.engine(plan.rank(node)), plan.rank(node)
        job = Job(
            node=node,
            spec=spec,
            plan=plan,
            model_file=str(file),
            graph_folder=str(graph.path),
            output_folder=str(folder),
            address="",
            interface="",
        )
        if node in plan.sampler:
            context = RoleContext(job, graph.meta, Links(engine, mailroom, rank), lambda _: None)
            works[f"sampler {node}"] = sampler_work(context)
        index = plan.stage_of(node)
        if index is not None:
            stage = make_stage(file, spec, plan.stages[index].layers, plan.stages[index].receives, graph)
            context = RoleContext(job, graph.meta, Links(engine, mailroom, rank), lambda _: None)
            works[f"stage {node}"] = stage_work(context, stage)
    (found,) = [each for each in in_threads(works).values() if each]
    return found


def scores_of_whole_neighbourhoods(file: Path, depth: int, graph: GraphFolder) -> Tensor:
    """As validation with a sample of the neighbours computes them, where the sample is all of them."""
    spec, whole = make_spec(file.stem, depth), tuple(range(1, depth + 1))
    sampler = NeighbourSampler(GRAPH.indptr, GRAPH.indices, fanout=None, depth=depth, seed=0)
    sample = sampler.sample(np.arange(NODES, dtype=np.int32), purpose=Purpose.VALIDATE, epoch=0, step=0)
    aggregated = range(1, depth + 1)
    batch = micro_batch_of(message_for(sample, 1, aggregated, (0, 0, 0)), aggregated, DEGREES)
    return make_stage(file, spec, whole, "aggregated", graph).evaluate(batch, [])["h"]


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("models")

    def of(name: str) -> Path:
        if name not in WRITTEN:
            return MODELS / f"{name}.py"
        pytest.importorskip("torch_geometric", reason="its convolutions are PyG's", exc_type=ImportError)
        file = folder / f"{name}.py"
        file.write_text(WRITTEN[name])
        return file

    return of


CASES = [*product(["sage", "gcn", "gcnii", "wide"], [1, 2, 4]), ("mixed", 3)]


@pytest.mark.parametrize(("name", "depth"), CASES)
def test_exact_scores_are_those_of_whole_neighbourhoods(
    tmp_path: Path, graph: GraphFolder, model_file: Callable[[str], Path], name: str, depth: int
) -> None:
    file = model_file(name)
    scores, score = run_plan(single_plan(depth), file, graph, tmp_path)
    torch.testing.assert_close(scores, scores_of_whole_neighbourhoods(file, depth, graph), rtol=0, atol=5e-3)
    labels, test = torch.from_numpy(graph.array("labels")).long(), torch.from_numpy(graph.array("test")).long()
    assert score.accuracy == (scores.argmax(1) == labels)[test].sum().item() / len(test)
    loss = torch.nn.functional.cross_entropy(scores[test], labels[test])
    assert score.loss == pytest.approx(loss.item(), rel=1e-6)


@pytest.mark.parametrize("seed", [*range(9), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(9, 40))])
def test_any_plan_gives_the_same_scores_bit_for_bit(
    tmp_path: Path, graph: GraphFolder, model_file: Callable[[str], Path], seed: int
) -> None:
    dice = random.Random(seed)
    name, depth = random_model(dice)
    file = model_file(name)
    spec = lossy(dice, make_spec(name, depth), partial(may_cross, name))
    expected, expected_score = run_plan(single_plan(depth), file, graph, tmp_path, spec)
    plan = random_plan(dice, depth, crossing(spec, partial(may_cross, name)))
    scores, score = run_plan(plan, file, graph, tmp_path, spec)
    assert torch.equal(scores, expected)
    assert score == expected_score


def test_the_random_plans_are_of_many_kinds() -> None:
    """The test above would otherwise prove little."""
    seen: Counter[str] = Counter()
    for seed in range(40):
        dice = random.Random(seed)
        name, depth = random_model(dice)
        spec = lossy(dice, make_spec(name, depth), partial(may_cross, name))
        plan = random_plan(dice, depth, crossing(spec, partial(may_cross, name)))
        for form in {*spec.boundaries}:
            seen[f"{spec.wire}, {form}"] += 1
        seen["replicas of a later stage"] += any(len(stage.nodes) > 1 for stage in plan.stages[1:])
        seen["replicas of the first stage before others"] += len(plan.stages) > 1 and len(plan.stages[0].nodes) > 1
        seen["rows cross"] += any(stage.receives == "rows" for stage in plan.stages[1:])
        seen["several samplers"] += len(plan.sampler) > 1
        seen["a sampler beside a later stage"] += any((plan.stage_of(node) or 0) > 0 for node in plan.sampler)
    assert min(seen.values()) >= 3, seen


def test_probabilities_are_the_softmax_of_the_scores(tmp_path: Path) -> None:
    scores = torch.randn(3 * NODES_AT_ONCE + 1, CLASSES, generator=torch.Generator().manual_seed(0))
    write_probabilities(scores, tmp_path / "p.npy")
    found = np.load(tmp_path / "p.npy")
    assert found.dtype == np.float32
    assert np.array_equal(found, scores.softmax(1).numpy())


def test_only_those_keep_a_layers_rows_who_aggregate_the_next() -> None:
    plan = make_plan(("pi1",), ((1,), ("pi2",), "aggregated"), ((2,), ("pi3", "pi4"), "aggregated"))
    holders = [Holders.of_layer(plan, layer, (3,)) for layer in (1, 2)]
    assert [each.aggregating for each in holders] == [(1,), (1,)]
    assert [each.transforming for each in holders] == [(1,), (2, 3)]
    assert [each.keeping for each in holders] == [(1,), (3,)]
    crossing = make_plan(("pi1",), ((1,), ("pi2",), "aggregated"), ((2,), ("pi3", "pi4"), "rows"))
    holders = [Holders.of_layer(crossing, layer, ()) for layer in (1, 2)]
    assert [each.aggregating for each in holders] == [(1,), (2, 3)]
    assert [each.keeping for each in holders] == [(2, 3), ()]
