"""What a person sees of a run under way, drawn from events and a clock that the tests hold."""

from __future__ import annotations

import io
from collections.abc import Iterator

import msgspec
import pytest
from rich.cells import cell_len
from rich.console import Console

from picluster.cli.show.live_view import view
from picluster.cli.show.loss_curve import LINES
from picluster.cli.show.run_state import Past, RunState
from picluster.schema import events
from picluster.schema.events import (
    AnyEvent,
    Done,
    Ended,
    EpochDone,
    Failed,
    Hardware,
    Ready,
    Resources,
    StepDone,
)
from picluster.schema.plan import Plan, StagePlan
from picluster.schema.state import Position
from tests.unit.controller.made import a_plan, a_spec, a_step

MEBIBYTE = 1 << 20
READY = Ready(
    hardware=Hardware(model="a Pi", kernel="6", torch="2", cores=4, threads=1), rendezvous_port=None, seconds=1.0
)
HOSTILE = ["[red]x[/red]", "\x1b[31mred", "五五五五五五五五五五五五", "a'; echo b", "a\nb", "n" * 200]


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def step(number: int, *, epoch: int = 1, loss: float | None = None, ms: float = 500.0) -> StepDone:
    return a_step(number, epoch=epoch, loss=loss, step_ms=ms, compute_ms=ms / 2, wait_ms=ms / 2)


def epoch_done(number: int, validation: float | None = 0.5, *, best: bool = True, seconds: float = 5.0) -> EpochDone:
    return EpochDone(
        epoch=number, loss=1.0, train_accuracy=0.25, validation_accuracy=validation, best=best, seconds=seconds
    )


def memory(anonymous: int, limit: int | None) -> Resources:
    return Resources(
        rss_bytes=anonymous * MEBIBYTE,
        anonymous_bytes=anonymous * MEBIBYTE,
        file_bytes=0,
        peak_rss_bytes=anonymous * MEBIBYTE,
        peak_anonymous_bytes=(anonymous + 10) * MEBIBYTE,
        limit_bytes=None if limit is None else limit * MEBIBYTE,
        cpu_share=0.9,
        temperature_celsius=61.6,
    )


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def state(clock: Clock) -> RunState:
    """Four nodes a, b, c and d; 10 steps an epoch, 4 epochs."""
    return RunState(msgspec.structs.replace(a_spec(), epochs=4), a_plan(), 1000, clock)


def drawn(state: RunState, width: int = 80, height: int | None = None) -> list[str]:
    console = Console(width=width, file=io.StringIO(), force_terminal=True, no_color=True, legacy_windows=False)
    with console.capture() as capture:
        console.print(view(state, width, height))
    return [line.rstrip() for line in _without_styles(capture.get()).splitlines()]


def _without_styles(text: str) -> str:
    from rich.text import Text

    return Text.from_ansi(text).plain


def begin(state: RunState) -> None:
    for node in state.nodes:
        state.hear(node, READY)


def tell(state: RunState, *events: AnyEvent, node: str = "d") -> None:
    for event in events:
        state.hear(node, event)


def test_before_training_every_node_tells_whether_it_is_ready(state: RunState, clock: Clock) -> None:
    state.hear("a", READY)
    state.hear("b", memory(100, 400))
    clock.now += 12
    assert drawn(state) == [
        "starting   1 of 4 nodes ready                                               0:12",
        "                                                                              0%",
        "loss       –",
        "",
        "node  role     layers  memory                            MiB of limit       step",
        "a     sampler  –       –                                            –      ready",
        "b     stage 1  1       ━━━━━━━                             100 of 400   starting",
        "c     stage 1  1       –                                            –   starting",
        "d     stage 2  2       –                                            –   starting",
    ]


def test_in_training_it_tells_where_it_stands_what_is_learnt_and_what_every_node_needs(
    state: RunState, clock: Clock
) -> None:
    begin(state)
    tell(state, epoch_done(1, 0.75), epoch_done(2, 0.5, best=False))
    tell(state, step(1, epoch=3, loss=0.5), step(2, epoch=3, loss=0.25, ms=2.5))
    tell(state, memory(300, 400), step(2, epoch=3, ms=1234.5), node="b")
    clock.now += 2
    assert drawn(state) == [
        "training   epoch 3 of 4, step 2 of 10                      0:02, about 0:08 left",
        "           ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╸                               55%",
        "loss       0.2500   train 0.2500   validation 0.5000   best 0.7500 in epoch 1",
        "",
        "node  role     layers  memory                            MiB of limit       step",
        "a     sampler  –       –                                            –      ready",
        "b     stage 1  1       ━━━━━━━━━━━━━━━━━━━━━╸              300 of 400   1,234 ms",
        "c     stage 1  1       –                                            –      ready",
        "d     stage 2  2       –                                            –     251 ms",
    ]


def test_the_memory_of_the_engines_own_processes_is_the_nodes_too(state: RunState) -> None:
    begin(state)
    engine = {"engine_bytes": 50 * MEBIBYTE, "peak_engine_bytes": 60 * MEBIBYTE}
    tell(state, msgspec.structs.replace(memory(300, 400), **engine), node="b")
    told = drawn(state, 160)[10].split()
    assert told[told.index("of") - 1] == "350"
    assert "370" in told


