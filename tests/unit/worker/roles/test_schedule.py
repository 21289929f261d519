"""The schedule of a step: drawn as tables, and played with every kind of waiting."""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from picluster.worker.roles.schedule import Action, actions_of, most_in_flight, room_for_gradients, share, window
from picluster.worker.wire.links import LOOKAHEAD

TABLES = {
    ((1,), 3): """
        1.1  FB0 FB1 FB2
    """,
    ((2,), 5): """
        1.1  FB0 FB2 FB4
        1.2  FB1 FB3
    """,
    ((1, 1), 4): """
        1.1  F0 F1 B0 F2 B1 F3 B2 B3
        2.1  FB0 FB1 FB2 FB3
    """,
    ((1, 1, 1), 5): """
        1.1  F0 F1 F2 B0 F3 B1 F4 B2 B3 B4
        2.1  F0 F1 B0 F2 B1 F3 B2 F4 B3 B4
        3.1  FB0 FB1 FB2 FB3 FB4
    """,
    ((2, 1), 6): """
        1.1  F0 F2 B0 F4 B2 B4
        1.2  F1 F3 B1 F5 B3 B5
        2.1  FB0 FB1 FB2 FB3 FB4 FB5
    """,
    ((3, 1), 6): """
        1.1  F0 F3 B0 B3
        1.2  F1 F4 B1 B4
        1.3  F2 F5 B2 B5
        2.1  FB0 FB1 FB2 FB3 FB4 FB5
    """,
    ((2, 2, 1), 8): """
        1.1  F0 F2 F4 B0 F6 B2 B4 B6
        1.2  F1 F3 F5 B1 F7 B3 B5 B7
        2.1  F0 F2 B0 F4 B2 F6 B4 B6
        2.2  F1 F3 B1 F5 B3 F7 B5 B7
        3.1  FB0 FB1 FB2 FB3 FB4 FB5 FB6 FB7
    """,
    ((3, 1), 2): """
        1.1  F0 B0
        1.2  F1 B1
        1.3
        2.1  FB0 FB1
    """,
}


SHORT = {"forward": "F", "backward": "B", "there and back": "FB"}


def actions_at(
    stage: int, replica: int, replicas: Sequence[int], cores: Sequence[int], micro_batches: int
) -> list[Action]:
    """What a replica does in a step; `cores`: of all replicas of each stage."""
    mine = share(replica, replicas[stage], micro_batches)
    return actions_of(mine, window(stage, cores), is_last=stage == len(replicas) - 1)


def draw(replicas: Sequence[int], micro_batches: int) -> str:
    """One line for each replica: what it does, in order."""
    lines = []
    for stage, count in enumerate(replicas):
        for replica in range(count):
            actions = actions_at(stage, replica, replicas, replicas, micro_batches)
            words = " ".join(f"{SHORT[action]}{number}" for action, number in actions)
            lines.append(f"{stage + 1}.{replica + 1}  {words}".rstrip())
    return "\n".join(lines)


@pytest.mark.parametrize(("replicas", "micro_batches"), TABLES)
def test_the_schedule_is_as_drawn(replicas: tuple[int, ...], micro_batches: int) -> None:
    drawn = [line.strip() for line in TABLES[replicas, micro_batches].strip().splitlines()]
    assert draw(replicas, micro_batches).splitlines() == drawn


@given(members=st.integers(1, 9), count=st.integers(0, 40))
def test_shares_give_every_micro_batch_to_one_member_as_evenly_as_can_be(members: int, count: int) -> None:
    shares = [share(member, members, count) for member in range(members)]
    assert sorted(number for each in shares for number in each) == list(range(count))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


replica_counts = st.lists(st.integers(1, 4), min_size=1, max_size=5).map(tuple)
cores_of_nodes = st.lists(st.sampled_from([1, 2, 3, 4, 16]), min_size=5, max_size=5)
"""Of each node of a stage; as many stages as there can be."""


def cores_of_stages(replicas: Sequence[int], cores: Sequence[int]) -> list[int]:
    return [count * each for count, each in zip(replicas, cores, strict=False)]


@given(replicas=replica_counts, cores=cores_of_nodes, micro_batches=st.integers(0, 30))
def test_each_replica_brings_each_of_its_micro_batches_forward_and_then_back_in_order_and_within_its_bound(
    replicas: tuple[int, ...], cores: list[int], micro_batches: int
) -> None:
    totals = cores_of_stages(replicas, cores)
    for stage, count in enumerate(replicas):
        bound = most_in_flight(stage, count, totals)
        for replica in range(count):
            mine = share(replica, count, micro_batches)
            actions = actions_at(stage, replica, replicas, totals, micro_batches)
            if stage == len(replicas) - 1:
                assert actions == [("there and back", number) for number in mine]
                continue
            for kind in ("forward", "backward"):
                assert [number for action, number in actions if action == kind] == list(mine)
            in_flight = 0
            for action, number in actions:
                in_flight += 1 if action == "forward" else -1
                assert 0 <= in_flight <= bound
                if action == "backward":
                    assert ("forward", number) in actions[: actions.index((action, number))]


@given(replicas=replica_counts, cores=cores_of_nodes)
def test_windows_shrink_strictly_and_the_last_stage_takes_each_micro_batch_back_at_once(
    replicas: tuple[int, ...], cores: list[int]
) -> None:
    windows = [window(stage, cores_of_stages(replicas, cores)) for stage in range(len(replicas))]
    assert windows[-1] == 1
    assert windows == sorted(set(windows), reverse=True)


