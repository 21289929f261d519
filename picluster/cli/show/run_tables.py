"""Plans and reports as text at 80 columns."""

import sys
import time
from collections.abc import Sequence

import typer
from rich.table import Table

from picluster.cli.show.screen import Screen, plain_table
from picluster.cli.show.words import NOTHING, epochs, fraction, kibibytes, listed, mebibytes, plain
from picluster.cli.terminal.typeable import typeable
from picluster.controller.comparison.notes import sent_below_payload, why_below_payload
from picluster.controller.record.energy import energy_words
from picluster.schema.facts import mixed_numerics
from picluster.schema.plan import ExpectedMemory, Plan
from picluster.schema.record import to_json
from picluster.schema.report import AttemptReport, NodeReport, Percentiles, Report
from picluster.schema.run import Failure
from picluster.schema.spec import Evaluation
from picluster.wording import counted, listed_name

_EPOCHS_SHOWN = 5
_CLASSES_SHOWN, _CLASS_LETTERS = 12, 24


def show_plan(plan: Plan, *, as_json: bool) -> None:
    """Print a line for each node's work on standard error; with `as_json` the plan itself on standard output."""
    if as_json:
        typer.echo(to_json(plan, indent=True), nl=False)
    screen = Screen(stderr=True)
    screen.tell(_plan_line(plan.strategy, plan.nodes, plan.engine))
    width = max(10, *map(len, plan.nodes))
    for node in plan.nodes:
        layers = plan.layers_of(node)
        held = f", layer{'s' if len(layers) > 1 else ''} {listed(layers)}" if layers else ""
        held += f", on {plan.cores_of(node)} cores" if plan.cores_of(node) > 1 else ""
        held += f": {_expected(plan.memory[node])}" if node in plan.memory else ""
        screen.tell(f"  {plain(node):<{width}} {plan.role_of(node)}{held}")
    if plan.idle:
        screen.tell(f"  {plain(', '.join(plan.idle))}: not used by this plan")
    for note in plan.notes:
        screen.tell(f"  note: {typeable(note)}")


def _expected(memory: ExpectedMemory) -> str:
    """Memory that a node is expected to take, in words such as `245 MiB + 134 of files, of 1,024`."""
    words = f"{mebibytes(memory.anonymous_bytes)} MiB + {mebibytes(memory.mapped_bytes)} of files"
    return words if memory.limit_bytes is None else f"{words}, of {mebibytes(memory.limit_bytes)}"


def _plan_line(strategy: str, nodes: Sequence[object], engine: str) -> str:
    return f"plan       {strategy} over {counted(len(nodes), 'node')}, engine {engine}"


def show_report(report: Report) -> None:
    """Print tables of a run: result, epochs, memory and time of every node."""
    screen = Screen()
    screen.tell(f"run        {report.run}: {report.status}")
    if report.tag:
        screen.tell(f"tag        {report.tag}")
    screen.tell(f"trained    {report.model} on {report.dataset}, seed {report.seed}")
    if report.class_names:
        screen.tell(_classes(report.class_names))
    screen.tell(_plan_line(report.strategy, report.nodes, report.engine))
    if mixed := mixed_numerics({node.name: node.hardware.numerics for node in report.nodes if node.hardware}):
        screen.tell(f"note       {mixed}")
    if report.failure:
        _show_failure(screen, report.failure, report.environment.command)
    if report.status == "stopped" and report.stopped_by:
        done = f"after {len(report.epochs)} of {epochs(report.epochs_planned)}"
        screen.tell(f"stopped    by {report.stopped_by}, {done}")
    for attempt in report.attempts:
        screen.tell(f"went on    {_attempt_words(attempt)}")
    _show_results(screen, report)
    if report.epochs:
        screen.show(_epochs_table(report), "epochs")
    expects = any(node.memory.expected_anonymous_bytes for node in report.nodes)
    screen.show(_memory_table(report), f"memory, MiB (peaks{', of what the plan expected' if expects else ''})")
    screen.show(_time_table(report.nodes), "a step: ms (medians), KiB over the wire")
    below = [node.name for node in report.nodes if _is_below_payload(node)]
    if below:
        screen.print(f"\n* {plain(listed(below))} {why_below_payload(report.engine)}")


def _show_failure(screen: Screen, failure: Failure, command: Sequence[str]) -> None:
    """`command`: the one with which the run began."""
    screen.tell(f"failure    {failure.who if failure.node else 'controller'}: {failure.cause}")
    typed = [sys.argv[0], *command[1:]]  # a fix looks into the inventory that the run had
    screen.tell(f"           fix: {typeable(failure.fix, typed)}")
    if failure.log:
        screen.tell(f"           log: {failure.log}{', which ends with' if failure.last_lines else ''}")
    for line in failure.last_lines:
        screen.tell(f"             {line}")


