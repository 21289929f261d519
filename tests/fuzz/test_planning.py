"""Plans and descriptions of models: whatever they say, a plan comes of them or an error of ours."""

from __future__ import annotations

from pathlib import Path

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from picluster.cli.show.run_tables import show_plan
from picluster.controller.planning.planner import fit_plan, make_plan
from picluster.controller.planning.recipe import make_spec
from picluster.controller.planning.request import LaunchRequest
from picluster.controller.running.placement import read_plan
from picluster.schema.model import ModelDescription, Pretraining, TrainingDefaults
from picluster.schema.plan import Plan, Strategy
from picluster.schema.record import from_json, to_json
from tests.fuzz.inputs import FUZZ, altered, as_text, damaged, refusal
from tests.unit.controller.made import a_graph, a_model, a_plan, a_spec, facts_of

NODES = facts_of("a", "b", "c", "d")
PLANS = [a_plan(), msgspec.structs.replace(a_plan(), idle=("e",), notes=("a note",))]
MODELS = [
    a_model(),
    msgspec.structs.replace(
        a_model(depth=3),
        training=TrainingDefaults(weight_decay=(0.1,), loss="absolute-error", monitor="loss", batch_size=7, epochs=3),
        pretraining=Pretraining(model="node_pairs", options={"width": 4}, pairs=9, neighbours=2),
    ),
]


def use(plan: Plan) -> None:
    """As a launch does."""
    fitted = fit_plan(plan, NODES, a_spec(), a_model())
    for node in fitted.nodes:
        assert fitted.role_of(node)
        assert fitted.arrays_of(node)
        assert fitted.ranks((node,)) == (fitted.rank(node),)
    assert {fitted.stage_aggregating(layer) for layer in range(1, fitted.depth + 1)}
    show_plan(fitted, as_json=False)


@FUZZ
@given(
    text=st.one_of(
        altered([msgspec.to_builtins(plan) for plan in PLANS]).map(as_text),
        damaged([to_json(plan, indent=True) for plan in PLANS]),
    )
)
def test_a_plan_file_is_executed_or_refused_in_words(tmp_path: Path, text: bytes) -> None:
    file = tmp_path / "plan.json"
    file.write_bytes(text)
    refusal(lambda: use(read_plan(file)))


@FUZZ
@given(
    text=altered([msgspec.to_builtins(model) for model in MODELS]).map(as_text),
    strategy=st.sampled_from(["single", "data-parallel", "mirrored", "layer-split"]),
)
def test_a_description_of_a_model_is_planned_or_refused_in_words(text: bytes, strategy: Strategy) -> None:
    def plan() -> None:
        model = from_json(ModelDescription, text, source="the description", fix="describe it again")
        spec = make_spec(LaunchRequest(fanout="5,5"), a_graph(train=100), model, Path("sage.py"))
        make_plan(NODES, spec, model, a_graph(train=100), strategy=strategy, engine="gloo", layers_per_node=None)

    refusal(plan)


def test_a_plan_of_very_many_nodes_is_read_in_no_time(tmp_path: Path) -> None:
    plan = msgspec.structs.replace(a_plan(), sampler=tuple(f"node-{number}" for number in range(50_000)))
    file = tmp_path / "plan.json"
    file.write_bytes(to_json(plan))
    assert refusal(lambda: use(read_plan(file)))
