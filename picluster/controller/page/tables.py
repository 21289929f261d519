"""The tables of a report as CSV and as Markdown; units stand in the heads."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from io import StringIO

from picluster.schema.record import Record
from picluster.schema.report import AttemptReport, EpochReport, NodeReport, Percentiles, Report
from picluster.wording import printable

_MEBIBYTE = 1 << 20
_LETTERS = 200
_SIGNS = "\\`*_|<>[]&#~"
"""Signs that mean something in Markdown."""
_FORMULA = "=+-@"
"""Signs with which a spreadsheet lets a formula begin."""


class PrintedTable(Record, frozen=True, kw_only=True):
    """Rows of words below their heads; a cell is empty where nothing is known."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def all_tables_of(report: Report) -> tuple[PrintedTable, ...]:
    """Tables of what came out, of nodes, epochs and links, and of further attempts where there were any."""
    found = {
        "run": printable(report.run, _LETTERS),
        "tag": printable(report.tag, _LETTERS),
        "status": report.status,
        "model": printable(report.model, _LETTERS),
        "data": printable(report.dataset, _LETTERS),
        "strategy": str(report.strategy),
        "engine": str(report.engine),
        "seed": str(report.seed),
        "best epoch": "" if report.best_epoch is None else str(report.best_epoch),
        "test accuracy": _number(report.test_accuracy, 1, 4),
        "joules": _number(report.joules, 1, 1),
        "joules to best epoch": _number(report.joules_to_best, 1, 1),
        "steps a second": _number(report.steps_per_second, 1, 2),
    }
    run = PrintedTable(title="Run", heads=tuple(found), rows=(tuple(found.values()),))
    of_attempts = ("attempt", "from", "after", "node", "cause", "seconds to its first step")
    attempts = PrintedTable(title="Attempts", heads=of_attempts, rows=tuple(map(_attempt, report.attempts)))
    return (run, *tables_of(report), *([attempts] if attempts.rows else []))


def tables_of(report: Report) -> tuple[PrintedTable, ...]:
    """The nodes, the epochs, and what passes between nodes where that is known."""
    of_nodes = (
        *("node", "role", "layers", "cores", "machine"),
        *("own MiB", "own MiB expected", "with files MiB", "with files MiB expected", "swapped MiB", "limit MiB"),
        *("step ms", "p95 ms", "compute ms", "wait ms", "send ms", "disk reads a step"),
        *("sent KiB a step", "received KiB a step", "joules"),
    )
    nodes = PrintedTable(title="Nodes", heads=of_nodes, rows=tuple(_node(node) for node in report.nodes))
    of_epochs = ("epoch", "loss", "train accuracy", "validation accuracy", "validation loss", "seconds", "joules")
    epochs = PrintedTable(title="Epochs", heads=of_epochs, rows=tuple(_epoch(epoch) for epoch in report.epochs))
    links = _links(report.nodes)
    return (nodes, epochs, links) if links.rows else (nodes, epochs)


def as_csv(tables: Sequence[PrintedTable]) -> str:
    """The tables one after another, an empty line between them. A name that looks like a formula gets a quote."""
    parts = []
    for table in tables:
        text = StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(table.heads)
        writer.writerows(
            [f"'{cell}" if cell.startswith(tuple(_FORMULA)) else cell for cell in row] for row in table.rows
        )
        parts.append(text.getvalue())
    return "\n".join(parts)


def as_markdown(tables: Sequence[PrintedTable]) -> str:
    """The tables one after another, below headings."""
    parts = []
    for table in tables:
        lines = [table.heads, ("---",) * len(table.heads), *(tuple(map(_plain, row)) for row in table.rows)]
        rows = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        parts.append(f"## {table.title}\n\n{rows}\n")
    return "\n".join(parts)


def _node(node: NodeReport) -> tuple[str, ...]:
    memory = node.memory
    own, with_files = memory.peak_anonymous_bytes, memory.peak_rss_bytes
    expected = (memory.expected_anonymous_bytes, memory.expected_resident_bytes)
    sizes = (own, expected[0], with_files, expected[1], memory.peak_swapped_bytes, memory.limit_bytes)
    times = (node.compute_ms, node.wait_ms, node.send_ms)
    return (
        printable(node.name, _LETTERS),
        node.role,
        " ".join(map(str, node.layers)),
        "" if node.cores is None else str(node.cores),
        printable(node.hardware.model, _LETTERS) if node.hardware else "",
        *(_number(size, _MEBIBYTE, 0) for size in sizes),
        *(_number(getattr(node.step_ms, percentile, None), 1, 1) for percentile in ("p50", "p95")),
        *(_number(_median(measured), 1, 1) for measured in times),
        _number(node.disk_reads_per_step, 1, 1),
        *(_number(size, 1024, 1) for size in (node.sent_bytes_per_step, node.received_bytes_per_step)),
        _number(node.joules, 1, 1),
    )


def _links(nodes: Sequence[NodeReport]) -> PrintedTable:
    """The bytes from each node to each other, the most first, and how fast they went; older runs do not know them."""
    sent = [(node, other, size) for node in nodes for other, size in node.sent_payload_to_per_step.items()]
    links = tuple(
        (
            printable(node.name, _LETTERS),
            printable(other, _LETTERS),
            _number(size, 1024, 1),
            _number(node.mbit_per_second_to(other), 1, 1),
        )
        for node, other, size in sorted(sent, key=lambda link: -link[2])
    )
    return PrintedTable(title="Links", heads=("from", "to", "KiB of tensors a step", "Mbit/s on the way"), rows=links)


def _epoch(done: EpochReport) -> tuple[str, ...]:
    values = (done.loss, done.train_accuracy, done.validation_accuracy, done.validation_loss)
    costs = (_number(done.seconds, 1, 2), _number(done.joules, 1, 1))
    return (str(done.epoch), *(_number(value, 1, 4) for value in values), *costs)


def _attempt(made: AttemptReport) -> tuple[str, ...]:
    after, first = made.after, made.first_step
    return (
        str(made.attempt),
        made.position.words,
        after.kind if after else "an end by somebody",
        printable(after.node or "", _LETTERS) if after else "",
        printable(after.cause, _LETTERS) if after else "",
        _number(None if first is None else first - made.started, 1, 1),
    )


def _median(measured: Percentiles | None) -> float | None:
    return measured.p50 if measured else None


def _number(value: float | None, unit: float, decimals: int) -> str:
    return "" if value is None else f"{value / unit:.{decimals}f}"


def _plain(cell: str) -> str:
    """A cell whose signs mean nothing in Markdown."""
    return "".join(f"\\{letter}" if letter in _SIGNS else letter for letter in cell)
