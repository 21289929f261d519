"""A place in the course of a run, and what the judge knows there: with the layers' files, enough to go on elsewhere."""

import hashlib
import re
from typing import Literal

import msgspec

from picluster.schema.record import Record, to_json

Phase = Literal["training", "validation", "test"]


class Position(Record, frozen=True, kw_only=True):
    """The next thing that all roles of a run do: a training step, the validation of an epoch, or the test."""

    phase: Phase = "training"
    """The test includes the weights' files, which are written after it."""
    epoch: int = 1
    """Counted from 1; for the test the last epoch that was made."""
    step: int = 1
    """Counted from 1 within the epoch; 0 outside of training."""

    @property
    def order(self) -> tuple[int, int, int]:
        """Sorts positions in the order in which a run comes to them."""
        return self.epoch, ("training", "validation", "test").index(self.phase), self.step

    @staticmethod
    def named(name: str) -> "Position | None":
        """The position of that `name`; None where it is none."""
        if not (found := re.fullmatch(r"epoch-(\d+)-(?:step-(\d+)|(validation|test))", name)):
            return None
        epoch, step, phase = found.groups()
        return msgspec.convert({"phase": phase or "training", "epoch": int(epoch), "step": int(step or 0)}, Position)

    @property
    def words(self) -> str:
        """For a person, such as `epoch 2, step 17`."""
        return f"epoch {self.epoch}, {f'step {self.step}' if self.phase == 'training' else self.phase}"

    @property
    def name(self) -> str:
        """Part of file names, such as `epoch-2-step-17` or `epoch-2-validation`."""
        return f"epoch-{self.epoch}-{f'step-{self.step}' if self.phase == 'training' else self.phase}"


class JudgeState(Record, frozen=True, kw_only=True):
    """Findings of the judge, the first replica of the last stage, at one position."""

    best_merit: float | None = None
    """The best epoch's validation accuracy, or its loss with a minus; None before the first."""
    best_epoch: int = 0
    """0 before the first."""
    loss: float = 0.0
    """Sum of the losses of the current epoch's seeds."""
    right: int = 0
    """Right predictions of the current epoch's training."""
    seconds: float = 0.0
    """Time that the current epoch has taken."""


class Beginning(Record, frozen=True, kw_only=True):
    """The position and state at which a worker takes up its run: by default the first step, with fresh weights."""

    position: Position = Position()
    judge: JudgeState = JudgeState()
    """Known to every worker, used by the judge."""
    layer_files: tuple[str, ...] = ()
    """Paths on the node: the state of each layer that it holds, in their order."""
    checksums: tuple[str, ...] = ()
    """SHA-256 of each of these files; a file that has another is not used."""

    def of_layers(self, layers: tuple[int, ...]) -> "Beginning":
        """The same with the files of some layers only, of a state that has one for every layer."""
        files, checksums = (
            [each[layer - 1] for layer in layers if each] for each in (self.layer_files, self.checksums)
        )
        return msgspec.structs.replace(self, layer_files=tuple(files), checksums=tuple(checksums))


class StateManifest(Record, frozen=True, kw_only=True):
    """`manifest.json` of a training state: it is written when the files of all layers have arrived whole."""

    schema_version: int = 1
    state: Beginning
    """Names of the files, which lie beside the manifest."""
    sha256: str
    """Checksum of `state` as a line of JSON."""

    @staticmethod
    def of(state: Beginning) -> "StateManifest":
        """The manifest of a state."""
        return StateManifest(state=state, sha256=_sha256(state))

    @property
    def is_whole(self) -> bool:
        """False where something was changed since it was written."""
        return self.sha256 == _sha256(self.state)


def _sha256(state: Beginning) -> str:
    return hashlib.sha256(to_json(state)).hexdigest()
