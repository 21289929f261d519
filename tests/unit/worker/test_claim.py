"""Claims of workers on a machine."""

import json
import multiprocessing
import os
import threading
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import msgspec
import pytest

from picluster.agent import claims as readers
from picluster.errors import RunFailed
from picluster.schema.job import Claim
from picluster.schema.run import Controller
from picluster.worker import claim as module
from picluster.worker.claim import hold, release

CONTROLLER = Controller(host="laptop", pid=1, started=0.0, user="anna", machine="m")
CLAIM = Claim(run="first", node="pi3", controller=CONTROLLER, is_exclusive=True, grace_seconds=5.0)
LATER = msgspec.structs.replace(CLAIM, run="second", controller=msgspec.structs.replace(CONTROLLER, started=1.0))
EARLIER = msgspec.structs.replace(CLAIM, run="zeroth", controller=msgspec.structs.replace(CONTROLLER, started=-1.0))
FORK = multiprocessing.get_context("fork")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for place in (module, readers):
        monkeypatch.setattr(place, "claims_folder", lambda: tmp_path / "claims")
    return tmp_path / "claims"


@pytest.fixture
def holder() -> Iterator[Connection]:
    """Another process, which holds `CLAIM` until it is told to end."""
    ours, theirs = FORK.Pipe()
    process = FORK.Process(target=_hold_until_told, args=(theirs,))
    process.start()
    assert ours.recv() == "held"
    yield ours
    process.kill()
    process.join()


def _hold_until_told(told: Connection) -> None:
    hold(CLAIM)
    told.send("held")
    told.recv()
    os._exit(0)


@pytest.mark.usefixtures("holder")
def test_a_later_run_is_refused_at_once_with_the_words_who_has_it() -> None:
    begun = time.monotonic()
    with pytest.raises(RunFailed, match="busy with run first of user anna since"):
        hold(LATER)
    assert time.monotonic() - begun < 1


@pytest.mark.usefixtures("holder")
def test_an_earlier_run_is_refused_when_its_patience_ends() -> None:
    begun = time.monotonic()
    with pytest.raises(RunFailed, match="busy with run first of user anna since"):
        hold(EARLIER, patience_seconds=0.3)
    assert time.monotonic() - begun > 0.3


def test_an_earlier_run_gets_the_machine_when_the_later_one_gives_way(holder: Connection) -> None:
    threading.Timer(0.2, holder.send, ["end"]).start()
    hold(EARLIER)
    assert [each["run"] for each in readers.claims()] == ["zeroth"]
    release()


@pytest.mark.usefixtures("holder")
def test_workers_of_one_run_share_a_machine(folder: Path) -> None:
    hold(msgspec.structs.replace(CLAIM, node="pi4"))
    assert sorted(each["node"] for each in readers.claims()) == ["pi3", "pi4"]
    release()
    assert [each["node"] for each in readers.claims()] == ["pi3"]
    assert len(list(folder.glob("*.json"))) == 1


@pytest.mark.usefixtures("holder")
def test_a_worker_that_shares_its_machine_is_neither_refused_nor_in_the_way() -> None:
    hold(msgspec.structs.replace(CLAIM, run="second", is_exclusive=False))
    release()


def test_what_a_worker_held_that_was_killed_holds_no_more_and_is_swept(holder: Connection, folder: Path) -> None:
    (left,) = folder.glob("*.json")
    holder.send("end")
    while readers.claims():
        continue
    assert left.exists()
    hold(LATER)
    assert not left.exists()
    release()


def test_the_words_tell_what_to_end(folder: Path) -> None:
    hold(CLAIM)
    (file,) = folder.glob("*.json")
    told = json.loads(file.read_text())
    assert (told["run"], told["pid"], told["group"]) == ("first", os.getpid(), os.getpgid(0))
    release()


def test_every_user_may_claim_and_nobody_may_remove_another_s(folder: Path) -> None:
    hold(CLAIM)
    (file,) = folder.iterdir()
    assert folder.stat().st_mode & 0o7777 == 0o1777
    assert file.stat().st_mode & 0o777 == 0o644
    release()
    assert not list(folder.iterdir())


@pytest.mark.usefixtures("holder")
def test_who_gives_way_leaves_no_claim(folder: Path) -> None:
    with pytest.raises(RunFailed):
        hold(LATER)
    assert [each["run"] for each in readers.claims()] == ["first"]
    assert len(list(folder.iterdir())) == 1


def _race(number: int, start: Connection, won: Connection) -> None:
    controller = msgspec.structs.replace(CONTROLLER, started=float(number))
    start.recv()
    try:
        hold(msgspec.structs.replace(CLAIM, run=f"run{number}", controller=controller), patience_seconds=2)
    except RunFailed:
        won.send(None)
    else:
        won.send(number)
        start.recv()
    os._exit(0)


def test_of_launches_at_the_same_moment_exactly_one_gets_the_machine() -> None:
    for _ in range(3):
        pairs = [(FORK.Pipe(), FORK.Pipe()) for _ in range(6)]
        racers = [
            FORK.Process(target=_race, args=(number, start[1], won[1])) for number, (start, won) in enumerate(pairs)
        ]
        for racer in racers:
            racer.start()
        for start, _ in pairs:
            start[0].send("go")
        winners = [number for _, won in pairs if (number := won[0].recv()) is not None]
        assert len(winners) == 1
        for racer in racers:
            racer.kill()
            racer.join()
