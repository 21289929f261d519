"""`picluster report` on the committed run folder, at 80 columns."""

import csv
import json
import re
import shutil
from pathlib import Path

import msgspec
import pytest

from picluster.controller.record.leader import this_controller
from picluster.controller.record.report import result_of
from picluster.controller.record.run_folder import RunFolder
from picluster.schema.run import Failure, Result, Resumption
from picluster.schema.state import Position
from tests.unit.cli.conftest import Picluster
from tests.unit.controller.made import RUN_V1, copy_of_run_v1

NODES = ["local1", "local2", "local3", "local4"]


@pytest.fixture
def run(here: Path) -> RunFolder:
    """The committed run, among the runs of the working folder."""
    return RunFolder(copy_of_run_v1(here / "runs" / "the-run"))


def table(text: str, title: str) -> list[list[str]]:
    """Words of the rows below a title, down to the next empty line."""
    lines = [line.rstrip() for line in text.splitlines()]
    first = lines.index(title) + 1
    rows = lines[first:]
    return [line.split() for line in (rows[: rows.index("")] if "" in rows else rows)]


def test_without_runs_the_person_is_told_what_makes_one(picluster: Picluster, here: Path) -> None:
    answer = picluster("report")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == f"error: there are no runs in {here}/runs\n  fix: make one: picluster launch\n"
    assert not (here / "runs").exists()


@pytest.mark.usefixtures("run")
def test_an_unknown_run_is_wrong_input(picluster: Picluster) -> None:
    answer = picluster("report", "none")
    assert answer.code == 2
    assert answer.err.startswith("error: there is no run none\n  fix: ")


@pytest.mark.parametrize(
    "words", [[], ["the-run"], ["runs/the-run"], [str(RUN_V1)]], ids=["last", "name", "path", "other"]
)
@pytest.mark.usefixtures("run")
def test_tables_fit_into_80_columns_and_name_every_node(picluster: Picluster, words: list[str]) -> None:
    answer = picluster("report", *words)
    assert (answer.code, answer.err) == (0, "")
    assert max(len(line.rstrip()) for line in answer.out.splitlines()) <= 80
    for title in ("memory, MiB (peaks)", "a step: ms (medians), KiB over the wire"):
        assert [row[0] for row in table(answer.out, title)] == ["node", *NODES]


