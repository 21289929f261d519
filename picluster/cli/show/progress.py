"""A launch on the screen: notes, plan, and progress, drawn where a person looks at a terminal, else told in lines."""

import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Self

from rich.console import Console, RenderableType

from picluster.cli.show.live_view import view
from picluster.cli.show.run_state import Past, RunState
from picluster.cli.show.run_tables import show_plan
from picluster.cli.show.screen import Screen, SteadyLive
from picluster.cli.show.words import epochs, learnt, note, plain
from picluster.cli.terminal.departure import Departure
from picluster.cli.terminal.interrupts import LookedAway
from picluster.cli.terminal.quiet import unechoed
from picluster.controller.record.run_folder import RunFolder
from picluster.controller.running.observer import Observer, Watch
from picluster.errors import Stopped
from picluster.schema.events import AnyEvent, EpochDone, Logged, Ready, StepDone, Tested
from picluster.schema.graph import GraphMeta
from picluster.schema.plan import Plan
from picluster.schema.spec import Spec
from picluster.wording import counted

_NEWS_SECONDS = 10.0
_REFRESHES_PER_SECOND = 4


class LaunchScreen(Observer):
    """Prints a launch as it goes on."""

    def __init__(self, *, plan_as_json: bool = False, departure: Departure | None = None) -> None:
        """`departure`: leave the terminal when the first run begins."""
        super().__init__()
        self._plan_as_json = plan_as_json
        self._departure = departure
        self._told: RunFolder | None = None

    def note(self, head: str, text: str) -> None:
        """Print a line about the launch."""
        note(head, text)

    def planned(self, plan: Plan) -> None:
        """Print who does what."""
        show_plan(plan, as_json=self._plan_as_json)

    def running(self, folder: RunFolder, spec: Spec, plan: Plan, graph: GraphMeta) -> AbstractContextManager[Watch]:
        """Print where the run's folder is, then how the run gets on."""
        if folder is not self._told:  # a further attempt has the same
            print(f"run        {folder.path}", flush=True)
        self._told = folder
        if self._departure:
            self._departure.leave(folder.letters, folder.terminal_file)
            self._departure = None
        attempts = folder.attempts()
        past = Past.of(folder, attempts[-1] if attempts else None)
        return progress(spec, plan, graph.splits["train"], past=past)


def progress(
    spec: Spec, plan: Plan, training_nodes: int, clock: Callable[[], float] = time.monotonic, past: Past | None = None
) -> AbstractContextManager[Watch]:
    """Display that suits standard output. `clock` counts the time of what it is told; `past`: what was done before."""
    screen = Screen()
    if screen.can_draw:
        return LiveView(RunState(spec, plan, training_nodes, clock, past), screen)
    return nullcontext(Lines(spec, plan, past=past))


class LiveView:
    """Draws the state a few times a second. Events come on one thread, rich draws on another."""

    def __init__(self, state: RunState, console: Console) -> None:
        self._state, self._console = state, console
        self._lock = threading.Lock()
        self._is_over = False
        self._live = SteadyLive(
            console=console, get_renderable=self._draw, refresh_per_second=_REFRESHES_PER_SECOND, redirect_stderr=True
        )
        self._silence = ExitStack()

    def __call__(self, node: str, event: AnyEvent) -> None:
        """Take an event into account."""
        with self._lock:
            self._state.hear(node, event)

    def __enter__(self) -> Self:
        self._silence.enter_context(unechoed())
        self._live.start(refresh=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        with self._lock:
            if not isinstance(error, LookedAway):
                self._state.end(stopped=isinstance(error, Stopped | KeyboardInterrupt))
            self._is_over = True
        with self._silence:
            self._live.stop()

    def _draw(self) -> RenderableType:
        """Draw the nodes that fit; all of them when the run is over, since a terminal scrolls then."""
        # The terminal echoes ^C behind the last line; wrapped, it would shift what is drawn next.
        width, height = self._console.width - len("^C"), self._console.height
        with self._lock:
            return view(self._state, width, None if self._is_over else height)


class Lines:
    """Prints a line for each epoch, and for steps when an epoch takes long."""

    def __init__(
        self, spec: Spec, plan: Plan, say: Callable[[str], None] | None = None, past: Past | None = None
    ) -> None:
        """`say` takes the lines instead of standard output; then none of the workers' logs is printed."""
        self._say = say
        self._epochs = spec.epochs
        self._nodes = len(plan.nodes)
        self._patience = spec.patience
        self._ready = 0
        self._last_epoch = past.epochs[-1].epoch if past and past.epochs else 0
        self._best_epoch = next((done.epoch for done in reversed(past.epochs if past else ()) if done.best), None)
        self._news = time.monotonic()

    def __call__(self, node: str, event: AnyEvent) -> None:
        """Take an event into account."""
        if isinstance(event, Logged) and self._say is None:
            print(f"{plain(node)} │ {plain(event.line)}", file=sys.stderr, flush=True)
        line = self._line(event)
        if line:
            self._news = time.monotonic()
            self._say(line) if self._say else print(line, flush=True)

    def _line(self, event: AnyEvent) -> str | None:
        if isinstance(event, Ready):
            self._ready += 1
            told = f"ready      {counted(self._nodes, 'node')} after {event.seconds:.1f} s"
            return told if self._ready == self._nodes else None
        if isinstance(event, EpochDone):
            self._last_epoch = event.epoch
            self._best_epoch = event.epoch if event.best else self._best_epoch
            return self._epoch_line(event)
        if isinstance(event, Tested) and self._last_epoch < self._epochs:
            return f"stopped    after epoch {self._last_epoch}: no better validation for {epochs(self._patience)}"
        if isinstance(event, StepDone) and event.loss is not None and time.monotonic() - self._news > _NEWS_SECONDS:
            return f"  epoch {event.epoch}, step {event.step}: loss {event.loss:.4f}"
        return None

    def _epoch_line(self, done: EpochDone) -> str | None:
        """Line of an epoch. Short epochs come many at a time: then only every so many is told, and the last."""
        often = max(1, self._epochs // 20)
        if done.epoch % often and done.epoch not in (1, self._epochs) and time.monotonic() - self._news < 1:
            return None
        is_judged = (done.validation_accuracy, done.validation_loss) != (None, None)
        best = f"  best {self._best_epoch}" if is_judged and self._best_epoch else ""
        return (
            f"epoch {done.epoch:>{len(str(self._epochs))}}/{self._epochs}  loss {done.loss:.4f}"
            f"{''.join(f'  {word}' for word in learnt(done))}  {done.seconds:.2f} s{best}"
        )