def test_a_wide_terminal_shows_more_of_every_node(state: RunState) -> None:
    begin(state)
    tell(state, memory(300, 400), step(1), node="b")
    lines = drawn(state, 160)
    assert lines[8].split() == [
        "node",
        "role",
        "layers",
        "memory",
        "MiB",
        "of",
        "limit",
        "peak",
        "cores",
        "°C",
        "wait",
        "step",
    ]
    assert lines[10].split()[-10:] == ["300", "of", "400", "310", "0.9", "62", "250", "ms", "500", "ms"]
    assert {cell_len(line) for line in (lines[0], lines[8], lines[10])} == {160}


def test_a_narrow_terminal_leaves_out_bars_rather_than_names(state: RunState) -> None:
    begin(state)
    tell(state, memory(300, 400), step(1), node="b")
    lines = drawn(state, 48)
    assert " ".join(lines[4].split()) == "node role layers MiB of limit step"
    assert " ".join(lines[6].split()) == "b stage 1 1 300 of 400 500 ms"
    assert max(map(cell_len, lines)) <= 48


@pytest.mark.parametrize("width", [40, 50])
def test_where_names_do_not_fit_into_a_table_each_node_has_a_paragraph_with_its_whole_name(
    clock: Clock, width: int
) -> None:
    name = "raspberry-pi-in-the-living-room"
    state = replicas([name, "pi2"], clock)
    tell(state, epoch_done(1, 0.75), node=name)
    lines = drawn(state, width)
    assert max(map(cell_len, lines)) <= width
    learnt = " ".join(" ".join(lines[2 : lines.index("")]).split())
    assert learnt == "loss 1.0000 train 0.2500 validation 0.7500 best 0.7500 in epoch 1"
    assert name in lines
    told = " ".join(line.strip() for line in lines[lines.index(name) + 1 : lines.index("pi2")])
    assert told == "sampler + stage 1, layers 1–3, 123,456 of 123,457 MiB, 12,346 ms"


def test_a_wide_terminal_shows_how_the_loss_went(state: RunState) -> None:
    begin(state)
    tell(state, *(step(number, loss=3.0 - number / 5) for number in range(1, 11)))
    curve = drawn(state, 160)[3 : 3 + LINES]
    assert [line.split()[0] for line in (curve[0], curve[-1])] == ["2.8000", "1.0000"]
    assert "█" in curve[0]
    assert curve[0].rstrip().endswith("█") is False
    assert len(curve[-1].rstrip()) == 160


def test_a_test_is_seen_with_its_own_time(state: RunState, clock: Clock) -> None:
    begin(state)
    clock.now += 30
    tell(state, *(epoch_done(number) for number in range(1, 5)))
    clock.now += 61
    assert drawn(state)[0] == ("testing    with the weights of epoch 4, sampled neighbours                  1:01")


def test_a_long_validation_is_told_apart_from_a_step_that_hangs(state: RunState, clock: Clock) -> None:
    begin(state)
    tell(state, step(10))
    assert "step 10 of 10" in drawn(state)[0]
    clock.now += 5
    assert "epoch 1 of 4, validating" in drawn(state)[0]


def test_after_the_end_the_clock_stands_still(state: RunState, clock: Clock) -> None:
    begin(state)
    clock.now += 30
    tell(state, *(epoch_done(number) for number in range(1, 5)), events.Tested(test_accuracy=0.5))
    for node in state.nodes:
        tell(state, Done(), Ended(exit_code=0, signal=None), node=node)
    state.end()
    clock.now += 1000
    assert drawn(state)[0] == "finished   after epoch 4 of 4                                               0:30"


def test_a_run_that_lost_its_patience_says_so(clock: Clock) -> None:
    spec = msgspec.structs.replace(a_spec(), epochs=9, patience=2)
    state = RunState(spec, a_plan(), 1000, clock)
    begin(state)
    tell(state, epoch_done(1), epoch_done(2, best=False))
    assert "at most 0:35 left" in drawn(state)[0]
    tell(state, epoch_done(3, best=False))
    assert state.phase == "testing"
    for node in state.nodes:
        tell(state, Done(), node=node)
    state.end()
    assert drawn(state)[0].startswith("finished   after epoch 3 of 9: no better validation for 2 epochs")


@pytest.mark.parametrize(("stopped", "phase"), [(True, "stopped"), (False, "failed")])
def test_a_run_that_ends_before_its_time_says_how(state: RunState, *, stopped: bool, phase: str) -> None:
    begin(state)
    tell(state, Failed(cause="no memory", expected=True), node="b")
    tell(state, Failed(cause="b is gone", expected=True, lost_peer=True), Ended(exit_code=5, signal=None), node="c")
    state.end(stopped=stopped)
    lines = drawn(state)
    assert lines[0].startswith(f"{phase:<10} after epoch 0 of 4")
    assert [line.split()[-1] for line in lines[5:]] == ["ready", "failed", "lost", "ready"]


