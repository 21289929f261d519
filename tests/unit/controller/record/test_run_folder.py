"""The run folder on disk: making, finding, writing and reading it; whether its controller lives."""

import getpass
import os
import re
import resource
import shutil
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import msgspec
import psutil
import pytest

from picluster.controller.record.all_runs import create_run, every_run, find_run
from picluster.controller.record.leader import is_alive, this_controller
from picluster.controller.record.run_folder import RunFolder
from picluster.errors import DataError, InputError, PiclusterError
from picluster.schema.events import AnyEvent, Done, Ended, EpochDone, Failed, Resources, StepDone
from picluster.schema.run import Controller, Manifest, Result, Resumption
from picluster.schema.state import Position
from tests.unit.controller.made import RUN_V1, a_step, copy_of_run_v1

FINISHED = Result(status="finished", failure=None, test_accuracy=0.5, ended=1.0)
RESOURCES = Resources(
    rss_bytes=1,
    anonymous_bytes=1,
    file_bytes=0,
    peak_rss_bytes=1,
    peak_anonymous_bytes=1,
    limit_bytes=None,
    cpu_share=0.0,
    temperature_celsius=None,
)
HOSTILE = ["a b", "a'; echo b", "$(echo c)", "Knöten-五", "-rf", "*", "[bold]x"]


def an_epoch(epoch: int) -> EpochDone:
    return EpochDone(epoch=epoch, loss=1.0, train_accuracy=0.5, validation_accuracy=0.5, best=True, seconds=1.0)


def a_run(path: Path, started: float = 0.0) -> RunFolder:
    """A run folder with what is written before anything starts."""
    path.mkdir(parents=True)
    folder, model = RunFolder(path), RunFolder(RUN_V1)
    run = msgspec.structs.replace(model.run(), run=path.name, started=started)
    folder.begin(run, model.plan(), model.environment())
    return folder


def test_a_new_folder_is_named_after_date_model_and_data(tmp_path: Path) -> None:
    folder = create_run("sage", "cora", tmp_path / "runs")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d-sage-cora-[a-z]{4}", folder.name)
    assert folder.path == tmp_path / "runs" / folder.name
    assert folder.path.is_dir()


def test_two_runs_of_the_same_kind_have_different_folders(tmp_path: Path) -> None:
    assert create_run("sage", "cora", tmp_path).path != create_run("sage", "cora", tmp_path).path


