"""What people get wrong: one clear line with the fix, a documented exit code, and nothing left behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tests.integration.desk import CHECKOUT, GRAPH, Desk, make_desk

SMALL = ("launch", *GRAPH, "--epochs", "1", "--hidden", "8", "--fanout", "3,3")
NASTY = "a'; echo b \u00fcn\u00ef $(touch pwned) \u96ea"
slow = partial(pytest.param, marks=pytest.mark.slow)
NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a file system or leave the network")

BAD_SYNTAX = "from picluster.nn import Layer\n\ndef layers(:\n"
UNCHAINED = """
from picluster.nn import SageLayer

def layers(*, features, classes, depth=2, hidden=8, dropout=0.0):
    return [SageLayer(features, hidden), SageLayer(hidden + 1, classes, last=True)]
"""
BACKWARDS = """
from torch_geometric.nn import ChebConv

from picluster.nn import PygLayer

def layers(*, features, classes, depth=1, hidden=8):
    return [PygLayer(ChebConv(features, hidden, K=2)), PygLayer(ChebConv(hidden, classes, K=2), last=True)]
"""

CHOICES = ("inventory ", "model ", "engine ", "dataset ")
"""Beginnings of the lines that say what is taken."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A desk of its own with one graph, so that one can see what is left behind."""
    desk = make_desk(tmp_path_factory.mktemp("bad input"))
    assert desk.picluster("dataset", "prepare", *GRAPH[1:]).returncode == 0
    return desk


def files_of(desk: Desk) -> set[str]:
    return {str(path.relative_to(desk.folder)) for path in desk.folder.rglob("*")}


def refused(desk: Desk, *words: str, code: int, told: str, fix: str) -> None:
    """The command must fail so, in a line of what and a line of fix, and change nothing."""
    before = files_of(desk)
    done = desk.picluster(*words)
    lines = [line for line in done.stderr.splitlines() if not line.startswith(CHOICES)]
    assert done.returncode == code, done.stdout + done.stderr
    assert done.stdout == ""
    assert lines, done.stderr
    assert lines[0].startswith("error: "), done.stderr
    assert told in lines[0]
    assert [line[:7] for line in lines[1:]] == ["  fix: "], done.stderr
    assert fix in lines[1]
    assert files_of(desk) == before


def written(desk: Desk, name: str, text: str) -> Iterator[str]:
    file = desk.folder / name
    file.write_text(text)
    yield str(file)
    file.unlink()


