"""Stages run by hand, without a network: cut anywhere and shared by anyone, a model learns the same bits."""

import random
from collections.abc import Sequence
from itertools import combinations, product
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from picluster.errors import DataError
from picluster.nn import Rows
from picluster.randomness import Purpose, key
from picluster.schema.plan import Cut, Plan, StagePlan
from picluster.schema.spec import Adam, ModelChoice, OptionValue, Precision, Spec
from picluster.worker.compute.graph_layer import no_dropout
from picluster.worker.compute.model_file import build
from picluster.worker.compute.stage import MicroBatch, Moment, Stage, StageData
from picluster.worker.roles.stage_blocks import micro_batch_of
from picluster.worker.sampling.blocks import message_for
from picluster.worker.sampling.sampler import NeighbourSampler, Sample, cut
from picluster.worker.wire.messages import pack, unpack
from picluster.worker.wire.tensors import message_of, tensors_of
from tests.unit.worker.random_graph import random_graph

MODELS = Path(__file__).parents[4] / "models"
FEATURES, HIDDEN, CLASSES, NODES = 11, 16, 7, 90
GRAPH = random_graph(NODES, 0.08, seed=5)
DEGREES = torch.from_numpy(GRAPH.degrees)
_generator = torch.Generator().manual_seed(0)
TABLE = torch.randn(NODES, FEATURES, generator=_generator).half()
LABELS = torch.randint(CLASSES, (NODES,), generator=_generator, dtype=torch.int16)
SEEDS = np.random.default_rng(1).permutation(NODES).astype(np.int32)[:50]
SIZES = (13, 13, 12, 12)
STEPS = 3
AMSGRAD = Adam(learning_rate=0.05, weight_decay=(0.0, 0.0), amsgrad=True)
Layers = tuple[int, ...]


def make_spec(name: str, depth: int, fanout: tuple[int, ...] | None) -> Spec:
    return Spec(
        dataset="random",
        model=ModelChoice(name=name, depth=depth, options={}),
        fanout=fanout,
        batch_size=None,
        micro_batches=len(SIZES),
        epochs=1,
        seed=9,
        optimizer=Adam(learning_rate=0.05, weight_decay=tuple(0.01 * layer for layer in range(depth))),
    )


def plan_of(cuts: Sequence[Layers], receives: Cut = "aggregated") -> Plan:
    stages = [StagePlan(layers=numbers, nodes=(f"pi{numbers[0]}",), receives=receives) for numbers in cuts]
    return Plan(strategy="layer-split", engine="gloo", sampler=("pi1",), stages=tuple(stages))


def make_stages(
    spec: Spec,
    cuts: Sequence[Layers],
    *,
    dropout: float = 0.5,
    folder: Path = MODELS,
    receives: Cut = "aggregated",
) -> list[Stage]:
    """One stage for each group of layers, each from a model of its own, as every worker builds it."""
    name, depth = spec.model.name, spec.model.depth
    options: dict[str, OptionValue] = {"depth": depth, "hidden": HIDDEN, "dropout": dropout}
    stages = []
    for numbers in cuts:
        model = build(folder / f"{name}.py", FEATURES, CLASSES, options, spec.seed)
        features = TABLE if numbers[0] == 1 else None
        labels = LABELS if numbers[-1] == depth else None
        data = StageData(graph_degrees=DEGREES, features=features, labels=labels)
        stages.append(Stage(model, numbers, receives=receives, spec=spec, width=FEATURES, data=data))
    return stages


def all_cuts(depth: int) -> list[list[Layers]]:
    """Every way to cut the layers into stages, the uncut model first."""
    numbers = tuple(range(1, depth + 1))
    places = [c for count in range(depth) for c in combinations(range(1, depth), count)]
    return [[numbers[i:j] for i, j in zip((0, *c), (*c, depth), strict=True)] for c in places]


def samples_of(spec: Spec, step: int) -> list[Sample]:
    sampler = NeighbourSampler(GRAPH.indptr, GRAPH.indices, fanout=spec.fanout, depth=spec.model.depth, seed=spec.seed)
    return [sampler.sample(part, purpose=Purpose.SAMPLE, epoch=1, step=step) for part in cut(SEEDS, SIZES)]


