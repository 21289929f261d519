"""Prints how long it takes to connect to many nodes, ship to them and start their workers: 5 against 50.

A real sshd and real workers, all on this machine, but for torch: the workers' imports of it are stubbed. Fresh: every
node lacks its part of the graph. Again: all have it. Five and fifty take turns. Since the "nodes" share this machine's
cores with the controller, which on a shelf they do not, the processor time of either side is told too.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

import picluster
from picluster.controller.nodes.inventory import Node, read_inventory
from picluster.controller.nodes.reaching import machines_of
from picluster.controller.record.all_runs import create_run
from picluster.controller.running.launch import Launch
from picluster.controller.running.launcher import Launcher
from picluster.controller.running.training import reached
from picluster.errors import RunFailed
from picluster.graph.public.prepare import prepare
from picluster.schema.events import AnyEvent, Ready
from picluster.schema.plan import Plan, StagePlan
from picluster.schema.spec import Adam, ModelChoice, Spec
from tests.integration.sshd import Sshd, running_sshd

ROUNDS = 5
FEW, MANY = 5, 50
SESSIONS_END_SECONDS = 10.0
SPEC = Spec(
    dataset="none",
    model=ModelChoice(name="none", depth=2, options={}),
    fanout=(1, 1),
    batch_size=1,
    micro_batches=1,
    epochs=1,
    seed=0,
    optimizer=Adam(learning_rate=1.0, weight_decay=(0.0, 0.0)),
)
STUB = """#!{python}
import sys, types

def stub_torch():
    import socket
    from picluster.schema.events import Hardware

    class Crew:
        def __init__(self, *_): pass
        def meet(self, *_): pass
        def work(self, *_): pass

    class ResourceSampler:
        def __init__(self, emit): pass
        def start(self): pass
        def observe(self): pass
        def finish(self): pass

    def stub(name, **things):
        sys.modules[name] = types.SimpleNamespace(**things)

    stub("picluster.worker.crew", Crew=Crew)
    stub("picluster.worker.measuring.metrics", ResourceSampler=ResourceSampler,
         hardware=lambda: Hardware(model="", kernel="", torch="stub", cores=1, threads=1))
    stub("picluster.worker.engines.base", listen=lambda address: socket.create_server((address, 0)))
    stub("picluster.worker.engines", listens=lambda *_: True)

if "work" in sys.argv:
    stub_torch()
from picluster.worker.main import main
main()
"""


def main() -> None:
    """Measure."""
    with tempfile.TemporaryDirectory() as name, running_sshd(Path(name) / "sshd") as sshd:
        _stub_torch(sshd)
        graph = prepare("reddit-like", graphs_folder=Path(name) / "graphs", input_folder=Path(name), scale=0.01).path
        names = [f"pi{number}" for number in range(1, MANY + 1)]
        nodes = read_inventory(sshd.write_inventory(Path(name) / "hosts.yml", names))
        measures: dict[tuple[str, int], list[Measure]] = {}
        for _ in range(ROUNDS):
            shutil.rmtree(sshd.caches, ignore_errors=True)
            for state in ("fresh", "again"):
                for count in (FEW, MANY):
                    if state == "fresh":
                        shutil.rmtree(sshd.caches, ignore_errors=True)
                    measure = _launch(nodes[:count], graph, Path(name), sshd)
                    measures.setdefault((state, count), []).append(measure)
    _show(measures)


class Measure(NamedTuple):
    """Durations of the parts of one launch, in seconds."""

    waited: float
    """From the first connection to the last worker's being ready."""
    here: float
    """Processor time of the controller, its ssh and its rsync."""
    there: float
    """Processor time of sshd, stewards and workers."""


def _show(measures: dict[tuple[str, int], list[Measure]]) -> None:
    print(f"until all workers are ready: median (range) of {ROUNDS}, on {os.cpu_count()} cores\n")
    print("                       seconds   processor time a node: controller   node itself")
    for (state, count), each in sorted(measures.items(), key=lambda item: (item[0][0] != "fresh", item[0][1])):
        waited = [one.waited for one in each]
        here, there = (1e3 * median(values) / count for values in ([m.here for m in each], [m.there for m in each]))
        spread = f"{median(waited):.2f} ({min(waited):.2f}–{max(waited):.2f})"
        print(f"  {state:<6} {count:>2} nodes {spread:>18} {here:>31.0f} ms {there:>10.0f} ms")
    for state in ("fresh", "again"):
        few, many = (median([one.waited for one in measures[state, count]]) for count in (FEW, MANY))
        print(f"\n  {state}: {MANY} nodes take {many / few:.1f} times as long as {FEW}", end="")
    print()


def _stub_torch(sshd: Sshd) -> None:
    """Replace the nodes' environment by one with nothing but the stubbed worker."""
    (sshd.home / ".venv").unlink()
    program = sshd.home / ".venv" / "bin" / "picluster-worker"
    program.parent.mkdir(parents=True)
    program.write_text(STUB.format(python=sys.executable))
    program.chmod(0o755)
    packages = sshd.home / ".venv" / "lib" / "python3" / "site-packages"
    (packages / "torch-0.dist-info").mkdir(parents=True)
    (packages / "picluster.pth").write_text(f"{Path(picluster.__file__).parents[1]}\n")


def _processor_seconds(sshd: Sshd) -> tuple[float, float]:
    """Used so far by this process and what it has waited for, and by sshd and what came through it."""
    here, there = os.times(), sshd.process.cpu_times()
    own = here.user + here.system + here.children_user + here.children_system
    return own, there.user + there.system + there.children_user + there.children_system


def _launch(nodes: list[Node], graph: Path, place: Path, sshd: Sshd) -> Measure:
    names = [node.name for node in nodes]
    stages = (StagePlan(layers=(1,), nodes=tuple(names[1:-1])), StagePlan(layers=(2,), nodes=tuple(names[-1:])))
    plan = Plan(strategy="layer-split", engine="gloo", sampler=(names[0],), stages=stages)
    model = place / "model.py"
    model.write_text("")
    ready: list[float] = []

    def watch(_node: str, event: AnyEvent) -> None:
        if isinstance(event, Ready):
            ready.append(time.monotonic())

    here, there = _processor_seconds(sshd)
    begun = time.monotonic()
    with reached(machines_of(nodes), plan, graph, lambda _head, _text: None, silence_seconds=10.0) as shelf:
        launch = Launch(
            spec=SPEC,
            plan=plan,
            model_file=model,
            graph_folder=graph,
            transports=shelf.transports,
            grace_seconds=10.0,
            folder=create_run("none", "none", place / "runs"),
        )
        result = Launcher(launch, watch).run()
    if result.failure:
        raise RunFailed(f"{result.failure.node}: {result.failure.cause}", fix=result.failure.fix)
    deadline = time.monotonic() + SESSIONS_END_SECONDS
    while sshd.process.children() and time.monotonic() < deadline:
        time.sleep(0.01)  # sessions are counted when they have ended
    here_after, there_after = _processor_seconds(sshd)
    return Measure(ready[-1] - begun, here_after - here, there_after - there)


if __name__ == "__main__":
    main()