def test_where_no_folder_can_be_made_the_error_says_where_and_why(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(DataError, match=rf"cannot make the run folder {tmp_path}/runs/.*: Not a directory"):
        create_run("sage", "cora", tmp_path / "runs")


def test_the_newest_run_is_the_one_that_started_last_whatever_its_name(tmp_path: Path) -> None:
    for name, started in (("b", 1.0), ("a", 3.0), ("c", 2.0)):
        a_run(tmp_path / name, started)
    assert find_run(None, tmp_path).name == "a"


def test_a_run_that_cannot_be_read_does_not_hide_the_others(tmp_path: Path) -> None:
    (a_run(tmp_path / "damaged").run_file).write_text("{")
    newest = a_run(tmp_path / "newest", started=time.time() + 60)
    assert find_run(None, tmp_path).name == newest.name


def test_a_run_is_found_by_name_and_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_run(tmp_path / "runs" / "one")
    monkeypatch.chdir(tmp_path)
    for name in ("one", "runs/one", "runs/one/", str(tmp_path / "runs" / "one")):
        assert find_run(name).path.resolve() == tmp_path / "runs" / "one"


def test_a_run_that_is_not_there_is_an_input_error_that_says_where_runs_are(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no run none") as caught:
        find_run("none", tmp_path)
    assert str(tmp_path) in caught.value.fix


@pytest.mark.parametrize("root", ["", "missing"])
def test_without_any_run_the_error_says_what_makes_one(tmp_path: Path, root: str) -> None:
    with pytest.raises(InputError, match="there are no runs in") as caught:
        find_run(None, tmp_path / root)
    assert "picluster launch" in caught.value.fix


def test_a_folder_without_run_json_is_no_run(tmp_path: Path) -> None:
    create_run("sage", "cora", tmp_path)
    with pytest.raises(InputError, match="there are no runs"):
        find_run(None, tmp_path)


def test_what_is_written_first_is_read_back(tmp_path: Path) -> None:
    folder, model = a_run(tmp_path / "run-v1", RunFolder(RUN_V1).run().started), RunFolder(RUN_V1)
    assert msgspec.structs.replace(folder.run(), run=model.run().run) == model.run()
    assert folder.plan() == model.plan()
    assert folder.environment() == model.environment()


def test_the_model_is_kept_as_it_was(tmp_path: Path) -> None:
    folder, model = a_run(tmp_path / "run"), tmp_path / "model of mine.py"
    model.write_bytes(b"# \xc3\xa4\r\n")
    folder.keep_model(model)
    model.write_text("")
    assert folder.model_file.read_bytes() == b"# \xc3\xa4\r\n"


def test_a_model_that_is_gone_is_an_input_error(tmp_path: Path) -> None:
    folder = a_run(tmp_path / "run")
    with pytest.raises(InputError, match=r"cannot read the model none\.py: No such file or directory"):
        folder.keep_model(Path("none.py"))


def test_a_step_or_epoch_that_a_later_attempt_made_again_counts_once_as_it_made_it(tmp_path: Path) -> None:
    folder = a_run(tmp_path / "run")
    attempts: dict[int, list[tuple[int, int | None]]] = {
        1: [(1, 1), (1, 2), (1, None), (2, 1), (2, 2)],
        2: [(1, 2), (1, None), (2, 1)],
        3: [(2, 1)],
    }
    folder.node_folder("pi1")
    for attempt, places in attempts.items():
        for epoch, step in places:
            folder.record("pi1", an_epoch(epoch) if step is None else a_step(step, epoch=epoch), attempt)
    steps = [(each.attempt, each.event) for each in folder.metrics("pi1")]
    assert steps == [(1, a_step(1)), (2, a_step(2)), (3, a_step(1, epoch=2))]
    assert [(each.attempt, each.event) for each in folder.events()] == [(2, an_epoch(1))]


def resumed(folder: RunFolder, attempt: int, *, epoch: int, step: int) -> Resumption:
    plan = msgspec.structs.replace(folder.plan(), notes=(f"attempt {attempt}",))
    place = Position(epoch=epoch, step=step)
    resumption = Resumption(
        attempt=attempt, started=9.0, after=None, position=place, plan=plan, controller=this_controller()
    )
    folder.keep_attempt(resumption)
    return resumption


def test_a_run_that_is_taken_up_has_the_newest_plan_and_controller_and_no_result(tmp_path: Path) -> None:
    folder = a_run(tmp_path / "run")
    folder.end(FINISHED)
    first, second = resumed(folder, 2, epoch=1, step=2), resumed(folder, 10, epoch=1, step=3)
    assert folder.attempts() == [first, second]
    assert (folder.plan(), folder.controller()) == (second.plan, this_controller())
    assert folder.result() is None
    assert not list(folder.path.rglob(".*.json"))


def test_what_a_killed_controller_was_writing_goes_when_the_run_is_taken_up(tmp_path: Path) -> None:
    folder = a_run(tmp_path / "run")
    state = folder.states.folder(Position(epoch=1, step=2))
    state.mkdir(parents=True)
    names = (".result.4711.json", ".epoch-1-step-2-layer-1.4711.safetensors", ".2.4711.json")
    left = [folder.path / names[0], state / names[1], folder.path / "attempts" / names[2]]
    left[2].parent.mkdir()
    for file in left:
        file.write_bytes(b"{")
    (folder.path / "nodes" / ".a.5.node").mkdir(parents=True)
    resumed(folder, 2, epoch=1, step=2)
    assert not any(file.exists() for file in left)
    assert [file.name for file in folder.path.rglob(".*")] == [".room", ".a.5.node"]


def test_steps_of_a_node_that_is_lost_count_up_to_where_the_others_went_on(tmp_path: Path) -> None:
    folder = a_run(tmp_path / "run")
    (node, *_) = folder.plan().nodes
    folder.node_folder(node)
    for step in (1, 2, 3, 4):
        folder.record(node, a_step(step))
    resumed(folder, 2, epoch=1, step=3)
    assert [each.event.step for each in folder.metrics(node) if isinstance(each.event, StepDone)] == [1, 2]


def test_when_nothing_is_left_to_do_no_training_state_stays(tmp_path: Path) -> None:
    folder = a_run(tmp_path / "run")
    (node, *_) = folder.plan().nodes
    for file in (
        folder.states.folder(Position()) / "a.safetensors",
        folder.node_folder(node) / "epoch-1-x.safetensors",
    ):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("")
    folder.drop_states()
    assert not list(folder.path.rglob("*.safetensors"))


def test_a_run_has_no_result_until_it_ends(tmp_path: Path) -> None:
    folder = a_run(tmp_path / "run")
    assert folder.result() is None
    folder.end(FINISHED)
    assert folder.result() == FINISHED


def test_nothing_but_whole_files_is_left_by_writing(tmp_path: Path) -> None:
    folder = a_run(tmp_path / "run")
    folder.end(FINISHED)
    names = {"run.json", "plan.json", "environment.json", "result.json"}
    assert {file.name for file in folder.path.iterdir()} == names


def test_what_was_there_stays_whole_when_the_disk_is_full(tmp_path: Path) -> None:
    folder = a_run(tmp_path / "run")
    folder.end(FINISHED)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, hard))
    try:
        with pytest.raises(DataError, match=rf"cannot write {folder.result_file}: File too large"):
            folder.end(msgspec.structs.replace(FINISHED, test_accuracy=0.9))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert folder.result() == FINISHED