def test_a_killed_worker_is_shown_as_failed(state: RunState) -> None:
    begin(state)
    tell(state, step(1), Ended(exit_code=None, signal="SIGKILL"), node="c")
    assert drawn(state)[7].split()[-1] == "failed"


def test_time_left_follows_recent_epochs_and_not_the_slow_first_one(state: RunState, clock: Clock) -> None:
    begin(state)
    assert state.seconds_left is None
    tell(state, step(1, ms=60_000.0), step(2, ms=1000.0), step(3, ms=1000.0))
    assert state.seconds_left == pytest.approx(40)
    tell(state, epoch_done(1, seconds=70))
    assert state.seconds_left == pytest.approx(210)
    tell(state, epoch_done(2, seconds=10))
    assert state.seconds_left == pytest.approx(20)
    clock.now += 15
    assert state.seconds_left == pytest.approx(10)


def test_an_attempt_that_takes_a_run_up_counts_on_from_there(clock: Clock) -> None:
    spec = msgspec.structs.replace(a_spec(), epochs=9, patience=3)
    past = Past(Position(epoch=4, step=6), [epoch_done(1, 0.5), epoch_done(2, 0.25, best=False), epoch_done(3, 0.75)])
    state = RunState(spec, a_plan(), 1000, clock, past)
    begin(state)
    lines = drawn(state)
    assert lines[0].startswith("training   epoch 4 of 9, step 5 of 10")
    assert lines[1].split()[-1] == "39%"
    assert lines[2].endswith("best 0.7500 in epoch 3")
    phases = []
    for number in (4, 5, 6):
        tell(state, epoch_done(number, best=False))
        phases.append(state.phase)
    assert phases == ["training", "training", "testing"]


def test_an_attempt_that_begins_with_the_test_says_so(clock: Clock) -> None:
    position = Position(phase="test", epoch=1, step=0)
    state = RunState(a_spec(), a_plan(), 1000, clock, Past(position, [epoch_done(1)]))
    begin(state)
    assert drawn(state)[0].startswith("testing    with the weights of epoch 1, ")
    assert state.share_done == 1


def ten_nodes(names: list[str]) -> Plan:
    stages = (StagePlan(layers=(1, 2, 3), nodes=tuple(names)),)
    return Plan(strategy="data-parallel", engine="gloo", sampler=tuple(names), stages=stages)


def replicas(names: list[str], clock: Clock) -> RunState:
    state = RunState(a_spec(depth=3), ten_nodes(names), 1000, clock)
    begin(state)
    for node in names:
        tell(state, memory(123_456, 123_457), step(1, ms=12_345.6), node=node)
    return state


@pytest.mark.parametrize("width", [80, 100, 160])
def test_ten_nodes_fit_into_a_terminal_of_24_lines(clock: Clock, width: int) -> None:
    lines = drawn(replicas([f"raspberry-pi-{number}" for number in range(10)], clock), width, 24)
    assert len(lines) <= 23
    assert max(map(cell_len, lines)) <= width
    assert sum("sampler + stage 1" in line for line in lines) == 10
    assert sum("12,346 ms" in line for line in lines) == 10


def test_of_more_nodes_than_fit_the_rest_is_counted(clock: Clock) -> None:
    lines = drawn(replicas([f"pi{number}" for number in range(40)], clock), 80, 24)
    shown = sum(line.startswith("pi") for line in lines)
    assert len(lines) <= 23
    assert lines[-1] == f"… and {40 - shown} more nodes"


@pytest.mark.parametrize("width", [80, 160])
@pytest.mark.parametrize("name", HOSTILE)
def test_names_of_any_kind_are_shown_as_text_on_one_line(clock: Clock, name: str, width: int) -> None:
    lines = drawn(replicas([name, "pi2"], clock), width)
    assert len(lines) == 7 + (LINES if width == 160 else 0)
    assert max(map(cell_len, lines)) <= width
    assert lines[-2].startswith(name[:4].replace("\x1b", "?").replace("\n", "?"))


def every_event() -> Iterator[tuple[str, AnyEvent]]:
    for node in "abcd":
        yield node, READY
        yield node, memory(10, None)
    for epoch in range(1, 5):
        yield from ((node, step(number, epoch=epoch)) for number in range(1, 11) for node in "abcd")
        yield "d", epoch_done(epoch, None)
    yield "d", events.Tested(test_accuracy=None)
    yield from ((node, Done()) for node in "abcd")


@pytest.mark.parametrize("width", [80, 160])
def test_at_no_moment_does_a_line_wrap_or_the_picture_jump(state: RunState, clock: Clock, width: int) -> None:
    shares = []
    for node, event in every_event():
        state.hear(node, event)
        clock.now += 0.5
        lines = drawn(state, width, 24)
        assert len(lines) == 9 + (LINES if width == 160 else 0)
        assert max(map(cell_len, lines)) <= width
        shares.append(state.share_done)
    assert shares == sorted(shares)
    assert shares[-1] == 1
