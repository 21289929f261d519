"""Which of several failing workers is blamed, and in which words."""

import pytest

from picluster.controller.running.detection.diagnosis import asleep, diagnose
from picluster.controller.running.detection.witness import Witness
from picluster.schema.events import AnyEvent, Done, Ended, Examined, Failed, Resources, WorkerState
from picluster.schema.plan import Plan, StagePlan
from picluster.schema.run import Failure
from tests.unit.controller.made import a_plan, strong

ECHO = Failed(cause="the connection to b broke", expected=True, lost_peer=True)
OWN = Failed(cause="the loss became nan", fix="lower the learning rate", expected=True, fault="model")
KILLED = Ended(exit_code=None, signal="SIGKILL")
LEFT = Ended(exit_code=5, signal=None)
GOOD_END = Ended(exit_code=0, signal=None)
LOGS = {node: f"nodes/{node}/log.txt" for node in "abcd"}


def heard(*words: tuple[str, AnyEvent]) -> dict[str, Witness]:
    """In this order, by the controller."""
    witnesses = {node: Witness() for node in "abcd"}
    for order, (node, event) in enumerate(words, start=1):
        witnesses[node].hear(event, order)
    return witnesses


def blame(*words: tuple[str, AnyEvent]) -> Failure | None:
    return diagnose(heard(*words), a_plan(), LOGS)


def test_nobody_is_blamed_when_all_were_done_before_they_ended() -> None:
    assert blame(*((node, event) for event in (Done(), GOOD_END) for node in "abcd")) is None


def test_nobody_is_blamed_while_all_are_at_work() -> None:
    assert blame() is None


@pytest.mark.parametrize(
    "words",
    [
        [("c", ECHO), ("b", KILLED)],
        [("b", KILLED), ("c", ECHO)],
        [("c", ECHO), ("c", LEFT), ("d", ECHO), ("b", KILLED)],
        [("c", OWN), ("b", KILLED)],
    ],
    ids=["later", "earlier", "after two echoes", "after a failure that may follow from it"],
)
def test_a_worker_killed_by_a_signal_is_blamed_whatever_others_said_before(words: list[tuple[str, AnyEvent]]) -> None:
    failure = blame(*words)
    assert failure is not None
    assert (failure.node, failure.cause) == ("b", "killed by SIGKILL")


@pytest.mark.parametrize("words", [[("a", ECHO), ("d", OWN)], [("d", OWN), ("a", ECHO)]], ids=["later", "earlier"])
def test_a_failure_of_its_own_beats_an_echo(words: list[tuple[str, AnyEvent]]) -> None:
    failure = blame(*words)
    assert failure == Failure(
        node="d",
        layers=(2,),
        role="stage 2",
        cause="the loss became nan",
        fix="lower the learning rate",
        log="nodes/d/log.txt",
        kind="model",
    )


def test_of_several_failures_the_first_is_blamed() -> None:
    failure = blame(("c", OWN), ("b", OWN))
    assert failure is not None
    assert failure.node == "c"


def test_where_only_echoes_were_heard_the_first_is_told() -> None:
    failure = blame(("d", ECHO), ("a", ECHO), ("a", LEFT), ("d", LEFT))
    assert failure is not None
    assert (failure.node, failure.cause) == ("d", ECHO.cause)


def test_a_silent_worker_is_blamed_before_those_that_lost_it() -> None:
    witnesses = heard(("a", ECHO))
    witnesses["c"].silent_seconds = 61.7
    failure = diagnose(witnesses, a_plan(), LOGS)
    assert failure is not None
    assert (failure.node, failure.layers, failure.cause) == ("c", (1,), "it said nothing for 62 s")
    assert "still answers" in failure.fix


@pytest.mark.parametrize(
    ("state", "kind", "cause"),
    [
        ("stopped", "frozen", "it said nothing for 7 s: its process is stopped, by SIGSTOP or a frozen control group"),
        ("unknown", "silent", "it said nothing for 7 s, and its node does not answer either"),
        ("waits", "silent", "it said nothing for 7 s: its process waits for the disk"),
        ("lives", "silent", "it said nothing for 7 s, though its process lives"),
    ],
)
def test_a_silent_worker_s_failure_tells_what_its_node_says_of_it(state: WorkerState, kind: str, cause: str) -> None:
    witnesses = heard(("c", Examined(state=state)))
    witnesses["c"].silent_seconds = 7.1
    failure = diagnose(witnesses, a_plan(), LOGS)
    assert failure is not None
    assert (failure.node, failure.kind, failure.cause) == ("c", kind, cause)
    assert failure.fix


def test_a_worker_that_never_got_ready_is_named() -> None:
    witnesses = heard(("b", ECHO))
    witnesses["c"].late_seconds = 121.0
    failure = diagnose(witnesses, a_plan(), LOGS)
    assert failure is not None
    assert (failure.node, failure.kind) == ("c", "silent")
    assert failure.cause == "it was not ready 121 s after it had its job"


@pytest.mark.parametrize(("end", "code"), [(LEFT, "5"), (GOOD_END, "0")])
def test_an_end_without_a_word_is_a_failure_with_its_exit_code(end: Ended, code: str) -> None:
    failure = blame(("b", end))
    assert failure is not None
    assert (failure.cause, failure.kind) == (f"ended with exit code {code} before its work was done", "ended")


def test_a_worker_s_own_words_are_told_rather_than_its_exit_code() -> None:
    failure = blame(("b", OWN), ("b", LEFT))
    assert failure is not None
    assert failure.cause == OWN.cause


