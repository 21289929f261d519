"""`picluster launch --rerun`: what it takes from the earlier run, and what it refuses."""

import json
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec
import pytest

from picluster.agent import premises
from picluster.controller.planning.graphs import prepared
from picluster.controller.planning.request import LaunchRequest
from picluster.controller.record.leader import this_controller
from picluster.controller.record.run_folder import RunFolder
from picluster.controller.running.placement import Placement, is_on
from picluster.controller.running.task import EarlierRun
from picluster.schema.events import Hardware, Ready
from picluster.schema.run import Resumption
from picluster.schema.state import Position
from tests.unit.cli.conftest import NODES, Answer, Picluster
from tests.unit.cli.runs.test_launch import plan_file
from tests.unit.controller.made import RUN_V1, a_spec


@pytest.fixture
def earlier(here: Path) -> RunFolder:
    """A run on the graph of the `launch` fixture, placed on its nodes one layer a stage."""
    graph = prepared("reddit-like", 0.001, "fp16")
    (here / "sage.py").write_text("# the model of then\n")
    folder, old = RunFolder(here / "runs" / "2026-sage-abcd"), RunFolder(RUN_V1)
    folder.path.mkdir(parents=True)
    folder.keep_model(here / "sage.py")
    plan_file(folder.plan_file, NODES)
    spec = msgspec.structs.replace(a_spec(), dataset=graph.meta.name, seed=7)
    run = msgspec.structs.replace(old.run(), run=folder.name, spec=spec, graph=graph.meta)
    folder.begin(run, folder.plan(), old.environment())
    return folder


@pytest.fixture
def again(launch: Picluster, here: Path) -> Picluster:
    """`launch` without the options of its fixture, which say what is learnt."""
    del launch  # its stand-ins are what is needed
    (here / "inventory").mkdir()
    (here / "inventory" / "hosts.yml").write_text("")

    def run(picluster: Picluster, *words: str) -> Answer:
        return picluster("launch", "--rerun", "abcd", *words)

    return run


def test_a_dry_run_prints_the_plan_of_the_earlier_run(
    again: Picluster, picluster: Picluster, earlier: RunFolder
) -> None:
    answer = again(picluster, "--dry-run")
    assert answer.code == 0, answer.err
    assert_the_same_but_for_memory(json.loads(answer.out), json.loads(earlier.plan_file.read_text()))


