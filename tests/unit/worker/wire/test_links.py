"""Links of one role: order, places, the limit on what is under way, the mailroom, the clock."""

import threading
import time

import numpy as np
import pytest

from picluster.worker.wire.links import LOOKAHEAD, Channel, Links, Mailroom
from picluster.worker.wire.messages import Message
from tests.unit.worker.fake_engine import TIMEOUT_SECONDS, FakeNetwork

SHORT_SECONDS = 0.05


def message(number: int, size: int = 1) -> Message:
    return Message((1, 1, number), [np.full(size, number, np.float32)])


@pytest.fixture
def network() -> FakeNetwork:
    return FakeNetwork()


@pytest.fixture
def first(network: FakeNetwork) -> Links:
    return Links(network.engine(0), Mailroom(), 0)


@pytest.fixture
def second(network: FakeNetwork) -> Links:
    return Links(network.engine(1), Mailroom(), 1)


def test_messages_of_a_channel_arrive_in_order_and_channels_do_not_hinder_each_other(
    first: Links, second: Links
) -> None:
    first.send(1, Channel.BLOCKS, message(0))
    first.send(1, Channel.FORWARD, message(7))
    first.send(1, Channel.BLOCKS, message(1))
    assert second.receive(0, Channel.FORWARD, (1, 1, 7)).arrays[0].tolist() == [7]
    assert second.receive(0, Channel.BLOCKS, (1, 1, 0)).arrays[0].tolist() == [0]
    assert second.receive(0, Channel.BLOCKS, (1, 1, 1)).arrays[0].tolist() == [1]


def test_a_message_of_another_place_is_refused_with_both_places(first: Links, second: Links) -> None:
    first.send(1, Channel.BACKWARD, message(2))
    with pytest.raises(
        AssertionError, match=r"worker 0 sent \(1, 1, 2\) on channel BACKWARD, expected was \(1, 1, 3\)"
    ):
        second.receive(0, Channel.BACKWARD, (1, 1, 3))


def test_a_message_of_another_place_is_refused_in_the_mailroom_too(first: Links) -> None:
    first.send(0, Channel.BLOCKS, message(2))
    with pytest.raises(AssertionError, match=r"expected was \(1, 2, 2\)"):
        first.receive(0, Channel.BLOCKS, (1, 2, 2))


def test_as_many_messages_as_the_lookahead_are_sent_without_waiting(network: FakeNetwork, first: Links) -> None:
    for number in range(LOOKAHEAD):
        first.send(1, Channel.BLOCKS, message(number))
    assert [sending.waits for sending in network.sendings] == [0] * LOOKAHEAD


def test_one_more_waits_until_the_oldest_was_taken(network: FakeNetwork, first: Links, second: Links) -> None:
    for number in range(LOOKAHEAD):
        first.send(1, Channel.BLOCKS, message(number))
    thread = threading.Thread(target=first.send, args=(1, Channel.FORWARD, message(9)))
    thread.start()
    thread.join(SHORT_SECONDS)
    assert thread.is_alive()
    assert len(network.sendings) == LOOKAHEAD
    second.receive(0, Channel.BLOCKS, (1, 1, 0))
    thread.join(TIMEOUT_SECONDS)
    assert [sending.waits for sending in network.sendings] == [1] + [0] * LOOKAHEAD


def test_the_lookahead_counts_for_each_worker_by_itself(network: FakeNetwork, first: Links) -> None:
    for number in range(LOOKAHEAD):
        for worker in (1, 2, 3):
            first.send(worker, Channel.BLOCKS, message(number))
    assert [sending.waits for sending in network.sendings] == [0] * 3 * LOOKAHEAD


def test_flush_returns_when_everything_was_taken(network: FakeNetwork, first: Links, second: Links) -> None:
    for number in range(2):
        first.send(1, Channel.BLOCKS, message(number))
        first.send(2, Channel.BLOCKS, message(number))
    third = Links(network.engine(2), Mailroom(), 2)
    thread = threading.Thread(target=first.flush)
    thread.start()
    for links, number in ((second, 0), (third, 0), (second, 1)):
        links.receive(0, Channel.BLOCKS, (1, 1, number))
    thread.join(SHORT_SECONDS)
    assert thread.is_alive()
    third.receive(0, Channel.BLOCKS, (1, 1, 1))
    thread.join(TIMEOUT_SECONDS)
    assert not thread.is_alive()


def test_roles_of_one_worker_exchange_messages_uncopied_and_without_the_engine(network: FakeNetwork) -> None:
    mailroom = Mailroom()
    sampler, stage = (Links(network.engine(4), mailroom, 4) for _ in range(2))
    sent = message(0)
    sampler.send(4, Channel.BLOCKS, sent)
    assert stage.receive(4, Channel.BLOCKS, (1, 1, 0)) is sent
    assert not network.sendings
    assert sum(sampler.clock.sent_payload_to.values()) == stage.clock.received_payload_bytes == 0


def test_the_mailroom_holds_as_many_messages_as_the_lookahead(network: FakeNetwork) -> None:
    mailroom = Mailroom()
    sampler, stage = (Links(network.engine(0), mailroom, 0) for _ in range(2))
    for number in range(LOOKAHEAD):
        sampler.send(0, Channel.BLOCKS, message(number))
    thread = threading.Thread(target=sampler.send, args=(0, Channel.BLOCKS, message(LOOKAHEAD)))
    thread.start()
    thread.join(SHORT_SECONDS)
    assert thread.is_alive()
    for number in range(LOOKAHEAD + 1):
        stage.receive(0, Channel.BLOCKS, (1, 1, number))
    thread.join(TIMEOUT_SECONDS)
    assert not thread.is_alive()


def test_the_clock_counts_payload_on_both_sides_and_the_time_of_waiting(first: Links, second: Links) -> None:
    def late() -> None:
        time.sleep(SHORT_SECONDS)
        first.send(1, Channel.BLOCKS, message(0, size=100))

    thread = threading.Thread(target=late)
    thread.start()
    second.receive(0, Channel.BLOCKS, (1, 1, 0))
    thread.join()
    assert first.clock.sent_payload_to == {1: second.clock.received_payload_bytes} == {1: 400}
    assert second.clock.wait_seconds >= 0.9 * SHORT_SECONDS
    assert second.clock.send_seconds == first.clock.wait_seconds == 0
    assert 0 < first.clock.send_seconds < 0.9 * SHORT_SECONDS


def test_the_clock_counts_the_time_until_there_is_room(first: Links, second: Links) -> None:
    for number in range(LOOKAHEAD):
        first.send(1, Channel.BLOCKS, message(number))
    timer = threading.Timer(SHORT_SECONDS, second.receive, (0, Channel.BLOCKS, (1, 1, 0)))
    timer.start()
    first.send(1, Channel.BLOCKS, message(9))
    timer.join()
    assert first.clock.send_seconds >= 0.9 * SHORT_SECONDS
