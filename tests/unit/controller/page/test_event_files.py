"""Event files for TensorBoard, read record by record with the messages that they are made of."""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from picluster.controller.page.event_files import write_event_files
from picluster.controller.record.report import make_report
from picluster.controller.record.run_folder import RunFolder
from picluster.errors import DataError, MissingError
from tests.unit.controller.made import RUN_V1


def figures(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Steps and values of the only event file of a folder, by name."""
    [file] = (path for path in folder.iterdir() if path.is_file())
    assert "tfevents" in file.name  # by this TensorBoard knows it
    first, *events = records(file.read_bytes())
    assert first.file_version == "brain.Event:2"
    found: dict[str, list[tuple[int, float]]] = {}
    for event in events:
        for value in event.summary.value:
            found.setdefault(value.tag, []).append((event.step, value.simple_value))
    return found


def records(content: bytes) -> Iterator[Any]:
    """Each is its length, that one's checksum, itself, and its checksum."""
    from tensorboardX.proto.event_pb2 import Event

    while content:
        (size,) = struct.unpack_from("<Q", content)
        yield Event.FromString(content[12 : 12 + size])
        content = content[size + 16 :]


def test_what_was_learnt_and_what_nodes_did_are_in_folders_of_their_own(tmp_path: Path) -> None:
    run = RunFolder(RUN_V1)
    report = make_report(run)
    folder = write_event_files(run, tmp_path / "new" / "tb")
    assert folder == tmp_path / "new" / "tb" / run.name
    assert {path.name for path in folder.iterdir() if path.is_dir()} == {node.name for node in report.nodes}

    learnt = figures(folder)
    each = learnt["loss/step"][-1][0] // len(report.epochs)
    assert [step for step, _ in learnt["loss/step"]] == list(range(1, each * len(report.epochs) + 1))
    assert [step for step, _ in learnt["loss/epoch"]] == [each * done.epoch for done in report.epochs]
    assert [loss for _, loss in learnt["loss/epoch"]] == pytest.approx([done.loss for done in report.epochs])
    assert learnt["accuracy/test"][0][1] == pytest.approx(report.test_accuracy)

    node = figures(folder / report.nodes[1].name)
    assert len(node["step ms/whole"]) == len(learnt["loss/step"])
    assert 0 < max(size for _, size in node["memory MiB/own"]) < max(size for _, size in node["memory MiB/with files"])
    assert "processor/degrees Celsius" not in node  # a machine without a sensor

    before = sorted(tmp_path.rglob("*"))
    write_event_files(run, tmp_path / "new" / "tb")
    assert sorted(tmp_path.rglob("*")) == before  # a second call replaces: no line is drawn twice


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "tb").touch()
    with pytest.raises(DataError, match="tb"):
        write_event_files(RunFolder(RUN_V1), tmp_path / "tb")


def test_without_the_package_the_person_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX.record_writer", None)
    with pytest.raises(MissingError, match="EXTRAS=tensorboard"):
        write_event_files(RunFolder(RUN_V1), tmp_path)
    assert list(tmp_path.iterdir()) == []
