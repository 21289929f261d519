"""A file of rows: one launch a line, as one would type it after `picluster launch`."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from picluster.errors import InputError

_EXAMPLE = "one row a line, such as: --dataset cora --model gcn --strategy single"
_PRETRAIN = "--pretrain"


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
    """Launch that a line asks for."""

    line: RowLine
    model: str
    """Name of the model, without folder and suffix."""
    dataset: str
    """Name of its graph folder, but for the split."""
    has_splits: bool
    """True where `--split-seed` draws a split."""

    def words(self, seed: int, *, tag: str, inventory: Path | None) -> list[str]:
        """For `picluster launch`, with one of the seeds.

        Where there are splits, each seed draws one of its own. Pre-training, which sees no labels, is asked for once.
        """
        words = [word for word in self.line.words if seed == 0 or word != _PRETRAIN]
        words += ["--seed", str(seed), "--tag", tag]
        words += ["--split-seed", str(seed)] if self.has_splits else []
        return words + ([] if inventory is None else ["--inventory", str(inventory)])


def read_rows(file: Path, further: str = "") -> list[RowLine]:
    """The lines that are neither empty nor comments (`#`), each with the words of `further` behind its own.

    Raises:
        InputError: the file cannot be read, has no rows, or a line ends within quotes.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot read the rows {file}: {error.strerror}", fix="name a file with --rows") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not a text in UTF-8", fix=_EXAMPLE) from error
    added = _split(further, "--with")
    rows = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = _split(line, f"{file}:{number}")
        if words:
            rows.append(RowLine(file, number, (*words, *added)))
    if not rows:
        raise InputError(f"{file} has no rows", fix=_EXAMPLE)
    return rows


def _split(text: str, place: str) -> list[str]:
    try:
        return shlex.split(text, comments=True)
    except ValueError as error:
        raise InputError(f"{place}: {str(error).lower()}", fix="close the quotes") from error