def through_the_wire(tensors: Sequence[Tensor]) -> list[Tensor]:
    return tensors_of(unpack(pack(message_of((1, 1, 0), tensors))))


def batches(stages: Sequence[Stage], sample: Sample, receives: Cut = "aggregated") -> list[MicroBatch]:
    """What each stage is told of a micro-batch."""
    plan = plan_of([tuple(stage.numbers) for stage in stages], receives)
    told = []
    for index, stage in enumerate(stages):
        aggregated = plan.aggregated_by(index)
        message = message_for(sample, stage.numbers[0], aggregated, (1, 1, 0))
        told.append(micro_batch_of(message, aggregated, DEGREES))
    return told


def forward(stages: Sequence[Stage], number: int, sample: Sample, moment: Moment, receives: Cut = "aggregated") -> None:
    rows: list[Tensor] = []
    for stage, batch in zip(stages, batches(stages, sample, receives), strict=True):
        rows = through_the_wire(stage.forward(number, batch, rows, moment))


def backward(stages: Sequence[Stage], number: int) -> None:
    gradients: list[Tensor] = []
    for stage in reversed(stages):
        way_back = stage.backward(number, gradients)
        stage.add(way_back)
        gradients = through_the_wire(way_back.gradients)


def train_step(
    replicas: Sequence[Sequence[Stage]],
    spec: Spec,
    step: int,
    order: Sequence[tuple[int, int]],
    receives: Cut = "aggregated",
) -> list[Tensor]:
    """One step; `order` says which micro-batch goes next and to which replica. Returns the sums of each stage."""
    samples, moment = samples_of(spec, step), Moment(1, step, len(SEEDS))
    for number, replica in order:
        forward(replicas[replica], number, samples[number], moment, receives)
    for number, replica in order:
        backward(replicas[replica], number)
    sums = []
    for same_layers in zip(*replicas, strict=True):
        total = torch.stack([stage.sums for stage in same_layers]).sum(0)
        for stage in same_layers:
            stage.sums.copy_(total)
        sums.append(total)
    return sums


IN_TURN = [(number, 0) for number in range(len(SIZES))]
FANOUTS = {2: (4, 3), 3: (4, 3, 2), 4: (3, 2, 2, 2)}


def history(
    spec: Spec, cuts: Sequence[Layers], *, receives: Cut = "aggregated", folder: Path = MODELS
) -> tuple[list[tuple[float, int]], list[Tensor]]:
    """(loss, right predictions) of each step, and the gradients of each, all layers one behind the other."""
    stages, losses, gradients = make_stages(spec, cuts, receives=receives, folder=folder), [], []
    for step in range(1, STEPS + 1):
        sums = train_step([stages], spec, step, IN_TURN, receives)
        gradients.append(torch.cat([each[:-2] for each in sums]))
        assert not any(bool(each[-2:].any()) for each in sums[:-1]), "loss belongs to the last stage"
        losses.append([stage.update() for stage in stages][-1])
        assert not any(stage.sums.any() for stage in stages)
    return losses, gradients


def assert_cuts_do_not_matter(spec: Spec, *kinds: Cut, folder: Path = MODELS) -> None:
    uncut, *others = all_cuts(spec.model.depth)
    losses, gradients = history(spec, uncut, folder=folder)
    assert len(set(losses)) == STEPS, "the weights do change"
    for cuts, receives in product(others, kinds):
        found_losses, found_gradients = history(spec, cuts, receives=receives, folder=folder)
        assert found_losses == losses, cuts
        assert all(torch.equal(first, second) for first, second in zip(found_gradients, gradients, strict=True)), cuts


@pytest.mark.parametrize("name", ["sage", "gcn", "gcnii"])
@pytest.mark.parametrize("depth", [2, 3, pytest.param(4, marks=pytest.mark.slow)])
@pytest.mark.parametrize("sampled", [True, False], ids=["sampled", "full"])
def test_a_model_cut_anywhere_gives_the_same_bits(name: str, depth: int, *, sampled: bool) -> None:
    spec = make_spec(name, depth, FANOUTS[depth] if sampled else None)
    assert_cuts_do_not_matter(spec, "aggregated", "rows")


