"""The lines of the workers' logs: as they are, and as they come."""

import threading
import time
from pathlib import Path

import msgspec
import pytest

from picluster.controller.record.leader import this_controller
from picluster.controller.record.log_lines import follow_logs, read_logs
from picluster.controller.record.run_folder import RunFolder
from picluster.schema.run import Result
from tests.unit.controller.made import copy_of_run_v1

ENDED = Result(status="finished", failure=None, test_accuracy=None, ended=0.0)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A run of two nodes without logs, which this very process leads."""
    folder = RunFolder(copy_of_run_v1(tmp_path / "run"))
    folder.result_file.unlink()
    folder.begin(
        msgspec.structs.replace(folder.run(), controller=this_controller()), folder.plan(), folder.environment()
    )
    for node in folder.plan().nodes:
        folder.log_file(node).unlink(missing_ok=True)
    return folder


def write(folder: RunFolder, node: str, text: bytes) -> None:
    folder.node_folder(node)
    with folder.log_file(node).open("ab") as log:
        log.write(text)


def test_lines_come_with_their_node_and_a_silent_node_has_none(run: RunFolder) -> None:
    first, second, *_ = run.plan().nodes
    write(run, second, b"one\ntwo")
    assert list(read_logs(run, [first, second])) == [(second, "one"), (second, "two")]


def test_who_follows_sees_lines_whole_as_they_come_until_the_run_has_ended(run: RunFolder) -> None:
    node = run.plan().nodes[0]
    heard: list[str] = []
    follower = threading.Thread(target=lambda: heard.extend(line for _, line in follow_logs(run, [node])))
    follower.start()
    for piece in ("first li", "ne\nsecond\nthird with \xc3".encode("latin-1"), b"\xa9 letters", b"\nno end"):
        write(run, node, piece if isinstance(piece, bytes) else piece.encode())
        time.sleep(0.25)
    assert follower.is_alive()
    run.end(ENDED)
    follower.join(5)
    assert heard == ["first line", "second", "third with é letters", "no end"]


def test_who_follows_a_run_that_nobody_leads_any_more_is_not_kept_waiting(run: RunFolder) -> None:
    gone = msgspec.structs.replace(this_controller(), started=0.0)
    run.begin(msgspec.structs.replace(run.run(), controller=gone), run.plan(), run.environment())
    write(run, run.plan().nodes[0], b"last words\n")
    assert [line for _, line in follow_logs(run, run.plan().nodes)] == ["last words"]
