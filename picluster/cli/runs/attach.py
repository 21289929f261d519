"""`picluster attach`: the live view of a run, from any terminal."""

from __future__ import annotations

import shlex
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import typer

from picluster.cli.runs.launch import say_farewell, say_result
from picluster.cli.show.words import note, plain
from picluster.cli.terminal import options
from picluster.cli.terminal.interrupts import EndSignals, LookedAway, pauses_told
from picluster.cli.terminal.typeable import typeable
from picluster.errors import PiclusterError, Stopped

if TYPE_CHECKING:
    from picluster.controller.record.run_folder import RunFolder
    from picluster.controller.running.observer import Watch
    from picluster.schema.plan import Plan
    from picluster.schema.run import Result, Resumption

EXAMPLES = """Examples:

picluster attach                     the last run
picluster attach ymbu                the run whose name ends with these letters"""


def attach(run: options.RunName = None) -> None:
    """Show how a run gets on until it has ended, as its launch does. Ctrl-C leaves the run alone."""
    from picluster.controller.record.all_runs import find_run
    from picluster.controller.record.following import awaited_training

    folder, named = find_run(run), run
    print(f"run        {plain(str(folder.path))}", flush=True)
    try:
        with EndSignals(LookedAway), pauses_told("the run goes on, and fg shows it again"):
            result = _show(folder)
            while folder.training_file.exists():  # a launch shows the training after a pre-training, too
                folder = awaited_training(folder)
                named = named and folder.letters
                print(f"run        {plain(str(folder.path))}", flush=True)
                result = _show(folder)
    except LookedAway:
        say_farewell(shlex.quote(run or folder.letters))
        raise typer.Exit(Stopped.exit_code) from None
    except PiclusterError as error:  # a fix looks into the inventory that the run had
        error.fix = typeable(error.fix, [sys.argv[0], *folder.environment().command[1:]])
        raise
    say_result(folder, result.test_accuracy, shlex.join(["picluster", "report", *filter(None, [named])]))


class _Clock:
    """Time of what a run tells: that of an event while it is taken in, else now."""

    def __init__(self, moment: float) -> None:
        self.moment: float | None = moment

    def __call__(self) -> float:
        return time.time() if self.moment is None else self.moment


def _show(folder: RunFolder) -> Result:
    """Show a run until it has finished; returns its result. RunFailed or Stopped where it ends otherwise."""
    from picluster.cli.show.progress import progress
    from picluster.cli.show.run_state import Past
    from picluster.controller.record.following import follow_run
    from picluster.controller.record.report import error_of, result_of

    task = folder.run()
    clock = _Clock(task.started)
    with ExitStack() as shown:

        def begin(plan: Plan, resumption: Resumption | None = None) -> Watch:
            past = Past.of(folder, resumption)
            watch = shown.enter_context(progress(task.spec, plan, task.graph.splits["train"], clock, past))
            clock.moment = None
            return watch

        attempt, watch = 1, begin(folder.first_plan())
        for told in follow_run(folder):
            clock.moment = told.time
            if told.attempt > attempt:
                shown.close()
                attempt = told.attempt
                (resumption,) = (each for each in folder.attempts() if each.attempt == attempt)
                note("going on", resumption.words)
                watch = begin(resumption.plan, resumption)
            watch(told.node, told.event)
            clock.moment = None
        result = result_of(folder)
        clock.moment = result.ended or None
        if error := error_of(folder, result):
            raise error
        return result
