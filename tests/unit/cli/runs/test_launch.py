"""What `picluster launch` refuses before it starts anything, and the plan that it prints."""

import json
import os
import re
import socket
from pathlib import Path

import pytest

from picluster.controller.planning.planner import make_plan
from picluster.project import BUNDLED
from picluster.schema.plan import Plan
from picluster.schema.record import from_json, to_json
from tests.unit.cli.conftest import NODES, Picluster
from tests.unit.controller.made import a_graph, a_model, a_spec, facts_of
from tests.unit.controller.stand_in import StandIn


def plan_file(path: Path, nodes: list[str]) -> str:
    plan = make_plan(
        facts_of(*nodes),
        a_spec(),
        a_model(),
        a_graph(train=100),
        strategy="layer-split",
        engine="gloo",
        layers_per_node=1,
    )
    path.write_bytes(to_json(plan))
    return str(path)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--dataset", "karate"], "there is no data set 'karate'"),
        (["--scale", "9"], "scale 9 is out of range"),
        (["--dataset", "cora", "--scale", "0.1"], "--scale goes with reddit-like, not with cora"),
        (["--model", "none"], "there is no model none"),
        (["--model", "none.py"], "there is no model none.py"),
        (["--fanout", "ten"], "--fanout ten: 'ten' is not a whole number"),
        (["--fanout", "5,5,5"], "fanout 5,5,5 has 3 numbers, but sage has 2 layers"),
        (["--batch-size", "0"], "--batch-size must be at least 1, not 0"),
        (["--weight-decay", "-1"], "weight decay must not be negative"),
        (["--lr", "0"], "learning rate must be above 0"),
        (["--hidden", "0"], "--hidden must be at least 1, not 0"),
        (["--layers-per-node", "-1"], "--layers-per-node must be at least 1, not -1"),
        (["--layers-per-node", "0"], "--layers-per-node must be at least 1, not 0"),
        (["--nodes", ","], "--nodes ',' names nobody"),
        (
            ["--strategy", "single", "--layers-per-node", "1"],
            "--layers-per-node goes with layer-split, not with single",
        ),
        (["--nodes", "1", "--layers-per-node", "1"], "2 stages need 2 nodes, not 1: pi1"),
        (["--nodes", "5"], "--nodes 5: the inventory has 4 nodes"),
        (["--nodes", "0"], "--nodes 0: the inventory has 4 nodes"),
        (["--nodes", "pi1,pi9"], "--nodes: pi9 not in inventory hosts.yml"),
        (["--inventory", "none.yml"], "there is no inventory none.yml"),
        (["--plan", "none.json"], "cannot read the plan none.json: No such file or directory"),
        (["--plan", "hosts.yml"], "hosts.yml is not a valid plan"),
        (["--plan", "none.json", "--strategy", "single"], "--plan and --strategy do not go together"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_does_not_fit_is_refused_in_one_clear_line_before_anything_starts(
    launch: Picluster, here: Path, words: list[str], message: str
) -> None:
    answer = launch(*words)
    assert answer.code == 2
    assert answer.out == ""
    errors = [line for line in answer.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert message in errors[0]
    assert "Traceback" not in answer.err
    assert not (here / "runs").exists()


def test_a_plan_that_names_strangers_is_refused_with_the_nodes_there_are(launch: Picluster, here: Path) -> None:
    answer = launch("--plan", plan_file(here / "plan.json", ["pi1", "other", "pi2"]))
    assert answer.code == 2
    assert (
        "error: the plan names other, not in the inventory\n  fix: the inventory has pi1, pi2, pi3, pi4" in answer.err
    )
    assert not (here / "runs").exists()


def test_nodes_that_cannot_be_entered_are_named_before_anything_starts(launch: Picluster, here: Path) -> None:
    program = here.parent / "programs" / "ansible-inventory"
    program.write_text(program.read_text().replace(': "local"', ': "ssh"').replace(':"local"', ':"ssh"'))
    answer = launch()
    assert answer.code == 5
    assert "pi1 is no name that this machine knows" in answer.err
    assert not (here / "runs").exists()


def test_a_dry_run_prints_the_plan_and_nothing_else_and_starts_nothing(launch: Picluster, here: Path) -> None:
    answer = launch("--dry-run", "--layers-per-node", "1", "--micro-batches", "2")
    plan = from_json(Plan, answer.out, source="the output")
    assert answer.code == 0
    assert (plan.sampler, [stage.nodes for stage in plan.stages]) == (("pi1",), [("pi2", "pi3"), ("pi4",)])
    assert to_json(plan, indent=True).decode() == answer.out
    assert not (here / "runs").exists()


@pytest.mark.parametrize(
    "words",
    [[], ["--layers-per-node", "2"], ["--strategy", "single"], ["--strategy", "data-parallel", "--engine", "rpc"]],
    ids=" ".join,
)
def test_the_plan_of_a_dry_run_is_accepted_again_and_stays_as_it_is(
    launch: Picluster, here: Path, words: list[str]
) -> None:
    printed = launch("--dry-run", *words).out
    (here / "plan.json").write_text(printed)
    assert launch("--plan", "plan.json", "--dry-run").out == printed


def test_a_plan_may_come_through_a_pipe_which_can_be_read_once(launch: Picluster) -> None:
    printed = launch("--dry-run", "--layers-per-node", "2").out
    reader, writer = os.pipe()
    os.write(writer, printed.encode())
    os.close(writer)
    answer = launch("--plan", f"/dev/fd/{reader}", "--dry-run")
    os.close(reader)
    assert answer.out == printed


def test_the_engine_of_a_plan_may_be_changed(launch: Picluster, here: Path) -> None:
    file = plan_file(here / "plan.json", NODES)
    assert json.loads(launch("--plan", file, "--engine", "rpc", "--dry-run").out)["engine"] == "rpc"


def test_the_first_line_says_which_inventory_is_used_and_every_node_is_told_what_it_does(launch: Picluster) -> None:
    words = ("--model", "gcn", "--engine", "gloo", "--layers-per-node", "1", "--micro-batches", "2")
    lines = launch("--dry-run", *words).err.splitlines()
    assert lines[0] == "inventory  hosts.yml: 4 nodes"
    assert lines[1] == "plan       layer-split over 4 nodes, engine gloo"
    assert all(re.search(r": \d+ MiB \+ \d+ of files, of [\d,]+$", line) for line in lines[2:6]), "memory is expected"
    assert [line.split(":")[0].split(maxsplit=1) for line in lines[2:6]] == [
        ["pi1", "sampler"],
        ["pi2", "stage 1, layer 1"],
        ["pi3", "stage 1, layer 1"],
        ["pi4", "stage 2, layer 2"],
    ]


def test_where_no_model_and_no_engine_is_named_it_says_which_are_taken_and_how_to_name_others(
    launch: Picluster,
) -> None:
    lines = launch("--dry-run").err.splitlines()
    assert lines[1] == "model      sage (--model gcn, gcnii, … for others)"
    assert lines[2] == "engine     sockets (--engine gloo, rpc, mpi or ray for others)"


@pytest.mark.parametrize(
    ("wanted", "nodes"), [("2", ["pi1", "pi2"]), ("pi4,pi2", ["pi4", "pi2"]), ("pi3, pi3", ["pi3"])]
)
def test_nodes_are_chosen_by_number_or_by_name_in_the_order_asked_for(
    launch: Picluster, wanted: str, nodes: list[str]
) -> None:
    plan = json.loads(launch("--nodes", wanted, "--strategy", "data-parallel", "--dry-run").out)
    assert plan["stages"][0]["nodes"] == nodes


def test_the_graph_is_prepared_on_the_way_and_used_again(launch: Picluster, here: Path) -> None:
    launch("--dry-run")
    [meta] = here.glob("graphs/*/meta.json")
    before = meta.stat().st_mtime_ns
    assert launch("--dry-run").code == 0
    assert meta.stat().st_mtime_ns == before


def test_a_damaged_graph_is_a_data_error_with_the_fix(launch: Picluster, here: Path) -> None:
    launch("--dry-run")
    [file] = here.glob("graphs/*/features.npy")
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    answer = launch()
    assert answer.code == 3
    assert "features.npy is damaged" in answer.err
    assert "fix: prepare it again" in answer.err


def test_without_torch_the_person_is_told_how_to_get_it(launch: Picluster, here: Path) -> None:
    program = here.parent / "programs" / "python"
    words = program.read_text().splitlines()
    program.write_text("\n".join([*words[:-1], "sys.exit(\"ModuleNotFoundError: No module named 'torch'\")"]))
    answer = launch("--dry-run")
    assert answer.code == 4
    assert answer.err.endswith(f"error: torch is not installed here\n  fix: make -C {BUNDLED} setup\n")


def _of_unlike_memory(here: Path, memory_mb: dict[str, int]) -> None:
    """Let the inventory say so."""
    listing = {
        node: {"ansible_connection": "local", "picluster_memory_mb": memory_mb[node], "picluster_cores": 4}
        for node in NODES
    }
    told = json.dumps({"_meta": {"hostvars": listing}, "picluster": {"hosts": NODES}})
    StandIn(here.parent / "programs" / "ansible-inventory", told)


def test_the_largest_node_works_alone_unless_an_order_is_given(launch: Picluster, here: Path) -> None:
    _of_unlike_memory(here, {"pi1": 500, "pi2": 900, "pi3": 3800, "pi4": 900})
    answer = launch("--dry-run", "--strategy", "single")
    assert from_json(Plan, answer.out, source="the output").stages[0].nodes == ("pi3",)
    assert "pi1 0.5 GB, pi2 0.9 GB, pi3 4.0 GB, pi4 0.9 GB" in answer.err
    own = launch("--dry-run", "--strategy", "single", "--nodes", "pi1,pi3")
    assert from_json(Plan, own.out, source="the output").stages[0].nodes == ("pi1",)
    assert "strongest" not in own.err


def test_the_first_stage_is_on_the_largest_nodes(launch: Picluster, here: Path) -> None:
    _of_unlike_memory(here, {"pi1": 500, "pi2": 900, "pi3": 3800, "pi4": 900})
    plan = from_json(
        Plan, launch("--dry-run", "--layers-per-node", "1", "--micro-batches", "2").out, source="the output"
    )
    assert (plan.sampler, [stage.nodes for stage in plan.stages]) == (("pi4",), [("pi3", "pi2"), ("pi1",)])


def test_a_dry_run_says_which_nodes_it_could_not_look_at(launch: Picluster, here: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as once:
        port = once.getsockname()[1]
    gone = {"ansible_host": "127.0.0.1", "ansible_port": port}
    told = {"_meta": {"hostvars": {"pi1": gone, "pi2": gone}}, "picluster": {"hosts": ["pi1", "pi2"]}}
    StandIn(here.parent / "programs" / "ansible-inventory", json.dumps(told))
    answer = launch("--dry-run", "--layers-per-node", "1")
    assert answer.code == 0, answer.err
    assert from_json(Plan, answer.out, source="the output").nodes == ("pi1", "pi2")
    assert "\nnote       planned without a look at pi1, pi2: " in answer.err


@pytest.mark.parametrize("memory", ["much", "0", "-5", "9" * 5000], ids=lambda text: text[:9])
def test_a_memory_that_is_no_number_is_refused(launch: Picluster, here: Path, memory: str) -> None:
    told = {"_meta": {"hostvars": {"pi1": {"picluster_memory_mb": memory}}}, "picluster": {"hosts": ["pi1"]}}
    StandIn(here.parent / "programs" / "ansible-inventory", json.dumps(told))
    answer = launch("--dry-run")
    assert answer.code == 2
    assert f"picluster_memory_mb of pi1 is {memory!r}: it must be a whole number above 0" in answer.err


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--nodes", "the inventory has 4 nodes"),
        ("--epochs", "--epochs must be at most 1,000,000,000"),
        ("--fanout", "a fanout must be at most 1,000,000,000"),
    ],
)
def test_a_number_beyond_all_bounds_is_refused_in_words(launch: Picluster, option: str, message: str) -> None:
    answer = launch("--dry-run", option, "9" * 400 + ",1" * (option == "--fanout"))
    assert (answer.code, message in answer.err) == (2, True), answer.err


@pytest.mark.parametrize("engine", ["mpi", "ray"])
def test_a_missing_engine_is_told_before_there_is_a_run(
    launch: Picluster, here: Path, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    monkeypatch.setattr("picluster.controller.nodes.local.find_spec", lambda _: None)
    answer = launch("--engine", engine)
    assert answer.code == 4
    assert f"the {engine} engine needs " in answer.err
    assert (
        f"\n  fix: on this machine: make -C {BUNDLED} setup EXTRAS={engine}; on Pis: picluster_engines: " in answer.err
    )
    assert not (here / "runs").exists()