@pytest.mark.parametrize(
    ("name", "form"), [("sage", "aggregated"), ("gcn", "rows"), ("gcnii", "aggregated"), ("gcnii", "rows")]
)
@pytest.mark.parametrize("wire", ["fp16", "int8"])
def test_a_lossy_wire_gives_the_same_bits_where_a_model_is_cut_and_where_it_is_not(
    name: str, form: Cut, wire: Precision
) -> None:
    exact = make_spec(name, 3, FANOUTS[3])
    spec = msgspec.structs.replace(exact, wire=wire, boundaries=(form, form))
    assert_cuts_do_not_matter(spec, form)
    losses, gradients = history(spec, [(1, 2, 3)])
    exact_losses, exact_gradients = history(exact, [(1, 2, 3)])
    assert losses != exact_losses
    assert losses[0][0] == pytest.approx(exact_losses[0][0], rel=0.02)
    away = [
        float((found - right).norm() / right.norm()) for found, right in zip(gradients, exact_gradients, strict=True)
    ]
    assert away[0] < (0.1 if wire == "int8" else 1e-3)


WIDE = """
from torch.nn import Linear, Sequential
from torch_geometric.nn import GATConv, GCNConv, GINConv
from picluster.nn import PygLayer

def layers(*, features, classes, depth=3, hidden=16, dropout=0.5):
    return [
        PygLayer(GATConv(features, hidden // 4, heads=4), dropout=dropout),
        PygLayer(GINConv(Sequential(Linear(hidden, hidden))), dropout=dropout),
        PygLayer(GCNConv(hidden, classes), last=True),
    ]
"""


@pytest.mark.parametrize("sampled", [True, False], ids=["sampled", "full"])
def test_convolutions_of_pyg_cut_anywhere_give_the_same_bits(tmp_path: Path, *, sampled: bool) -> None:
    pytest.importorskip("torch_geometric", reason="they are PyG's", exc_type=ImportError)
    (tmp_path / "wide.py").write_text(WIDE)
    assert_cuts_do_not_matter(make_spec("wide", 3, FANOUTS[3] if sampled else None), "rows", folder=tmp_path)


MIXED = """
from torch_geometric.nn import GATConv
from picluster.nn import DenseLayer, Gcn2Layer, GcnLayer, PygLayer, SageLayer

def layers(*, features, classes, depth=4, hidden=16, dropout=0.5):
    return [
        DenseLayer(features, hidden, dropout=dropout),
        SageLayer(hidden, hidden, dropout=dropout),
        DenseLayer(hidden, hidden, dropout=dropout),
        DenseLayer(hidden, hidden),
        PygLayer(GATConv(hidden, hidden), dropout=dropout),
        Gcn2Layer(hidden, 1, dropout=dropout, last=True),
        DenseLayer(hidden, hidden, dropout=dropout),
        GcnLayer(hidden, hidden, dropout=dropout),
        DenseLayer(hidden, classes, dropout=dropout, last=True),
    ]
"""


@pytest.mark.parametrize(
    "sampled", [pytest.param(True, marks=pytest.mark.slow, id="sampled"), pytest.param(False, id="full")]
)
def test_dense_layers_anywhere_between_layers_of_all_kinds_cut_anywhere_give_the_same_bits(
    tmp_path: Path, *, sampled: bool
) -> None:
    pytest.importorskip("torch_geometric", reason="one of them is PyG's", exc_type=ImportError)
    (tmp_path / "mixed.py").write_text(MIXED)
    assert_cuts_do_not_matter(make_spec("mixed", 4, FANOUTS[4] if sampled else None), "rows", folder=tmp_path)


CARRYING = """
from torch.nn import Linear
from picluster.nn import Layer

class Carrying(Layer):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.linear = Linear(inputs, outputs)

    def aggregate(self, block, rows):
        own = rows["features"] if "features" in rows.tensors else rows["h"]
        return block.rows(h=block.mean(rows["h"]), features=block.targets(own))

    def transform(self, rows):
        return rows.having(h=self.linear(rows["h"]), features=rows["features"])

class Last(Carrying):
    def transform(self, rows):
        return rows.having(h=self.linear(rows["h"]))

def layers(*, features, classes, depth=3, hidden=8, dropout=0.0):
    return [Carrying(features, hidden), Carrying(hidden, hidden), Last(hidden, classes)]
"""


