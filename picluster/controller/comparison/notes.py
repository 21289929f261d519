"""Notes on a comparison: which rows learnt the same bits, what they shared, what failed. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from picluster.controller.comparison.row_words import numbers

if TYPE_CHECKING:
    from picluster.controller.comparison.compared_run import Kind
    from picluster.schema.comparison import ComparedRow


def all_notes(rows: Sequence[ComparedRow], kinds: Sequence[Kind]) -> tuple[str, ...]:
    """Notes, a line each; `kinds` are those of the rows."""
    return (
        *_of_spread(rows),
        *_of_same_bits(rows),
        *_of_other_bits(rows, kinds),
        *_of_bytes(rows),
        *_of_pretraining(rows),
        *_of_failures(rows),
    )


def same_bits(rows: Sequence[ComparedRow]) -> tuple[tuple[int, ...], ...]:
    """Numbers of rows that share a seed, and learnt the same with all that they share."""
    groups: list[list[ComparedRow]] = []
    for row in rows:
        group = next((group for group in groups if all(_agree(row, other) for other in group)), None)
        if group is None:
            groups.append([row])
        else:
            group.append(row)
    return tuple(tuple(row.number for row in group) for group in groups if len(group) > 1)


def _of_spread(rows: Sequence[ComparedRow]) -> Iterator[str]:
    counts = {row.finished for row in rows if row.finished}
    if not counts or max(counts) == 1:
        return
    finished = [[run for run in row.runs if run.status == "finished"] for row in rows]
    seeds = [len({run.seed for run in runs}) == len(runs) for runs in finished]
    splits = [len({run.split for run in runs}) == len(runs) for runs in finished]
    each = " and ".join(word for word, holds in (("a seed", all(seeds)), ("a split", all(splits))) if holds)
    many = f"the {max(counts)} runs of a row" if len(counts) == 1 else "the finished runs of a row"
    yield f"Mean ± standard deviation of {many}{f', each with {each} of its own' if each else ''}."


def _of_same_bits(rows: Sequence[ComparedRow]) -> Iterator[str]:
    for group in same_bits(rows):
        yield f"{numbers(group).capitalize()} learnt the same, bit for bit: every loss, and the test accuracy."


def _of_other_bits(rows: Sequence[ComparedRow], kinds: Sequence[Kind]) -> Iterator[str]:
    """Note on rows that were to learn the same, and did not."""
    for place, (row, kind) in enumerate(zip(rows, kinds, strict=True)):
        if any(len(told) > 1 for told in _learnt(row).values()):
            yield f"Row {row.number} has runs of one seed whose losses differ in their bits, which should not be."
        earlier = [at for at in range(place) if _expects_the_same(kinds[at], kind)]
        first = next((at for at in earlier if _shared(rows[at], row)), None)
        if first is not None and not _agree(rows[first], row):
            why = _other_machines(kinds[first], kind)
            reason = why or "nothing that is recorded tells why; an earlier picluster made one of them, or it is a bug"
            yield f"Row {row.number} differs from row {rows[first].number} in the bits of its losses: {reason}."


def _of_pretraining(rows: Sequence[ComparedRow]) -> Iterator[str]:
    taken: dict[str, list[ComparedRow]] = {}
    for row in rows:
        if row.pretraining:
            taken.setdefault(row.pretraining.run, []).append(row)
    if not taken:
        return
    yield "Pre-training sees no labels, so all splits share it: it ran once, and stands beside the time of a run."
    for name, takers in taken.items():
        if len(takers) > 1:
            yield f"{numbers([row.number for row in takers]).capitalize()} share the pre-training of {name}."


def _of_failures(rows: Sequence[ComparedRow]) -> Iterator[str]:
    for row in rows:
        problems: dict[str, list[int]] = {}
        for run in row.runs:
            if run.status == "failed":
                problems.setdefault(run.problem, []).append(run.seed)
        for problem, seeds in problems.items():
            seed = f"seed{'' if len(seeds) == 1 else 's'} {', '.join(map(str, seeds))}"
            yield f"Row {row.number} failed with {seed}: {problem.rstrip('.')}."


def sent_below_payload(sent: float | None, payload: float | None) -> bool:
    """True where sockets carried less than the tensors' own bytes: some went another way, or were not counted."""
    return sent is not None and payload is not None and sent < payload


def why_below_payload(engine: str) -> str:
    """Explanation of that, beginning after the names of the rows or nodes that it concerns."""
    if engine == "ray":
        way = "hand tensors on in shared memory, which no socket carries; on a machine each, all of them cross"
        return f"sent less than the payload, because workers of Ray on one machine {way}"
    return "counted less than the payload: some of its connections were not seen, so it sent more than is told"


def _of_bytes(rows: Sequence[ComparedRow]) -> Iterator[str]:
    found: dict[str, list[int]] = {}
    for row in rows:
        sent, payload = row.sent_bytes_per_step, row.sent_payload_bytes_per_step
        if sent and payload and sent_below_payload(sent.mean, payload.mean):
            found.setdefault(why_below_payload(row.engine), []).append(row.number)
    for why, of_rows in found.items():
        yield f"* {numbers(of_rows).capitalize()} {why}."


def _learnt(row: ComparedRow) -> dict[tuple[int, int], set[str]]:
    """Fingerprints of what was learnt, by seed and split: one, unless a run was made again elsewhere."""
    found: dict[tuple[int, int], set[str]] = {}
    for run in row.runs:
        if run.learnt is not None:
            found.setdefault((run.seed, run.split), set()).add(run.learnt)
    return found


def _shared(row: ComparedRow, other: ComparedRow) -> set[tuple[int, int]]:
    return _learnt(row).keys() & _learnt(other).keys()


def _agree(row: ComparedRow, other: ComparedRow) -> bool:
    mine, its = _learnt(row), _learnt(other)
    shared = _shared(row, other)
    return bool(shared) and all(mine[drawn] == its[drawn] and len(mine[drawn]) == 1 for drawn in shared)


def _expects_the_same(one: Kind, other: Kind) -> bool:
    return (one.model, one.dataset, one.learnt) == (other.model, other.dataset, other.learnt)


def _other_machines(first: Kind, kind: Kind) -> str:
    before = dict(first.machines)
    return ", ".join(
        f"{name} {value} instead of {before[name]}" for name, value in kind.machines if before.get(name, value) != value
    )