def test_a_checkpoint_exists_when_its_manifest_does(tmp_path: Path) -> None:
    folder = a_run(tmp_path / "run")
    folder.checkpoint_folder(3).mkdir(parents=True)
    folder.keep_checkpoint(Manifest(epoch=3, files={"layers-1-2.safetensors": "00"}))
    assert [file.name for file in folder.checkpoint_folder(3).iterdir()] == ["manifest.json"]


def test_events_are_read_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    folder = a_run(tmp_path / "run")
    events: list[tuple[str, AnyEvent]] = [
        ("a", Failed(cause="1", expected=True)),
        ("b", Done()),
        ("a", Ended(exit_code=5, signal=None)),
    ]
    for node, event in events:
        folder.record(node, event)
    assert [(each.node, each.event) for each in folder.events()] == events


def test_metrics_lie_with_their_node_and_not_among_the_events(tmp_path: Path) -> None:
    folder = a_run(tmp_path / "run")
    folder.node_folder("a")
    folder.record("a", RESOURCES)
    assert [each.event for each in folder.metrics("a")] == [RESOURCES]
    assert list(folder.events()) == list(folder.metrics("b")) == []


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_last_line_that_was_cut_is_ignored(tmp_path: Path, cut: int) -> None:
    folder = a_run(tmp_path / "run")
    for node in ("a", "b"):
        folder.record(node, Done())
    folder.events_file.write_bytes(folder.events_file.read_bytes()[:-cut])
    assert [each.node for each in folder.events()] == ["a"]


def test_a_whole_line_that_is_no_event_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    folder = a_run(tmp_path / "run")
    folder.events_file.write_bytes(b"nonsense\n")
    with pytest.raises(PiclusterError, match=rf"{folder.events_file} has no event in line 1"):
        list(folder.events())


@pytest.mark.parametrize("name", ["plan.json", "environment.json"])
def test_a_missing_file_is_a_data_error_that_names_it(tmp_path: Path, name: str) -> None:
    folder = a_run(tmp_path / "run")
    (folder.path / name).unlink()
    with pytest.raises(DataError, match=f"lacks {name}"):
        folder.plan(), folder.environment()


def test_a_damaged_file_is_named_in_the_error(tmp_path: Path) -> None:
    folder = a_run(tmp_path / "run")
    folder.plan_file.write_text("{")
    with pytest.raises(PiclusterError, match=rf"{folder.plan_file} is not a valid plan"):
        folder.plan()


@pytest.mark.parametrize("name", HOSTILE)
def test_nodes_with_any_name_have_a_folder_of_their_own(tmp_path: Path, name: str) -> None:
    folder = a_run(tmp_path / "run")
    folder.node_folder(name)
    folder.record(name, RESOURCES)
    assert [each.node for each in folder.metrics(name)] == [name]
    assert folder.log_file(name).parent == folder.metrics_file(name).parent
    assert [path.name for path in (folder.path / "nodes").iterdir()] == [name]


@pytest.mark.parametrize("name", HOSTILE)
def test_runs_of_models_with_any_name_are_found_again(tmp_path: Path, name: str) -> None:
    path = create_run(name, "cora", tmp_path / name).path
    shutil.rmtree(path)
    a_run(path)
    assert find_run(None, tmp_path / name).path == find_run(path.name, tmp_path / name).path == path


def test_a_copy_elsewhere_tells_the_same(tmp_path: Path) -> None:
    original, copy = RunFolder(RUN_V1), RunFolder(copy_of_run_v1(tmp_path / "copy"))
    assert (copy.run(), copy.plan(), copy.result()) == (original.run(), original.plan(), original.result())
    assert list(copy.events()) == list(original.events())