def _attempt_words(attempt: AttemptReport) -> str:
    after = attempt.after
    why = f"after {after.node or 'the controller'}: {after.cause}" if after else "after it was ended"
    taken = "" if attempt.first_step is None else f", first step after {attempt.first_step - attempt.started:.1f} s"
    when = time.strftime("%H:%M:%S", time.localtime(attempt.started))
    return f"{when} from {attempt.position.words}, {why}{taken}"


def _classes(names: Sequence[str]) -> str:
    shown = [listed_name(name, _CLASS_LETTERS) for name in names[:_CLASSES_SHOWN]]
    left_out = f" … and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    return f"classes    {', '.join(shown)}{left_out}"


def _show_results(screen: Screen, report: Report) -> None:
    if report.steps_per_second:
        screen.tell(f"speed      {report.steps_per_second:.2f} steps/s")
    if words := energy_words(report):
        screen.tell(f"energy     {words}")
    if report.stopped_early:
        why = f": no better validation for {epochs(report.patience)}" if report.patience else ""
        screen.tell(f"stopped    after epoch {len(report.epochs)} of {report.epochs_planned}{why}")
    best = next((epoch for epoch in report.epochs if epoch.epoch == report.best_epoch), None)
    if best and best.validation_accuracy is not None:
        loss = f", loss {best.validation_loss:.4f}" if best.validation_loss is not None else ""
        by = " by loss" if report.monitor == "loss" else ""
        found = f"validation {best.validation_accuracy:.4f}{loss} ({_seen(report.validation)})"
        screen.tell(f"best       epoch {best.epoch}{by}: {found}")
    if report.test_accuracy is not None:
        has_validated = any(
            (epoch.validation_accuracy, epoch.validation_loss) != (None, None) for epoch in report.epochs
        )
        when = "at the best validation" if has_validated else "after the last epoch"
        screen.tell(f"test       {report.test_accuracy:.4f} accuracy {when} ({_seen(report.evaluation)})")


def _seen(evaluation: Evaluation) -> str:
    return "all neighbours" if evaluation == "exact" else "sampled neighbours"


def _epochs_table(report: Report) -> Table:
    table = plain_table(numbers=("epoch", "loss", "train", "validation", "seconds"))
    left_out = len(report.epochs) - _EPOCHS_SHOWN
    if left_out > 0:
        table.add_row("…", *[""] * 4)
    for epoch in report.epochs[-_EPOCHS_SHOWN:]:
        accuracies = [fraction(accuracy) for accuracy in (epoch.train_accuracy, epoch.validation_accuracy)]
        table.add_row(str(epoch.epoch), f"{epoch.loss:.4f}", *accuracies, f"{epoch.seconds:.2f}")
    return table


def _memory_table(report: Report) -> Table:
    """Peaks of every node, with columns for the engine's own processes, swap and the disk where there is any of it."""
    has_processes = any(node.memory.peak_engine_bytes for node in report.nodes)
    has_swapped = any(node.memory.peak_swapped_bytes for node in report.nodes)
    heads = ["resident", "anonymous", *([f"+ {report.engine}"] if has_processes else [])]
    has_read = any((node.disk_reads_per_step or 0) >= 1 for node in report.nodes)
    heads += [*(["swapped"] if has_swapped else []), *(["disk reads"] if has_read else []), "limit"]
    table = plain_table(("node", "role", "layers"), heads)
    for node in report.nodes:
        memory = node.memory
        cells = [
            _beside(memory.peak_rss_bytes, memory.expected_resident_bytes),
            _beside(memory.peak_anonymous_bytes, memory.expected_anonymous_bytes),
            *([mebibytes(memory.peak_engine_bytes)] if has_processes else []),
            *([mebibytes(memory.peak_swapped_bytes)] if has_swapped else []),
            *([f"{node.disk_reads_per_step or 0:,.0f}"] if has_read else []),
            mebibytes(memory.limit_bytes),
        ]
        table.add_row(plain(node.name), node.role, listed(node.layers) or NOTHING, *cells)
    return table


def _beside(measured: int | None, expected: int | None) -> str:
    """A measure, and what the plan expected where it is known."""
    return mebibytes(measured) if expected is None else f"{mebibytes(measured)} of {mebibytes(expected)}"


def _time_table(nodes: Sequence[NodeReport]) -> Table:
    table = plain_table(["node"], ("cores", "step", "p95", "compute", "wait", "send", "sent", "received"))
    for node in nodes:
        times = [_at(node.step_ms, "p50"), _at(node.step_ms, "p95")]
        times += [_at(measure, "p50") for measure in (node.compute_ms, node.wait_ms, node.send_ms)]
        sent = kibibytes(node.sent_bytes_per_step) + ("*" if _is_below_payload(node) else "")
        cores = NOTHING if node.cores is None else str(node.cores)
        table.add_row(plain(node.name), cores, *times, sent, kibibytes(node.received_bytes_per_step))
    return table


def _is_below_payload(node: NodeReport) -> bool:
    return sent_below_payload(node.sent_bytes_per_step, node.sent_payload_bytes_per_step)


def _at(measure: Percentiles | None, percentile: str) -> str:
    return NOTHING if measure is None else f"{getattr(measure, percentile):.1f}"
