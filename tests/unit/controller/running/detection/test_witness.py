"""Whose silence is asked about, and who is given up for it."""

import pytest

from picluster.controller.running.detection.witness import (
    LATE_SECONDS,
    QUIET_SECONDS,
    READY_SECONDS,
    SILENCE_SECONDS,
    Witness,
    ready_seconds,
)
from picluster.schema.events import Done, Ended, Examined, Hardware, Ready, WorkerState

HARDWARE = Hardware(model="m", kernel="k", torch="t", cores=1, threads=1)
READY = Ready(hardware=HARDWARE, rendezvous_port=None, seconds=1.0)
LATER = 100.0


def quiet(seconds: float) -> tuple[Witness, float]:
    """A worker that was ready, and has said nothing for so long; and the time."""
    witness = Witness(given_job=LATER - 1)
    witness.hear(READY, 1, LATER)
    return witness, LATER + seconds


def examined(state: WorkerState, seconds: float = QUIET_SECONDS + 0.1) -> Witness:
    witness, now = quiet(seconds)
    assert witness.is_to_be_asked(now)
    witness.hear(Examined(state=state), 1, now + 0.5)
    return witness


def test_a_node_is_asked_about_a_worker_that_is_silent_and_not_again_before_it_answered() -> None:
    witness, now = quiet(QUIET_SECONDS + 0.1)
    assert not witness.is_to_be_asked(now - 1)
    assert [witness.is_to_be_asked(now + seconds) for seconds in (0, 1, 2 * QUIET_SECONDS)] == [True, False, False]
    witness.hear(Examined(state="lives"), 1, now + 1)
    assert not witness.is_to_be_asked(now + QUIET_SECONDS)
    assert witness.is_to_be_asked(now + QUIET_SECONDS + 0.1)


@pytest.mark.parametrize(("state", "fails"), [("stopped", True), ("unknown", True), ("lives", False), ("waits", False)])
def test_a_worker_fails_when_it_is_stopped_or_its_node_does_not_answer(state: WorkerState, fails: bool) -> None:
    witness = examined(state)
    assert (witness.is_failing, witness.is_cause) == (fails, fails)
    assert witness.silent_seconds == (pytest.approx(QUIET_SECONDS + 0.6) if fails else None)


def test_a_cut_that_is_shorter_than_the_grace_is_nobody_s_failure() -> None:
    witness = Witness(grace_seconds=60.0, got_ready=0.0)
    for now in (20.0, 40.0, 66.0, 66.1):
        assert not witness.is_failing
        witness.asked = now - 14
        witness.hear(Examined(state="unknown"), 1, now)
        witness.judge(now, READY_SECONDS)
    assert witness.is_failing


def test_a_worker_that_speaks_before_its_node_answers_has_not_failed() -> None:
    witness, now = quiet(QUIET_SECONDS + 0.1)
    assert witness.is_to_be_asked(now)
    witness.hear(READY, 1, now + 0.1)
    witness.hear(Examined(state="stopped"), 1, now + 0.5)
    assert not witness.is_failing


def test_a_worker_that_lives_and_says_nothing_is_given_up_in_the_end() -> None:
    witness = examined("lives")
    witness.judge(LATER + SILENCE_SECONDS, READY_SECONDS)
    assert not witness.is_failing
    witness.judge(LATER + SILENCE_SECONDS + 0.1, READY_SECONDS)
    assert witness.is_failing


@pytest.mark.parametrize("ended", [Ended(exit_code=0, signal=None), Ended(exit_code=None, signal="SIGKILL")])
def test_nobody_is_asked_about_a_worker_that_has_ended(ended: Ended) -> None:
    witness, now = quiet(0)
    witness.hear(Done(), 1, now)
    witness.hear(ended, 1, now)
    assert not witness.is_to_be_asked(now + SILENCE_SECONDS)
    witness.judge(now + 2 * SILENCE_SECONDS, READY_SECONDS)
    assert not witness.is_failing


def test_a_worker_that_does_not_get_ready_is_given_up_though_it_speaks() -> None:
    witness = Witness(given_job=LATER)
    for seconds, fails in ((READY_SECONDS, False), (READY_SECONDS + 0.1, True)):
        witness.judge(LATER + seconds, READY_SECONDS)
        assert witness.is_failing == fails


def test_data_may_be_on_their_way_for_as_long_as_it_takes() -> None:
    witness = Witness()
    witness.judge(10 * READY_SECONDS, READY_SECONDS)
    assert not witness.is_failing


@pytest.mark.parametrize(
    ("took", "allowed"),
    [
        ([None, None, None], READY_SECONDS),
        ([3.0, None, None], READY_SECONDS),
        ([3.0, 4.0, None], LATE_SECONDS),
        ([3.0, 50.0, None], 200.0),
    ],
    ids=["nobody is ready", "two are not", "one is not", "the others were slow, too"],
)
def test_how_long_the_last_one_may_take_follows_from_its_fellows(took: list[float | None], allowed: float) -> None:
    witnesses = {str(number): Witness(given_job=LATER) for number in range(3)}
    for witness, seconds in zip(witnesses.values(), took, strict=True):
        witness.got_ready = None if seconds is None else LATER + seconds
    assert ready_seconds(witnesses) == allowed
