"""Memory that a node is expected to take: what it follows, and the bounds that it shares with the worker."""

from math import inf

import pytest
from msgspec.structs import replace

from picluster.controller.planning import demand as planned
from picluster.controller.planning.demand import Demand, demand_of
from picluster.schema.graph import ArrayFile
from picluster.schema.model import ModelDescription
from picluster.schema.plan import Plan
from picluster.schema.spec import Spec
from picluster.worker.roles import exact_order, exact_pass
from picluster.worker.wire.links import LOOKAHEAD
from tests.unit.controller.planning.test_cores import GRAPH, SINGLE, SPEC, SPLIT, WIDE


def expected(plan: Plan, node: str, spec: Spec = SPEC, model: ModelDescription = WIDE) -> Demand:
    return demand_of(plan, node, spec, model, GRAPH)


def test_a_stage_keeps_micro_batches_that_later_stages_compute() -> None:
    slow, quick = (replace(SPLIT, cores={"c": cores}) for cores in (1, 4))
    few, many = (expected(plan, "a", replace(SPEC, micro_batches=32)) for plan in (slow, quick))
    assert (few.waiting, many.waiting) == (1, 2), "four on two nodes, rather than one on one of them"
    assert many.bytes(2) - few.bytes(2) == pytest.approx(planned._SCATTERED * few.kept)
    assert expected(SPLIT, "c").waiting == 0


def test_no_more_micro_batches_wait_than_a_step_has() -> None:
    one = expected(SPLIT, "a", replace(SPEC, micro_batches=1))
    assert one.bytes(1) - one.base == pytest.approx(planned._SCATTERED * (one.at_work + one.kept))


def test_memory_of_cores_is_added_up_and_bounds_them() -> None:
    at_once = Demand(base=1.0, kept=1.0, at_work=2.0)
    assert at_once.bytes(2) == 5.0
    assert (at_once.fitting(inf, 4), at_once.fitting(5.5, 4), at_once.fitting(0.0, 4)) == (4, 2, 1)
    assert (at_once.fitting(inf, 10**9), at_once.fitting(5.5, 10**9)) == (10**9, 2), "in no time"
    assert at_once._replace(inference=9.0).bytes(2) == 10.0, "training has given its memory back by then"
    assert at_once._replace(inference=9.0, gives_back=False).bytes(2) == 14.0


def test_smaller_micro_batches_need_less_and_wider_layers_more() -> None:
    usual = expected(SINGLE, "a").bytes(1)
    assert expected(SINGLE, "a", replace(SPEC, micro_batches=32)).bytes(1) < usual
    wider = replace(WIDE, layers=(replace(WIDE.layers[0], output={"h": 1024}), WIDE.layers[1]))
    assert expected(SINGLE, "a", model=wider).bytes(1) > usual
    heavier = replace(WIDE, layers=(replace(WIDE.layers[0], parameters=1_000_006), WIDE.layers[1]))
    each = (
        planned._BYTES_OF_WEIGHT + planned._BYTES_OF_PARAMETER + planned._BYTES_OF_WRITTEN + planned._BYTES_OF_GRADIENT
    )
    more = heavier.layers[0].parameters - WIDE.layers[0].parameters
    assert expected(SINGLE, "a", model=heavier).bytes(1) - usual == pytest.approx(more * each)


def test_pyg_takes_memory_on_nodes_that_compute_alone() -> None:
    with_pyg = replace(WIDE, imports_pyg=True)
    assert expected(SPLIT, "c", model=with_pyg).base - expected(SPLIT, "c").base == planned._PYG_BYTES
    assert expected(SPLIT, "s", model=with_pyg).base == expected(SPLIT, "s").base


def test_a_node_that_samples_alone_over_sockets_does_without_torch() -> None:
    over_gloo, over_sockets = (expected(replace(SPLIT, engine=engine), "s") for engine in ("gloo", "sockets"))
    assert over_gloo.base - over_sockets.base == planned.WORKER_BYTES - planned._WITHOUT_TORCH_BYTES
    beside, alone = (expected(replace(SINGLE, engine=engine), "a") for engine in ("gloo", "sockets"))
    assert beside == alone


def test_files_are_those_of_the_role() -> None:
    sizes = {"indptr": 1, "indices": 10, "features": 100, "labels": 1000}
    files = {name: ArrayFile(shape=(1,), dtype="int32", bytes=size, sha256="") for name, size in sizes.items()}
    graph = replace(GRAPH, files=files)
    found = [demand_of(SPLIT, node, replace(SPEC, test="exact"), WIDE, graph).mapped for node in "sca"]
    assert found[0] == 11
    assert found[1] == 1001
    assert found[2] - 101 == GRAPH.nodes * 256 * 4, "and rows of all nodes, in exact inference"


def test_bounds_of_exact_inference_and_of_messages_are_those_of_the_worker() -> None:
    bounds = (planned._NODES_AT_ONCE, planned._EDGES_AT_ONCE, planned._REMEMBERED_BYTES, planned._SMALL_BYTES)
    assert bounds == (
        exact_order.NODES_AT_ONCE,
        exact_order.EDGES_AT_ONCE,
        exact_pass._REMEMBERED_BYTES,
        exact_pass._SMALL_BYTES,
    )
    assert planned._MESSAGES == LOOKAHEAD + 1