def test_a_model_may_carry_its_features_across_a_cut(tmp_path: Path) -> None:
    (tmp_path / "carrying.py").write_text(CARRYING)
    spec = make_spec("carrying", 3, FANOUTS[3])
    gradients = []
    for cuts in all_cuts(3):
        sums = train_step([make_stages(spec, cuts, folder=tmp_path)], spec, 1, IN_TURN)
        gradients.append(torch.cat([each[:-2] for each in sums]))
    assert all(torch.equal(gradients[0], other) for other in gradients[1:])


@settings(max_examples=30)
@given(owners=st.lists(st.integers(0, 2), min_size=len(SIZES), max_size=len(SIZES)), shuffle=st.integers(0, 1 << 20))
def test_micro_batches_in_any_order_on_any_replicas_give_the_same_bits(owners: list[int], shuffle: int) -> None:
    spec = make_spec("sage", 2, FANOUTS[2])
    cuts = [(1,), (2,)]
    order = list(enumerate(owners))
    random.Random(shuffle).shuffle(order)
    replicas = [make_stages(spec, cuts) for _ in range(3)]
    found = train_step(replicas, spec, 1, order)
    expected = train_step([make_stages(spec, cuts)], spec, 1, IN_TURN)
    assert all(torch.equal(first, second) for first, second in zip(found, expected, strict=True))
    for same_layers in zip(*replicas, strict=True):
        results = {stage.update() for stage in same_layers}
        assert len(results) == 1
        first, *others = (torch.cat([p.flatten() for p in stage.parameters.values()]) for stage in same_layers)
        assert all(torch.equal(first, other) for other in others)


def test_what_is_added_up_are_multiples_of_the_quantum_so_that_sums_are_exact() -> None:
    spec = make_spec("sage", 2, FANOUTS[2])
    stages = make_stages(spec, [(1,), (2,)])
    # So many seeds make gradients so small that not all of their bits are above the quantum.
    forward(stages, 0, samples_of(spec, 1)[0], Moment(epoch=1, step=1, step_seeds=50_000_000))
    backward(stages, 0)
    for stage in stages:
        quanta = stage.sums * 2.0**46
        assert quanta.any()
        assert torch.equal(quanta, quanta.round())


def test_the_bits_depend_on_step_and_dropout() -> None:
    """The tests above can fail."""
    spec = make_spec("sage", 2, FANOUTS[2])
    whole = [(1, 2)]

    def sums(*, step: int = 1, dropout: float = 0.5) -> Tensor:
        return train_step([make_stages(spec, whole, dropout=dropout)], spec, step, IN_TURN)[0]

    assert torch.equal(sums(), sums())
    assert not torch.equal(sums(), sums(step=2))
    assert not torch.equal(sums(), sums(dropout=0.0))


@pytest.mark.parametrize("name", ["sage", "gcn"])
def test_evaluation_counts_the_same_right_predictions_however_the_model_is_cut_and_drops_nothing(name: str) -> None:
    spec = make_spec(name, 3, FANOUTS[3])
    scores = []
    for cuts in all_cuts(3):
        stages, score = make_stages(spec, cuts, dropout=0.9), torch.zeros(2, dtype=torch.float64)
        for sample in samples_of(spec, 1):
            add_score(stages, sample, score)
        assert not any(stage.sums.any() for stage in stages)
        scores.append(score.tolist())
    assert all(score == scores[0] for score in scores)
    model = build(MODELS / f"{name}.py", FEATURES, CLASSES, {"depth": 3, "hidden": HIDDEN, "dropout": 0.0}, spec.seed)
    right, loss = 0, 0.0
    for sample in samples_of(spec, 1):
        batch = micro_batch_of(message_for(sample, 1, range(1, 4), (1, 0, 0)), range(1, 4), DEGREES)
        result = Rows({"h": TABLE}, batch.ids)
        for layer in model:
            result = layer.transform(layer.aggregate(batch.blocks[layer.number], result, no_dropout), no_dropout)
        labels = LABELS[result.ids.long()].long()
        right += int((result["h"].argmax(1) == labels).sum())
        loss += float(torch.nn.functional.cross_entropy(result["h"], labels, reduction="sum").detach())
    assert scores[0][0] == right
    assert scores[0][1] == pytest.approx(loss / len(SEEDS), rel=1e-6)


