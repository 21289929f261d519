"""`make test-faults`: makes schedules, and tells of those that went wrong and how to replay them."""

from __future__ import annotations

import argparse
import multiprocessing
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator

import torch

from tests.simulation.schedule import Outcome, expected, simulate
from tests.simulation.tasks import KINDS

TOLD_SECONDS = 60.0


def main() -> None:
    """Read the command line, and exit with 1 where anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("seeds", type=seeds_of, help="300 for the first 300; 17..20 for 17, 18, 19 and 20")
    parser.add_argument("--jobs", type=int, default=1, help="processes at work")
    parser.add_argument("--trace", action="store_true", help="print all that happens")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    for kind in KINDS:
        expected(kind)
    bad, ends, begun = 0, Counter[str](), time.monotonic()
    told, steps, seconds = begun, 0, 0.0
    for number, outcome in enumerate(_made(asked.seeds, asked.jobs, keep_trace=asked.trace), start=1):
        ends.update(kinds_of(outcome))
        bad, steps, seconds = bad + bool(outcome.wrong), steps + outcome.steps, seconds + outcome.seconds
        if outcome.wrong or len(asked.seeds) == 1:
            print("\n".join(story(outcome)), flush=True)
        if time.monotonic() > told + TOLD_SECONDS:
            told = time.monotonic()
            print(f"{number} schedules, {bad} wrong, {told - begun:.0f} s", flush=True)
    took = time.monotonic() - begun
    count = len(asked.seeds)
    print(f"{count} schedules ({steps:,} steps, {seconds / 3600:.1f} simulated hours) in {took:.0f} s: {bad} wrong")
    print("\n".join(f"{times:7} {kind}" for kind, times in ends.most_common()))
    sys.exit(bad > 0)


def seeds_of(text: str) -> range:
    """Read which seeds are meant."""
    first, dots, last = text.partition("..")
    return range(int(first), int(last) + 1) if dots else range(int(first))


def story(outcome: Outcome) -> Iterator[str]:
    """Tell what happened in a schedule, for a person."""
    yield f"seed {outcome.seed}, {outcome.steps} steps, {outcome.seconds:.1f} s, trace {outcome.trace}"
    yield from (f"  {fault}" for fault in outcome.faults)
    yield from (f"  -> {end}" for end in outcome.ends)
    yield from (f"  WRONG: {wrong}" for wrong in outcome.wrong)
    yield from outcome.lines or ()
    if outcome.wrong:
        yield f"  replay: make test-faults SEEDS={outcome.seed}..{outcome.seed}"


def kinds_of(outcome: Outcome) -> Iterator[str]:
    """Kinds of ends of a schedule's controllers and attempts, without what is particular to it."""
    yield "wrong" if outcome.wrong else "right"
    yield f"struck by {len(outcome.faults)} faults"
    for end in outcome.ends:
        head = re.sub(r"\S*\d\S*|\S*/\S*", "…", end.splitlines()[0])
        yield head[:70]


def _made(seeds: range, jobs: int, *, keep_trace: bool) -> Iterator[Outcome]:
    if jobs == 1:
        yield from (simulate(seed, keep_trace=keep_trace) for seed in seeds)
        return
    with multiprocessing.get_context("fork").Pool(jobs) as pool:
        yield from pool.imap(simulate, seeds, chunksize=4)


if __name__ == "__main__":
    main()
