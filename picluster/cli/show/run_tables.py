"""Plans and reports as text at 80 columns."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from picluster.cli.show.words import NOTHING, epochs, fraction, kibibytes, listed, mebibytes, plain, plural
from picluster.cli.terminal.typeable import typeable
from picluster.controller.comparison.notes import sent_below_payload, why_below_payload
from picluster.schema.record import to_json
from picluster.wording import listed_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from picluster.schema.plan import Plan
    from picluster.schema.report import NodeReport, Percentiles, Report
    from picluster.schema.run import Failure
    from picluster.schema.spec import Evaluation

_EPOCHS_SHOWN = 5
_CLASSES_SHOWN, _CLASS_LETTERS = 12, 24


def show_plan(plan: Plan, *, as_json: bool) -> None:
    """Print a line for each node's work on standard error; with `as_json` the plan itself on standard output."""
    if as_json:
        typer.echo(to_json(plan, indent=True), nl=False)
    console = Console(stderr=True, highlight=False, emoji=False, soft_wrap=True)
    console.print(f"plan       {plan.strategy} over {len(plan.nodes)} node{plural(plan.nodes)}, engine {plan.engine}")
    width = max(10, *map(len, plan.nodes))
    for node in plan.nodes:
        layers = plan.layers_of(node)
        held = f", layer{plural(layers)} {listed(layers)}" if layers else ""
        console.print(f"  {escape(f'{plain(node):<{width}}')} {plan.role_of(node)}{held}")
    if plan.idle:
        console.print(f"  {escape(plain(', '.join(plan.idle)))}: not used by this plan")
    for note in plan.notes:
        console.print(f"  note: {escape(typeable(note))}")


def show_failure(failure: Failure, folder: str) -> None:
    """Print the node that failed, why, and what to do."""
    console = Console(stderr=True, highlight=False, emoji=False, soft_wrap=True)
    who = f"node {failure.node}" if failure.node else "the run"
    held = f" (layer{plural(failure.layers)} {listed(failure.layers)})" if failure.layers else ""
    console.print(f"error: {escape(f'{who}{held} failed: {failure.cause}')}")
    if failure.fix:
        console.print(f"  fix: {escape(typeable(failure.fix))}")
    if failure.log:
        console.print(f"  log: {escape(f'{folder}/{failure.log}')}")


def show_report(report: Report) -> None:
    """Print tables of a run: result, epochs, memory and time of every node."""
    console = Console(highlight=False, emoji=False)
    console.print(f"run        {escape(report.run)}: {report.status}", soft_wrap=True)
    if report.tag:
        console.print(f"tag        {escape(report.tag)}", soft_wrap=True)
    console.print(f"trained    {escape(report.model)} on {escape(report.dataset)}, seed {report.seed}")
    if report.class_names:
        console.print(escape(_classes(report.class_names)), soft_wrap=True)
    console.print(
        f"plan       {report.strategy} over {len(report.nodes)} node{plural(report.nodes)}, engine {report.engine}"
    )
    if report.failure:
        failure = report.failure
        console.print(f"failure    {escape(failure.node or 'controller')}: {escape(failure.cause)}", soft_wrap=True)
        console.print(f"           fix: {escape(typeable(failure.fix, _with_the_words_of(report)))}", soft_wrap=True)
        if failure.log:
            console.print(f"           log: {escape(failure.log)}", soft_wrap=True)
    if report.status == "stopped" and report.stopped_by:
        done = f"after {len(report.epochs)} of {epochs(report.epochs_planned)}"
        console.print(f"stopped    by {escape(report.stopped_by)}, {done}", soft_wrap=True)
    _show_results(console, report)
    if report.epochs:
        console.print(_epochs_table(report))
    console.print(_memory_table(report))
    console.print(_time_table(report.nodes))
    below = [node.name for node in report.nodes if _is_below_payload(node)]
    if below:
        console.print(escape(f"\n* {plain(listed(below))} {why_below_payload(report.engine)}"))


def _with_the_words_of(report: Report) -> list[str]:
    """Command line of the run, by the program of now: a fix looks into the inventory that the run had."""
    return [sys.argv[0], *report.environment.command[1:]]


def _classes(names: Sequence[str]) -> str:
    shown = [listed_name(name, _CLASS_LETTERS) for name in names[:_CLASSES_SHOWN]]
    left_out = f" … and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    return f"classes    {', '.join(shown)}{left_out}"


