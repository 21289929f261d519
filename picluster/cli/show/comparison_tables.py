"""Comparisons as text at 80 columns: results, cost, memory."""

from collections.abc import Callable, Sequence

from rich.table import Table

from picluster.cli.show.screen import NARROW, Screen, plain_table
from picluster.cli.show.words import NOTHING, fraction, kibibytes, mebibytes, plain
from picluster.controller.comparison.incomparable import MARK, has_disturbed_times
from picluster.controller.comparison.notes import sent_below_payload, unlike_words
from picluster.controller.comparison.row_words import common_words, names_of, seconds_words, words_apart
from picluster.schema.comparison import ComparedRow, Comparison, Spread
from picluster.wording import counted

_WORDS = ("model", "data", "strategy", "engine", "cores", "with")
"""Columns that tell rows apart in every table."""
_MOST_UNLIKE = 8


def show_comparison(found: Comparison) -> None:
    """Print a table of results, one of time and bytes, one of memory, and the notes."""
    screen = Screen()
    rows = found.rows
    count = sum(len(row.runs) for row in rows)
    tagged = f", tag {plain(found.tag)}" if found.tag else ""
    screen.print(f"compared   {counted(count, 'run')} in {counted(len(rows), 'row')}{tagged}")
    screen.print(plain(f"in all     {', '.join(common_words(rows).values())}"))
    _show_unlike(found, screen)
    # Columns that tell rows apart stand beside the figures where they fit, also in paragraphs; else above, once.
    tried = (_results(rows, (*_WORDS, "runs")), _cost_table(rows, _WORDS))
    fit = screen.width < NARROW or all(screen.fits(table) for table in tried)
    wanted = _WORDS if fit else ()
    if not wanted and len(rows) > 1:
        screen.show(_legend(rows), "rows")
    results = _results(rows, (*wanted, "nodes", "runs"))  # the memory of each node stands below anyway
    if not wanted or screen.width < NARROW or not screen.fits(results):
        results = _results(rows, (*wanted, "runs"))
    screen.show(results, "learnt")
    if any(row.finished for row in rows):
        screen.show(_cost_table(rows, wanted), "cost of a run, bytes of a step")
        screen.show(_memory_table(rows, wanted, screen), "memory, MiB (peak anonymous)")
    if found.notes:
        screen.print()
    for note in found.notes:
        screen.fill(plain(note), indent=2)


def _show_unlike(found: Comparison, screen: Screen) -> None:
    """Print the settings in which rows differ: they must be known before two rows are compared."""
    words = [unlike_words(each) for each in found.unlike]
    if left_out := [each.setting for each in found.unlike[_MOST_UNLIKE:]]:
        words[_MOST_UNLIKE:] = [f"and {len(left_out)} more: {', '.join(left_out)} (--json has all)"]
    for place, line in enumerate(words):
        screen.fill(f"{'' if place else 'differ':<11}{plain(line)}", indent=13)
    for why in found.incomparable:
        screen.fill(plain(why), indent=2, style="bold")


def _legend(rows: Sequence[ComparedRow]) -> Table:
    table = plain_table(["", ""])
    table.show_header = False
    for row, names in zip(rows, names_of(rows), strict=True):
        table.add_row(str(row.number), plain(" · ".join(names)))
    return table


def _results(rows: Sequence[ComparedRow], wanted: Sequence[str]) -> Table:
    def cells(row: ComparedRow) -> list[str]:
        measures = (row.train_accuracy, row.loss, row.validation_accuracy)
        return [_test(row), *(fraction(_mean(spread)) for spread in measures)]

    return _table(rows, wanted, ["test", "train", "loss", "vali-\ndation"], cells)


def _test(row: ComparedRow) -> str:
    """Test accuracy with its spread; of a row without a finished run, the status of its last one."""
    if not row.finished:
        return row.runs[-1].status
    found = row.test_accuracy
    if found is None or found.standard_deviation is None:
        return fraction(found.mean if found else None)
    return f"{found.mean:.4f} ± {found.standard_deviation:.4f}"


def _cost_table(rows: Sequence[ComparedRow], wanted: Sequence[str]) -> Table:
    """Time, bytes and energy, with columns for pre-training and energy where there was any or it was measured."""
    has_pretraining = any(row.pretraining for row in rows)
    has_energy = any(row.joules_to_best for row in rows)
    heads = ["time", *(["pre-\ntraining"] if has_pretraining else []), "step\nms", "sent\nKiB", "payload\nKiB"]
    heads += ["J to\nbest"] if has_energy else []

    def cells(row: ComparedRow) -> list[str]:
        before = [_time(row.pretraining.seconds) if row.pretraining else ""] if has_pretraining else []
        sent, payload = _mean(row.sent_bytes_per_step), _mean(row.sent_payload_bytes_per_step)
        sizes = [kibibytes(sent) + ("*" if sent_below_payload(sent, payload) else ""), kibibytes(payload)]
        mark = MARK if has_disturbed_times(row) else ""
        step = NOTHING if row.step_ms is None else f"{row.step_ms.mean:,.1f}{mark}"
        joules = _mean(row.joules_to_best)
        energy = [NOTHING if joules is None else f"{joules:,.0f}"] if has_energy else []
        return [_time(_mean(row.seconds)) + mark, *before, step, *sizes, *energy]

    return _table(rows, wanted, heads, cells)


def _memory_table(rows: Sequence[ComparedRow], wanted: Sequence[str], screen: Screen) -> Table:
    """Peak of each node in a column of its own; where these do not fit, the largest and the smallest."""
    nodes = list(dict.fromkeys(peak.node for row in rows for peak in row.memory))

    def peaks(row: ComparedRow) -> list[str]:
        found = {peak.node: mebibytes(peak.anonymous_bytes) for peak in row.memory}
        return [found.get(node, "") for node in nodes]

    table = _table(rows, wanted, [plain(node) for node in nodes], peaks)
    if nodes and screen.fits(table):
        return table
    return _table(rows, wanted, ["largest", "on", "smallest", "all"], _extremes)


def _extremes(row: ComparedRow) -> list[str]:
    if not row.memory:
        return [NOTHING] * 4
    peaks = sorted(row.memory, key=lambda peak: peak.anonymous_bytes)
    total = sum(peak.anonymous_bytes for peak in peaks)
    largest, smallest = mebibytes(peaks[-1].anonymous_bytes), mebibytes(peaks[0].anonymous_bytes)
    return [largest, plain(peaks[-1].node), smallest, mebibytes(total)]


def _table(
    rows: Sequence[ComparedRow], wanted: Sequence[str], heads: Sequence[str], cells: Callable[[ComparedRow], list[str]]
) -> Table:
    """Table of each row's number, the words that tell it apart, and its cells."""
    apart = {head: words for head, words in words_apart(rows).items() if head in wanted}
    table = plain_table(["", *apart], heads)
    for place, row in enumerate(rows):
        table.add_row(str(row.number), *(plain(words[place]) for words in apart.values()), *cells(row))
    return table


def _mean(spread: Spread | None) -> float | None:
    return spread.mean if spread else None


def _time(seconds: float | None) -> str:
    return NOTHING if seconds is None else seconds_words(seconds)