def test_a_run_is_taken_up_by_one_at_a_time(tmp_path: Path) -> None:
    run, same = RunFolder(copy_of_run_v1(tmp_path / "run")), RunFolder(tmp_path / "run")
    with run.taken_up(), pytest.raises(InputError, match="run is being taken up by another launch"), same.taken_up():
        pytest.fail("both were let in")
    with same.taken_up():
        pass


def test_a_user_without_a_name_is_known_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container."""

    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert this_controller().user == str(os.getuid())


def test_this_process_is_alive() -> None:
    assert is_alive(this_controller())


def test_a_clock_that_is_set_while_it_lives_does_not_kill_it() -> None:
    this = this_controller()
    for hours in (-1, 1):
        before = {"started": this.started + 3600 * hours, "booted": this.booted + 3600 * hours}
        assert is_alive(msgspec.structs.replace(this, **before))


def test_no_process_outlives_the_start_of_its_machine() -> None:
    assert not is_alive(msgspec.structs.replace(this_controller(), boot="another"))


def test_a_process_that_took_over_the_number_of_a_dead_one_is_not_taken_for_it() -> None:
    this = this_controller()
    assert not is_alive(msgspec.structs.replace(this, started=this.started - 100))


def test_a_process_of_another_host_is_not_taken_for_one_of_this() -> None:
    assert not is_alive(msgspec.structs.replace(this_controller(), machine="another of the same name"))
    assert not is_alive(msgspec.structs.replace(this_controller(), machine="", host="elsewhere"))


def test_a_process_that_has_ended_is_not_alive() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        started = psutil.Process(process.pid).create_time()
        controller = Controller(host=os.uname().nodename, pid=process.pid, started=started)
        assert is_alive(controller)
    assert not is_alive(controller)


def test_a_process_that_has_ended_and_only_waits_for_its_parent_is_not_alive() -> None:
    with subprocess.Popen([sys.executable, "-c", "pass"]) as child:
        process = psutil.Process(child.pid)
        controller = Controller(host=os.uname().nodename, pid=child.pid, started=process.create_time())
        deadline = time.monotonic() + 10
        while process.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert not is_alive(controller)


def test_a_line_of_which_the_disk_takes_but_a_part_leaves_nothing(tmp_path: Path) -> None:
    """As a full disk: the system takes no byte beyond a limit, in a process of its own."""
    code = (
        "import resource, sys; from pathlib import Path; from picluster.controller.record.run_folder import RunFolder\n"
        "from picluster.schema.events import Done\n"
        "folder = RunFolder(Path(sys.argv[1])); folder.record('a', Done()); size = folder.events_file.stat().st_size\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (size + 7, size + 7)); folder.record('b', Done())"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=False)
    assert "DataError: cannot write" in done.stderr
    assert "File too large" in done.stderr
    folder = RunFolder(tmp_path)
    assert [recorded.node for recorded in folder.events()] == ["a"]
    assert folder.events_file.read_bytes().endswith(b"\n")


def test_room_for_the_last_words_is_kept_until_the_end(tmp_path: Path) -> None:
    folder = a_run(tmp_path / "run")
    before = sum(file.stat().st_size for file in folder.path.iterdir())
    folder.end(FINISHED)
    assert sum(file.stat().st_size for file in folder.path.iterdir()) < before - 60_000


def test_something_else_in_place_of_the_folder_of_runs_is_named(tmp_path: Path) -> None:
    link, file = tmp_path / "link", tmp_path / "file"
    link.symlink_to(tmp_path / "not mounted")
    file.touch()
    with pytest.raises(DataError, match=r"is a link to .*not mounted, which does not exist"):
        create_run("sage", "cora", link)
    for root, told in ((link, "is a link to .*not mounted, which does not exist"), (file, "is not a folder")):
        for use in (partial(find_run, None), every_run):
            with pytest.raises(DataError, match=told):
                use(root)


def test_a_folder_whose_name_is_no_text_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has a name that is not UTF-8"):
        create_run("sage", "cora", tmp_path / os.fsdecode(b"caf\xe9"))


def test_a_copied_run_of_such_a_name_is_listed(tmp_path: Path) -> None:
    a_run(tmp_path / "cafe").path.rename(tmp_path / os.fsdecode(b"caf\xe9"))
    assert [folder.name for folder in every_run(tmp_path)] == ["caf\ufffd"]


def test_the_last_lines_of_a_log_are_few_whole_and_printable(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.node_folder("pi1")
    assert run.last_lines("pi1") == ()
    run.append_log("pi1", b"".join(b"line %d\n" % number for number in range(5000)) + b"\x1b[31mred\xff\nno end")
    assert run.last_lines("pi1") == ("line 4997", "line 4998", "line 4999", "[31mred\ufffd", "no end")
