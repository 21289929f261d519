"""A file of rows: one launch a line, as one would type it after `picluster launch`."""

from __future__ import annotations

import shlex
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from picluster.controller.planning.request import FEATURE_DTYPES, LaunchRequest
from picluster.errors import InputError
from picluster.graph.names import CORA_LINQS, DEFAULT_SCALE, dataset_folder_name

_EXAMPLE = "one row a line, such as: --dataset cora --model gcn --strategy single"


@dataclass(frozen=True)
class RowLine:
    """A line of the file."""

    file: Path
    number: int
    words: tuple[str, ...]

    @property
    def place(self) -> str:
        """File and line, such as `comparisons/cora.txt:3`."""
        return f"{self.file}:{self.number}"


@dataclass(frozen=True)
class LaunchRow:
    """Launches that a line asks for: one for each seed."""

    line: RowLine
    request: LaunchRequest

    @property
    def model(self) -> str:
        """Name of the model, without folder and suffix."""
        return Path(self.request.model).stem

    @property
    def dataset(self) -> str:
        """Name of its graph folder, but for the split."""
        asked = self.request
        with suppress(InputError):  # what does not fit is told when it is planned
            dtype = FEATURE_DTYPES[asked.features or "fp16"]
            return dataset_folder_name(asked.dataset, asked.scale or DEFAULT_SCALE, dtype)
        return asked.dataset

    @property
    def has_splits(self) -> bool:
        """True where `--split-seed` draws a split."""
        return self.request.dataset == CORA_LINQS

    def with_seed(self, seed: int) -> LaunchRequest:
        """The launch with one of the seeds.

        Where there are splits, each seed draws one of its own. Pre-training, which sees no labels, is asked for once.
        """
        split_seed = seed if self.has_splits else self.request.split_seed
        return replace(self.request, seed=seed, split_seed=split_seed, pretrain=self.request.pretrain and seed == 0)


def read_rows(file: Path, further: str = "") -> list[RowLine]:
    """Read the lines that are neither empty nor comments (`#`), each with the words of `further` behind its own.

    InputError where the file cannot be read, has no rows, or a line ends within quotes.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot read the rows {file}: {error.strerror}", fix="name a file with --rows") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not a text in UTF-8", fix=_EXAMPLE) from error
    added = _split(further, "--with")
    rows = [
        RowLine(file, number, (*words, *added))
        for number, line in enumerate(text.splitlines(), start=1)
        if (words := _split(line, f"{file}:{number}"))
    ]
    if not rows:
        raise InputError(f"{file} has no rows", fix=_EXAMPLE)
    return rows


def _split(text: str, place: str) -> list[str]:
    try:
        return shlex.split(text, comments=True)
    except ValueError as error:
        raise InputError(f"{place}: {str(error).lower()}", fix="close the quotes") from error