@pytest.mark.parametrize("columns", ["40", "50"])
@pytest.mark.usefixtures("run")
def test_on_a_narrow_terminal_every_node_keeps_its_whole_name(
    picluster: Picluster, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    lines = [line.rstrip() for line in picluster("report").out.splitlines()]
    for title in ("memory, MiB (peaks)", "a step: ms (medians), KiB over the wire"):
        below = lines[lines.index(title) :]
        table = below[: below.index("")] if "" in below else below
        assert [line.split()[0] for line in table if line.startswith("local")] == NODES
        assert max(map(len, table)) <= int(columns)


def test_classes_are_called_by_their_names(run: RunFolder, picluster: Picluster) -> None:
    page = json.loads(run.run_file.read_text())
    page["graph"]["class_names"] = ["cat", "a [bold]dog", "a, b", *map(str, range(20))]
    run.run_file.write_text(json.dumps(page))
    line = next(line for line in picluster("report").out.splitlines() if line.startswith("classes "))
    assert line.startswith('classes    cat, a [bold]dog, "a, b", 0, 1')
    assert line.endswith(" … and 11 more")
    assert json.loads(picluster("report", "--json").out)["class_names"][:2] == ["cat", "a [bold]dog"]


def test_a_node_that_sent_less_than_its_payload_is_marked_and_explained(run: RunFolder, picluster: Picluster) -> None:
    assert "*" not in picluster("report").out
    run.plan_file.write_text(run.plan_file.read_text().replace('"gloo"', '"ray"'))
    lines = [json.loads(line) for line in run.metrics_file("local2").read_text().splitlines()]
    for line in lines:
        line["event"] |= {"sent_bytes": 1} if line["event"]["kind"] == "step" else {}
    run.metrics_file("local2").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    out = picluster("report").out
    assert [row[7] for row in table(out, "a step: ms (medians), KiB over the wire") if row[0] == "local2"] == ["0.0*"]
    assert "* local2 sent less than the payload, because workers of Ray on one machine" in out


@pytest.mark.usefixtures("run")
def test_the_memory_table_shows_roles_layers_and_the_recorded_peaks(picluster: Picluster) -> None:
    made = json.loads(picluster("report", "--json").out)
    rows = table(picluster("report").out, "memory, MiB (peaks)")[1:]
    assert [row[1:-3] for row in rows] == [
        ["sampler", "–"],
        ["stage", "1", "1"],
        ["stage", "1", "1"],
        ["stage", "2", "2"],
    ]
    for row, node in zip(rows, made["nodes"], strict=True):
        assert row[-3] == f"{node['memory']['peak_rss_bytes'] / 2**20:.0f}"


def test_what_the_engines_own_processes_used_has_a_column_where_there_are_any(
    picluster: Picluster, run: RunFolder
) -> None:
    metrics = run.path / "nodes" / "local1" / "metrics.jsonl"
    metrics.write_text(metrics.read_text().replace('"limit_bytes"', '"peak_engine_bytes":123731968,"limit_bytes"'))
    heads, first, *others = table(picluster("report").out, "memory, MiB (peaks)")
    assert heads[-4:] == ["anonymous", "+", "gloo", "limit"]
    assert first[-2] == "118"
    assert [row[-2] for row in others] == ["–"] * 3


@pytest.mark.usefixtures("run")
def test_only_the_last_epochs_are_shown_and_all_of_few(picluster: Picluster) -> None:
    assert [row[0] for row in table(picluster("report").out, "epochs")] == ["epoch", "1", "2"]


def test_json_is_one_object_and_nothing_else(picluster: Picluster, run: RunFolder) -> None:
    answer = picluster("report", "--json")
    assert (answer.code, answer.err) == (0, "")
    made = json.loads(answer.out)
    assert made["run"] == run.run().run
    assert [node["name"] for node in made["nodes"]] == NODES


def test_a_failed_run_is_shown_with_node_cause_and_fix(picluster: Picluster, run: RunFolder) -> None:
    failure = Failure(
        node="local2",
        layers=(1,),
        role="stage 1",
        cause="killed by SIGKILL [9]",
        fix="use more nodes",
        log="nodes/local2/log.txt",
        last_lines=("epoch 7", "[red] alert"),
    )
    run.end(Result(status="failed", failure=failure, test_accuracy=None, ended=0.0))
    answer = picluster("report")
    assert answer.code == 0
    told = answer.out.split("failure    ")[1].splitlines()
    assert told[:2] == ["node local2 (stage 1, layer 1): killed by SIGKILL [9]", "           fix: use more nodes"]
    assert told[2].startswith("           log: ")
    assert told[2].endswith("nodes/local2/log.txt, which ends with")
    assert told[3:5] == ["             epoch 7", "             [red] alert"]


def test_tag_early_stop_best_epoch_and_ways_of_evaluation_are_told(picluster: Picluster, run: RunFolder) -> None:
    was = run.run()
    spec = msgspec.structs.replace(was.spec, epochs=9, patience=1, test="exact")
    run.begin(msgspec.structs.replace(was, spec=spec, tag="[b]"), run.plan(), run.environment())
    lines = picluster("report").out.splitlines()
    for line in (
        "tag        [b]",
        "stopped    after epoch 2 of 9: no better validation for 1 epoch",
        "best       epoch 2: validation 0.1268 (sampled neighbours)",
        "test       0.1012 accuracy at the best validation (all neighbours)",
    ):
        assert line in lines


def test_without_validation_the_test_is_of_the_last_epoch(picluster: Picluster, run: RunFolder) -> None:
    text = run.events_file.read_text()
    run.events_file.write_text(re.sub(r'"validation_accuracy":[0-9.]+', '"validation_accuracy":null', text))
    assert "accuracy after the last epoch" in picluster("report").out


def test_a_run_under_way_is_shown_as_running(picluster: Picluster, run: RunFolder) -> None:
    run.result_file.unlink()
    run.begin(msgspec.structs.replace(run.run(), controller=this_controller()), run.plan(), run.environment())
    assert picluster("report").out.splitlines()[0].endswith(": running")


def test_a_run_before_its_first_step_is_shown_with_dashes(picluster: Picluster, run: RunFolder) -> None:
    run.events_file.unlink()
    shutil.rmtree(run.path / "nodes")
    answer = picluster("report")
    assert answer.code == 0
    rows = table(answer.out, "a step: ms (medians), KiB over the wire")[1:]
    assert rows == [[node, cores, *["–"] * 7] for node, cores in zip(NODES, "–111", strict=True)]


def test_a_damaged_run_folder_is_refused_with_the_file_s_name(picluster: Picluster, run: RunFolder) -> None:
    run.plan_file.unlink()
    answer = picluster("report")
    assert answer.code == 3
    assert answer.err == "error: the run folder runs/the-run lacks plan.json\n"


def test_names_that_look_like_markup_are_shown_as_they_are(picluster: Picluster, run: RunFolder) -> None:
    for file in (file for file in run.path.rglob("*") if file.is_file()):
        file.write_text(file.read_text().replace("local2", "[red]pi"))
    (run.path / "nodes" / "local2").rename(run.path / "nodes" / "[red]pi")
    out = picluster("report").out
    assert [row[0] for row in table(out, "memory, MiB (peaks)")] == ["node", "local1", "[red]pi", "local3", "local4"]


def test_a_fix_looks_into_the_inventory_that_the_run_had(picluster: Picluster, run: RunFolder) -> None:
    environment = msgspec.structs.replace(run.environment(), command=("/x/picluster", "launch", "-i", "my pis.yml"))
    run.environment_file.write_bytes(msgspec.json.encode(environment))
    failure = Failure(node="local2", layers=(1,), cause="it broke", fix="picluster doctor", log="log.txt")
    run.end(Result(status="failed", failure=failure, test_accuracy=None, ended=0.0))
    assert "fix: picluster doctor -i 'my pis.yml'\n" in picluster("report").out


def test_tables_are_read_as_csv_and_as_markdown(picluster: Picluster, run: RunFolder) -> None:
    fault = Failure(node="local2", layers=(1,), cause="killed, by a signal", fix="", log=None, kind="killed")
    controller, plan, result = run.controller(), run.plan(), result_of(run)
    again = Resumption(
        attempt=2, started=0.0, after=fault, position=Position(epoch=3), plan=plan, controller=controller
    )
    run.keep_attempt(again)
    run.end(result)
    parts = picluster("report", "--csv").out.split("\n\n")
    of_run, nodes, epochs, attempts = (list(csv.DictReader(part.splitlines())) for part in parts)
    assert [(row["status"], row["seed"]) for row in of_run] == [("finished", "0")]
    assert [(row["after"], row["node"], row["cause"]) for row in attempts] == [("killed", "local2", fault.cause)]
    assert [row["node"] for row in nodes] == NODES
    assert [row["epoch"] for row in epochs] == ["1", "2"]
    assert float(nodes[1]["own MiB"]) > 0
    lines = picluster("report", "--markdown").out.partition("## Nodes")[2].splitlines()
    assert len({line.count("|") for line in lines[2:8]}) == 1
    assert [line.split(" | ")[0] for line in lines[4:8]] == [f"| {node}" for node in NODES]


@pytest.mark.usefixtures("run")
@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("--csv", "--markdown"), "a report has one form, not --csv and --markdown"),
        (("--html", "--json"), "a report has one form, not --html and --json"),
        (("--output", "a.html"), "--output names the file of a page"),
        (("--html", "--output", "a.pdf"), "a.pdf is no kind of page"),
    ],
)
def test_forms_of_a_report_that_exclude_each_other_are_refused(
    picluster: Picluster, here: Path, words: tuple[str, ...], what: str
) -> None:
    answer = picluster("report", *words)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith(f"error: {what}\n  fix: ")
    assert [file.name for file in here.iterdir()] == ["runs"]