def add_score(stages: Sequence[Stage], sample: Sample, score: Tensor) -> None:
    received: list[Tensor] = []
    for stage, batch in zip(stages, batches(stages, sample), strict=True):
        rows = stage.evaluate(batch, received)
        received = through_the_wire(list(rows.tensors.values()))
        if stage.is_last:
            stage.add_score(score, rows, len(SEEDS))


def test_the_loss_is_the_mean_over_the_steps_seeds_and_the_last_column_counts_right_predictions() -> None:
    spec = make_spec("gcn", 2, None)
    (stage,) = make_stages(spec, [(1, 2)], dropout=0.0)
    score = torch.zeros(2, dtype=torch.float64)
    for sample in samples_of(spec, 1):
        add_score([stage], sample, score)
    train_step([[stage]], spec, 1, IN_TURN)
    loss, counted = stage.update()
    assert counted == score[0]
    assert loss == pytest.approx(score[1].item(), rel=1e-6)
    assert 0.5 * np.log(CLASSES) < loss < 3 * np.log(CLASSES)


@pytest.mark.parametrize("cuts", [[(1, 2, 3)], [(1,), (2, 3)], [(1,), (2,), (3,)]])
@pytest.mark.parametrize("receives", ["aggregated", "rows"])
def test_a_stage_is_told_only_the_ids_and_blocks_that_it_needs(cuts: list[Layers], receives: Cut) -> None:
    spec = make_spec("sage", 3, FANOUTS[3])
    sample = samples_of(spec, 1)[0]
    stages = make_stages(spec, cuts)
    for numbers, batch in zip(cuts, batches(stages, sample, receives), strict=True):
        first, last = numbers[0], numbers[-1]
        begins, ends = first == 1 or receives == "rows", last == 3 or receives == "rows"
        assert list(batch.blocks) == list(range(first if begins else first + 1, last + 1 if ends else last + 2))
        row_count = sample.frontiers[first - 2 if begins and first > 1 else first - 1]
        assert batch.ids.tolist() == sample.ids[:row_count].tolist()
        for number, block in batch.blocks.items():
            assert block.ids.tolist() == sample.ids[: sample.frontiers[number - 1]].tolist()
            assert block.neighbours.tolist() == sample.hops[number - 1].neighbours.tolist()
            assert (block.source_ids is None) == (number == 1)


def test_dropout_of_a_layer_is_hashed_from_seed_epoch_step_and_layer() -> None:
    spec = make_spec("sage", 2, FANOUTS[2])
    (stage,) = make_stages(spec, [(1, 2)])
    keys = {
        stage._dropout_keys(Moment(epoch, step, 1))(layer) for epoch in (1, 2) for step in (1, 2) for layer in (1, 2)
    }
    assert len(keys) == 8
    assert stage._dropout_keys(Moment(1, 2, 99))(2) == key(spec.seed, Purpose.DROPOUT, 1, 2, 2)


@pytest.mark.parametrize(
    ("theirs", "message"),
    [
        (make_spec("gcnii", 2, None), "the state of layer 1 does not fit the model: best/|weights/"),
        (msgspec.structs.replace(make_spec("sage", 2, None), optimizer=AMSGRAD), "does not fit .*: largest_squares/"),
    ],
)
def test_a_state_of_another_model_or_optimiser_is_refused(theirs: Spec, message: str) -> None:
    (given,), (stage,) = make_stages(theirs, [(1, 2)]), make_stages(make_spec("sage", 2, None), [(1, 2)])
    with pytest.raises(DataError, match=message):
        stage.take_state(given.give_state())


def test_a_state_that_was_given_stays_when_training_goes_on() -> None:
    spec = make_spec("sage", 2, None)
    stages = make_stages(spec, [(1, 2)])
    stages[0].keep_best(1)
    state = stages[0].give_state()
    before = {name: tensor.clone() for layer in state.values() for name, tensor in layer.tensors.items()}
    train_step([stages], spec, 1, IN_TURN)
    stages[0].update()
    after = {name: tensor for layer in state.values() for name, tensor in layer.tensors.items()}
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert not all(torch.equal(weight, before[f"weights/{name}"]) for name, weight in stages[0].parameters.items())