@pytest.mark.parametrize(
    ("words", "strategy", "nodes"),
    [
        (["--strategy", "data-parallel"], "data-parallel", 4),
        (["--nodes", "2"], "layer-split", 2),
        (["--nodes", "1", "--strategy", "single"], "single", 1),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_another_placement_may_be_asked_for(
    again: Picluster, picluster: Picluster, earlier: RunFolder, words: list[str], strategy: str, nodes: int
) -> None:
    plan = json.loads(again(picluster, "--dry-run", *words).out)
    assert plan["strategy"] == strategy
    assert len({node for stage in plan["stages"] for node in stage["nodes"]} | set(plan["sampler"])) == nodes
    assert earlier.plan().strategy == "layer-split"


@pytest.mark.usefixtures("earlier")
def test_another_engine_leaves_the_plan_as_it_is(again: Picluster, picluster: Picluster, earlier: RunFolder) -> None:
    plan = json.loads(again(picluster, "--dry-run", "--engine", "rpc").out)
    assert_the_same_but_for_memory(plan, {**json.loads(earlier.plan_file.read_text()), "engine": "rpc"})


def assert_the_same_but_for_memory(plan: dict[str, Any], earlier: dict[str, Any]) -> None:
    """The nodes of today are told with their memory, which an older plan does not know."""
    assert plan == {**earlier, "memory": plan["memory"]}
    assert set(plan["memory"]) == {*plan["sampler"], *(node for stage in plan["stages"] for node in stage["nodes"])}


@pytest.mark.parametrize(("names", "stays"), [(NODES, True), (["other1", "other2", "other3"], False)])
def test_an_inventory_with_other_nodes_gets_a_plan_of_its_own(
    earlier: RunFolder, *, names: list[str], stays: bool
) -> None:
    assert is_on(earlier.plan(), names) is stays


def test_a_run_that_goes_on_keeps_its_newest_plan_and_one_that_is_made_again_its_first(earlier: RunFolder) -> None:
    newest = msgspec.structs.replace(earlier.plan(), engine="rpc")
    attempt = Resumption(
        attempt=2, started=1.0, after=None, position=Position(), plan=newest, controller=this_controller()
    )
    earlier.keep_attempt(attempt)
    found = [
        Placement(request=LaunchRequest.of({word: earlier.name}), nodes=[], facts=[]).of_earlier(EarlierRun(earlier))
        for word in ("resume", "rerun")
    ]
    assert [placement.request.plan for placement in found] == [newest, str(earlier.plan_file)]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--seed", "0"], "--seed does not go with --rerun"),
        (["--lr", "0.1"], "--learning-rate does not go with --rerun"),
        (["--dataset", "cora", "--model", "gcn"], "--dataset, --model do not go with --rerun"),
        (["--scale", "0.1"], "--scale does not go with --rerun"),
        (["--amsgrad"], "--amsgrad does not go with --rerun"),
        (["--option", "alpha=1"], "--option does not go with --rerun"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
@pytest.mark.usefixtures("earlier")
def test_options_that_say_what_is_learnt_are_refused_by_name(
    again: Picluster, picluster: Picluster, words: list[str], message: str
) -> None:
    answer = again(picluster, *words)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith(f"error: {message}")
    assert "\n  fix: leave " in answer.err


@pytest.mark.usefixtures("again")
def test_a_run_that_is_not_there_is_an_input_error(picluster: Picluster) -> None:
    answer = picluster("launch", "--rerun", "none")
    assert answer.code == 2
    assert answer.err.startswith("error: there is no run none\n")


def test_another_graph_of_the_same_name_is_refused(again: Picluster, picluster: Picluster, earlier: RunFolder) -> None:
    run = earlier.run()
    files = {**run.graph.files, "labels": msgspec.structs.replace(run.graph.files["labels"], sha256="0" * 64)}
    graph = msgspec.structs.replace(run.graph, files=files)
    earlier.begin(msgspec.structs.replace(run, graph=graph), earlier.plan(), earlier.environment())
    answer = again(picluster, "--dry-run")
    assert answer.code == 3
    assert f"error: graphs/{run.graph.name} is not the graph that 2026-sage-abcd was trained on: labels" in answer.err
    assert "\n  fix: bring that graph back, or start afresh: picluster launch " in answer.err


def test_a_graph_that_is_gone_is_refused_with_what_was_typed(
    again: Picluster, picluster: Picluster, earlier: RunFolder, here: Path
) -> None:
    (here / "graphs").rename(here / "elsewhere")
    answer = again(picluster, "--dry-run")
    assert answer.code == 3
    assert f"was trained on graphs/{earlier.run().spec.dataset}, which is not here" in answer.err
    assert "picluster launch --layers-per-node 1" in answer.err


@pytest.mark.parametrize(
    ("text", "word"), [("# the model of then\n", ""), ("# another\n", ", as it was then: sage has changed since")]
)
def test_the_model_is_the_run_s_own_copy(
    again: Picluster, picluster: Picluster, earlier: RunFolder, here: Path, text: str, word: str
) -> None:
    (here / "models").mkdir()
    (here / "models" / "sage.py").write_text(text)
    assert f"\nmodel      runs/2026-sage-abcd/model.py{word}\n" in again(picluster, "--dry-run").err
    assert EarlierRun(earlier).model()[0] == earlier.model_file.absolute()


def test_a_run_without_a_copy_takes_the_model_as_it_is_now(earlier: RunFolder, here: Path) -> None:
    earlier.model_file.unlink()
    (here / "models").mkdir()
    (here / "models" / "sage.py").write_text("")
    file, word = EarlierRun(earlier).model()
    assert file == here / "models" / "sage.py"
    assert word.endswith("as it is now: the run kept no copy")


def test_a_run_that_computed_with_several_threads_is_told_to_have_other_last_bits(
    again: Picluster, picluster: Picluster, earlier: RunFolder
) -> None:
    assert "threads" not in again(picluster, "--dry-run").err
    hardware = Hardware(model="", kernel="", torch="", cores=4, threads=3)
    earlier.record("pi1", Ready(hardware=hardware, rendezvous_port=None, seconds=1.0))
    assert (
        "computed each micro-batch with 3 threads, as --threads said then: now it is one"
        in again(picluster, "--dry-run").err
    )


def test_nodes_that_compute_other_last_bits_than_those_of_then_are_told(
    again: Picluster, picluster: Picluster, earlier: RunFolder
) -> None:
    hardware = Hardware(model="", kernel="", torch="", cores=4, threads=1, numerics="53a0")
    earlier.record("pi1", Ready(hardware=hardware, rendezvous_port=None, seconds=1.0))
    assert "numerics differ" not in again(picluster, "--dry-run").err
    file, kind = premises.numerics_file(), {"processor": premises.processor(), "torch": metadata.version("torch")}
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps({"numerics": "72a0", **kind}).replace("+cpu", ""))
    told = again(picluster, "--dry-run").err
    assert "numerics differ between pi1, pi2, pi3, pi4 (72a0); run 2026-sage-abcd (53a0): " in told


@pytest.mark.parametrize("tag", ["two words", " ", "\x1b[31m", "x" * 25, "a\nb"])
def test_a_tag_is_one_short_word(launch: Picluster, here: Path, tag: str) -> None:
    answer = launch("--tag", tag)
    assert (answer.code, answer.out) == (2, "")
    assert "is not one word of at most 24 letters\n  fix: such as --tag first-try\n" in answer.err
    assert not (here / "runs").exists()
