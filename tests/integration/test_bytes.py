"""What crosses the network is what the design's formula says."""

from __future__ import annotations

from collections import Counter

import pytest

from picluster.controller.record.report import make_report
from picluster.graph.folder import GraphFolder
from picluster.randomness import Purpose
from picluster.schema.spec import Precision, Spec
from picluster.worker.sampling.sampler import Ids, NeighbourSampler, Sample, cut, shuffled
from tests.integration.desk import Desk, assert_memory_was_as_expected, steps_of

pytestmark = pytest.mark.slow

WITHOUT_TORCH_BYTES = 80 << 20
HIDDEN = 256
ROW_BYTES = {"fp32": 4 * HIDDEN, "fp16": 2 * HIDDEN + 2, "int8": HIDDEN + 4}
"""Bytes of a row on the wire: rounded ones bring an exponent in fp16, or a scale in fp32."""


def samples_of_epoch(graph: GraphFolder, spec: Spec) -> list[Sample]:
    """Every micro-batch of the first epoch, drawn again."""
    sampler = NeighbourSampler(
        graph.array("indptr"), graph.neighbour_ids()[:], fanout=spec.fanout, depth=spec.model.depth, seed=spec.seed
    )
    seeds, found = shuffled(graph.array("train"), spec.seed, 1), []
    for step in range(spec.steps(len(seeds))):
        assert spec.batch_size is not None
        part = seeds[step * spec.batch_size : (step + 1) * spec.batch_size]
        micro_batches = cut(part, spec.micro_batch_sizes(len(part)))
        found += [sampler.sample(each, purpose=Purpose.SAMPLE, epoch=1, step=step + 1) for each in micro_batches]
    return found


def formula_bytes(sample: Sample, wire: Precision) -> int:
    """DESIGN: 2·B·Σwidth·bytes + V₁ and E₂ ids + V₁ counts + inverse index + labels, for one micro-batch.

    The counts of both hops take a byte each; the inverse index is hop 1 as positions; labels are read where they
    lie, so the last stage gets its seeds' ids instead. Ids are packed.
    """
    first, second = sample.hops
    seeds, v1 = sample.frontiers[-1], sample.frontiers[0]
    rows = 2 * seeds * 2 * ROW_BYTES[wire]
    ids = packed(sample.ids) + packed(first.neighbours) + v1
    inverse = packed(second.neighbours) + seeds
    return rows + ids + inverse + packed(sample.ids[:seeds])


def packed(ids: Ids) -> int:
    """Bytes of ids of which each has the bits that the largest needs."""
    return len(ids) * int(ids.max()).bit_length() // 8


CASES = [("sockets", "int8"), ("gloo", "fp16"), ("rpc", "fp32")]


@pytest.mark.thorough  # over real links they are counted in tests/lab/test_engines.py
@pytest.mark.parametrize(("engine", "wire"), CASES)
def test_payload_and_socket_bytes_of_a_step_follow_the_formula(desk: Desk, engine: str, wire: Precision) -> None:
    words = ("--scale", "0.1", "--model", "sage", "--hidden", str(HIDDEN), "--epochs", "1", "--nodes", "3")
    run = desk.launch(*words, "--layers-per-node", "1", "--engine", engine, "--wire", wire)
    assert_memory_was_as_expected(run)
    sampler = make_report(run).nodes[0]
    peak = sampler.memory.peak_anonymous_bytes
    assert sampler.role == "sampler"
    assert peak is not None
    assert (peak < WITHOUT_TORCH_BYTES) == (engine == "sockets"), "who only samples does not import torch"
    graph = GraphFolder.open(desk.folder / "graphs" / "reddit-like-0.1")
    expected = sum(formula_bytes(sample, wire) for sample in samples_of_epoch(graph, run.run().spec))
    steps = [step for node in run.plan().nodes for step in steps_of(run, node)]
    payload = sum(step.sent_payload_bytes for step in steps)
    assert payload == pytest.approx(expected, rel=0.01)
    assert sum(step.received_payload_bytes for step in steps) == payload
    received_by = {node: sum(step.received_payload_bytes for step in steps_of(run, node)) for node in run.plan().nodes}
    assert sum((Counter(step.sent_payload_to) for step in steps), Counter()) == Counter(received_by)
    sent, received = (sum(getattr(step, name) for step in steps) for name in ("sent_bytes", "received_bytes"))
    assert sent == pytest.approx(expected, rel=0.06)
    assert sent >= payload
    assert received == pytest.approx(sent, rel=0.02)  # a step ends a moment earlier for who sends than for who receives
