"""Cores of a plan's nodes: what they have, as far as memory and micro-batches go."""

import pytest
from msgspec.structs import replace

from picluster.controller.planning.cores import with_cores
from picluster.controller.planning.demand import demand_of
from picluster.schema.facts import NodeFacts
from picluster.schema.plan import Plan, StagePlan
from tests.unit.controller.made import a_graph, a_model, a_spec

GRAPH = replace(a_graph(train=100_000), nodes=200_000, edges=20_000_000, features=600)
LAYER = replace(a_model().layers[0], aggregated={"mean": 600, "self": 600}, output={"h": 256})
WIDE = replace(a_model(), layers=(LAYER, LAYER))
SPEC = replace(a_spec(micro_batches=8), fanout=(25, 10), batch_size=1024)
SPLIT = Plan(
    strategy="layer-split",
    engine="sockets",
    sampler=("s",),
    stages=(StagePlan(layers=(1,), nodes=("a", "b")), StagePlan(layers=(2,), nodes=("c",))),
)
SINGLE = Plan(strategy="single", engine="sockets", sampler=("a",), stages=(StagePlan(layers=(1, 2), nodes=("a",)),))


def shelf(*, cores: int | None = 4, memory: float = 8e9) -> list[NodeFacts]:
    return [NodeFacts(name=name, cores=cores, memory_bytes=int(memory)) for name in "sabc"]


def told(plan: Plan, facts: list[NodeFacts], *, micro_batches: int = 8, asked: int | None = None) -> Plan:
    return with_cores(plan, facts, replace(SPEC, micro_batches=micro_batches), WIDE, GRAPH, asked=asked)


def test_every_node_with_a_stage_computes_on_all_of_its_cores() -> None:
    plan = told(SPLIT, shelf())
    assert plan.cores == {"a": 4, "b": 4, "c": 4}
    assert plan.notes == ()
    assert told(SPLIT, shelf(cores=None)).cores == {}, "of whom nothing is known computes on one"


def test_a_person_may_want_fewer_but_not_more_than_there_are() -> None:
    assert told(SPLIT, shelf(), asked=2).cores == {"a": 2, "b": 2, "c": 2}
    assert told(SPLIT, shelf(), asked=1).cores == {}
    assert told(SPLIT, shelf(cores=2), asked=4).cores == {"a": 2, "b": 2, "c": 2}


def test_a_plan_keeps_its_own_cores_unless_others_are_asked_for_or_it_is_brought_to_lesser_nodes() -> None:
    plan = replace(SPLIT, cores={"a": 2, "b": 3, "c": 1})
    assert told(plan, shelf()).cores == {"a": 2, "b": 3}
    assert told(plan, shelf(cores=2)).cores == {"a": 2, "b": 2}
    assert told(plan, shelf(), asked=4).cores == {"a": 4, "b": 4, "c": 4}


def test_a_step_with_few_micro_batches_says_what_idles() -> None:
    plan = told(SPLIT, shelf(), micro_batches=4)
    assert plan.cores == {"a": 2, "b": 2, "c": 4}
    assert plan.notes == (
        "a step has 4 micro-batches: 2 of 4 cores of a, b will idle in stage 1; --micro-batches 8 gives all work",
    )
    assert told(SPLIT, shelf(), micro_batches=1).cores == {}


def test_memory_bounds_the_cores_and_a_note_says_so() -> None:
    demand = demand_of(SINGLE, "a", SPEC, WIDE, GRAPH)
    enough = demand.bytes(3)
    assert told(SINGLE, shelf(memory=enough + 1)).cores == {"a": 3}
    [note] = told(SINGLE, shelf(memory=enough + 1)).notes
    assert note.startswith(
        f"a computes on 3 of 4 cores: one more would need {demand.bytes(4) / 1e9:.2f} GB, and it has "
    )
    assert told(SINGLE, shelf(memory=enough - 1)).cores == {"a": 2}
    assert told(SINGLE, shelf(memory=1)).cores == {}, "what does not fit at all is for another to say"


@pytest.mark.parametrize(("processes", "expected"), [(1, 4), (2, 2), (3, 1), (4, 1)])
def test_processes_of_one_machine_share_its_cores_and_memory(processes: int, expected: int) -> None:
    names, spec = tuple("sabc"[:processes]), replace(SPEC, micro_batches=32)
    stages = (StagePlan(layers=(1, 2), nodes=names),)
    plan = Plan(strategy="data-parallel", engine="sockets", sampler=names, stages=stages)
    found = with_cores(plan, shelf(), spec, WIDE, GRAPH, sharing=names)
    assert {found.cores_of(name) for name in names} == {expected}
    replicas = tuple(f"a.{number + 1}" for number in range(processes))
    mirrored = replace(plan, sampler=replicas, stages=(StagePlan(layers=(1, 2), nodes=replicas),))
    assert {told(mirrored, shelf(), micro_batches=32).cores_of(name) for name in replicas} == {expected}
    scarce = shelf(memory=processes * demand_of(plan, "s", spec, WIDE, GRAPH).bytes(1))
    assert with_cores(plan, scarce, spec, WIDE, GRAPH, sharing=names).cores == {}