# A worker is an iterator of what it does next; a role waits as `Links` makes it wait.

Step = tuple[int, str, str, tuple[int, int]]  # room of a sender, or RECEIVE; peer, channel, (step, micro-batch)
RECEIVE = 0


@dataclass
class Played:
    """A network on which so many messages may be on their way from one role to another, as the sender says."""

    queues: dict[tuple[str, str, str], deque[tuple[int, int]]] = field(default_factory=dict)
    under_way: dict[tuple[str, str], deque[tuple[str, int]]] = field(default_factory=dict)
    taken: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    sent: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def attempt(self, me: str, step: Step) -> bool:
        """Do it, unless it has to wait."""
        room, peer, channel, place = step
        if room:
            return self._send((me, peer, channel), place, room)
        queue = self.queues.get((peer, me, channel))
        if not queue:
            return False
        assert queue.popleft() == place, "a message of another micro-batch came"
        self.taken[peer, me, channel] += 1
        return True

    def _send(self, line: tuple[str, str, str], place: tuple[int, int], room: int) -> bool:
        under_way = self.under_way.setdefault(line[:2], deque())
        while len(under_way) >= room:
            channel, number = under_way[0]
            if self.taken[line[0], line[1], channel] <= number:
                return False
            under_way.popleft()
        under_way.append((line[2], self.sent[line]))
        self.sent[line] += 1
        self.queues.setdefault(line, deque()).append(place)
        return True


def stage_steps(
    stage: int, replica: int, replicas: Sequence[int], totals: Sequence[int], samplers: int, sizes: Sequence[int]
) -> Iterator[Step]:
    """What `StageRole` does in training on one core, without the reduction: further cores only send sooner."""
    back = room_for_gradients(stage - 1, replicas[stage - 1], totals) if stage else 0

    def peer(other: int, number: int) -> str:
        return f"stage {other} {number % replicas[other]}"

    for step, count in enumerate(sizes):
        for action, number in actions_at(stage, replica, replicas, totals, count):
            place = (step, number)
            if action != "backward":
                yield RECEIVE, f"sampler {number % samplers}", "blocks", place
                if stage > 0:
                    yield RECEIVE, peer(stage - 1, number), "forward", place
            else:
                yield RECEIVE, peer(stage + 1, number), "backward", place
            if action == "forward":
                yield LOOKAHEAD, peer(stage + 1, number), "forward", place
            elif stage > 0:
                yield back, peer(stage - 1, number), "backward", place


def sampler_steps(member: int, members: int, replicas: Sequence[int], sizes: Sequence[int]) -> Iterator[Step]:
    """What `SamplerRole` does in training."""
    for step, count in enumerate(sizes):
        for number in share(member, members, count):
            for stage, replica_count in enumerate(replicas):
                yield LOOKAHEAD, f"stage {stage} {number % replica_count}", "blocks", (step, number)


def play(
    replicas: Sequence[int],
    totals: Sequence[int],
    samplers: int,
    sizes: Sequence[int],
    choose: Callable[[list[str]], tuple[list[str], int]],
) -> Played:
    """Let the roles take turns until all are done or all wait: in the chosen order, so many steps at a time."""
    network, next_steps = Played(), dict[str, Step]()
    roles = {f"sampler {member}": sampler_steps(member, samplers, replicas, sizes) for member in range(samplers)}
    for stage, count in enumerate(replicas):
        for replica in range(count):
            roles[f"stage {stage} {replica}"] = stage_steps(stage, replica, replicas, totals, samplers, sizes)
    order, burst = choose(list(roles))
    progress = True
    while progress:
        progress = False
        for name in order:
            for _ in range(burst):
                if name not in next_steps:
                    following = next(roles[name], None)
                    if following is None:
                        break
                    next_steps[name] = following
                if not network.attempt(name, next_steps[name]):
                    break
                del next_steps[name]
                progress = True
    assert not next_steps, f"these wait for each other: {next_steps}"
    return network


@given(
    replicas=replica_counts,
    cores=cores_of_nodes,
    samplers=st.integers(1, 3),
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=3),
    pick=st.data(),
)
def test_no_plan_deadlocks_and_every_message_is_sent_and_taken(
    replicas: tuple[int, ...], cores: list[int], samplers: int, sizes: list[int], pick: st.DataObject
) -> None:
    def choose(roles: list[str]) -> tuple[list[str], int]:
        return pick.draw(st.permutations(roles)), pick.draw(st.integers(1, 50))

    network = play(replicas, cores_of_stages(replicas, cores), samplers, sizes, choose)
    assert network.sent == network.taken
    assert not any(network.queues.values())
    by_channel = Counter[str]()
    for (_, _, channel), count in network.taken.items():
        by_channel[channel] += count
    cuts, micro_batches = len(replicas) - 1, sum(sizes)
    assert by_channel["forward"] == by_channel["backward"] == cuts * micro_batches
    assert by_channel["blocks"] == len(replicas) * micro_batches


@pytest.mark.parametrize("totals", [(1, 4, 4), (16, 1, 1), (1, 16, 1), (4, 4, 16)])
def test_stages_of_many_cores_and_few_do_not_wait_for_each_other(totals: tuple[int, ...]) -> None:
    network = play((1, 1, 1), totals, 1, [40], lambda roles: (roles, 1))
    assert network.sent == network.taken
