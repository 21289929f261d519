"""A run as a function: from a request to a run that is over. `picluster.launch` and the command line stand on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from picluster.controller.nodes.fan_out import by_reason
from picluster.controller.nodes.reaching import NodeSurvey
from picluster.controller.planning.request import LaunchRequest
from picluster.controller.record.all_runs import find_run
from picluster.controller.record.report import history, make_report
from picluster.controller.record.run_folder import RunFolder
from picluster.controller.record.weights import check_weights_file, write_weights
from picluster.controller.running.course import train
from picluster.controller.running.export import check_predictions_file, write_predictions
from picluster.controller.running.observer import Observer, Watch
from picluster.controller.running.placement import Placement
from picluster.controller.running.task import EarlierRun, Task, new_task, same_task
from picluster.project import model_names
from picluster.schema.facts import mixed_numerics
from picluster.schema.plan import DEFAULT_ENGINE

if TYPE_CHECKING:
    from picluster.schema.plan import Plan
    from picluster.schema.report import Report, RunSummary


class FinishedRun:
    """A run that is over: its folder, what it came to, what it has learnt."""

    def __init__(self, record: RunFolder) -> None:
        self.record = RunFolder(record.path.absolute())

    def __repr__(self) -> str:
        return f"<run {self.record.name}>"

    @property
    def folder(self) -> Path:
        """Run folder, with everything about the run."""
        return self.record.path

    @property
    def test_accuracy(self) -> float | None:
        """Accuracy with the weights of the best epoch; None where the graph has no test nodes."""
        result = self.record.result()
        return result.test_accuracy if result else None

    @property
    def weights(self) -> Path:
        """File of the best epoch's weights, by PyG's names (safetensors); written when it is first asked for."""
        if not self.record.weights_file.exists():
            write_weights(self.record, self.record.weights_file)
        return self.record.weights_file

    def report(self) -> Report:
        """Read what every node used, and where the time went."""
        return make_report(self.record)

    def export(self, *, output: str | Path | None = None, predictions: str | Path | None = None) -> None:
        """Write weights (.safetensors), or class probabilities of all nodes (.npy, .npz or .csv), to files."""
        if output is not None:
            check_weights_file(Path(output))
        if predictions is not None:
            check_predictions_file(Path(predictions))
        if output is not None:
            write_weights(self.record, Path(output))
        if predictions is not None:
            write_predictions(self.record, Path(predictions), Observer())


def carry_out(request: LaunchRequest, observer: Observer) -> FinishedRun:
    """Train as a request says.

    PiclusterError where it does not fit (InputError), nodes cannot be used (NodesFailed), a node failed (RunFailed), or
    somebody stopped it (Stopped), among others.
    """
    earlier = _earlier(request)
    if earlier and request.resume is not None:
        with earlier.folder.taken_up():
            return _go_on_with(earlier, request, observer)
    with _made_ready(request, earlier, observer) as (placement, task, plan):
        return FinishedRun(train(task, plan, placement, observer))


def _go_on_with(earlier: EarlierRun, request: LaunchRequest, observer: Observer) -> FinishedRun:
    """Go on with a run that was ended, or with the training after a pre-training."""
    earlier.check_unfinished()
    if training := earlier.training:
        with _made_ready(training.on(request), None, observer, begun=earlier) as (placement, task, plan):
            return FinishedRun(train(task, plan, placement, observer))
    with _made_ready(request, earlier, observer) as (placement, task, plan):
        return FinishedRun(train(task, plan, placement, observer, earlier.folder))


def plan_only(request: LaunchRequest, observer: Observer) -> Plan:
    """Plan as a request says; nothing is started."""
    with _made_ready(request, _earlier(request), observer, only_plan=True) as (_, _, plan):
        return plan


def _earlier(request: LaunchRequest) -> EarlierRun | None:
    """The run that a request names, to make it again or to go on with it."""
    name = request.rerun if request.resume is None else request.resume
    return None if name is None else EarlierRun(find_run(name))


@contextmanager
def _made_ready(
    request: LaunchRequest,
    earlier: EarlierRun | None,
    observer: Observer,
    *,
    only_plan: bool = False,
    begun: EarlierRun | None = None,
) -> Iterator[tuple[Placement, Task, Plan]]:
    """Nodes, task and plan of a request, or of the earlier run that it names; after a pre-training that has `begun`."""
    placement = Placement.of(request, observer.note)
    if earlier is None:
        _say_choices(request, observer)
    else:
        placement = placement.of_earlier(earlier)
    placement = placement.with_given_plan()
    with closing(NodeSurvey(placement.candidates, silence_seconds=request.grace)) as survey:
        placement = placement.with_facts(survey, observer.note)
        placement.check_wait()
        task = (
            same_task(earlier, observer) if earlier else new_task(placement, observer, only_plan=only_plan, begun=begun)
        )
        plan = placement.plan(task)
        placement.check_wait(plan)
        observer.planned(plan)
        if only_plan:
            _say_unseen(survey, observer)
        if earlier:
            known = {node.name: node.numerics for node in placement.facts}
            if mixed := mixed_numerics({f"run {earlier.run.run}": earlier.numerics(), **known}):
                observer.note("note", mixed)
            if told := earlier.threads_note():
                observer.note("note", told)
        yield placement, task, plan


def _say_unseen(survey: NodeSurvey, observer: Observer) -> None:
    """Say which nodes a plan was made without a look at, and why."""
    for reason, names in by_reason(survey.errors, attrgetter("what")).items():
        observer.note("note", f"planned without a look at {', '.join(names)}: {reason}")


def _say_choices(request: LaunchRequest, observer: Observer) -> None:
    """Say which model and engine are taken where none is named, and how to name others."""
    if request.model == LaunchRequest().model:
        others = [name for name in model_names() if name != request.model]
        observer.note("model", f"{request.model} (--model {', '.join(others[:2])}, … for others)")
    if request.engine is None and request.plan is None:
        observer.note("engine", f"{DEFAULT_ENGINE} (--engine gloo, rpc, mpi or ray for others)")


def launch(
    *, on_event: Watch | None = None, on_note: Callable[[str], None] | None = None, **options: Any
) -> FinishedRun:
    """Train a model on the nodes of the inventory, and return when the run is over.

    Args:
        on_event: called with a node's name and an event (`picluster.schema.events`) for each that comes.
        on_note: called with each line about the launch, such as which inventory is used; `print` will do.
        options: those of `picluster launch`, by their names: `layers_per_node=1` for `--layers-per-node 1`.

    Raises:
        PiclusterError: with what is wrong and how to mend it; its kinds are in `picluster.errors`.
    """
    return carry_out(LaunchRequest.of(options), Observer(on_event, on_note))


def plan(*, on_note: Callable[[str], None] | None = None, **options: Any) -> Plan:
    """Plan what `launch` with these options would do; it takes the plan, too: `launch(plan=plan(…), …)`."""
    return plan_only(LaunchRequest.of(options), Observer(None, on_note))


def report(run: str | None = None) -> Report:
    """Read what every node of a run used, and where the time went; of the last run, where none is named."""
    return make_report(find_run(run))


def runs(tag: str | None = None) -> tuple[RunSummary, ...]:
    """List the runs in `runs/`, or those with this tag, the newest first."""
    return history(tag).runs