def test_a_worker_killed_after_its_work_was_done_is_not_blamed() -> None:
    assert blame(("b", Done()), ("b", KILLED)) is None


def test_a_sampler_is_blamed_without_layers() -> None:
    failure = blame(("a", KILLED))
    assert failure is not None
    assert failure.layers == ()


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (KILLED, "killed"),
        (Ended(exit_code=None, signal="SIGKILL", out_of_memory=True), "out-of-memory"),
        (Ended(exit_code=None, signal=None), "unreachable"),
        (Ended(exit_code=6, signal=None), "unreachable"),
        (OWN, "model"),
        (ECHO, "other"),
        (LEFT, "ended"),
    ],
)
def test_a_failure_says_in_a_word_what_it_means_for_going_on(event: AnyEvent, kind: str) -> None:
    failure = blame(("b", event))
    assert failure is not None
    assert failure.kind == kind


@pytest.mark.parametrize(("signal", "word"), [("SIGKILL", "memory"), ("SIGILL", "torch"), ("SIGBUS", "disk")])
def test_signals_with_a_usual_reason_come_with_its_fix(signal: str, word: str) -> None:
    failure = blame(("b", Ended(exit_code=None, signal=signal)))
    assert failure is not None
    assert word in failure.fix


@pytest.mark.parametrize("event", [Failed(cause="no idea", expected=False), Ended(exit_code=None, signal="SIGSEGV")])
def test_every_failure_comes_with_a_fix(event: AnyEvent) -> None:
    failure = blame(("b", event))
    assert failure is not None
    assert "log" in failure.fix


def blame_after_a_pause(pause_seconds: float, *words: tuple[str, AnyEvent]) -> Failure:
    witnesses = heard(*words)
    failure = diagnose(witnesses, a_plan(), LOGS)
    assert failure is not None
    return asleep(failure, witnesses, pause_seconds, 5.0)


@pytest.mark.parametrize("event", [Ended(exit_code=6, signal=None), Ended(exit_code=None, signal=None), ECHO])
def test_a_controller_that_slept_beyond_the_grace_is_the_cause_itself(event: AnyEvent) -> None:
    failure = blame_after_a_pause(12.3, ("b", event))
    assert (failure.node, failure.log) == (None, None)
    assert failure.cause.startswith("the controller slept for 12 s ")
    assert failure.cause.endswith("its workers wait for 5 s")
    assert failure.fix == "launch again; with --grace 30 the workers outlast such a pause"


def test_a_pause_that_no_grace_outlasts_is_to_be_prevented() -> None:
    assert "keep this machine awake" in blame_after_a_pause(7200.0, ("b", Ended(exit_code=6, signal=None))).fix


@pytest.mark.parametrize("event", [OWN, KILLED, LEFT])
def test_a_pause_excuses_no_failure_of_another_kind(event: AnyEvent) -> None:
    assert blame_after_a_pause(12.3, ("b", event)).node == "b"


def test_a_worker_that_heard_nothing_though_the_controller_was_awake_points_to_the_network() -> None:
    failure = blame_after_a_pause(1.1, ("b", Ended(exit_code=6, signal=None)))
    assert failure.node == "b"
    assert "heard nothing from the controller for longer than --grace" in failure.cause
    assert "network" in failure.fix


STARVED = Ended(exit_code=None, signal="SIGKILL", out_of_memory=True)
GB = 10**9


RESOURCES = Resources(
    rss_bytes=0,
    anonymous_bytes=700 << 20,
    file_bytes=0,
    peak_rss_bytes=0,
    peak_anonymous_bytes=0,
    engine_bytes=1 << 20,
    limit_bytes=1 << 30,
    cpu_share=0.0,
    temperature_celsius=None,
)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ([("b", RESOURCES)], ": it held 701 MiB, the limit there is 1,024 MiB"),
        ([], ": the limit there is 954 MiB"),
    ],
    ids=["by the worker's last word", "before its first word"],
)
def test_a_kill_for_want_of_memory_is_told_with_what_was_held_and_the_limit(
    told: list[tuple[str, AnyEvent]], words: str
) -> None:
    facts = {name: strong(name, GB) for name in "abcd"}
    failure = diagnose(heard(*told, ("b", STARVED)), a_plan(), LOGS, facts)
    assert failure is not None
    assert failure.cause == f"the kernel killed it for want of memory{words}"


@pytest.mark.parametrize(
    ("larger", "words"),
    [
        ("e", "e has 3.8 GB and idles, b has 1.0 GB: --nodes a,e,c,d; or use more nodes"),
        ("d", "d has 3.8 GB and does stage 2, b has 1.0 GB: --nodes a,d,c,b; or use more nodes"),
        ("b", "use more nodes"),
    ],
)
def test_a_node_with_more_memory_is_named_to_one_that_had_too_little(larger: str, words: str) -> None:
    facts = {name: strong(name, 38 * GB // 10 if name == larger else GB) for name in "abcde"}
    failure = diagnose(heard(("b", STARVED)), a_plan(), LOGS, facts)
    assert failure is not None
    assert failure.fix.startswith(words)


def test_a_replica_is_advised_as_its_machine() -> None:
    plan = Plan(
        strategy="mirrored",
        engine="gloo",
        sampler=("a.1", "a.2"),
        stages=(StagePlan(layers=(1, 2), nodes=("a.1", "a.2")),),
    )
    witnesses = {"a.1": Witness(), "a.2": Witness()}
    witnesses["a.2"].hear(STARVED, 1)
    failure = diagnose(witnesses, plan, {}, {"a": strong("a", GB), "b": strong("b", 4 * GB)})
    assert failure is not None
    assert "--nodes b; or" in failure.fix
