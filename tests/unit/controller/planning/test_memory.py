"""Memory as a contract: what is expected stands in the plan, and what cannot fit is refused with the missing number."""

import re
from collections.abc import Collection

import pytest
from msgspec.structs import replace

from picluster.controller.planning.demand import demand_of
from picluster.controller.planning.memory import with_memory
from picluster.errors import InputError
from picluster.schema.facts import NodeFacts
from picluster.schema.graph import ArrayFile
from picluster.schema.plan import Plan, StagePlan
from picluster.schema.spec import Spec
from tests.unit.controller.planning.test_cores import GRAPH, SINGLE, SPEC, SPLIT, WIDE

MIB = 1 << 20
FEATURES = ArrayFile(shape=(1,), dtype="float16", bytes=300 * MIB, sha256="")
STORED = replace(GRAPH, files={"features": FEATURES})


def told(plan: Plan, memory: float | None, *, spec: Spec = SPEC, sharing: Collection[str] = ()) -> Plan:
    size = None if memory is None else int(memory)
    facts = [NodeFacts(name=name, memory_bytes=size, cores=4) for name in "sabc"]
    return with_memory(plan, facts, spec, WIDE, STORED, sharing)


def needed(plan: Plan, node: str = "a", spec: Spec = SPEC) -> float:
    return demand_of(plan, node, spec, WIDE, STORED).bytes(plan.cores_of(node))


def refused(plan: Plan, memory: float, *, spec: Spec = SPEC, sharing: Collection[str] = ()) -> InputError:
    with pytest.raises(InputError) as error:
        told(plan, memory, spec=spec, sharing=sharing)
    return error.value


def test_every_node_has_what_it_is_expected_to_take_and_what_it_has() -> None:
    plan = told(SPLIT, 8e9)
    assert list(plan.memory) == ["s", "a", "b", "c"]
    assert plan.memory["a"].anonymous_bytes == round(needed(SPLIT))
    libtorch = 80 << 20  # the sampler does without it
    assert plan.memory["a"].mapped_bytes - plan.memory["s"].mapped_bytes == FEATURES.bytes + libtorch
    assert {each.limit_bytes for each in plan.memory.values()} == {8_000_000_000}
    assert plan.notes == ()


def test_nodes_of_which_nothing_is_known_are_not_refused() -> None:
    assert told(SPLIT, None).memory["a"].limit_bytes is None


def test_what_cannot_fit_is_refused_with_the_number_that_is_missing() -> None:
    assert told(SINGLE, needed(SINGLE) + 1).memory
    error = refused(SINGLE, needed(SINGLE) - 7 * MIB)
    found = re.fullmatch(
        r"a \(sampler \+ stage 1\) needs about ([\d,]+) MiB of memory that cannot be dropped, where there are ([\d,]+) "
        r"MiB: 7 MiB are missing",
        error.what,
    )
    assert found, error.what
    assert round(needed(SINGLE) / MIB) == int(found[1].replace(",", ""))


def test_more_micro_batches_are_named_where_they_make_it_fit() -> None:
    enough = needed(SINGLE, spec=replace(SPEC, micro_batches=32))
    assert refused(SINGLE, enough + 1).fix.startswith("--micro-batches 32 fits (and learns other last bits); ")
    assert told(SINGLE, enough + 1, spec=replace(SPEC, micro_batches=32)).memory
    assert "--micro-batches" not in refused(SINGLE, 10 * MIB).fix, "nothing would make a worker itself fit"


def test_one_core_is_named_where_it_is_enough() -> None:
    plan = replace(SPLIT, cores={"a": 2})
    assert refused(plan, needed(SPLIT) + 1).fix.startswith("--cores 1 fits, with the same bits; ")


@pytest.mark.parametrize(
    ("plan", "advised"),
    [
        (SINGLE, ("--strategy layer-split --layers-per-node 1 over more nodes",)),
        (replace(SPLIT, sampler=("a",)), ("one more node, which the sampler then has for itself",)),
        (SPLIT, ()),
    ],
)
def test_other_ways_are_those_that_the_plan_leaves(plan: Plan, advised: tuple[str, ...]) -> None:
    fix = refused(plan, 10 * MIB).fix
    usual = ("less work at once: a smaller --batch-size, --fanout or --hidden", "a node with more memory")
    assert fix == "; ".join((*advised, *usual))


def test_nodes_on_one_machine_are_added_up() -> None:
    alone = StagePlan(layers=(1, 2), nodes=("a.1", "a.2"))
    mirrored = Plan(strategy="mirrored", engine="sockets", sampler=("a.1", "a.2"), stages=(alone,))
    error = refused(mirrored, 1.9 * needed(mirrored, "a.1"))
    assert error.what.startswith("a.1 (sampler + stage 1), a.2 (sampler + stage 1) need together about")
    assert "fewer processes on that machine" in error.fix
    together = sum(needed(SPLIT, name) for name in "sabc")
    assert told(SPLIT, together - 1).memory, "each is a machine of its own"
    assert "need together" in refused(SPLIT, together - MIB, sharing="sabc").what


def test_files_that_do_not_fit_beside_are_told_and_not_refused() -> None:
    plan = told(SPLIT, needed(SPLIT) + 200 * MIB)
    assert [note.split(":")[0] for note in plan.notes] == ["a", "b"]
    assert "they will be read from the disk again and again; what helps: --features int8; " in plan.notes[0]


def test_more_micro_batches_are_named_where_files_fit_beside_them() -> None:
    small = replace(SPEC, micro_batches=32)
    enough = needed(SPLIT, spec=small) + told(SPLIT, 8e9).memory["a"].mapped_bytes + 1
    assert needed(SPLIT, spec=small) < needed(SPLIT)
    assert "--micro-batches 32 fits (and learns other last bits); " in told(SPLIT, enough).notes[0]
    assert told(SPLIT, enough, spec=small).notes == ()
