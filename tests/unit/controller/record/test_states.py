"""Training states in a run folder: which are kept, and which can be used."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from picluster.controller.record.states import States
from picluster.schema.state import Beginning, Position, StateManifest

PLACES = [Position(epoch=1, step=2), Position(phase="validation", epoch=1, step=0), Position(epoch=2, step=1)]


@pytest.fixture
def states(tmp_path: Path) -> States:
    """Three states of two layers each."""
    states = States(tmp_path / "states")
    for place in PLACES:
        write(states, place)
    return states


def write(states: States, place: Position, kept: tuple[Position, ...] = tuple(PLACES)) -> None:
    folder = states.folder(place)
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{place.name}-layer-{layer}.safetensors" for layer in (1, 2)]
    for name in names:
        (folder / name).write_bytes(name.encode())
    checksums = [hashlib.sha256(name.encode()).hexdigest() for name in names]
    state = Beginning(position=place, layer_files=tuple(names), checksums=tuple(checksums))
    states.keep(StateManifest.of(state), kept)


def damaged(file: Path, place: int) -> None:
    content = bytearray(file.read_bytes())
    content[place] ^= 1
    file.write_bytes(content)


def test_the_newest_is_taken_with_paths_that_can_be_read(states: States) -> None:
    newest = states.newest(pytest.fail)
    assert newest.position == PLACES[-1]
    assert all(Path(file).is_absolute() and Path(file).exists() for file in newest.layer_files)


def test_without_any_a_run_begins_anew(tmp_path: Path) -> None:
    assert States(tmp_path / "states").newest(pytest.fail) == Beginning()


@pytest.mark.parametrize("name", ["epoch-2-step-1-layer-2.safetensors", "manifest.json"])
@pytest.mark.parametrize("harm", ["cut off", "one bit", "gone"])
def test_a_damaged_one_is_told_and_the_one_before_is_taken(states: States, name: str, harm: str) -> None:
    file, told = states.folder(PLACES[-1]) / name, list[str]()
    if harm == "cut off":
        file.write_bytes(file.read_bytes()[:-2])
    elif harm == "gone":
        file.unlink()
    else:
        damaged(file, 20)
    assert states.newest(told.append).position == PLACES[-2]
    # Without a manifest there is no state: its files may still be on their way.
    assert [text.startswith("the state at epoch 2, step 1 cannot be used: ") for text in told] == [True] * (
        (name, harm) != ("manifest.json", "gone")
    )


def test_no_bit_of_a_manifest_can_change_unseen(states: States) -> None:
    file = states.folder(PLACES[-1]) / "manifest.json"
    whole, taken = file.read_bytes(), list[Beginning]()
    for place in range(0, len(whole), 7):
        damaged(file, place)
        taken.append(states.newest(lambda _: None))
        file.write_bytes(whole)
    newest = states.newest(pytest.fail)
    # What lies between the words, such as an indentation, may change.
    assert all(found in (newest, states_before(states)) for found in taken)
    assert taken.count(newest) < len(taken) / 2


def states_before(states: States) -> Beginning:
    manifest = states.folder(PLACES[-1]) / "manifest.json"
    aside = manifest.rename(manifest.with_name("aside"))
    found = states.newest(pytest.fail)
    aside.rename(manifest)
    return found


def test_older_ones_go_when_a_newer_one_is_whole(states: States) -> None:
    last = Position(epoch=2, step=5)
    write(states, last, kept=(PLACES[-1], last))
    assert {folder.name for folder in states.path.iterdir()} == {PLACES[-1].name, last.name}