@pytest.mark.parametrize(
    ("words", "told", "fix"),
    [
        (("--model", "nosuch"), "there is no model nosuch", "known are gcn, gcnii, graph_embedding"),
        slow(("--model", "nosuch.py"), "there is no model nosuch.py", "--model my.py"),
        slow(
            ("--fanout", "5,5,5", "--depth", "2"), "fanout 5,5,5 has 3 numbers, but sage has 2 layers", "--fanout 25,10"
        ),
        (("--fanout", "5,0"), "a fanout must be at least 1, not 0", "--fanout all"),
        slow(("--fanout", "a,b"), "'a' is not a whole number", "--fanout 25,10"),
        slow(
            ("--nodes", "2", "--layers-per-node", "1", "--depth", "3"), "3 stages need 3 nodes", "--layers-per-node 2"
        ),
        (("--nodes", "pi1,pi9"), "pi9 not in inventory", "it has pi1, pi2"),
        slow(("--dataset", "nosuch"), "there is no data set 'nosuch'", "picluster dataset import"),
        slow(("--option", "width=3"), "model sage has no option width", "its options are depth, hidden, dropout"),
        slow(("--option", "width"), "--option width is not NAME=VALUE", "--option alpha=0.1"),
        (("--inventory", "nosuch.yml"), "there is no inventory nosuch.yml", "inventory/example.yml"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_a_wrong_option_is_refused(place: Desk, words: tuple[str, ...], told: str, fix: str) -> None:
    small = SMALL if "--fanout" not in words and "--depth" not in words else SMALL[:-2]
    given = small[:1] + small[5:] if "--dataset" in words else small
    refused(place, *given, *words, code=2, told=told, fix=fix)


@pytest.mark.parametrize(
    ("text", "told", "fix"),
    [
        slow(BAD_SYNTAX, "my model.py does not load (line 3): SyntaxError", "mend line 3"),
        slow(UNCHAINED, "layer 2 (SageLayer) cannot take what comes before it", "see that widths chain"),
        slow(BACKWARDS, "ChebConv looks at the edges out of a node, which a block does not show", "such as SAGEConv"),
        slow("x = 1\n", "has no function `layers`", "see models/sage.py"),
        slow("import nosuch\n", "ModuleNotFoundError: No module named 'nosuch'", "install nosuch"),
    ],
    ids=["syntax", "widths", "convolution", "no function", "no module"],
)
def test_a_broken_model_file_is_refused(place: Desk, text: str, told: str, fix: str) -> None:
    for file in written(place, "my model.py", text):
        refused(place, *SMALL, "--model", file, code=2, told=told, fix=fix)


def graph_in(desk: Desk) -> Path:
    return desk.folder / "graphs" / "reddit-like-0.003"


def flip_a_byte(graph: Path) -> None:
    file = graph / "features.npy"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def lose_a_file(graph: Path) -> None:
    (graph / "labels.npy").unlink()


def cut_short(graph: Path) -> None:
    with (graph / "indices.npy").open("r+b") as file:
        file.truncate(1000)


def spoil_meta(graph: Path) -> None:
    (graph / "meta.json").write_text("{")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (flip_a_byte, "features.npy is damaged: its sha256"),
        (lose_a_file, "labels.npy is missing"),
        (cut_short, "indices.npy has 1,000 bytes instead of"),
        (spoil_meta, "meta.json cannot be understood"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_spoiled_graph_folder_is_refused(place: Desk, spoil: Callable[[Path], None], told: str) -> None:
    graph, kept = graph_in(place), place.folder.parent / "kept graph"
    shutil.copytree(graph, kept)
    try:
        spoil(graph)
        refused(place, *SMALL, code=3, told=told, fix="prepare it again")
    finally:
        shutil.rmtree(graph)
        kept.rename(graph)


@pytest.mark.slow
def test_truncated_raw_files_are_refused_by_name(place: Desk, cora_input: str, tmp_path: Path) -> None:
    shutil.copytree(Path(cora_input) / "planetoid", tmp_path / "planetoid")
    with (tmp_path / "planetoid" / "ind.cora.allx").open("r+b") as file:
        file.truncate(5000)
    desk = replace(place, environment={**place.environment, "PICLUSTER_INPUT": str(tmp_path)})
    words = ("launch", "--dataset", "cora", "--model", "gcn")
    refused(desk, *words, code=3, told="ind.cora.allx is damaged", fix="fetch ind.cora.allx again")


@pytest.mark.slow
@NEEDS_ROOT
def test_missing_raw_files_without_network_are_named_with_their_place(place: Desk, tmp_path: Path) -> None:
    before = files_of(place)
    done = subprocess.run(
        ["/usr/bin/unshare", "--net", *place.command("dataset", "prepare", "citeseer")],
        cwd=place.folder,
        env={**place.environment, "PICLUSTER_INPUT": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    first, second = done.stderr.splitlines()
    assert done.returncode == 3
    assert first.startswith(
        f"error: {tmp_path}/planetoid lacks raw files of citeseer, and they could not be downloaded"
    )
    assert second.startswith("  fix: put ind.citeseer.x, ")
    assert second.endswith(f"into {tmp_path}/planetoid")
    assert files_of(place) == before


def own_graph(folder: Path, edges: str = "0,1\n1,2\n2,0\n", feature: str = "1.5") -> list[str]:
    folder.mkdir(exist_ok=True)
    (folder / "edges.csv").write_text(edges)
    (folder / "features.csv").write_text(f"1,2\n3,{feature}\n5,6\n")
    (folder / "labels.csv").write_text("0\n1\n0\n")
    names = ("edges", "features", "labels")
    return [word for name in names for word in (f"--{name}", str(folder / f"{name}.csv"))]


@pytest.mark.parametrize(
    ("spoilt", "told"),
    [
        ({"edges": "0,1\n1,3\n"}, "3"),
        ({"edges": "0,1\n-1,2\n"}, "-1"),
        ({"feature": "nan"}, "nan"),
        ({"feature": "inf"}, "inf"),
    ],
    ids=["edge out of range", "negative edge", "NaN", "infinity"],
)
def test_an_own_graph_with_impossible_values_is_refused(
    place: Desk, tmp_path: Path, spoilt: dict[str, str], told: str
) -> None:
    words = own_graph(tmp_path / "own", **spoilt)
    refused(place, "dataset", "import", "mine", *words, code=3, told=told, fix="")


def test_an_own_graph_is_told_as_it_was_read(place: Desk, tmp_path: Path) -> None:
    words = own_graph(tmp_path / "own", edges="target,source,weight\n1,0,0.5\n2,0,0.25\n")
    refused(
        place, "dataset", "import", "told", *words, code=3, told="column 3 (weight) holds '0.5'", fix="--skip weight"
    )
    (tmp_path / "own" / "labels.csv").write_text("label\ncat\nunknown\ndog\n")
    more = ("--skip", "weight", "--missing", "unknown", "--directed")
    done = place.picluster("dataset", "import", "told", *words, *more)
    assert done.returncode == 0, done.stderr
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert "edges: column 3 (weight) is left out" in lines
    assert "edges: lead from source (column 2) to target (column 1)" in lines
    assert "unlabelled: 1 of 3 nodes (1 'unknown'); if 'unknown' is a class, call it something else" in lines
    node = next(line for line in lines if line.startswith("node 0: "))
    assert node.startswith("node 0: features 1 2, label cat, ")
    assert node.endswith(", no neighbours")
    assert "node 1: features 3 1.5, no label, neighbours 0" in lines


def plan_with(desk: Desk, change: Callable[[dict[str, object]], None]) -> Iterator[str]:
    done = desk.picluster(*SMALL, "--layers-per-node", "1", "--nodes", "3", "--dry-run")
    plan = json.loads(done.stdout)
    change(plan)
    yield from written(desk, "plan.json", json.dumps(plan))


def naming(layer_one: list[str]) -> Callable[[dict[str, object]], None]:
    def change(plan: dict[str, object]) -> None:
        stages = plan["stages"]
        assert isinstance(stages, list)
        stages[0]["nodes"] = layer_one

    return change


@pytest.mark.parametrize(
    ("nodes", "told", "fix"),
    [
        slow(["pi2", "pi2"], "the plan names pi2 twice in the stages", "name every node once"),
        slow(["pi2", "pi3"], "the plan names pi3 twice in the stages", "name every node once"),
        (["pi77"], "the plan names pi77, not in the inventory", "the inventory has pi1"),
        slow([], "every stage of a plan needs a node", "name the stage's nodes"),
    ],
    ids=["twice in a stage", "in two stages", "a stranger", "nobody"],
)
def test_a_plan_that_cannot_be_is_refused(place: Desk, nodes: list[str], told: str, fix: str) -> None:
    for file in plan_with(place, naming(nodes)):
        refused(place, *SMALL, "--plan", file, code=2, told=told, fix=fix)


def test_a_plan_that_is_no_json_is_refused(place: Desk) -> None:
    for file in written(place, "plan.json", "not json"):
        refused(place, *SMALL, "--plan", file, code=2, told="plan.json is not a valid plan", fix="--dry-run")


@pytest.mark.slow
def test_a_loss_that_is_not_a_number_ends_the_run_and_names_the_step(place: Desk) -> None:
    before = place.runs()
    done = place.picluster(*SMALL, "--layers-per-node", "1", "--nodes", "3", "--lr", "1e30", "--features", "fp32")
    assert done.returncode == 5, done.stdout + done.stderr
    error = [line for line in done.stderr.splitlines() if not line.startswith((*CHOICES, "plan", "  pi"))]
    assert error[0].startswith("error: node pi3 (stage 2, layer 2) failed: the loss became nan in step ")
    assert error[1].startswith("  fix: lower the learning rate")
    (name,) = place.runs() - before
    result = json.loads((place.folder / "runs" / name / "result.json").read_text())
    assert (result["status"], result["failure"]["node"]) == ("failed", "pi3")
    shutil.rmtree(place.folder / "runs" / name)
    shutil.rmtree(place.folder / "graphs" / "reddit-like-0.003-fp32")


@pytest.fixture
def little_room(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB."""
    folder = tmp_path / "little room"
    folder.mkdir()
    subprocess.run(["/usr/bin/mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["/usr/bin/umount", folder], check=True)


@NEEDS_ROOT
def test_a_disk_without_room_for_the_graph_is_told_before_anything_is_kept(little_room: Path, place: Desk) -> None:
    desk = replace(place, folder=little_room)
    words = ("dataset", "prepare", "reddit-like", "--scale", "0.05")
    before = files_of(desk)
    done = desk.picluster(*words)
    assert done.returncode == 3, done.stderr
    assert done.stderr.startswith("error: no space for ")
    assert "  fix: make room there" in done.stderr
    assert [name for name in files_of(desk) - before if not name.startswith("graphs/.lock")] == ["graphs"]


@pytest.mark.slow
@NEEDS_ROOT
def test_a_disk_that_fills_up_during_the_run_is_told_and_with_room_it_goes_on(little_room: Path, place: Desk) -> None:
    desk = replace(place, folder=little_room)
    (little_room / "graphs").symlink_to(place.folder / "graphs")
    (little_room / "inventory").symlink_to(place.folder / "inventory")
    (little_room / "models").symlink_to(place.folder / "models")
    ballast = little_room / "ballast"
    ballast.write_bytes(bytes(3_950_000))
    done = desk.picluster(*SMALL, "--epochs", "3000")
    assert done.returncode == 3, done.stdout[-500:] + done.stderr
    error = next(line for line in done.stderr.splitlines() if line.startswith("error: "))
    assert "No space left on device" in error
    assert f"MB are free on the file system at {little_room}" in error
    assert "  fix: make room on the disk" in done.stderr
    assert "Traceback" not in done.stderr
    report = json.loads(desk.picluster("report", "--json").stdout)
    assert report["failure"]["cause"] in error
    assert len(report["epochs"]) > 1
    ballast.unlink()
    assert f"go on with it: picluster launch --resume {report['run']}" in done.stderr
    with desk.start("launch", "--resume", report["run"]) as controller:
        assert controller.stdout
        assert any(line.startswith("epoch ") for line in controller.stdout)
        controller.send_signal(signal.SIGINT)
        controller.communicate(timeout=60)
    assert controller.returncode == 130


@pytest.mark.slow
def test_hostile_names_and_paths_do_no_harm(tmp_path: Path) -> None:
    folder = tmp_path / NASTY
    folder.mkdir()
    desk = make_desk(folder)
    model = folder / f"{NASTY}.py"
    model.write_text((CHECKOUT / "models" / "sage.py").read_text())
    inventory = folder / f"{NASTY}.yml"
    hosts = {f"{number} {NASTY}": {"ansible_connection": "local"} for number in (1, 2, 3)}
    inventory.write_text(json.dumps({"all": {"hosts": hosts}}))
    imported = desk.picluster("dataset", "import", NASTY, *own_graph(folder / NASTY))
    assert imported.returncode == 0, imported.stderr
    words = ("--dataset", NASTY, "--model", str(model), "--inventory", str(inventory), "--tag", "a';echo`b`")
    run = desk.launch(*words, "--layers-per-node", "1", "--epochs", "2")
    for shown in (["report"], ["report", run.name], ["runs"], ["dataset", "list"], ["dataset", "show", NASTY]):
        done = desk.picluster(*shown)
        assert done.returncode == 0, (shown, done.stderr)
    predictions = folder / f"{NASTY}.npy"
    done = desk.picluster("export", run.name, "--output", f"{NASTY}.safetensors", "--predictions", str(predictions))
    assert done.returncode == 0, done.stderr
    assert np.load(predictions).shape == (3, 2)
    assert not list(tmp_path.rglob("pwned"))


@pytest.mark.parametrize("name", ["../escape", ".hidden", "", "a/b", "x" * 300, "cora"])
def test_names_that_cannot_be_a_graphs_are_refused(place: Desk, tmp_path: Path, name: str) -> None:
    refused(place, "dataset", "import", name, *own_graph(tmp_path / "own"), code=2, told="", fix="")