def _show_results(console: Console, report: Report) -> None:
    if report.steps_per_second:
        console.print(f"speed      {report.steps_per_second:.2f} steps/s")
    if report.stopped_early:
        why = f": no better validation for {epochs(report.patience)}" if report.patience else ""
        console.print(f"stopped    after epoch {len(report.epochs)} of {report.epochs_planned}{why}")
    best = next((epoch for epoch in report.epochs if epoch.epoch == report.best_epoch), None)
    if best and best.validation_accuracy is not None:
        loss = f", loss {best.validation_loss:.4f}" if best.validation_loss is not None else ""
        by = " by loss" if report.monitor == "loss" else ""
        found = f"validation {best.validation_accuracy:.4f}{loss} ({_seen(report.validation)})"
        console.print(f"best       epoch {best.epoch}{by}: {found}", soft_wrap=True)
    if report.test_accuracy is not None:
        has_validated = any(
            (epoch.validation_accuracy, epoch.validation_loss) != (None, None) for epoch in report.epochs
        )
        when = "at the best validation" if has_validated else "after the last epoch"
        console.print(f"test       {report.test_accuracy:.4f} accuracy {when} ({_seen(report.evaluation)})")


def _seen(evaluation: Evaluation) -> str:
    return "all neighbours" if evaluation == "exact" else "sampled neighbours"


def _epochs_table(report: Report) -> Table:
    table = plain_table("epochs", ["epoch", "loss", "train", "validation", "seconds"], left=0)
    left_out = len(report.epochs) - _EPOCHS_SHOWN
    if left_out > 0:
        table.add_row("…", *[""] * 4)
    for epoch in report.epochs[-_EPOCHS_SHOWN:]:
        accuracies = [fraction(accuracy) for accuracy in (epoch.train_accuracy, epoch.validation_accuracy)]
        table.add_row(str(epoch.epoch), f"{epoch.loss:.4f}", *accuracies, f"{epoch.seconds:.2f}")
    return table


def _memory_table(report: Report) -> Table:
    """Peaks of every node, with a column for the engine's own processes where there are any."""
    has_processes = any(node.memory.peak_engine_bytes for node in report.nodes)
    heads = ["resident", "anonymous", *([f"+ {report.engine}"] if has_processes else []), "limit"]
    table = plain_table("memory, MiB (peaks)", ["node", "role", "layers", *heads], left=3)
    for node in report.nodes:
        memory = node.memory
        sizes = [memory.peak_rss_bytes, memory.peak_anonymous_bytes]
        sizes += [memory.peak_engine_bytes] if has_processes else []
        cells = [mebibytes(size) for size in (*sizes, memory.limit_bytes)]
        table.add_row(escape(plain(node.name)), node.role, listed(node.layers) or NOTHING, *cells)
    return table


def _time_table(nodes: Sequence[NodeReport]) -> Table:
    heads = ["node", "step", "p95", "compute", "wait", "send", "sent", "received"]
    table = plain_table("a step: ms (medians), KiB over the wire", heads, left=1)
    for node in nodes:
        times = [_at(node.step_ms, "p50"), _at(node.step_ms, "p95")]
        times += [_at(measure, "p50") for measure in (node.compute_ms, node.wait_ms, node.send_ms)]
        sent = kibibytes(node.sent_bytes_per_step) + ("*" if _is_below_payload(node) else "")
        table.add_row(escape(plain(node.name)), *times, sent, kibibytes(node.received_bytes_per_step))
    return table


def _is_below_payload(node: NodeReport) -> bool:
    return sent_below_payload(node.sent_bytes_per_step, node.sent_payload_bytes_per_step)


def plain_table(title: str, heads: Sequence[str], *, left: int) -> Table:
    """Table without lines; the first `left` columns are words, the others numbers."""
    table = Table(
        title=f"\n{title}", title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0)
    )
    for index, head in enumerate(heads):
        if index < left:
            table.add_column(head, overflow="fold", header_style="dim")
        else:
            table.add_column(head, justify="right", no_wrap=True, header_style="dim")
    return table


def _at(measure: Percentiles | None, percentile: str) -> str:
    return NOTHING if measure is None else f"{getattr(measure, percentile):.1f}"
