"""What a role did is told slice by slice, where a trace is asked for, and at little cost."""

import time

import numpy as np

from picluster.schema.record import to_json
from picluster.worker.wire.links import Channel, Links, Mailroom
from picluster.worker.wire.messages import Message
from picluster.worker.wire.tracer import Tracer, traced
from tests.slowness import usual_seconds
from tests.unit.worker.fake_engine import FakeNetwork

SLICES = 1000
MOST_SECONDS = 3e-6
"""Time of a slice: the 25 of a step of four micro-batches are 1 % of 7.5 ms, which the shortest steps take."""


def test_work_and_both_ends_of_a_message_are_told_once() -> None:
    network, now = FakeNetwork(), iter(range(100))
    first, second = (
        Links(network.engine(rank), Mailroom(), rank, tracer=Tracer("stage", ["a", "b"], lambda: next(now)))
        for rank in range(2)
    )
    with traced(first.tracer, "forward", (2, 3, 4)):
        next(now)
    first.send(1, Channel.FORWARD, Message((2, 3, 4), [np.ones(5, np.float32)]))
    second.receive(0, Channel.FORWARD, (2, 3, 4))
    assert first.tracer
    assert second.tracer
    (work, sent), (received,) = first.tracer.told().slices, second.tracer.told().slices
    assert (work.doing, work.begin, work.end, work.place) == ("forward", 0, 2, (2, 3, 4))
    assert (sent.doing, sent.peer, sent.channel, sent.payload_bytes) == ("send", "b", "FORWARD", 20)
    assert (received.doing, received.peer, received.place) == ("receive", "a", sent.place)
    assert received.payload_bytes == sent.payload_bytes
    assert first.tracer.told().slices == ()


def test_a_slice_takes_so_little_that_a_step_of_them_is_less_than_a_hundredth_of_the_shortest_steps() -> None:
    tracer = Tracer("stage", ["a", "b"], time.monotonic)

    def seconds() -> float:
        begin = time.process_time()
        for number in range(SLICES):
            tracer.add("send", tracer.now(), (1, number, 0), peer=1, channel="FORWARD", payload_bytes=100)
        to_json(tracer.told())
        return (time.process_time() - begin) / SLICES

    assert usual_seconds(seconds) < MOST_SECONDS
