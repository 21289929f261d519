"""Brings the weights that the stages wrote into the run folder."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from picluster.controller.record.record_files import refuse
from picluster.errors import DataError
from picluster.schema.run import Manifest

if TYPE_CHECKING:
    from picluster.controller.nodes.machine import Transport
    from picluster.controller.record.run_folder import RunFolder
    from picluster.schema.events import CheckpointWritten


class CheckpointCollector:
    """Collects the files of checkpoints; each exists when the last of its files has come."""

    def __init__(self, folder: RunFolder, stages: int) -> None:
        """`stages`: how many files make a checkpoint."""
        self._folder = folder
        self._stages = stages
        self._checksums: dict[int, dict[str, str]] = defaultdict(dict)

    def fetch(self, transport: Transport, written: CheckpointWritten) -> None:
        """Fetch one stage's file; DataError where it arrives damaged, or the disk does not take it."""
        folder = self._folder.checkpoint_folder(written.epoch)
        file = folder / Path(written.path).name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            transport.fetch(written.path, file)
        except OSError as error:
            refuse("write", file, error)
        if hashlib.sha256(file.read_bytes()).hexdigest() != written.sha256:
            raise DataError(f"{file} did not arrive as {written.path} was written")
        files = self._checksums[written.epoch]
        files[file.name] = written.sha256
        if len(files) == self._stages:
            self._folder.keep_checkpoint(Manifest(epoch=written.epoch, files=dict(sorted(files.items()))))
