"""Hypothesis strategies for records, drawn from their fields' types."""

from itertools import pairwise
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import msgspec
from hypothesis import strategies as st

from picluster.schema.plan import Plan, StagePlan
from picluster.schema.record import LAST_SECOND, Timestamp
from picluster.schema.spec import Adam, ModelChoice, OptionValue, Spec

COUNTS = st.integers(1, 10_000)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
NAMES = st.text(min_size=1, max_size=8)


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Anything of this type that JSON can hold."""
    known = {
        Timestamp: st.floats(0, LAST_SECOND),
        float: FINITE,
        int: st.integers(-(2**63), 2**63 - 1),
        Spec: specs(),
        Plan: plans(),
    }
    if kind in known:
        return known[kind]
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        fields = {field.name: field for field in msgspec.structs.fields(kind)}
        version = fields.pop("schema_version", None)
        fixed = {} if version is None else {"schema_version": st.just(version.default)}
        return st.builds(kind, **fixed, **{name: values(field.type) for name, field in fields.items()})
    return _generic(kind)


def _generic(kind: Any) -> st.SearchStrategy[Any]:
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Literal:
        return st.sampled_from(parts)
    if origin in (Union, UnionType):
        return st.one_of(*(values(part) for part in parts))
    if origin is tuple and parts[-1] is not ...:
        return st.tuples(*map(values, parts))
    if origin is tuple:
        return st.lists(values(parts[0]), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(values(parts[0]), values(parts[1]), max_size=3)
    return st.from_type(kind)


@st.composite
def specs(draw: st.DrawFn) -> Spec:
    depth = draw(st.integers(1, 4))
    options: st.SearchStrategy[dict[str, OptionValue]] = st.dictionaries(
        NAMES, st.none() | st.booleans() | st.integers(-9, 9) | FINITE | st.text(max_size=5), max_size=3
    )
    return Spec(
        dataset=draw(NAMES),
        model=ModelChoice(name=draw(NAMES), depth=depth, options=draw(options)),
        fanout=draw(st.none() | st.lists(st.integers(1, 99), min_size=depth, max_size=depth).map(tuple)),
        batch_size=draw(st.none() | COUNTS),
        micro_batches=draw(COUNTS),
        epochs=draw(COUNTS),
        seed=draw(st.integers(0, 2**63 - 1)),
        optimizer=Adam(
            learning_rate=draw(st.floats(1e-9, 1e3)),
            amsgrad=draw(st.booleans()),
            weight_decay=tuple(draw(st.lists(st.floats(0, 1), min_size=depth, max_size=depth))),
        ),
    )


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Any depth, any cuts, any number of replicas; the sampler alone or on a node that also holds a stage."""
    depth = draw(st.integers(1, 5))
    cuts = sorted(draw(st.sets(st.integers(2, depth)))) if depth > 1 else []
    bounds = [1, *cuts, depth + 1]
    nodes = draw(st.lists(NAMES, min_size=len(bounds), max_size=9, unique=True))
    sampler, *holders = nodes
    stages = [
        StagePlan(layers=tuple(range(first, end)), nodes=tuple(holders[index :: len(bounds) - 1]))
        for index, (first, end) in enumerate(pairwise(bounds))
    ]
    return Plan(
        strategy=draw(st.sampled_from(["single", "data-parallel", "layer-split"])),
        engine=draw(st.sampled_from(["sockets", "gloo", "rpc"])),
        sampler=draw(st.sampled_from([(sampler,), stages[0].nodes])),
        stages=tuple(stages),
        notes=tuple(draw(st.lists(st.text(max_size=9), max_size=2))),
    )
