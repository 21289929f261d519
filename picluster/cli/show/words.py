"""Numbers, names and records in their printed form."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from picluster.schema.record import RecordType, to_json
from picluster.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from picluster.schema.events import EpochDone

NOTHING = "–"
_MEBIBYTE = 1 << 20


def plain(text: str) -> str:
    """Text without what would steer the terminal: a node or a copied folder may be called anything."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def fraction(value: float | None) -> str:
    """Accuracy with four decimals."""
    return NOTHING if value is None else f"{value:.4f}"


def learnt(done: EpochDone) -> list[str]:
    """Accuracies of an epoch, or where values are learnt the loss; nothing where the graph has no validation nodes."""
    if done.train_accuracy is None:
        return [] if done.validation_loss is None else [f"validation loss {done.validation_loss:.4f}"]
    words = [f"train {done.train_accuracy:.4f}"]
    return words if done.validation_accuracy is None else [*words, f"validation {done.validation_accuracy:.4f}"]


def milliseconds(time_ms: float) -> str:
    """Time with a decimal where there is but one digit before it."""
    return f"{time_ms:.1f} ms" if time_ms < 10 else f"{time_ms:,.0f} ms"  # noqa: PLR2004


def mebibytes(size: int | None) -> str:
    """Size in whole MiB."""
    return NOTHING if size is None else f"{size / _MEBIBYTE:,.0f}"


def kibibytes(size: float | None) -> str:
    """Size in KiB with a decimal."""
    return NOTHING if size is None else f"{size / 1024:,.1f}"


def listed(values: Sequence[object]) -> str:
    """List separated by commas."""
    return ", ".join(map(str, values))


def epochs(count: int | None) -> str:
    """Number of epochs, such as `1 epoch` or `5 epochs`."""
    return f"{NOTHING} epochs" if count is None else counted(count, "epoch")


def note(head: str, text: str) -> None:
    """Print a line on standard error, below a head such as `inventory`."""
    print(f"{head:<10} {plain(text)}", file=sys.stderr, flush=True)


def print_record(record: RecordType, show: Callable[[RecordType], None], *, as_json: bool) -> None:
    """Print a record on standard output: as JSON, or by the function that shows it to a person."""
    if as_json:
        typer.echo(to_json(record, indent=True), nl=False)
    else:
        show(record)
