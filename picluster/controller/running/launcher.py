"""Leads the workers of a plan through one run, to a result."""

from __future__ import annotations

import queue
import secrets
from collections.abc import Callable
from contextlib import suppress

import msgspec

from picluster.controller.record.report import stopped
from picluster.controller.running.checkpoints import Arrived, Fetcher, FileWritten, Rhythm
from picluster.controller.running.detection.diagnosis import asleep, diagnose, own_failure
from picluster.controller.running.detection.witness import Witness, ready_seconds
from picluster.controller.running.launch import Launch
from picluster.controller.running.workforce import Workforce
from picluster.errors import DataError, RunFailed, Stopped
from picluster.schema.events import AnyEvent, Failed, Logged, Ready, StateWritten, Status, StepDone, Tested
from picluster.schema.facts import mixed_numerics
from picluster.schema.job import Endpoint, GiveState, Start
from picluster.schema.run import Failure, Result
from picluster.system import SYSTEM, System

WORD_SECONDS = 6.0
"""Time that the cause of a failure may take to arrive after its echo: a node without power is noticed after 5 s."""
TOKEN_BYTES = 32
SILENT_LINK_SECONDS = 60.0
"""Least time after which a silent connection between workers breaks: the heartbeat is sooner, and names the node."""
_TICK_SECONDS = 0.25
_LONGEST_TICK_SECONDS = 1.0
"""Time between two looks that counts as silence of others: in a longer one it was the controller that slept."""


