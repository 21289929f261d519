"""Training states of a run: from the newest that is whole, the run can be taken up by other nodes, under any plan."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from picluster.controller.record.record_files import checksum, read_record, write_record
from picluster.errors import DataError
from picluster.schema.state import Beginning, Position, StateManifest

_MANIFEST = "manifest.json"


class States:
    """The folder `states/` of a run, with a folder for each position that holds one file a layer and the manifest."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def folder(self, position: Position) -> Path:
        """Folder of the layers' states at a position."""
        return self.path / position.name

    def keep(self, manifest: StateManifest, kept: Sequence[Position]) -> None:
        """Write the manifest of a state, which makes it exist, and remove those before it that are not to be `kept`."""
        newest = manifest.state.position
        write_record(self.folder(newest) / _MANIFEST, manifest)
        for folder, position in self._found():
            if position not in kept and position.order < newest.order:
                shutil.rmtree(folder, ignore_errors=True)

    def newest(self, note: Callable[[str], None]) -> Beginning:
        """The newest state that is whole, its files by their paths here; the very beginning where there is none.

        `note` is told of those that are damaged.
        """
        for folder, position in reversed(self._found()):
            file = folder / _MANIFEST
            if not file.exists():  # its files had not all arrived
                continue
            try:
                return _whole(file)
            except DataError as error:
                note(f"the state at {position.words} cannot be used: {error.what}")
        return Beginning()

    def remove(self) -> None:
        """Remove all of them: the run is over."""
        shutil.rmtree(self.path, ignore_errors=True)

    def _found(self) -> list[tuple[Path, Position]]:
        """Folders of states, whole or not, in the order of their positions."""
        found = [(folder, Position.named(folder.name)) for folder in self.path.glob("*")]
        return sorted(((f, p) for f, p in found if p is not None), key=lambda each: each[1].order)


def _whole(file: Path) -> Beginning:
    """The state of a manifest. DataError where anything in it or beside it was changed since it was written."""
    manifest = read_record(file, StateManifest)
    if not manifest.is_whole:
        raise DataError(f"{file} was changed since it was written")
    state = manifest.state
    paths = [file.with_name(name) for name in state.layer_files]
    for path, sha256 in zip(paths, state.checksums, strict=True):
        if checksum(path) != sha256:
            raise DataError(f"{path} was changed since it was written")
    return msgspec.structs.replace(state, layer_files=tuple(str(path.absolute()) for path in paths))