class Launcher:
    """Leads the workers of one run. One thread decides; readers only put what they hear into its queue."""

    def __init__(self, launch: Launch, watch: Callable[[str, AnyEvent], None], system: System = SYSTEM) -> None:
        """`watch` sees every event, with its node's name."""
        self._launch, self._watch, self._system = launch, watch, system
        self._folder, self._plan = launch.folder, launch.plan
        self._workforce = Workforce(launch, system)
        self._witnesses = {node: Witness(launch.grace_seconds) for node in self._plan.nodes}
        self._listened, self._looked = 0.0, system.now()
        """Seconds of listening so far, and the time of the last look at the clock."""
        self._ready: dict[str, Ready] = {}
        self._fetcher = Fetcher(launch, self._workforce.heard, system)
        self._rhythm = Rhythm(launch.every, launch.epoch_steps, launch.spec.epochs, system.now())
        self._test_accuracy: float | None = None

    def run(self) -> Result:
        """Make the run; whatever happens, no worker stays, and the folder gets a result.

        Unless a node failed: then the caller decides whether that is the run's end, and records the result.
        Stopped where somebody asked to end (SIGINT, SIGTERM, SIGHUP); the result is written before.
        """
        failure: Failure | None = None
        try:
            self._workforce.start()
            failure = self._lead()
            for node, event in self._stop_workers():
                if isinstance(event, Logged) and failure and node == failure.node:
                    self._watch(node, event)
        except (KeyboardInterrupt, Stopped) as error:
            by = (error.by if isinstance(error, Stopped) else "") or "Ctrl-C"
            self._stop_workers()
            with suppress(DataError):  # it was stopped, whether or not the disk takes that
                self._end("stopped", None, by)
            raise stopped(self._folder, by) from error
        except BaseException as error:
            self._stop_workers()
            with suppress(DataError):  # the reason why it failed may be the reason why that cannot be written
                self._end("failed", own_failure(error))
            raise
        if failure and failure.node:
            told = f"error: {failure.cause}"  # by the folder itself
            lines = tuple(line for line in self._folder.last_lines(failure.node) if line != told)
            failure = msgspec.structs.replace(failure, last_lines=lines)
        return self._result("failed", failure) if failure else self._end("finished", None)

    def _lead(self) -> Failure | None:
        """Handle events until all workers are done and their files fetched (None), or one has failed."""
        while self._fetcher.is_busy or not all(witness.ended for witness in self._witnesses.values()):
            self._hear(_TICK_SECONDS)
            self._mind_the_silent()
            if self._is_failing:
                return self._find_cause()
            if position := self._rhythm.due(self._system.now()):
                self._workforce.tell_all(GiveState(position=position))
        return None

    def _mind_the_silent(self) -> None:
        """Ask the nodes of workers that say nothing; give up those that have no excuse."""
        now = self._system.now()
        self._listened += min(now - self._looked, _LONGEST_TICK_SECONDS)
        self._looked = now
        limit = ready_seconds(self._witnesses)
        for node, witness in self._witnesses.items():
            if witness.given_job is None and node in self._workforce.jobs_given:
                witness.given_job = self._listened
            witness.judge(self._listened, limit)
            if witness.is_to_be_asked(self._listened):
                self._workforce.ask_state(node)

    @property
    def _is_failing(self) -> bool:
        return any(witness.is_failing for witness in self._witnesses.values())

    def _hear(self, timeout_seconds: float) -> None:
        """Take one event, if one comes in time."""
        try:
            node, event = self._workforce.heard.get(timeout=timeout_seconds)
        except queue.Empty:
            return
        if isinstance(event, Arrived):
            if not self._is_failing:  # the loss of a node would show as that of its file, too
                self._take_file(event)
            return
        witness = self._witnesses[node]
        if isinstance(event, Logged):
            witness.heard = self._listened
            self._watch(node, event)
            return
        order = 1 + sum(each.is_failing for each in self._witnesses.values())
        witness.hear(event, order, self._listened)
        self._folder.record(node, event, self._launch.attempt)
        if isinstance(event, Ready):
            self._welcome(node, event)
        elif isinstance(event, StepDone) and self._plan.stage_of(node) is not None:
            self._rhythm.hear(event, self._system.now())
        elif isinstance(event, Tested):
            self._test_accuracy = event.test_accuracy
        elif isinstance(event, FileWritten):
            self._fetcher.begin(node, event)
        self._watch(node, event)

    def _take_file(self, arrived: Arrived) -> None:
        try:
            position = self._fetcher.finish(arrived)
        except RunFailed as error:
            if isinstance(arrived.event, StateWritten):  # the next will do; a node that is lost says so otherwise
                line = f"note: the state at {arrived.event.position.words} is left out: {error.what}"
                self._watch(arrived.node, Logged(line=line))
                return
            # An echo, as long as the node's worker does not say more.
            echo = Failed(cause=error.what, fix=error.fix, expected=True, lost_peer=True)
            self._witnesses[arrived.node].hear(echo, 1 + sum(each.is_failing for each in self._witnesses.values()))
        else:
            if position:
                self._rhythm.came(position)

    def _welcome(self, node: str, ready: Ready) -> None:
        """Give the start when everybody is ready."""
        self._ready[node] = ready
        if len(self._ready) < len(self._plan.nodes):
            return
        first = self._plan.nodes[0]
        mixed = mixed_numerics({name: each.hardware.numerics for name, each in self._ready.items()})
        if mixed and mixed not in self._plan.notes:  # before its first run a node's numerics are not known
            self._watch(first, Logged(line=f"note: {mixed}"))
        self._workforce.tell_all(self._start())

    def _start(self) -> Start:
        """The go-ahead, with a token that nobody but these workers is told."""
        transports = self._launch.transports
        endpoints = [
            Endpoint(node=node, address=transports[node].address, port=self._ready[node].rendezvous_port)
            for node in self._plan.nodes
        ]
        return Start(
            endpoints=tuple(endpoints),
            token=secrets.token_hex(TOKEN_BYTES),
            silence_seconds=max(SILENT_LINK_SECONDS, 2 * self._launch.grace_seconds),
        )

    def _find_cause(self) -> Failure | None:
        """Find the cause of a failure; where only echoes of it were heard so far, wait a little for it."""
        deadline = self._system.now() + WORD_SECONDS
        while self._system.now() < deadline and not any(witness.is_cause for witness in self._witnesses.values()):
            self._hear(_TICK_SECONDS)
        logs = {node: str(self._folder.log_file(node).relative_to(self._folder.path)) for node in self._plan.nodes}
        failure = diagnose(self._witnesses, self._plan, logs, self._launch.facts)
        pause_seconds, grace_seconds = self._workforce.longest_pause_seconds, self._launch.grace_seconds
        if failure is None:
            return None
        failure = asleep(failure, self._witnesses, pause_seconds, grace_seconds)
        return msgspec.structs.replace(failure, found=self._system.date())

    def _stop_workers(self) -> list[tuple[str, AnyEvent]]:
        """End all of them; returns their last words, which it has taken down."""
        self._fetcher.close()
        words = [(node, event) for node, event in self._workforce.stop() if not isinstance(event, Arrived)]
        for node, event in words:
            if not isinstance(event, Logged):
                with suppress(DataError):  # the run is over; what it came to matters more
                    self._folder.record(node, event, self._launch.attempt)
        return words

    def _end(self, status: Status, failure: Failure | None, stopped_by: str = "") -> Result:
        result = self._result(status, failure, stopped_by)
        self._folder.end(result)
        return result

    def _result(self, status: Status, failure: Failure | None, stopped_by: str = "") -> Result:
        return Result(
            status=status,
            failure=failure,
            test_accuracy=self._test_accuracy,
            ended=self._system.date(),
            stopped_by=stopped_by,
        )
